//! What is to happen later: one ordered list and one sleeper instead of a task for each text.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant as Tick;

/// Things due at an instant of tokio's time; those due together come in the order they were added.
#[derive(Debug)]
pub struct Agenda<T> {
    due: Mutex<Due<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct Due<T> {
    next: u64,
    by_time: BTreeMap<(Tick, u64), T>,
    max: usize,
}

impl<T> Agenda<T> {
    /// An empty list that holds at most `max`; beyond, what is due last is forgotten.
    pub fn new(max: usize) -> Self {
        Self { due: Mutex::new(Due { next: 0, by_time: BTreeMap::new(), max }), changed: Notify::new() }
    }

    /// Adds what is due at `at`.
    pub fn add(&self, at: Tick, item: T) {
        let mut due = self.due.lock();
        let order = due.next;
        due.next += 1;
        due.by_time.insert((at, order), item);
        if due.by_time.len() > due.max {
            due.by_time.pop_last();
        }
        drop(due);
        self.changed.notify_one();
    }

    /// Waits for the next thing due. Only one caller may wait at a time.
    pub async fn next(&self) -> T {
        loop {
            let first = self.due.lock().by_time.first_key_value().map(|((at, _), _)| *at);
            match first {
                Some(at) if Tick::now() >= at => {
                    if let Some((_, item)) = self.due.lock().by_time.pop_first() {
                        return item;
                    }
                }
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }
}
