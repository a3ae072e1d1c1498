//! Carries the schedule out: finds what is due, asks for intents, hands over, records what came of it.
//!
//! A crash here loses nothing: what was due is due again, what had an intent is never sent again and is resolved by
//! receipt, by the provider's list or by time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::route::{Health, way_of};
use super::schedule::{Next, Schedule, Waiting};
use crate::ledger::body::Body;
use crate::ledger::entry::{Entry, Kind};
use crate::ledger::rows::{DueRow, ThrottleDay, keys};
use crate::ledger::state::{State, StateError};
use crate::model::outgoing::{ErrorClass, Message};
use crate::model::registry::ThrottleGroup;
use crate::model::{ConnectionId, Instant, MessageId, Span};
use crate::provider::{Dispatch, Failure, Handover, SharedProvider};
use crate::store::SharedKv;
use crate::telemetry::metrics;
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::outcome::{Due, NO_CONNECTION, RecordOutcome, Resolve, due};
use crate::writer::{CallError, Env, WriterHandle};

/// Due rows looked at in one go, how often in one look, and in one sweep.
const SCAN: usize = 1_000;
const PAGES: usize = 5;
const SWEEP: usize = 5_000;
/// Most messages told to be due that wait to be taken up; what is told beyond is found by a sweep.
const TOLD_MAX: usize = 1 << 16;
/// Shortest pause between two looks: wishes to look come with every commit.
const BREATH: Duration = Duration::from_millis(2);
/// Longest sleep: how soon a due message is found without being told.
const PERIOD: Duration = Duration::from_millis(200);
/// How long a lane rests after the writer refused an intent.
const REFUSED_PAUSE: Duration = Duration::from_millis(500);
/// How long a message without an adapter for its connection waits.
const NO_PROVIDER_SECONDS: u32 = 60;

/// One connection as the dispatcher uses it.
#[derive(Clone)]
pub struct Carrier {
    pub provider: SharedProvider,
    /// Hand-overs at once.
    pub slots: u32,
    /// Its lanes rest: a gap in hearing is not closed yet, or an operator paused it.
    pub paused: bool,
}

impl Carrier {
    /// How it is now: paused by order, or resting because the account asks for it.
    pub fn health(&self, now: Instant) -> Health {
        if self.paused {
            Health::Paused
        } else if self.provider.resting_until().is_some_and(|until| until > now) {
            Health::Rests
        } else {
            Health::Open
        }
    }
}

/// Adapters by connection; replaced whole when the configuration changes.
#[derive(Default)]
pub struct Providers(ArcSwap<HashMap<ConnectionId, Carrier>>);

impl Providers {
    /// The adapters of now.
    pub fn all(&self) -> Arc<HashMap<ConnectionId, Carrier>> {
        self.0.load_full()
    }
    /// The adapter of a connection.
    pub fn get(&self, connection: &ConnectionId) -> Option<Carrier> {
        self.0.load().get(connection).cloned()
    }
    /// Adds or replaces one.
    pub fn put(&self, connection: ConnectionId, carrier: Carrier) {
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            all.insert(connection.clone(), carrier.clone());
            all
        });
    }
    /// Lets a connection's lanes rest or go on.
    pub fn set_paused(&self, connection: &ConnectionId, paused: bool) {
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            if let Some(carrier) = all.get_mut(connection) {
                carrier.paused = paused;
            }
            all
        });
    }
}

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
    /// Messages told to be due, and since when, that wait to be taken up.
    told: Mutex<Vec<(Instant, MessageId)>>,
}

/// The dispatcher of one process.
#[derive(Clone)]
pub struct Dispatcher(Arc<Shared>);

impl Dispatcher {
    /// A dispatcher that does nothing until [`Dispatcher::run`].
    pub fn new(env: Arc<Env>, kv: SharedKv, writer: WriterHandle, providers: Arc<Providers>) -> Dispatcher {
        let schedule = Mutex::new(Schedule::default());
        let (wake, told) = (Notify::new(), Mutex::default());
        Dispatcher(Arc::new(Shared { env, kv, writer, providers, schedule, wake, told }))
    }

