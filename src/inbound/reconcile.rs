//! Closes gaps in hearing from the provider's own list, through the same operation webhooks take.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::event::InboundEvent;
use super::hearing::Hearing;
use crate::clock::SharedClock;
use crate::model::{ConnectionId, Instant};
use crate::provider::{BoxFuture, Provider, ReconcileError, SharedProvider, Taker};
use crate::telemetry::metrics;
use crate::writer::ops::heard::{Heard, How};
use crate::writer::ops::webhook::{Delivery, ReceiveReceipts, ReceiveTexts, Received};
use crate::writer::{CallError, WriterHandle};

/// Events committed together.
const CHUNK: usize = 100;
/// How often gaps are looked for, and longest wait after a list that could not be pulled.
const PERIOD: Duration = Duration::from_secs(1);
const RETRY_MAX: u32 = 60;
/// Lists pulled at the same time.
const LISTS_AT_ONCE: usize = 8;
/// How often an overloaded writer is asked again, and the pause before that.
const ASKED_MAX: u32 = 25;
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long lists under way are waited for at the end, so that what they gave is recorded.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

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
    /// What lists gave and could not be recorded, of each connection the rest of one take: some lists give nothing twice.
    /// No more is asked for before it is durable.
    unsaved: Arc<Mutex<HashMap<ConnectionId, Vec<InboundEvent>>>>,
}

/// Commits what the list of one connection gives.
struct Commits<'a> {
    reconciler: &'a Reconciler,
    connection: &'a ConnectionId,
    found: Mutex<CaughtUp>,
    failed: Mutex<Option<CallError>>,
}

impl Commits<'_> {
    async fn commit(&self, events: Vec<InboundEvent>) -> Result<(), CallError> {
        self.reconciler.commit(self.connection, events, &self.found).await
    }
}

impl Taker for Commits<'_> {
    fn take(&self, events: Vec<InboundEvent>) -> BoxFuture<'_, Result<(), ReconcileError>> {
        Box::pin(async move {
            self.commit(events).await.map_err(|error| {
                *self.failed.lock() = Some(error);
                ReconcileError("what it gave is not recorded yet".to_owned())
            })
        })
    }
}

impl Reconciler {
    /// A reconciler of one process.
    pub fn new(writer: WriterHandle, hearing: Hearing, clock: SharedClock) -> Reconciler {
        Reconciler { writer, hearing, clock, unsaved: Arc::default() }
    }

    /// Pulls a connection's list since `since` and commits it. A crash on the way leaves the gap open, and what was
    /// committed is known then.
    pub async fn catch_up(
        &self,
        provider: &dyn Provider,
        connection: &ConnectionId,
        since: Instant,
    ) -> Result<CaughtUp, CatchUpError> {
        // What happens from here on is the webhooks' business.
        let until = self.clock.now();
        let commits =
            Commits { reconciler: self, connection, found: Mutex::default(), failed: Mutex::default() };
        let kept = self.unsaved.lock().remove(connection);
        if let Some(kept) = kept {
            commits.commit(kept).await?;
        }
        if let Err(error) = provider.reconcile(since, &commits).await {
            let failed = commits.failed.lock().take();
            return Err(failed.map_or(CatchUpError::List(error), CatchUpError::Commit));
        }
        self.heard(connection, until, How::List, "", "gateway").await?;
        let found = *commits.found.lock();
        Ok(found)
    }

