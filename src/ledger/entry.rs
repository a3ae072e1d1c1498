//! One fact: its leaf (public, hashed into the tree) and its body (sealed beside it).
//!
//! The leaf is canonical protobuf (`proto/consentry/ledger/v1/entry.proto`), the body canonical JSON, so that an auditor can
//! read an opening with any tool. Both are written once and never encoded again.

use prost::Message;

use super::body::Body;
use crate::model::{BrandId, EntryHash, Instant, SubjectId};
use crate::pb::consentry::ledger::v1 as pb;

mod view;

pub use crate::pb::consentry::ledger::v1::{Kind, Public};
pub use view::LeafView;

/// Format of leaves and bodies written by this release.
pub const FORMAT_VERSION: u32 = 1;
/// Most bytes of a leaf.
pub const LEAF_BYTES_MAX: usize = 3_072;
/// Most bytes of a sealed plaintext: a disclosure with its snapshot is the largest.
pub const BODY_BYTES_MAX: usize = 1_400_000;

/// Why bytes are not an entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    #[error("leaf is {0} bytes, more than {LEAF_BYTES_MAX}")]
    LeafTooLarge(usize),
    #[error("body is {0} bytes, more than {BODY_BYTES_MAX}")]
    BodyTooLarge(usize),
    #[error("leaf is not protobuf: {0}")]
    Leaf(String),
    #[error(
        "leaf does not encode back to the same bytes: an unknown field, another order or a default written out"
    )]
    NotCanonical,
    #[error("leaf has format version {0}; this release reads up to {FORMAT_VERSION}")]
    Newer(u32),
    #[error("leaf field {0} has a wrong length or value")]
    Field(&'static str),
    #[error("body is not what its kind demands: {0}")]
    Body(String),
}

/// The public part of an entry, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// None: the whole seller.
    pub brand: Option<BrandId>,
    /// [`SELLER_CHAIN`] for facts about no one.
    pub subject: SubjectId,
    pub number: u64,
    pub previous: Option<EntryHash>,
    pub instant: Instant,
    pub kind: Kind,
    pub engine: [u8; 32],
    pub seal: [u8; 32],
    pub public: Public,
}

/// The chain of facts about no one: operators' actions, pools, carts without a person.
pub const SELLER_CHAIN: SubjectId = SubjectId([0; 16]);

impl Leaf {
    /// The canonical bytes.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let leaf = pb::Leaf {
            version: FORMAT_VERSION,
            brand: self.brand.as_ref().map(|b| b.as_str().to_owned()).unwrap_or_default(),
            subject_id: self.subject.0.to_vec(),
            number: self.number,
            previous: self.previous.map(|p| p.0.to_vec()).unwrap_or_default(),
            instant: self.instant.as_micros(),
            kind: self.kind as i32,
            engine: self.engine.to_vec(),
            seal: self.seal.to_vec(),
            public: Some(self.public.clone()),
        };
        let bytes = leaf.encode_to_vec();
        if bytes.len() > LEAF_BYTES_MAX { Err(EntryError::LeafTooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads canonical bytes; refuses everything else, so that no two readers see different facts.
    pub fn decode(bytes: &[u8]) -> Result<Leaf, EntryError> {
        let Some(view) = view::read(bytes) else { return Leaf::decode_slowly(bytes) };
        let brand = match view.brand {
            "" => None,
            text => Some(text.parse().map_err(|_| EntryError::Field("brand"))?),
        };
        Ok(Leaf {
            brand,
            subject: view.subject,
            number: view.number,
            previous: view.previous,
            instant: view.instant,
            kind: view.kind,
            engine: *view.engine,
            seal: *view.seal,
            public: Public::decode(view.public).map_err(|e| EntryError::Leaf(e.to_string()))?,
        })
    }

    /// The same by the library of everybody, which tells what is wrong.
    fn decode_slowly(bytes: &[u8]) -> Result<Leaf, EntryError> {
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(EntryError::LeafTooLarge(bytes.len()));
        }
        let leaf = pb::Leaf::decode(bytes).map_err(|e| EntryError::Leaf(e.to_string()))?;
        if leaf.version > FORMAT_VERSION {
            return Err(EntryError::Newer(leaf.version));
        }
        if leaf.version == 0 {
            return Err(EntryError::Field("version"));
        }
        if leaf.encode_to_vec() != bytes {
            return Err(EntryError::NotCanonical);
        }
        let kind = Kind::try_from(leaf.kind).map_err(|_| EntryError::Field("kind"))?;
        let first = leaf.number == 1;
        if leaf.number == 0 || first != leaf.previous.is_empty() || kind == Kind::Unspecified {
            return Err(EntryError::Field("number, previous or kind"));
        }
        let previous = match leaf.previous.as_slice() {
            [] => None,
            hash => Some(EntryHash(hash.try_into().map_err(|_| EntryError::Field("previous"))?)),
        };
        let brand = match leaf.brand.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| EntryError::Field("brand"))?),
        };
        Ok(Leaf {
            brand,
            subject: SubjectId::try_from(leaf.subject_id.as_slice())
                .map_err(|_| EntryError::Field("subject_id"))?,
            number: leaf.number,
            previous,
            instant: Instant::from_micros(leaf.instant),
            kind,
            engine: leaf.engine.as_slice().try_into().map_err(|_| EntryError::Field("engine"))?,
            seal: leaf.seal.as_slice().try_into().map_err(|_| EntryError::Field("seal"))?,
            public: leaf.public.ok_or(EntryError::Field("public"))?,
        })
    }
}

/// RFC 6962 leaf hash of a leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> EntryHash {
    EntryHash(tlog_tiles::record_hash(leaf).0)
}

/// An entry with its body open, as the fold takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Position in the tree, from 0.
    pub index: u64,
    pub hash: EntryHash,
    pub leaf: Leaf,
    pub body: Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        Leaf {
            brand: Some("acme".parse().expect("slug")),
            subject: SubjectId([7; 16]),
            number: 2,
            previous: Some(EntryHash([1; 32])),
            instant: Instant::from_seconds(1_767_268_800),
            kind: Kind::OptOut,
            engine: [2; 32],
            seal: [3; 32],
            public: Public { outcome: "ALL".into(), ..Public::default() },
        }
    }

    #[test]
    fn a_leaf_reads_back_and_only_from_its_own_bytes() {
        let bytes = leaf().encode().expect("small");
        assert_eq!(Leaf::decode(&bytes), Ok(leaf()));
        let mut unknown = bytes.clone();
        unknown.extend([0xf8, 0x07, 0x01]); // field 127, varint 1
        assert_eq!(Leaf::decode(&unknown), Err(EntryError::NotCanonical));
        let mut newer = bytes.clone();
        assert_eq!(newer[..2], [8, 1]);
        newer[1] = 9;
        assert_eq!(Leaf::decode(&newer), Err(EntryError::Newer(9)));
    }

    #[test]
    fn every_flipped_bit_is_refused_or_changes_the_hash() {
        let bytes = leaf().encode().expect("small");
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(leaf_hash(&other), leaf_hash(&bytes));
            if let Ok(read) = Leaf::decode(&other) {
                assert_ne!(read, leaf(), "bit {bit}");
            }
        }
    }

    #[test]
    fn the_first_of_a_chain_has_no_previous_and_the_others_have_one() {
        let wrong = Leaf { number: 1, ..leaf() }.encode().expect("small");
        assert!(Leaf::decode(&wrong).is_err());
        let wrong = Leaf { previous: None, ..leaf() }.encode().expect("small");
        assert!(Leaf::decode(&wrong).is_err());
    }
}
