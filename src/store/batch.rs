//! Changes that are applied together.

use std::collections::BTreeMap;

use super::{KEY_BYTES_MAX, KvError, KvResult, VALUE_BYTES_MAX};

/// Writes and deletions applied all or not at all. The last change of a key wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }
    /// Sets the value of `key`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.insert(key.into(), Some(value.into()));
    }
    /// Removes `key`; no matter if it was not there.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.insert(key.into(), None);
    }
    /// What this batch does to `key`: nothing, a removal (`Some(None)`) or a new value.
    pub fn change_of(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.changes.get(key).map(Option::as_deref)
    }
    /// How many keys it changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
    /// The changes in key order; `None` removes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|(k, v)| (k.as_slice(), v.as_deref()))
    }

    /// Refuses keys and values of lengths that are not allowed.
    pub(super) fn check(&self) -> KvResult<()> {
        for (key, value) in self.iter() {
            if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
                return Err(KvError::KeyLength(key.len()));
            }
            if let Some(value) = value.filter(|v| v.len() > VALUE_BYTES_MAX) {
                return Err(KvError::ValueLength(value.len()));
            }
        }
        Ok(())
    }
}

impl FromIterator<(Vec<u8>, Option<Vec<u8>>)> for Batch {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>>(changes: I) -> Batch {
        Batch { changes: changes.into_iter().collect() }
    }
}

impl IntoIterator for Batch {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = std::collections::btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>>;
    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}
