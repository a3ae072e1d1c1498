//! Showing what happened to somebody who does not trust us: tables for analysts, bundles for opponents' lawyers.
//!
//! | file | owns |
//! |---|---|
//! | [`request`] | what is asked: brand, person, period, form |
//! | [`select`] | which entries answer it, and which of them may be opened |
//! | [`rows`], [`csv`], [`jsonl`] | entries as rows of a table |
//! | [`bundle`] | the archive that proves itself; `docs/bundle.md` describes it |
//! | [`page`] | the page in it that people read |
//! | `tiles` | the whole log as C2SP `tlog-tiles` |
//! | [`run`], [`chunks`] | the stream: planned once, made again from any byte |
//! | [`verify`] | the check of bundles and data folders by somebody who has nothing but a public key |
//!
//! Memory does not grow with the number of rows: it holds one chunk of entries, 16 bytes a person of a brand, and the
//! addresses of at most 100,000 people.

pub mod bundle;
pub mod chunks;
pub mod csv;
pub mod jsonl;
pub mod page;
pub mod request;
pub mod rows;
pub mod run;
pub mod select;
#[cfg(test)]
pub mod testing;
mod tiles;
pub mod verify;

pub use request::{Format, Person, Request};
pub use run::{Export, Summary};
pub use select::people;

use crate::audit::heads::HeadsError;
use crate::ledger::LedgerError;
use crate::store::KvError;
use crate::writer::OpError;

/// Why an export was not made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nobody is known under what was given.
    #[error("nobody is known under that number or customer")]
    UnknownPerson,
    /// The bytes asked for do not exist.
    #[error("offset {offset} lies behind the end of the export, which has {size} bytes")]
    Offset {
        /// What was asked for.
        offset: u64,
        /// How many there are.
        size: u64,
    },
    /// The export id is not one of ours, or the request is another one.
    #[error("export_id: {0}")]
    Resume(&'static str),
    /// The older checkpoint lies beyond the log.
    #[error("since: the log has {size} entries under its newest checkpoint, {since} were asked for")]
    Since {
        /// Entries of the older checkpoint.
        since: u64,
        /// Entries of the newest.
        size: u64,
    },
    /// The receiver went away.
    #[error("nobody takes the export any more: {0}")]
    Sink(#[from] std::io::Error),
    /// The ledger does not read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The heads of the chains cannot be told.
    #[error(transparent)]
    Heads(#[from] HeadsError),
    /// An entry does not decode or open.
    #[error("{0}")]
    Entry(String),
}

impl From<KvError> for ExportError {
    fn from(e: KvError) -> Self {
        ExportError::Heads(e.into())
    }
}

impl From<OpError> for ExportError {
    fn from(e: OpError) -> Self {
        ExportError::Entry(e.to_string())
    }
}
