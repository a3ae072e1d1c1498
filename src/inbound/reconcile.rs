//! Closes gaps in hearing from the provider's own list, through the same operation webhooks take.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::InboundEvent;
use super::hearing::Hearing;
use crate::clock::SharedClock;
use crate::model::{ConnectionId, Instant};
use crate::provider::{Provider, ReconcileError, SharedProvider};
use crate::telemetry::metrics;
use crate::writer::ops::heard::{Heard, How};
use crate::writer::ops::webhook::{Delivery, ReceiveReceipts, ReceiveTexts, Received};
use crate::writer::{CallError, WriterHandle};

/// Events committed together.
const CHUNK: usize = 100;
/// How often gaps are looked for, and longest wait after a list that could not be pulled.
const PERIOD: Duration = Duration::from_secs(1);
const RETRY_MAX: u32 = 60;

/// Why a gap is still open.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// The provider did not give its list.
    #[error(transparent)]
    List(#[from] ReconcileError),
    /// The events could not be made durable.
    #[error(transparent)]
    Commit(#[from] CallError),
}

/// What a list brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Events we had not heard.
    pub missed: usize,
    /// Opt-outs among them.
    pub stopped: usize,
}

/// What closing a gap needs.
#[derive(Clone)]
pub struct Reconciler {
    writer: WriterHandle,
    hearing: Hearing,
    clock: SharedClock,
}

impl Reconciler {
    /// A reconciler of one process.
    pub fn new(writer: WriterHandle, hearing: Hearing, clock: SharedClock) -> Reconciler {
        Reconciler { writer, hearing, clock }
    }

    /// Pulls a connection's list since `since` and commits it. Texts first: whoever said STOP is not kept waiting by the
    /// receipts of a busy evening. A crash on the way leaves the gap open, and what was committed is known then.
    pub async fn catch_up(
        &self,
        provider: &dyn Provider,
        connection: &ConnectionId,
        since: Instant,
    ) -> Result<CaughtUp, CatchUpError> {
        // What happens from here on is the webhooks' business.
        let until = self.clock.now();
        let (mut texts, receipts): (Vec<InboundEvent>, Vec<InboundEvent>) =
            provider.reconcile(since).await?.into_iter().partition(InboundEvent::is_from_person);
        texts.sort_by_key(|event| match event {
            InboundEvent::Text(text) | InboundEvent::Part(text, _) => text.received_at,
            _ => None,
        });
        let mut found = CaughtUp::default();
        for chunk in texts.chunks(CHUNK) {
            let received = self.writer.call(ReceiveTexts(self.delivery(connection, chunk))).await?.answer;
            found.add(connection, &received);
        }
        for chunk in receipts.chunks(CHUNK) {
            let received = self.writer.call(ReceiveReceipts(self.delivery(connection, chunk))).await?.answer;
            found.add(connection, &received);
        }
        self.heard(connection, until, How::List, "", "gateway").await?;
        Ok(found)
    }

    fn delivery(&self, connection: &ConnectionId, events: &[InboundEvent]) -> Delivery {
        Delivery { connection: connection.clone(), raw: None, events: events.to_vec(), listening: false }
    }

    /// Records that everything up to `until` is known, then lets the connection's lanes go on.
    pub async fn heard(
        &self,
        connection: &ConnectionId,
        until: Instant,
        how: How,
        reason: &str,
        actor: &str,
    ) -> Result<(), CallError> {
        let op = Heard {
            connection: connection.clone(),
            until,
            how,
            reason: reason.to_owned(),
            actor: actor.to_owned(),
        };
        self.writer.call(op).await?;
        self.hearing.caught_up(connection, until);
        Ok(())
    }

    /// Watches all connections until stopped: closes gaps as they open, compares lists hourly, reports how old our
    /// hearing is, and says in `pause` which lanes must rest.
    pub async fn run(
        self,
        provider_of: impl Fn(&ConnectionId) -> Option<SharedProvider>,
        pause: impl Fn(&ConnectionId, bool),
        stop: CancellationToken,
    ) {
        let mut retries: std::collections::HashMap<ConnectionId, Retry> = Default::default();
        loop {
            self.hearing.awake();
            for connection in self.hearing.connections() {
                let retry = retries.entry(connection.clone()).or_default();
                self.look_after(&connection, provider_of(&connection), retry).await;
                pause(&connection, self.hearing.is_paused(&connection));
            }
            // A long list is no sleep.
            self.hearing.awake_since();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    async fn look_after(
        &self,
        connection: &ConnectionId,
        provider: Option<SharedProvider>,
        retry: &mut Retry,
    ) {
        let now = self.clock.now();
        let Some(ear) = self.hearing.of(connection) else { return };
        metrics::heard_until_age(connection, now.since(ear.heard_until()));
        let (Some(since), Some(provider)) = (ear.list_since(now), provider) else { return };
        if retry.wait > 0 {
            retry.wait -= 1;
            return;
        }
        match self.catch_up(&*provider, connection, since).await {
            Ok(found) => {
                *retry = Retry::default();
                if found.missed > 0 {
                    let CaughtUp { missed, stopped } = found;
                    tracing::warn!(%connection, missed, stopped, "the provider's list told us what we had not heard");
                }
            }
            Err(error) => {
                retry.failures = (retry.failures + 1).min(6);
                retry.wait = (1 << retry.failures).min(RETRY_MAX);
                let paused = ear.is_resting(now);
                tracing::warn!(%connection, %error, paused, "a gap in hearing is still open");
            }
        }
    }
}

/// Doubling waits between lists that could not be pulled.
#[derive(Default)]
struct Retry {
    failures: u32,
    /// Rounds to wait.
    wait: u32,
}

impl CaughtUp {
    fn add(&mut self, connection: &ConnectionId, received: &Received) {
        self.missed += received.new;
        self.stopped += received.stopped;
        super::server::alarm(connection, received);
    }
}
