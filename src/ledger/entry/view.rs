//! A leaf read where it lies: nothing is copied and nothing written again to compare. A log has millions of them, and most
//! readers want to know of each only whose it is and of what kind.

use super::{EntryError, FORMAT_VERSION, Kind, LEAF_BYTES_MAX, Leaf};
use crate::model::{BrandId, EntryHash, Instant, SubjectId};

/// The public part of an entry, checked as [`Leaf`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafView<'a> {
    /// Empty: the whole seller.
    pub brand: &'a str,
    pub subject: SubjectId,
    pub number: u64,
    pub previous: Option<EntryHash>,
    pub instant: Instant,
    pub kind: Kind,
    pub engine: &'a [u8; 32],
    pub seal: &'a [u8; 32],
    /// The canonical protobuf of what may be seen without opening the seal.
    pub public: &'a [u8],
}

impl<'a> LeafView<'a> {
    /// Reads canonical bytes; refuses everything else, as [`Leaf::decode`] does.
    pub fn decode(bytes: &'a [u8]) -> Result<LeafView<'a>, EntryError> {
        // What is wrong is told by the slow way, which finds the same bytes wrong.
        read(bytes).ok_or_else(|| Leaf::decode_slowly(bytes).err().unwrap_or(EntryError::NotCanonical))
    }
}

/// The leaf in these bytes, if [`Leaf::encode`] writes them so.
pub(super) fn read(bytes: &[u8]) -> Option<LeafView<'_>> {
    if bytes.len() > LEAF_BYTES_MAX {
        return None;
    }
    let mut fields = Fields(bytes);
    let version = fields.number(1)?;
    if version == 0 || version > u64::from(FORMAT_VERSION) {
        return None;
    }
    let brand = fields.text(2)?;
    if !brand.is_empty() && !BrandId::is_valid(brand) {
        return None;
    }
    let subject = SubjectId(fields.bytes(3)?.try_into().ok()?);
    let number = fields.number(4)?;
    let previous = match fields.bytes(5)? {
        [] => None,
        hash => Some(EntryHash(hash.try_into().ok()?)),
    };
    if number == 0 || (number == 1) != previous.is_none() {
        return None;
    }
    // Two's complement in 64 bits.
    let instant = Instant::from_micros(fields.number(6)? as i64);
    let kind = Kind::try_from(i32::try_from(fields.number(7)?).ok()?).ok()?;
    let engine = fields.bytes(8)?.try_into().ok()?;
    let seal = fields.bytes(9)?.try_into().ok()?;
    let public = fields.next(10)?.filter(|public| is_public(public))?;
    let whole = fields.0.is_empty() && kind != Kind::Unspecified;
    whole.then_some(LeafView { brand, subject, number, previous, instant, kind, engine, seal, public })
}

fn is_public(bytes: &[u8]) -> bool {
    let mut fields = Fields(bytes);
    let mut look = || {
        fields.bytes(1)?;
        fields.text(2)?;
        fields.text(3)?;
        fields.text(4)?;
        // Each of a list is written, also where it is empty.
        while let Some(code) = fields.next(5)? {
            std::str::from_utf8(code).ok()?;
        }
        fields.bytes(6)?;
        fields.number(7)?;
        fields.number(8)?;
        fields.bytes(9)?;
        fields.bytes(10)
    };
    look().is_some() && fields.0.is_empty()
}

/// Protobuf fields in ascending order, each written in the shortest way and left out where it is the default.
/// Nothing: it is written otherwise.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Whether that field comes next; then its tag was read. Numbers up to 15 have tags of one byte.
    fn is_next(&mut self, field: u8, wire_type: u8) -> bool {
        let rest = self.0.strip_prefix(&[field << 3 | wire_type]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A number, 0 where it is left out.
    fn number(&mut self, field: u8) -> Option<u64> {
        match self.is_next(field, 0) {
            true => self.varint().filter(|number| *number != 0),
            false => Some(0),
        }
    }

    /// Bytes, none where they are left out.
    fn bytes(&mut self, field: u8) -> Option<&'a [u8]> {
        match self.next(field)? {
            Some([]) => None,
            bytes => Some(bytes.unwrap_or_default()),
        }
    }

    fn text(&mut self, field: u8) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(field)?).ok()
    }

    /// What has a length, if that field comes next.
    fn next(&mut self, field: u8) -> Option<Option<&'a [u8]>> {
        if !self.is_next(field, 2) {
            return Some(None);
        }
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Some(bytes))
    }

    /// Seven bits a byte, the lowest first; the last byte is not zero unless it is the only one.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for (n, byte) in self.0.iter().enumerate().take(10) {
            // Of the tenth byte one bit is left.
            if n == 9 && *byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                self.0 = &self.0[n + 1..];
                return (n == 0 || *byte != 0).then_some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::entry::Public;

    fn short(most: usize) -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..most), Just(vec![7; 32])]
    }

    prop_compose! {
        fn publics()(
            message_id in short(20),
            texts in prop::array::uniform3(prop_oneof![Just(String::new()), "\\PC{0,8}", "[A-Z_]{130}"]),
            codes in prop::collection::vec("[A-Z]{0,4}", 0..4),
            content_sha256 in short(4),
            numbers in prop::array::uniform2(prop_oneof![Just(0), 0u64..300, any::<u64>()]),
            root in short(4),
            suppression in short(4),
        ) -> Public {
            let ([program, channel, outcome], [covered_size, subjects]) = (texts, numbers);
            Public {
                message_id, program, channel, outcome, codes, content_sha256, covered_size, subjects, root, suppression,
            }
        }
    }

    prop_compose! {
        fn leaves()(
            brand in prop::option::of("[a-z0-9][a-z0-9._:-]{0,20}"),
            subject: [u8; 16],
            first: bool,
            number in prop_oneof![2u64..1_000, 2..=u64::MAX],
            previous: [u8; 32],
            instant in prop_oneof![Just(0), any::<i64>()],
            kind in 1..=34,
            engine: [u8; 32],
            seal: [u8; 32],
            public in publics(),
        ) -> Leaf {
            Leaf {
                brand: brand.map(|brand| brand.parse().expect("a slug")),
                subject: SubjectId(subject),
                number: if first { 1 } else { number },
                previous: (!first).then_some(EntryHash(previous)),
                instant: Instant::from_micros(instant),
                kind: Kind::try_from(kind).expect("known"),
                engine,
                seal,
                public,
            }
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_where_it_lies(leaf in leaves()) {
            let bytes = leaf.encode().expect("small");
            let view = LeafView::decode(&bytes).expect("canonical");
            prop_assert_eq!(view.brand, leaf.brand.as_ref().map_or("", |brand| brand.as_str()));
            prop_assert_eq!((view.kind, view.engine, view.seal), (leaf.kind, &leaf.engine, &leaf.seal));
            prop_assert_eq!(Leaf::decode(&bytes), Ok(leaf));
        }

        #[test]
        fn both_ways_take_the_same_bytes(
            leaf in leaves(),
            at in any::<prop::sample::Index>(),
            cut in 0usize..3,
            put in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4, Just(0x80)], 0..3),
        ) {
            let mut bytes = leaf.encode().expect("small");
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + cut).min(bytes.len()), put);
            let slow = Leaf::decode_slowly(&bytes);
            prop_assert_eq!(read(&bytes).is_some(), slow.is_ok(), "{:?}", slow);
            prop_assert_eq!(Leaf::decode(&bytes), slow);
        }
    }
}
