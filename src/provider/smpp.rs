//! SMPP 3.4 and 5.0 as ESME: binds that are kept up, texts submitted over them, and what the SMSC says passed on.
//!
//! A part is written at most once, unless the SMSC certainly refused it. Without a response in time the message is unclear;
//! a response that comes later still says what became of it. SMPP has no list of what was missed.

pub mod alphabet;
mod dial;
pub mod ids;
mod keeper;
mod pace;
#[cfg(test)]
mod peers;
mod pending;
mod session;
pub mod settings;
pub mod status;
mod submit;
#[cfg(test)]
mod tests;
pub mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusmpp_core::pdus::owned::SubmitSm;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use self::keeper::{Trouble, Unsure, keep};
use self::pace::Pace;
use self::pending::{Answer, Ticket};
use self::session::{NotWritten, Session};
use self::settings::{Role, Settings};
use super::http::AddressRule;
use super::line::Listener;
use super::registry::{BuildError, Given};
use super::{BoxFuture, Dispatch, Handover, Provider, ReconcileError, Taker, reply};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::model::outgoing::ErrorClass;
use crate::model::{ConnectionId, Instant, MessageId, Span};

/// How often a later part is told again that the SMSC refused for its own haste, and for how long at most.
const REPEATS_MAX: u32 = 5;
const REPEATS_WITHIN: Duration = Duration::from_secs(10);
/// How often whoever listens is told whether the SMSC can reach us.
const REACHABLE_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for the SMSC to have told what it kept.
const QUIET_WITHIN: Duration = Duration::from_secs(10);
const NO_LIST: &str = "SMPP lists neither texts nor opt-outs: after a gap an operator vouches for the connection, or \
    settings.mo_while_unbound = \"kept\" says that this SMSC keeps what people write";

/// One bind, up or down.
struct Bind {
    role: Role,
    state: Mutex<BindState>,
    pace: Mutex<Pace>,
}

#[derive(Default)]
struct BindState {
    session: Option<Arc<Session>>,
    up_since: Option<tokio::time::Instant>,
    next_try: Instant,
    /// Why it is down, and whether somebody has to mend something.
    trouble: Option<(String, bool)>,
}

struct Shared {
    connection: ConnectionId,
    settings: Settings,
    addresses: AddressRule,
    clock: SharedClock,
    entropy: SharedEntropy,
    binds: Vec<Bind>,
    /// Which bind is asked first.
    turn: AtomicUsize,
    /// What the parts of the next message share.
    reference: AtomicU16,
    in_flight: AtomicUsize,
    unsure: Mutex<Unsure>,
    said_at: Mutex<tokio::time::Instant>,
    changed: tokio::sync::Notify,
}

/// One account at an SMSC.
pub struct Smpp(Arc<Shared>);

impl Smpp {
    /// An account from a connection; nobody is called before [`Provider::listen`].
    pub fn new(
        given: &Given<'_>,
        clock: SharedClock,
        entropy: SharedEntropy,
        addresses: AddressRule,
    ) -> Result<Smpp, BuildError> {
        let settings = Settings::read(given)?;
        Ok(Smpp::of(given.connection.id.clone(), settings, clock, entropy, addresses))
    }

    fn of(
        connection: ConnectionId,
        settings: Settings,
        clock: SharedClock,
        entropy: SharedEntropy,
        addresses: AddressRule,
    ) -> Smpp {
        let pace = || Mutex::new(Pace::new(settings.parts_per_second));
        let bind = |role: &Role| Bind { role: *role, state: Mutex::default(), pace: pace() };
        Smpp(Arc::new(Shared {
            connection,
            binds: settings.roles.iter().map(bind).collect(),
            turn: AtomicUsize::new(0),
            reference: AtomicU16::new(u16::from_le_bytes(entropy.bytes())),
            in_flight: AtomicUsize::new(0),
            unsure: Mutex::default(),
            said_at: Mutex::new(tokio::time::Instant::now()),
            changed: tokio::sync::Notify::new(),
            settings,
            addresses,
            clock,
            entropy,
        }))
    }
}

/// A hand-over under way.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn begin(count: &'a AtomicUsize) -> InFlight<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        InFlight(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A bind that may be used now.
struct Way<'a> {
    bind: &'a Bind,
    session: Arc<Session>,
}

