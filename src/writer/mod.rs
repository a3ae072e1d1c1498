//! The one path of change: load rows, decide, make entries, append and sync, fold into the index, answer.
//!
//! An operating-system thread takes batches from four bounded queues. Operations of one batch run one after another,
//! later ones see what earlier ones did, and every answer waits until all entries of the batch are durable. A crash
//! anywhere before that leaves nothing that was answered; a crash after it loses nothing that was.

mod backlog;
mod core;
mod cx;
mod env;
mod handle;
mod op;
pub mod ops;
mod prepare;
mod queues;
mod reader;
#[cfg(test)]
pub mod testing;

pub use self::backlog::Backlog;
pub use self::core::{APPLIED_KEY, Core, CoreError, Listener, Log, applied_through};
pub use cx::{Cx, EntrySource, Held, PendingEntry, Planned, Recorded, about_message};
pub use env::{Env, Policies};
pub use handle::{WriterHandle, spawn};
pub use op::{CallError, CommitProof, Durable, Op, OpError, Priority, Problem, QueuedOp};
pub use prepare::Prepared;
pub use queues::{Coming, QueueLimits, Queues, Room};
pub use reader::Reader;
