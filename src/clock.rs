//! The one door to the date of the operating system.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Instant, Span};

/// Tells the present instant. Handed to whoever lives at an edge; pure code takes an [`Instant`] instead.
pub trait Clock: Send + Sync + 'static {
    /// The present instant. May stand still or step; callers guard against steps back.
    fn now(&self) -> Instant;
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The date of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one door")]
    fn now(&self) -> Instant {
        Instant::from_jiff(jiff::Timestamp::now())
    }
}

/// A clock that stands where it is put; clones share one value. For tests and simulation.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock standing at `at`.
    pub fn at(at: Instant) -> Self {
        Self(Arc::new(AtomicI64::new(at.as_micros())))
    }
    /// Moves to `at`, which may lie behind.
    pub fn set(&self, at: Instant) {
        self.0.store(at.as_micros(), Ordering::SeqCst);
    }
    /// Moves on by `span`.
    pub fn advance(&self, span: Span) {
        self.0.fetch_add(span.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Runs with the system's clock, a movable distance ahead: the sandbox's "it is now 21:04 in Phoenix".
#[derive(Debug, Clone, Default)]
pub struct OffsetClock {
    ahead_micros: Arc<AtomicI64>,
}

impl OffsetClock {
    /// How far ahead of the system's clock it runs.
    pub fn ahead(&self) -> Span {
        Span::micros(self.ahead_micros.load(Ordering::SeqCst))
    }
    /// Moves on to `at`. Answers false and stays when `at` lies behind: the ledger never goes back.
    pub fn jump_to(&self, at: Instant) -> bool {
        let ahead = at.since(SystemClock.now()).as_micros();
        self.ahead_micros.fetch_max(ahead, Ordering::SeqCst) < ahead
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> Instant {
        SystemClock.now() + self.ahead()
    }
}