/// Why none may.
enum NoWay {
    /// None is up.
    Down,
    /// All that are up rest, at least until then.
    Until(Instant),
}

impl Shared {
    fn up(&self, bind: &Bind, session: Arc<Session>) {
        let mut state = bind.state.lock();
        (state.session, state.trouble) = (Some(session), None);
        state.up_since = Some(tokio::time::Instant::now());
        self.changed.notify_one();
    }

    fn down(&self, bind: &Bind) {
        let mut state = bind.state.lock();
        (state.session, state.up_since) = (None, None);
        self.changed.notify_one();
    }

    fn troubled(&self, bind: &Bind, trouble: &Trouble) {
        let (role, fault) = (bind.role.name(), trouble.is_fault());
        let words = trouble.to_string();
        let mut state = bind.state.lock();
        let known = state.trouble.as_ref().is_some_and(|(known, _)| *known == words);
        match (known, fault) {
            (true, _) => tracing::debug!(role, error = %trouble, "still not bound to the SMSC"),
            (false, true) => {
                tracing::error!(role, error = %trouble, "the SMSC cannot be bound to as configured")
            }
            (false, false) => tracing::warn!(role, error = %trouble, "not bound to the SMSC"),
        }
        state.trouble = Some((words, fault));
    }

    fn tries_again(&self, bind: &Bind, wait: Duration) {
        bind.state.lock().next_try = self.clock.now() + Span::from_std(wait);
    }

    fn session_of(&self, bind: &Bind) -> Option<Arc<Session>> {
        bind.state.lock().session.clone().filter(|session| session.is_open())
    }

    /// Whether the SMSC can speak to us.
    fn is_reachable(&self) -> bool {
        self.binds.iter().any(|bind| bind.role.receives() && self.session_of(bind).is_some())
    }

