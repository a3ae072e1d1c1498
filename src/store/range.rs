//! Which keys a scan covers, and in which direction.

use std::ops::Bound;

/// The direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key up.
    Forward,
    /// From the largest key down.
    Reverse,
}

/// Keys from `start` (with it) up to `end` (without it; `None`: to the last key).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRange {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }
    /// Keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut end = start.clone();
        // The next prefix of at most this length; there is none after 0xff…ff.
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        let end = end.last_mut().map(|last| *last += 1).map(|()| end);
        Self { start, end }
    }
    /// Keys from `start` up to, but without, `end`.
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }
    /// The part that lies after `key`: where a forward scan whose last row was `key` goes on.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        if key >= self.start.as_slice() {
            self.start = [key, &[0]].concat();
        }
        self
    }
    /// The part that lies before `key`: where a reverse scan whose last row was `key` goes on.
    #[must_use]
    pub fn before(mut self, key: &[u8]) -> Self {
        if self.end.as_deref().is_none_or(|end| key < end) {
            self.end = Some(key.to_vec());
        }
        self
    }
    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }
    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_deref().is_some_and(|end| end <= self.start.as_slice())
    }
    /// As bounds for an ordered map. Only for a range that is not empty: maps panic on inverted bounds.
    pub(super) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(&self.start), self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_exactly_their_keys() {
        let range = KeyRange::prefix(*b"ab");
        for (key, inside) in
            [("ab", true), ("ab\u{7f}x", true), ("ac", false), ("a", false), ("aa\u{7f}", false)]
        {
            assert_eq!(range.contains(key.as_bytes()), inside, "{key}");
        }
        assert!(KeyRange::prefix([1, 0xff]).contains(&[1, 0xff, 0xff]));
        assert!(!KeyRange::prefix([1, 0xff]).contains(&[2]));
        assert!(KeyRange::prefix([0xff, 0xff]).contains(&[0xff; 9]));
        assert_eq!(KeyRange::prefix([]), KeyRange::all());
    }

    #[test]
    fn a_scan_goes_on_where_it_stopped() {
        let range = KeyRange::between(*b"b", *b"f");
        assert!(!range.clone().after(b"c").contains(b"c") && range.clone().after(b"c").contains(b"c\0"));
        assert!(!range.clone().before(b"c").contains(b"c") && range.clone().before(b"c").contains(b"b"));
        assert_eq!(range.clone().after(b"a"), range, "a key below the range changes nothing");
        assert_eq!(range.clone().before(b"z"), range, "a key above the range changes nothing");
        assert!(range.clone().before(b"b").is_empty() && range.after(b"f").is_empty());
    }
}
