//! Four bounded queues into the writer. What people tell us goes first; what callers ask for is shed first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::op::{Priority, QueuedOp};
use crate::telemetry::metrics;

/// Most operations that wait in each queue, and most in one batch.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// By priority.
    pub waiting: [usize; 4],
    /// Operations carried out together under one fsync.
    pub batch: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        QueueLimits { waiting: [4_096, 8_192, 4_096, 8_192], batch: 256 }
    }
}

/// How long a batch waits for operations that are on their way, and how many are enough to go without them. A batch of
/// ten costs nearly what one of a hundred does: one sync, one commit.
const LINGER: Duration = Duration::from_millis(2);
const ENOUGH: usize = 128;

/// Room on the data volume, as far as it decides what is still taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Everything is taken in.
    Enough = 0,
    /// No more of what callers ask for.
    Low = 1,
    /// Nothing new leaves either: only what people and carriers tell us.
    Scarce = 2,
}

impl Room {
    /// Whether operations of this priority are turned away.
    pub fn refuses(self, priority: Priority) -> bool {
        match priority {
            Priority::Inbound | Priority::Outcome => false,
            Priority::Intent => self == Room::Scarce,
            Priority::Api => self != Room::Enough,
        }
    }

    fn from_u8(room: u8) -> Room {
        match room {
            0 => Room::Enough,
            1 => Room::Low,
            _ => Room::Scarce,
        }
    }
}

struct Inner {
    queues: [VecDeque<QueuedOp>; 4],
    closed: bool,
    /// Operations the writer waits for; 0: it is at work.
    wanted: usize,
}

/// The queues, shared by everyone who wants something changed and the one who changes it.
pub struct Queues {
    inner: Mutex<Inner>,
    filled: Condvar,
    limits: QueueLimits,
    room: AtomicU8,
    /// Operations that callers think out and will queue presently.
    coming: AtomicUsize,
}

/// Why an operation was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// Its queue is full.
    Full,
    /// The data volume is nearly full, and others come first.
    NoRoom,
    /// The writer is draining or has stopped.
    Closed,
}

impl Queues {
    /// Empty queues.
    pub fn new(limits: QueueLimits) -> Queues {
        let inner = Inner { queues: Default::default(), closed: false, wanted: 0 };
        Queues {
            inner: Mutex::new(inner),
            filled: Condvar::new(),
            limits,
            room: AtomicU8::new(0),
            coming: AtomicUsize::new(0),
        }
    }

    /// Queues an operation, or says why not. Never waits.
    pub fn push(&self, op: QueuedOp) -> Result<(), PushError> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(PushError::Closed);
        }
        if self.room().refuses(op.priority) {
            metrics::shed(op.priority.name());
            return Err(PushError::NoRoom);
        }
        let lane = op.priority as usize;
        if inner.queues[lane].len() >= self.limits.waiting[lane] {
            metrics::shed(op.priority.name());
            return Err(PushError::Full);
        }
        inner.queues[lane].push_back(op);
        let awaited = inner.wanted > 0 && (inner.waiting() >= inner.wanted || inner.is_urgent());
        drop(inner);
        if awaited {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Whether an operation of this priority would be queued now.
    pub fn has_room(&self, priority: Priority) -> bool {
        let inner = self.inner.lock();
        let lane = priority as usize;
        !inner.closed
            && !self.room().refuses(priority)
            && inner.queues[lane].len() < self.limits.waiting[lane]
    }

    /// Waits for work and takes a batch of it; none once closed and empty.
    pub fn take(&self) -> Option<Vec<QueuedOp>> {
        let mut inner = self.inner.lock();
        while inner.waiting() == 0 {
            if inner.closed {
                return None;
            }
            inner.wanted = 1;
            self.filled.wait(&mut inner);
        }
        self.linger(&mut inner);
        inner.wanted = 0;
        Some(inner.pick(self.limits.batch))
    }

    /// Waits a moment for what is on its way. What people and carriers tell us does not wait.
    fn linger(&self, inner: &mut MutexGuard<'_, Inner>) {
        let enough = ENOUGH.min(self.limits.batch);
        let until = Instant::now() + LINGER;
        while self.coming.load(Ordering::Relaxed) > 0
            && inner.waiting() < enough
            && !inner.is_urgent()
            && !inner.closed
        {
            inner.wanted = enough;
            if self.filled.wait_until(inner, until).timed_out() {
                return;
            }
        }
    }

    /// An operation is being thought out and will be queued presently, unless its caller goes away.
    pub fn announce(self: &Arc<Self>) -> Coming {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(self.clone())
    }

    /// A batch of what waits now, without waiting.
    pub fn try_take(&self) -> Vec<QueuedOp> {
        self.inner.lock().pick(self.limits.batch)
    }

    /// Whether operations are still taken in.
    pub fn is_open(&self) -> bool {
        !self.inner.lock().closed
    }

    /// Room on the data volume, as the writer last saw it.
    pub fn room(&self) -> Room {
        Room::from_u8(self.room.load(Ordering::Relaxed))
    }

    /// What is taken in from now on.
    pub fn set_room(&self, room: Room) {
        self.room.store(room as u8, Ordering::Relaxed);
    }

    /// No more is taken in; what waits is still carried out.
    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_all();
    }

    /// Operations waiting, by priority, as in [`Priority::ALL`].
    pub fn depths(&self) -> [usize; 4] {
        let inner = self.inner.lock();
        std::array::from_fn(|i| inner.queues[i].len())
    }
}