    /// The bind for the next message: among those that may submit, in turn, the one with the most room.
    fn way(&self, now: Instant) -> Result<Way<'_>, NoWay> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.binds.len();
        let mut found: Option<Way<'_>> = None;
        let mut none = NoWay::Down;
        for n in 0..count {
            let bind = &self.binds[(first % count + n) % count];
            let Some(session) = self.session_of(bind).filter(|_| bind.role.transmits()) else { continue };
            if let Some(until) = bind.pace.lock().paused_until(now) {
                none = match none {
                    NoWay::Until(sooner) if sooner <= until => none,
                    _ => NoWay::Until(until),
                };
                continue;
            }
            if found.as_ref().is_none_or(|way| session.room() > way.session.room()) {
                found = Some(Way { bind, session });
            }
        }
        found.ok_or(none)
    }

    async fn hand_over(&self, dispatch: Dispatch) -> Handover {
        let _under_way = InFlight::begin(&self.in_flight);
        let now = self.clock.now();
        if !dispatch.is_valid_at(now) {
            return Handover::Void;
        }
        let way = match self.way(now) {
            Ok(way) => way,
            Err(no_way) => return self.no_way(no_way, now),
        };
        let reference = self.reference.fetch_add(1, Ordering::Relaxed);
        let parts = match submit::parts(&self.settings.submission, &dispatch, now, reference) {
            Ok(parts) => parts,
            Err(handover) => return handover,
        };
        let total = parts.len();
        let mut ids = Vec::new();
        for (taken, part) in parts.into_iter().enumerate() {
            let told = match taken {
                0 => self.tell_first(&way, part, &dispatch, total == 1).await,
                _ => self.tell_later(&way, part, dispatch.message()).await,
            };
            match told {
                Ok(id) => ids.extend(id),
                Err(handover) if taken == 0 => return handover,
                // Some parts are on their way: a second try would show them twice.
                Err(handover) => return partly(taken, total, handover),
            }
        }
        Handover::Accepted { ids }
    }

    fn no_way(&self, no_way: NoWay, now: Instant) -> Handover {
        let (code, words, until) = match no_way {
            NoWay::Down => ("not_bound", "no bind is up", self.rests_until(now).unwrap_or(now)),
            NoWay::Until(until) => ("throttled", "the SMSC asks for a pause", until),
        };
        reply::refused(ErrorClass::Retryable, code, words, Some(whole_seconds(until.since(now))))
    }

    /// The first part: nothing was written before, so that every failure but silence is certain.
    async fn tell_first(
        &self,
        way: &Way<'_>,
        part: SubmitSm,
        dispatch: &Dispatch,
        whole: bool,
    ) -> Result<Option<String>, Handover> {
        let begun = tokio::time::Instant::now();
        let until = begun + dispatch.not_after().since(self.clock.now()).to_std();
        if let Err(at) = self.permitted(way.bind, until).await {
            let wait = whole_seconds(at.since(self.clock.now()));
            let words = "the contracted rate is used up";
            return Err(reply::refused(ErrorClass::Retryable, "paced", words, Some(wait)));
        }
        let ticket = Ticket::new(dispatch.message(), whole);
        let may_begin = || dispatch.is_valid_at(self.clock.now());
        self.tell(way, part, &ticket, until, may_begin).await
    }

    /// A later part. Should the SMSC refuse it for haste alone, it was certainly not taken, and is told again.
    async fn tell_later(
        &self,
        way: &Way<'_>,
        part: SubmitSm,
        message: MessageId,
    ) -> Result<Option<String>, Handover> {
        let until = tokio::time::Instant::now() + REPEATS_WITHIN;
        let mut turn = 0;
        loop {
            let busy =
                |_| reply::refused(ErrorClass::Retryable, "throttled", "the SMSC asks for a pause", None);
            self.permitted(way.bind, until).await.map_err(busy)?;
            let ticket = Ticket::new(message, false);
            let told = self.tell(way, part.clone(), &ticket, until, || true).await;
            turn += 1;
            let throttled = matches!(&told, Err(Handover::NotTaken { failure, .. })
                if [status::THROTTLED, status::QUEUE_FULL].map(status::shown).contains(&failure.code));
            if !throttled || turn == REPEATS_MAX {
                return told;
            }
        }
    }

    /// Waits for the pace of a bind. The error: it would be too late.
    async fn permitted(&self, bind: &Bind, until: tokio::time::Instant) -> Result<(), Instant> {
        loop {
            let now = self.clock.now();
            let Err(at) = bind.pace.lock().take(now) else { return Ok(()) };
            let wake = tokio::time::Instant::now() + at.since(now).to_std();
            if wake > until {
                return Err(at);
            }
            tokio::time::sleep_until(wake).await;
        }
    }

    /// Writes one part and waits for its answer.
    async fn tell(
        &self,
        way: &Way<'_>,
        part: SubmitSm,
        ticket: &Arc<Ticket>,
        until: tokio::time::Instant,
        may_begin: impl Fn() -> bool,
    ) -> Result<Option<String>, Handover> {
        let not_sent = |words| Err(reply::refused(ErrorClass::Retryable, "not_sent", words, Some(1)));
        let sequence = match way.session.submit(part, ticket, until, may_begin).await {
            Ok(sequence) => sequence,
            Err(NotWritten::Withdrawn) => return Err(Handover::Void),
            Err(NotWritten::NoRoom) => return not_sent("the window stayed full"),
            Err(NotWritten::Over) => return not_sent("the bind went down before"),
            Err(NotWritten::Broken) => return Err(no_answer("the connection broke while it was written")),
        };
        let waited = tokio::time::timeout(self.settings.waits.response, ticket.answer()).await;
        let answer = match waited.ok().or_else(|| ticket.give_up()) {
            Some(answer) => answer,
            None => {
                way.session.give_up(sequence);
                return Err(no_answer("no response in time"));
            }
        };
        self.heard(way.bind, answer)
    }

    fn heard(&self, bind: &Bind, answer: Answer) -> Result<Option<String>, Handover> {
        let now = self.clock.now();
        match answer {
            Answer::Status(status::OK, id) => {
                bind.pace.lock().took(now);
                Ok(id)
            }
            Answer::Status(code, _) if status::throttles(code) => {
                let mut pace = bind.pace.lock();
                pace.complained(now);
                let wait = pace.paused_until(now).map(|until| whole_seconds(until.since(now)));
                Err(reply::refused(ErrorClass::Retryable, status::shown(code), status::words(code), wait))
            }
            Answer::Status(code, _) => Err(status::refused(code, &self.settings.opted_out)),
            Answer::Lost => Err(no_answer("the connection broke before the response")),
        }
    }

    /// Until when nothing can be submitted; none: something can.
    fn rests_until(&self, now: Instant) -> Option<Instant> {
        match self.way(now) {
            Ok(_) => None,
            Err(NoWay::Until(until)) => Some(until),
            Err(NoWay::Down) => {
                let senders = self.binds.iter().filter(|bind| bind.role.transmits());
                let next = senders.map(|bind| bind.state.lock().next_try).min();
                // A bind that is being tried just now takes a moment; one that receives alone never submits.
                Some(next.unwrap_or(now + Span::minutes(1)).max(now + Span::seconds(1)))
            }
        }
    }

    /// Waits until the SMSC has told what it kept: it is bound to, and has been silent for a while.
    async fn quiet(&self) -> Result<(), ReconcileError> {
        let enough = self.settings.waits.quiet;
        let waits = async {
            loop {
                let up =
                    self.binds.iter().filter(|bind| bind.role.receives() && self.session_of(bind).is_some());
                let up = up.filter_map(|bind| bind.state.lock().up_since).min();
                let Some(up) = up else { return Err(ReconcileError("no bind is up".to_owned())) };
                let since = up.max(*self.said_at.lock());
                if since.elapsed() >= enough {
                    return Ok(());
                }
                tokio::time::sleep_until(since + enough).await;
            }
        };
        let late = || Err(ReconcileError("the SMSC is still telling what it kept".to_owned()));
        tokio::time::timeout(QUIET_WITHIN, waits).await.unwrap_or_else(|_| late())
    }

    async fn run(self: Arc<Self>, listener: Arc<dyn Listener>, stop: CancellationToken) {
        let keepers = TaskTracker::new();
        for at in 0..self.binds.len() {
            let span = tracing::info_span!("smpp", connection = %self.connection, bind = at);
            keepers.spawn(keep(self.clone(), at, listener.clone(), stop.clone()).instrument(span));
        }
        keepers.close();
        let mut tick = tokio::time::interval(REACHABLE_EVERY);
        loop {
            tokio::select! {
                biased;
                () = keepers.wait() => return,
                () = self.changed.notified() => {}
                _ = tick.tick() => {}
            }
            // Who takes leave has missed nothing.
            if !stop.is_cancelled() {
                listener.reachable(self.is_reachable());
            }
        }
    }
}

