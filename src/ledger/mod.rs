//! The ledger: what is recorded, how it is sealed, hashed, signed, kept on disk and folded into state.
//!
//! | file | owns |
//! |---|---|
//! | [`entry`], [`body`], [`rows`] | leaves and bodies: what one fact says, and the state rows it touches |
//! | [`seal`], [`keys`] | commitments and encryption of personal data, and the keys whose loss erases it |
//! | [`fold`], [`state`] | the single way facts become state |
//! | [`segment`] | leaves and sealed blobs on disk: the one fsync of a commit, and recovery |
//! | [`tree`] | RFC 6962 hashing, roots, inclusion and consistency proofs |
//! | [`checkpoint`], [`head`] | signed tree heads, and the one that was signed last |
//! | [`cosignature`], [`timestamp`], [`anchor`] | what others say about a checkpoint, and where it is kept |
//! | [`tlog_policy`], [`tlog_proof`] | whose word a verifier takes; one entry in one file |
//! | [`heads`] | the sorted tree of chain heads: that nothing of a person is missing |
//! | [`verify`] | the check of a whole ledger from its bytes |

mod cipher;
mod error;
mod frame;
mod walk;

pub mod anchor;
pub mod body;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod fold;
pub mod head;
pub mod heads;
pub mod keys;
pub mod rows;
pub mod seal;
pub mod segment;
pub mod state;
pub mod timestamp;
pub mod tlog_policy;
pub mod tlog_proof;
pub mod tree;
#[cfg(test)]
mod vectors;
pub mod verify;

pub use error::{LedgerError, LedgerResult};
pub use frame::FILE_HEADER_BYTES;