/// An operation on its way into a queue; dropped once it is there.
pub struct Coming(Arc<Queues>);

impl Drop for Coming {
    fn drop(&mut self) {
        let last = self.0.coming.fetch_sub(1, Ordering::Relaxed) == 1;
        if last && self.0.inner.lock().wanted > 1 {
            self.0.filled.notify_one();
        }
    }
}

impl Inner {
    fn waiting(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    fn is_urgent(&self) -> bool {
        !self.queues[Priority::Inbound as usize].is_empty()
    }

    /// Inbound first, then outcomes, then intents, then the rest. Waiting intents get a quarter at least, against both:
    /// neither a flood of texts nor one of receipts starves what must leave before its window ends.
    fn pick(&mut self, most: usize) -> Vec<QueuedOp> {
        let intents = self.queues[Priority::Intent as usize].len().min(most / 4);
        let mut batch = Vec::with_capacity(most.min(64));
        for (priority, queue) in Priority::ALL.into_iter().zip(&mut self.queues) {
            let kept = if priority < Priority::Intent { intents } else { 0 };
            let free = (most - kept).saturating_sub(batch.len());
            batch.extend(queue.drain(..free.min(queue.len())));
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::cx::Cx;
    use crate::writer::op::{Op, OpError};

    /// Does nothing with the priority of that number.
    struct Of<const P: usize>;

    impl<const P: usize> Op for Of<P> {
        type Answer = ();
        const PRIORITY: Priority = Priority::ALL[P];
        fn run(self, _: &mut Cx<'_>) -> Result<(), OpError> {
            Ok(())
        }
    }

    /// Inbound once could fill whole batches: under a flood of texts nothing left any more.
    #[test]
    fn waiting_intents_get_a_quarter_against_texts_and_receipts() {
        // Waiting by priority, and what a batch of 16 takes of each.
        let table = [
            ([0, 0, 0, 0], [0, 0, 0, 0]),
            ([1, 2, 3, 4], [1, 2, 3, 4]),
            ([90, 0, 0, 90], [16, 0, 0, 0]),
            ([90, 0, 90, 0], [12, 0, 4, 0]),
            ([90, 90, 90, 90], [12, 0, 4, 0]),
            ([0, 90, 90, 90], [0, 12, 4, 0]),
            ([5, 90, 90, 90], [5, 7, 4, 0]),
            ([90, 90, 2, 0], [14, 0, 2, 0]),
            ([13, 90, 2, 0], [13, 1, 2, 0]),
            ([1, 0, 90, 90], [1, 0, 15, 0]),
            ([2, 3, 4, 90], [2, 3, 4, 7]),
        ];
        for (waiting, taken) in table {
            let queues = Queues::new(QueueLimits { batch: 16, ..QueueLimits::default() });
            (0..waiting[3]).for_each(|_| push(&queues, Of::<3>));
            (0..waiting[2]).for_each(|_| push(&queues, Of::<2>));
            (0..waiting[1]).for_each(|_| push(&queues, Of::<1>));
            (0..waiting[0]).for_each(|_| push(&queues, Of::<0>));
            let batch: Vec<Priority> = queues.try_take().iter().map(|op| op.priority).collect();
            assert!(batch.is_sorted(), "{waiting:?}: what people say comes first, then the next: {batch:?}");
            let counted = Priority::ALL.map(|of| batch.iter().filter(|p| **p == of).count());
            assert_eq!(counted, taken, "{waiting:?}");
        }
    }

    fn push<O: Op>(queues: &Queues, op: O) {
        queues.push(QueuedOp::new(op).0).expect("there is room");
    }

    #[test]
    fn a_batch_holds_what_was_announced_before_it() {
        let queues = Arc::new(Queues::new(QueueLimits { batch: 3, ..QueueLimits::default() }));
        // Three are on their way; the third fills the batch, so nobody waits for the clock.
        let coming: Vec<Coming> = (0..3).map(|_| queues.announce()).collect();
        let taker = queues.clone();
        let taken = std::thread::spawn(move || taker.take().map(|batch| batch.len()));
        for one in coming {
            push(&queues, Of::<3>);
            drop(one);
        }
        let first = taken.join().expect("no panic").expect("open");
        let rest = queues.try_take().len();
        assert_eq!(first + rest, 3, "nothing is lost however the threads run");
    }

    #[test]
    fn neither_the_last_one_nor_a_stop_waits_for_anybody() {
        let queues = Arc::new(Queues::new(QueueLimits::default()));
        push(&queues, Of::<3>);
        assert_eq!(queues.take().map(|batch| batch.len()), Some(1), "nobody else was announced");
        let slow = queues.announce();
        push(&queues, Of::<0>);
        assert_eq!(queues.take().map(|batch| batch.len()), Some(1), "what people say goes at once");
        push(&queues, Of::<3>);
        assert_eq!(queues.take().map(|batch| batch.len()), Some(1), "at most two milliseconds");
        drop(slow);
        queues.close();
        assert!(queues.take().is_none());
    }
}
