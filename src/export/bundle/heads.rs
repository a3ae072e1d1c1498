//! `heads.json`: that nothing of a person is missing among the first entries of the log, or that an id has none.

use serde::{Deserialize, Serialize};

use super::format::Base64;
use crate::audit::heads::{Recorded, Standing};
use crate::ledger::heads::{Absence, ChainHead, PlacedHead};
use crate::model::{EntryHash, SubjectId};

/// The part. Root and number of chains stand in the `HEADS` entry it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// Index of the `HEADS` entry; it is among the entries.
    pub entry: u64,
    /// Entries it covers.
    pub covered_size: u64,
    /// People with a chain, in the order of ids.
    pub people: Vec<Present>,
    /// Ids without one, in the order of ids.
    pub absent: Vec<Absent>,
}

/// The head of a chain and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Present {
    pub subject: SubjectId,
    pub count: u64,
    pub last: Base64,
    pub position: u64,
    /// Siblings from the leaf up.
    pub path: Vec<Base64>,
}

/// An id and the neighbours it would stand between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    pub subject: SubjectId,
    pub before: Option<Present>,
    pub after: Option<Present>,
}

impl Heads {
    /// What was found about each of the people asked for.
    pub fn new(recorded: &Recorded, found: &[(SubjectId, Standing)]) -> Heads {
        let mut heads = Heads {
            entry: recorded.entry,
            covered_size: recorded.covered,
            people: Vec::new(),
            absent: Vec::new(),
        };
        for (subject, standing) in found {
            match standing {
                Standing::Present(placed) => heads.people.push(Present::from(placed)),
                Standing::Absent(absence) => heads.absent.push(Absent {
                    subject: *subject,
                    before: absence.before.as_ref().map(Present::from),
                    after: absence.after.as_ref().map(Present::from),
                }),
            }
        }
        heads
    }
}

impl From<&PlacedHead> for Present {
    fn from(placed: &PlacedHead) -> Present {
        Present {
            subject: placed.head.subject,
            count: placed.head.count,
            last: Base64(placed.head.last.0.to_vec()),
            position: placed.position,
            path: placed.path.iter().map(|hash| Base64(hash.to_vec())).collect(),
        }
    }
}

impl Present {
    /// As the tree checks it; none when a hash is not 32 bytes long.
    pub fn placed(&self) -> Option<PlacedHead> {
        let path: Result<Vec<[u8; 32]>, _> = self.path.iter().map(|h| h.0.as_slice().try_into()).collect();
        let last = EntryHash(self.last.0.as_slice().try_into().ok()?);
        let head = ChainHead { subject: self.subject, count: self.count, last };
        Some(PlacedHead { head, position: self.position, path: path.ok()? })
    }
}

impl Absent {
    /// As the tree checks it; none when a hash is not 32 bytes long.
    pub fn absence(&self) -> Option<Absence> {
        let placed = |side: &Option<Present>| match side {
            Some(present) => present.placed().map(Some),
            None => Some(None),
        };
        Some(Absence { before: placed(&self.before)?, after: placed(&self.after)? })
    }
}
