//! Carries the schedule out: finds what is due, asks for intents, hands over, records what came of it.
//!
//! A crash here loses nothing: what was due is due again, what had an intent is never sent again and is resolved by
//! receipt, by the provider's list or by time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::due::{Look, News, no_connection, take_told, take_up};
use super::providers::Providers;
use super::route::Health;
use super::schedule::{Next, Schedule, Waiting};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{ThrottleDay, keys};
use crate::ledger::state::{State, StateError};
use crate::model::outgoing::ErrorClass;
use crate::model::{ConnectionId, Instant, MessageId};
use crate::provider::{Dispatch, Failure, Handover};
use crate::store::SharedKv;
use crate::telemetry::metrics;
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::outcome::{NO_CONNECTION, RecordOutcome, Resolve};
use crate::writer::{CallError, Env, WriterHandle};

/// Shortest pause between two looks: wishes to look come with every commit.
const BREATH: Duration = Duration::from_millis(2);
/// Longest sleep: how soon a due message is found without being told.
const PERIOD: Duration = Duration::from_millis(200);
/// How long a lane rests after the writer refused an intent.
const REFUSED_PAUSE: Duration = Duration::from_millis(500);
/// How long a message without an adapter for its connection waits.
const NO_PROVIDER_SECONDS: u32 = 60;

/// What one look at the lanes found.
pub struct Turn {
    /// Messages whose permits are taken.
    pub go: Vec<Waiting>,
    /// Hand-overs nobody has heard of for too long: see [`Dispatcher::resolve`].
    pub overdue: Vec<MessageId>,
    /// How long nothing new is expected.
    pub pause: Duration,
}

struct Shared {
    env: Arc<Env>,
    kv: SharedKv,
    writer: WriterHandle,
    providers: Arc<Providers>,
    schedule: Mutex<Schedule>,
    wake: Notify,
    /// What was told since the last look.
    news: Mutex<News>,
}

/// The dispatcher of one process.
#[derive(Clone)]
pub struct Dispatcher(Arc<Shared>);

impl Dispatcher {
    /// A dispatcher that does nothing until [`Dispatcher::run`].
    pub fn new(env: Arc<Env>, kv: SharedKv, writer: WriterHandle, providers: Arc<Providers>) -> Dispatcher {
        let schedule = Mutex::new(Schedule::default());
        let (wake, news) = (Notify::new(), Mutex::default());
        Dispatcher(Arc::new(Shared { env, kv, writer, providers, schedule, wake, news }))
    }

    /// Tells it that something may be due: called when messages were committed.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Tells it of durable entries, in their order. What they made due at once may lie behind where it looks.
    pub fn tell(&self, entries: &[Entry]) {
        let now = self.0.env.clock.now();
        if self.0.news.lock().hear(entries, now) {
            self.wake();
        }
    }

    /// See [`Schedule::will_miss`].
    pub fn will_miss(&self, now: Instant) -> Vec<(String, usize)> {
        self.0.schedule.lock().will_miss(now)
    }

