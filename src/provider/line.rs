//! Providers that keep a line open to us and speak over it, instead of calling webhooks.

use bytes::Bytes;

use super::{BoxFuture, Handover};
use crate::model::MessageId;

/// One thing a provider said over its line, as it came.
#[derive(Clone)]
pub struct Said {
    /// Names it among everything that was ever said over lines of this connection.
    pub id: String,
    /// The bytes.
    pub bytes: Bytes,
    /// The same bytes came before, and the provider may not know that they were taken.
    pub again: bool,
}

/// What was said could not be made durable: the provider has to say it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it could not be made durable")]
pub struct NotKept;

/// Who listens at our end of a line.
pub trait Listener: Send + Sync + 'static {
    /// Keeps what was said and acts on it; durable once it answers. Calls take their turn in the order they were made in.
    fn heard(&self, said: Said) -> BoxFuture<'_, Result<(), NotKept>>;

    /// Whether the provider can speak to us now. Told each second, and when it changes.
    fn reachable(&self, yes: bool);

    /// What became of a hand-over whose answer came after it had been called unclear.
    fn answered_late(&self, message: MessageId, handover: Handover) -> BoxFuture<'_, ()>;
}
