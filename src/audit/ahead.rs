//! Work on all cores over a stream that is read and settled in order, with a bounded number of pieces under way.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;

/// Pieces under way for each core.
const EACH: usize = 3;

/// A piece, and where its result is awaited.
type Job<T, R> = (T, SyncSender<R>);

/// Takes pieces from `next` until it has none, works on each on some core, and hands the results to `settle` in the
/// order of the pieces. `settle` answers whether it wants more. Ends with true when everything was settled, with false
/// when `settle` had enough, or with the error of `next` once everything before it was settled.
pub fn in_order<T: Send, R: Send, E>(
    mut next: impl FnMut() -> Result<Option<T>, E>,
    work: impl Fn(T) -> R + Sync,
    mut settle: impl FnMut(R) -> bool,
) -> Result<bool, E> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let (give, jobs) = sync_channel::<Job<T, R>>(EACH * cores);
    let jobs = Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().recv();
                    let Ok((piece, tell)) = job else { return };
                    // Nobody waits for it any more when settling ended early.
                    let _ = tell.send(work(piece));
                }
            });
        }
        // Moved in, so that the workers see its end when this scope's work is done.
        let give = give;
        let mut under_way: VecDeque<Receiver<R>> = VecDeque::new();
        let mut settle_first = |under_way: &mut VecDeque<Receiver<R>>| match under_way.pop_front() {
            Some(result) => result.recv().is_ok_and(&mut settle),
            None => true,
        };
        loop {
            let piece = match next() {
                Ok(Some(piece)) => piece,
                end => {
                    while !under_way.is_empty() {
                        if !settle_first(&mut under_way) {
                            return Ok(false);
                        }
                    }
                    return end.map(|_| true);
                }
            };
            let (tell, result) = sync_channel(1);
            under_way.push_back(result);
            if give.send((piece, tell)).is_err() {
                return Ok(false);
            }
            if under_way.len() >= EACH * cores && !settle_first(&mut under_way) {
                return Ok(false);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn results_come_in_order_and_errors_after_what_was_before_them(
            pieces in prop::collection::vec(0u32..1_000, 0..60),
            fails in any::<bool>(),
            enough in 0usize..80,
        ) {
            let mut from = pieces.iter().copied();
            let next = || match from.next() {
                None if fails => Err("broken"),
                piece => Ok(piece),
            };
            let mut settled = Vec::new();
            let end = in_order(next, |n| u64::from(n) * 2, |n| {
                settled.push(n);
                settled.len() < enough
            });
            let all: Vec<u64> = pieces.iter().map(|n| u64::from(*n) * 2).collect();
            let stopped = !pieces.is_empty() && enough <= pieces.len();
            match stopped {
                true => prop_assert_eq!((end, settled.len()), (Ok(false), enough.max(1))),
                false if fails => prop_assert_eq!((end, &settled), (Err("broken"), &all)),
                false => prop_assert_eq!((end, &settled), (Ok(true), &all)),
            }
            prop_assert_eq!(&settled[..], &all[..settled.len()]);
        }
    }
}