    /// Works until `shutdown`; then takes nothing more up and waits for what is in hand, at most `drain`.
    pub async fn run(&self, shutdown: CancellationToken, drain: Duration) {
        let tasks = TaskTracker::new();
        let mut failures = 0u32;
        while !shutdown.is_cancelled() {
            let pause = match self.step(&tasks) {
                Ok(pause) => {
                    failures = 0;
                    pause
                }
                Err(e) => {
                    failures = failures.saturating_add(1);
                    tracing::error!(error = %e, failures, "due messages cannot be read; trying again");
                    Duration::from_secs(u64::from(failures.min(10)))
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.0.wake.notified() => tokio::time::sleep(BREATH).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            tracing::warn!(
                "some hand-overs did not end in time; their messages stay SENDING until a receipt tells"
            );
        }
    }

    /// Starts what may leave. Answers how long nothing new is expected.
    fn step(&self, tasks: &TaskTracker) -> Result<Duration, StateError> {
        let turn = self.turn()?;
        for waiting in turn.go {
            let this = self.clone();
            tasks.spawn(async move { this.hand_over(waiting).await });
        }
        for message in turn.overdue {
            let this = self.clone();
            tasks.spawn(async move { this.resolve(message).await });
        }
        Ok(turn.pause)
    }

    /// Takes up what is due and gives out permits. Whoever does not use [`Dispatcher::run`] answers each permit with
    /// [`Dispatcher::attempt`] and then [`Dispatcher::done`].
    pub fn turn(&self) -> Result<Turn, StateError> {
        let now = self.0.env.clock.now();
        // Before the snapshot, which then shows all that was told.
        let news = std::mem::take(&mut *self.0.news.lock());
        let snapshot = self.0.kv.snapshot()?;
        let mut state = State::over(&*snapshot);
        let mut schedule = self.0.schedule.lock();
        let providers = self.0.providers.all();
        let mut turned = false;
        for (connection, carrier) in providers.iter() {
            let rests = carrier.health(now) != Health::Open;
            turned |= schedule.set_connection(connection, carrier.slots, rests);
        }
        if turned {
            schedule.reroute();
        }
        schedule.set_connection(&no_connection(), 4, false);
        let health =
            |id: &ConnectionId| providers.get(id).map_or(Health::Rests, |carrier| carrier.health(now));
        let engine = self.0.env.policies().engine.hash();
        let look = Look { now, engine, health: &health };
        let later = take_told(&mut state, &mut schedule, news, &look)?;
        self.0.news.lock().join(later);
        let overdue = take_up(&mut state, &mut schedule, &look)?;
        self.new_days(&mut state, &mut schedule, now)?;
        let mut go = Vec::new();
        let pause = loop {
            match schedule.next(now) {
                Next::Go(waiting) => go.push(waiting),
                Next::WaitUntil(at) => break at.since(now).to_std().min(PERIOD),
                Next::Idle => break PERIOD,
            }
        };
        metrics::intents_without_outcome(schedule.in_hand());
        Ok(Turn { go, overdue, pause })
    }

    /// Tells lanes with a daily cap what left on the present date of their zone.
    fn new_days(
        &self,
        state: &mut State<'_>,
        schedule: &mut Schedule,
        now: Instant,
    ) -> Result<(), StateError> {
        let policies = self.0.env.policies();
        for lane in schedule.lanes().filter(|lane| lane.group().parts_per_day.is_some()) {
            let date = policies.engine.zones().local_date(&lane.group().reset_zone, now);
            if lane.day() != date {
                let row = state.get::<ThrottleDay>(&keys::throttle_day(&lane.group().id, &date))?;
                lane.set_day(date, row.map_or(0, |row| row.parts));
            }
        }
        for counted in schedule.caps() {
            let date = policies.engine.zones().local_date(&counted.cap.reset_zone, now);
            if counted.day != date {
                let group = keys::tax_id_group(&counted.cap.tax_id);
                let row = state.get::<ThrottleDay>(&keys::throttle_day(&group, &date))?;
                (counted.day, counted.parts) = (date, row.map_or(0, |row| row.parts));
            }
        }
        Ok(())
    }

    #[tracing::instrument(skip_all, fields(message = %waiting.message, connection = %waiting.connection))]
    async fn hand_over(&self, waiting: Waiting) {
        let message = waiting.message;
        if let Err(e) = self.attempt(&waiting).await {
            match e {
                // The ledger told of it already; a line a message would fill what room is left.
                CallError::NoRoom => tracing::debug!(message = %message, "no room to record a hand-over"),
                e => {
                    tracing::warn!(message = %message, error = %e, "a due message was not taken up; it stays due")
                }
            }
            // It is due again at once: without a pause the lane would do nothing but ask.
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
        self.done(&message);
        self.wake();
    }

    /// A permit was answered, whatever came of it.
    pub fn done(&self, message: &MessageId) {
        self.0.schedule.lock().done(message);
    }

    /// Uses a permit: asks for the intent, hands over within its life, records what came of it.
    pub async fn attempt(&self, waiting: &Waiting) -> Result<(), CallError> {
        let (message, stands_in) = (waiting.message, waiting.stands_in.clone());
        let asked = self.0.writer.call(Intent { message, stands_in }).await?;
        let IntentAnswer::Go(draft) = asked.answer else { return Ok(()) };
        let committed_at = draft.committed_at;
        let carrier = self.0.providers.get(&draft.connection);
        let (handover, handed_over_at) = match (carrier, Dispatch::seal(*draft, &asked.proof)) {
            (Some(carrier), Ok(dispatch)) => {
                let started = self.0.env.clock.now();
                metrics::intent_to_socket(started.since(committed_at));
                (carrier.provider.send(dispatch).await, Some(started))
            }
            (_, Err(_)) => (Handover::Void, None),
            (None, _) => (no_provider(), None),
        };
        let handed_over_at = handed_over_at.filter(|_| !matches!(handover, Handover::Void));
        self.record(waiting.message, handover, handed_over_at).await
    }

    /// Records an outcome. An overloaded writer is asked again: what left must not be forgotten while we live.
    async fn record(
        &self,
        message: MessageId,
        handover: Handover,
        handed_over_at: Option<Instant>,
    ) -> Result<(), CallError> {
        loop {
            let op = RecordOutcome { message, handover: handover.clone(), handed_over_at };
            match self.0.writer.call(op).await {
                Ok(_) => return Ok(()),
                Err(CallError::Overloaded) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(e) => return Err(e),
            }
        }
    }

    /// Gives a silent hand-over up.
    pub async fn resolve(&self, message: MessageId) {
        if let Err(e) = self.0.writer.call(Resolve { message }).await {
            tracing::warn!(message = %message, error = %e, "an overdue hand-over was not resolved");
        }
    }
}

fn no_provider() -> Handover {
    let failure = Failure {
        class: ErrorClass::Retryable,
        code: NO_CONNECTION.to_owned(),
        text: "no adapter is running for this connection".to_owned(),
    };
    Handover::NotTaken { failure, after_seconds: Some(NO_PROVIDER_SECONDS) }
}