    /// Makes events durable. Texts first: whoever said STOP is not kept waiting by the receipts of a busy evening. What
    /// cannot be recorded is kept for the next time.
    async fn commit(
        &self,
        connection: &ConnectionId,
        events: Vec<InboundEvent>,
        found: &Mutex<CaughtUp>,
    ) -> Result<(), CallError> {
        let (mut texts, mut receipts): (Vec<InboundEvent>, Vec<InboundEvent>) =
            events.into_iter().partition(InboundEvent::is_from_person);
        texts.sort_by_key(|event| match event {
            InboundEvent::Text(text) | InboundEvent::Part(text, _) => text.received_at,
            _ => None,
        });
        while !texts.is_empty() || !receipts.is_empty() {
            let of_people = !texts.is_empty();
            let rest = if of_people { &mut texts } else { &mut receipts };
            let chunk = rest[..rest.len().min(CHUNK)].to_vec();
            let taken = chunk.len();
            match self.record(connection, chunk, of_people).await {
                Ok(received) => {
                    drop(rest.drain(..taken));
                    found.lock().add(connection, &received);
                }
                Err(error) => {
                    texts.append(&mut receipts);
                    self.unsaved.lock().insert(connection.clone(), texts);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// One chunk. An overloaded writer is asked again for a while.
    async fn record(
        &self,
        connection: &ConnectionId,
        events: Vec<InboundEvent>,
        of_people: bool,
    ) -> Result<Received, CallError> {
        let delivery = Delivery { connection: connection.clone(), raw: None, events, listening: false };
        for _ in 0..ASKED_MAX {
            let called = match of_people {
                true => self.writer.call(ReceiveTexts(delivery.clone())).await,
                false => self.writer.call(ReceiveReceipts(delivery.clone())).await,
            };
            match called {
                Err(CallError::Overloaded) => tokio::time::sleep(ASKED_AGAIN_AFTER).await,
                other => return other.map(|durable| durable.answer),
            }
        }
        Err(CallError::Overloaded)
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
    /// hearing is, and says in `pause` which lanes must rest. Whoever must rest rests within a second, however long
    /// anybody's list is.
    pub async fn run(
        self,
        provider_of: impl Fn(&ConnectionId) -> Option<SharedProvider>,
        pause: impl Fn(&ConnectionId, bool),
        stop: CancellationToken,
    ) {
        self.run_at(PERIOD, LEAVE_WITHIN, provider_of, pause, stop).await;
    }

    async fn run_at(
        self,
        period: Duration,
        leave_within: Duration,
        provider_of: impl Fn(&ConnectionId) -> Option<SharedProvider>,
        pause: impl Fn(&ConnectionId, bool),
        stop: CancellationToken,
    ) {
        let this = &self;
        let mut retries: HashMap<ConnectionId, Retry> = HashMap::new();
        let mut pulling: HashSet<ConnectionId> = HashSet::new();
        let mut lists = FuturesUnordered::new();
        let mut rounds = tokio::time::interval(period);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((connection, result)) = lists.next() => {
                    pulling.remove(&connection);
                    this.settle(&connection, result, retries.entry(connection.clone()).or_default());
                    pause(&connection, this.hearing.is_paused(&connection));
                }
                _ = rounds.tick() => {
                    this.hearing.awake();
                    let connections = this.hearing.connections();
                    for connection in &connections {
                        pause(connection, this.hearing.is_paused(connection));
                    }
                    for connection in connections.into_iter().filter(|id| !pulling.contains(id)).collect::<Vec<_>>() {
                        let retry = retries.entry(connection.clone()).or_default();
                        let (Some(since), Some(provider)) =
                            (this.due(&connection, retry), provider_of(&connection))
                        else {
                            continue;
                        };
                        if pulling.len() >= LISTS_AT_ONCE {
                            continue;
                        }
                        pulling.insert(connection.clone());
                        lists.push(async move {
                            let result = this.catch_up(&*provider, &connection, since).await;
                            (connection, result)
                        });
                    }
                }
            }
        }
        let ends = async { while lists.next().await.is_some() {} };
        if tokio::time::timeout(leave_within, ends).await.is_err() {
            tracing::info!("a provider's list was still under way; its gap stays open until the next start");
        }
    }

    /// Since when a connection's list should be pulled now; none: there is no need, or it is not yet time to try again.
    fn due(&self, connection: &ConnectionId, retry: &mut Retry) -> Option<Instant> {
        let now = self.clock.now();
        let ear = self.hearing.of(connection)?;
        metrics::heard_until_age(connection, now.since(ear.heard_until()));
        let since = ear.list_since(now)?;
        if retry.wait > 0 {
            retry.wait -= 1;
            return None;
        }
        Some(since)
    }

    fn settle(&self, connection: &ConnectionId, result: Result<CaughtUp, CatchUpError>, retry: &mut Retry) {
        match result {
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
                let paused = self.hearing.is_paused(connection);
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

#[cfg(test)]
mod tests;
