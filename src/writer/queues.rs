//! Four bounded queues into the writer. What people tell us goes first; what callers ask for is shed first.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use super::op::{Priority, QueuedOp};

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

struct Inner {
    queues: [VecDeque<QueuedOp>; 4],
    closed: bool,
}

/// The queues, shared by everyone who wants something changed and the one who changes it.
pub struct Queues {
    inner: Mutex<Inner>,
    filled: Condvar,
    limits: QueueLimits,
}

/// Why an operation was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// Its queue is full.
    Full,
    /// The writer is draining or has stopped.
    Closed,
}

impl Queues {
    /// Empty queues.
    pub fn new(limits: QueueLimits) -> Queues {
        let inner = Inner { queues: Default::default(), closed: false };
        Queues { inner: Mutex::new(inner), filled: Condvar::new(), limits }
    }

    /// Queues an operation, or says why not. Never waits.
    pub fn push(&self, op: QueuedOp) -> Result<(), PushError> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(PushError::Closed);
        }
        let lane = op.priority as usize;
        if inner.queues[lane].len() >= self.limits.waiting[lane] {
            return Err(PushError::Full);
        }
        inner.queues[lane].push_back(op);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for work and takes a batch of it; none once closed and empty.
    pub fn take(&self) -> Option<Vec<QueuedOp>> {
        let mut inner = self.inner.lock();
        while inner.queues.iter().all(VecDeque::is_empty) {
            if inner.closed {
                return None;
            }
            self.filled.wait(&mut inner);
        }
        Some(inner.pick(self.limits.batch))
    }

    /// A batch of what waits now, without waiting.
    pub fn try_take(&self) -> Vec<QueuedOp> {
        self.inner.lock().pick(self.limits.batch)
    }

    /// Whether operations are still taken in.
    pub fn is_open(&self) -> bool {
        !self.inner.lock().closed
    }

    /// No more is taken in; what waits is still carried out.
    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_all();
    }

    /// Operations waiting, by priority.
    pub fn depths(&self) -> [usize; 4] {
        let inner = self.inner.lock();
        std::array::from_fn(|i| inner.queues[i].len())
    }
}

impl Inner {
    /// Inbound first, then outcomes, then intents, then the rest; but waiting intents get a quarter at least, so
    /// that a flood of receipts cannot starve what must leave before its window ends.
    fn pick(&mut self, most: usize) -> Vec<QueuedOp> {
        let intents = self.queues[Priority::Intent as usize].len().min(most / 4);
        let mut room = [most, most - intents, most, most];
        let mut batch = Vec::with_capacity(most.min(64));
        for (lane, queue) in self.queues.iter_mut().enumerate() {
            let free = room[lane].min(most).saturating_sub(batch.len());
            batch.extend(queue.drain(..free.min(queue.len())));
            room[lane] = 0;
        }
        batch
    }
}
