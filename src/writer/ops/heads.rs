//! The root of the heads tree becomes an entry. It is computed elsewhere, over rows that no longer change.

use crate::ledger::body::{Body, HeadsBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{HeadsRow, keys};
use crate::model::EntryHash;
use crate::writer::{Cx, Op, OpError, Priority};

/// Records the heads of the first `covered_size` entries. Answers the index of the entry, or of a newer one that is there.
pub struct RecordHeads {
    pub covered_size: u64,
    pub subjects: u64,
    pub root: [u8; 32],
}

impl Op for RecordHeads {
    type Answer = u64;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<u64, OpError> {
        if self.covered_size > cx.next_index() {
            return Err(OpError::Fatal("heads of entries that do not exist yet".to_owned()));
        }
        let prefix = &keys::heads(0)[..1];
        if let Some((key, newest)) = cx.state.scan_back::<HeadsRow>(prefix, None, 1)?.pop()
            && newest.covered_size >= self.covered_size
        {
            return key[1..]
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| OpError::Fatal("a key of the heads table has another form".to_owned()));
        }
        let public = Public {
            covered_size: self.covered_size,
            subjects: self.subjects,
            root: self.root.to_vec(),
            ..Public::default()
        };
        let body = HeadsBody {
            covered_size: self.covered_size,
            subjects: self.subjects,
            root: EntryHash(self.root),
        };
        cx.emit(SELLER_CHAIN, None, public, Body::Heads(body))
    }
}
