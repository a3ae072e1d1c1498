//! Our end of a line that a provider keeps open to us: what it says takes the way webhooks take, and is acknowledged as they are.

use std::time::Duration;

use super::endpoint::{Endpoint, Webhook};
use super::hearing::Hearing;
use super::server::Webhooks;
use crate::clock::SharedClock;
use crate::model::{ConnectionId, MessageId};
use crate::provider::line::{Listener, NotKept, Said};
use crate::provider::{BoxFuture, Handover};
use crate::writer::ops::heard::{Heard, How};
use crate::writer::ops::outcome::RecordOutcome;
use crate::writer::{CallError, WriterHandle};

/// How what came over a line is kept, where a webhook has its method.
pub const METHOD: &[u8] = b"LINE";
/// Parameters of its query: its name, and whether the same bytes came before.
pub const ID: &str = "id";
pub const AGAIN: &str = "again";
/// Pause before an overloaded writer is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// One connection's line.
pub struct OpenLine {
    endpoint: Endpoint,
    webhooks: Webhooks,
    hearing: Hearing,
    writer: WriterHandle,
    clock: SharedClock,
}

impl OpenLine {
    /// A line whose provider is authentic because it is who we connected to.
    pub fn new(
        endpoint: Endpoint,
        webhooks: Webhooks,
        hearing: Hearing,
        writer: WriterHandle,
        clock: SharedClock,
    ) -> OpenLine {
        OpenLine { endpoint, webhooks, hearing, writer, clock }
    }

    fn connection(&self) -> &ConnectionId {
        self.endpoint.connection()
    }

    /// The line was closed in order: up to now everything was heard, so that a start within 30 seconds misses nothing.
    pub async fn closed(&self) {
        if !self.hearing.is_unbroken(self.connection()) {
            return;
        }
        let op = Heard {
            connection: self.connection().clone(),
            until: self.clock.now(),
            how: How::Listening,
            reason: String::new(),
            actor: "gateway".to_owned(),
        };
        if let Err(error) = self.writer.call(op).await {
            tracing::warn!(connection = %self.connection(), %error, "how far it was heard could not be recorded");
        }
    }

    async fn record(&self, message: MessageId, handover: Handover) {
        loop {
            let op = RecordOutcome { message, handover: handover.clone(), handed_over_at: None };
            match self.writer.call(op).await {
                Ok(_) => return,
                Err(CallError::Overloaded) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    tracing::warn!(%message, %error, "a late answer was not recorded");
                    return;
                }
            }
        }
    }
}

/// What was said, as a webhook would carry it.
pub fn webhook(said: &Said) -> Webhook {
    let again = if said.again { format!("&{AGAIN}=1") } else { String::new() };
    Webhook {
        method: http::Method::from_bytes(METHOD).expect("a token"),
        path_and_query: format!("/?{ID}={}{again}", said.id),
        headers: http::HeaderMap::new(),
        body: said.bytes.to_vec(),
    }
}

impl Listener for OpenLine {
    fn heard(&self, said: Said) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async move {
            let begun = self.clock.now();
            self.webhooks.keep(&self.endpoint, webhook(&said), begun).await.map(|_| ()).map_err(|_| NotKept)
        })
    }

    fn reachable(&self, yes: bool) {
        match yes {
            // A line that stands has told everything up to now, as far as nothing was missed before.
            true => self.hearing.stored(self.connection()),
            false => self.hearing.failed(self.connection()),
        }
    }

    fn answered_late(&self, message: MessageId, handover: Handover) -> BoxFuture<'_, ()> {
        Box::pin(self.record(message, handover))
    }
}