    /// Tells it that something may be due: called when messages were committed.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Tells it of durable entries, in their order. What they made due at once may lie behind where it looks.
    pub fn tell(&self, entries: &[Entry]) {
        let now = self.0.env.clock.now();
        let mut told = self.0.told.lock();
        let mut news = false;
        for entry in entries {
            news |= entry.leaf.kind == Kind::Heard;
            let Some((due, message)) = made_due(&entry.body) else { continue };
            news = true;
            if due <= now && told.len() < TOLD_MAX {
                told.push((due, message));
            }
        }
        if news {
            self.wake();
        }
    }

    /// When a throttle group's lane is free.
    pub fn free_at(&self, group: &str, now: Instant) -> Option<Instant> {
        self.0.schedule.lock().free_at(group, now)
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
        let told = std::mem::take(&mut *self.0.told.lock());
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
        let health = |id: &ConnectionId| providers.get(id).map_or(Health::Rests, |c| c.health(now));
        let later = take_told(&mut state, &mut schedule, told, now, &health)?;
        self.0.told.lock().extend(later);
        let overdue = take_up(&mut state, &mut schedule, now, &health)?;
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

/// The message an entry made due, and when.
fn made_due(body: &Body) -> Option<(Instant, MessageId)> {
    let (state, due, message) = match body {
        Body::Decision(body) => (body.state, body.due, body.message.id),
        Body::Redecision(body) => (body.state, body.due, body.message),
        Body::Outcome(body) => (body.state, body.due, body.message),
        _ => return None,
    };
    due.filter(|_| state.is_waiting()).map(|due| (due, message))
}

/// Takes what was told into the schedule, where it still waits. Answers what has to be told again: messages whose
/// hand-over is not over yet, as of one that just moved from an installation to a phone.
fn take_told(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    told: Vec<(Instant, MessageId)>,
    now: Instant,
    health: &dyn Fn(&ConnectionId) -> Health,
) -> Result<Vec<(Instant, MessageId)>, StateError> {
    let mut later = Vec::new();
    for (at, message) in told {
        if schedule.is_in_hand(&message) {
            later.push((at, message));
            continue;
        }
        let row = state.get::<Message>(&keys::message(&message))?;
        let waits = row.is_some_and(|row| row.state.is_waiting() && row.due.is_some_and(|due| due <= now));
        if waits {
            let due = Due { key: Vec::new(), at, message, row: DueRow::Wake };
            take(state, schedule, vec![due], now, health, &mut Vec::new())?;
        }
    }
    Ok(later)
}

/// Takes due messages into the schedule; answers those whose hand-over is overdue.
pub fn take_up(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    now: Instant,
    health: &dyn Fn(&ConnectionId) -> Health,
) -> Result<Vec<MessageId>, StateError> {
    let mut overdue = Vec::new();
    let mut from = schedule.look_from();
    for _ in 0..PAGES {
        let new = due(state, from.as_deref(), now, SCAN)?;
        let more = new.len() == SCAN;
        from = new.last().map(|last| last.key.clone()).or(from);
        take(state, schedule, new, now, health, &mut overdue)?;
        if !more {
            break;
        }
    }
    schedule.looked(from);
    if let Some(from) = schedule.sweep_from(now) {
        let all = due(state, from.as_deref(), now, SWEEP)?;
        let on = all.last().filter(|_| all.len() == SWEEP).map(|last| last.key.clone());
        schedule.swept(on, now);
        take(state, schedule, all, now, health, &mut overdue)?;
    }
    Ok(overdue)
}

fn take(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    found: Vec<Due>,
    now: Instant,
    health: &dyn Fn(&ConnectionId) -> Health,
    overdue: &mut Vec<MessageId>,
) -> Result<(), StateError> {
    for Due { at, message, row, .. } in found {
        match row {
            DueRow::Resolve => overdue.push(message),
            DueRow::Wake if schedule.knows(&message) => {}
            DueRow::Wake => {
                // What finds no room is found by a later sweep.
                let waiting = waiting_of(state, &message, at, health)?;
                if let Some(waiting) = waiting.filter(|waiting| schedule.has_room(&waiting.group)) {
                    schedule.add(waiting, now);
                }
            }
        }
    }
    Ok(())
}

/// What the schedule needs to know of a due message. One whose sender is gone goes to a lane of its own: its second
/// decision says what is wrong.
fn waiting_of(
    state: &mut State<'_>,
    id: &MessageId,
    due: Instant,
    health: &dyn Fn(&ConnectionId) -> Health,
) -> Result<Option<Waiting>, StateError> {
    let Some(message) = state.get::<Message>(&keys::message(id))? else { return Ok(None) };
    let spec = &message.spec;
    let way = way_of(state, &message, health)?;
    let has_others = way.as_ref().is_some_and(|way| way.has_others);
    let stands_in = way.as_ref().filter(|way| way.stands_in).map(|way| way.sender.id.clone());
    let sender = way.map(|way| way.sender);
    let verdict = message.last.as_ref().unwrap_or(&message.first);
    let ends = [verdict.send_not_after, spec.expires_at].into_iter().flatten().filter(|end| *end > due).min();
    let nowhere = || ThrottleGroup {
        id: String::new(),
        milli_parts_per_second: 1_000,
        parts_per_day: None,
        reset_zone: "UTC".to_owned(),
    };
    Ok(Some(Waiting {
        message: *id,
        program: spec.program.clone(),
        connection: sender.as_ref().map(|s| s.connection.clone()).unwrap_or_else(no_connection),
        cap: sender.as_ref().and_then(|s| s.tax_id_cap.clone()),
        group: sender.map_or_else(nowhere, |s| s.throttle),
        stands_in,
        has_others,
        parts: spec.parts,
        deadline: ends.unwrap_or(due + Span::days(1)),
    }))
}

/// The connection of messages without a sender.
pub fn no_connection() -> ConnectionId {
    "none".parse().expect("a slug")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kv, KvOptions, kv};

    fn put(kv: &dyn Kv, at: Instant, n: u16) {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        let mut state = State::over(kv);
        state.put(keys::due(at, &MessageId(id)), DueRow::Resolve);
        let mut batch = crate::store::Batch::new();
        for (key, value) in state.into_changes() {
            batch.put(key, value.expect("written"));
        }
        kv.commit(batch).expect("memory");
    }

    /// A backlog longer than one look hid everything behind it for ever: each look began at the first row.
    #[test]
    fn a_long_backlog_hides_nothing() {
        let kv = kv::memory::open(&KvOptions::default());
        let at = Instant::from_seconds;
        let count = (PAGES * SCAN + SWEEP + 500) as u16;
        (0..count).for_each(|n| put(&kv, at(100) + Span::micros(i64::from(n)), n));
        let mut schedule = Schedule::default();
        let mut seen = std::collections::HashSet::new();
        for second in 0..4 {
            let open = |_: &ConnectionId| Health::Open;
            let found = take_up(&mut State::over(&kv), &mut schedule, at(200 + second), &open);
            seen.extend(found.expect("reads"));
        }
        assert_eq!(seen.len(), usize::from(count));
        // Due long ago, written just now: as after a restart of the clock, or a hand-over that never was.
        put(&kv, at(50), count);
        let again: Vec<_> = (0..4)
            .flat_map(|n| {
                let open = |_: &ConnectionId| Health::Open;
                take_up(&mut State::over(&kv), &mut schedule, at(210 + n), &open).expect("reads")
            })
            .collect();
        assert!(again.iter().any(|id| id.0[..2] == count.to_be_bytes()), "the sweep finds it");
    }
}