fn whole_seconds(span: Span) -> u32 {
    let up = (span.as_micros().max(0) as u64).div_ceil(1_000_000);
    u32::try_from(up).unwrap_or(u32::MAX).max(1)
}

fn no_answer(words: &str) -> Handover {
    Handover::Unclear(reply::failure(ErrorClass::Ambiguous, "no_answer", words))
}

fn partly(taken: usize, total: usize, why: Handover) -> Handover {
    let (code, words) = match why {
        Handover::Rejected(f) | Handover::NotTaken { failure: f, .. } | Handover::Unclear(f) => {
            (f.code, f.text)
        }
        Handover::Void | Handover::Accepted { .. } => (String::new(), String::new()),
    };
    let words = format!("{taken} of {total} parts taken: {words}");
    Handover::Unclear(reply::failure(ErrorClass::Ambiguous, code, &words))
}

impl Provider for Smpp {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(self.0.hand_over(dispatch))
    }

    fn reconcile<'a>(&'a self, _: Instant, _: &'a dyn Taker) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(async move {
            if !self.0.settings.keeps {
                return Err(ReconcileError(NO_LIST.to_owned()));
            }
            // What it kept came over the binds and is durable: there is nothing else to take in.
            self.0.quiet().await
        })
    }

    fn resting_until(&self) -> Option<Instant> {
        self.0.rests_until(self.0.clock.now())
    }

    fn fault(&self) -> Option<String> {
        let troubles = self.0.binds.iter().filter_map(|bind| {
            let (words, fault) = bind.state.lock().trouble.clone()?;
            Some((fault, format!("{}: {words}", bind.role.name())))
        });
        troubles.max_by_key(|(fault, _)| *fault).map(|(_, words)| words)
    }

    fn listen(&self, listener: Arc<dyn Listener>, stop: CancellationToken) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.0.clone().run(listener, stop)))
    }
}
