use std::sync::Arc;

use super::*;
use crate::ledger::fold::quarter_begins;
use crate::model::Span;
use crate::model::registry::Sender;
use crate::store::{Batch, Kv, KvOptions, kv};
use crate::writer::ops::send::tests::shop;

/// A quarter of an hour in 2026.
const Q: i64 = 1_980_000;

fn id(name: &str) -> SenderId {
    name.parse().expect("a slug")
}

/// A sender of one part a second.
fn sender(name: &str, group: &str, paused: bool) -> (Vec<u8>, RegistryRow) {
    let found = shop().into_iter().find_map(|object| match object {
        Object::Sender(sender) => Some(sender),
        _ => None,
    });
    let own = found.expect("the shop has one");
    let throttle =
        ThrottleGroup { id: group.to_owned(), milli_parts_per_second: 1_000, ..own.throttle.clone() };
    let object = Object::Sender(Sender { id: id(name), paused, throttle, ..own });
    let at = Instant::EPOCH;
    (keys::registry("sender", name), RegistryRow { object, created_at: at, updated_at: at })
}

/// Rows as a commit changes them; no parts: the row is deleted.
fn changes(senders: &[(&str, &str, bool)], parts: &[(&str, i64, u64)]) -> Vec<Change> {
    let kv = kv::memory::open(&KvOptions::default());
    let mut state = State::over(&kv);
    for (name, group, paused) in senders {
        let (key, row) = sender(name, group, *paused);
        state.put(key, row);
    }
    for (name, quarter, parts) in parts {
        let key = keys::waiting_parts(&id(name), *quarter);
        match parts {
            0 => state.delete(key),
            parts => state.put(key, WaitingParts { parts: *parts }),
        }
    }
    state.into_changes()
}

fn of(senders: &[(&str, &str, bool)], parts: &[(&str, i64, u64)]) -> Backlog {
    let backlog = Backlog::default();
    backlog.learn(&changes(senders, parts)).expect("our own rows");
    backlog
}

fn after(quarter: i64, seconds: i64) -> Instant {
    quarter_begins(quarter) + Span::seconds(seconds)
}

#[test]
fn a_turn_comes_when_all_that_is_due_before_has_left() {
    let backlog = of(&[("main", "main", false)], &[("main", Q - 9, 10), ("main", Q + 4, 1_800)]);
    let now = after(Q, 100);
    // When it is due, and when it gets its turn; none: at once.
    let table = [
        (after(Q, 100), Some(after(Q, 110))),
        (after(Q, 105), Some(after(Q, 110))),
        (after(Q, 200), None),
        (after(Q + 3, 899), None),
        (after(Q + 4, 0), Some(after(Q + 4, 1_800))),
        (after(Q + 4, 899), Some(after(Q + 4, 1_800))),
        (after(Q + 5, 0), Some(after(Q + 4, 1_800))),
        (after(Q + 6, 0), None),
    ];
    for (due, free) in table {
        assert_eq!(backlog.free_at(&id("main"), due, now), free, "{due}");
    }
    assert_eq!(backlog.free_at(&id("stranger"), now, now), None);
}

#[test]
fn senders_of_one_group_share_its_turns_and_a_paused_one_takes_none() {
    let parts = [("a", Q, 10), ("b", Q, 20), ("c", Q, 40), ("d", Q, 80)];
    let senders = [("a", "g", false), ("b", "g", false), ("c", "g", true), ("d", "own", false)];
    let backlog = of(&senders, &parts);
    let now = after(Q, 0);
    let free = |name: &str| backlog.free_at(&id(name), now, now).map(|at| at.since(now).as_seconds());
    assert_eq!(["a", "b", "c", "d"].map(free), [Some(30), Some(30), Some(70), Some(80)]);
    backlog.learn(&changes(&[("b", "own", false), ("c", "g", false)], &[("a", Q, 0)])).expect("our own rows");
    let free = |name: &str| backlog.free_at(&id(name), now, now).map(|at| at.since(now).as_seconds());
    assert_eq!(["a", "b", "c", "d"].map(free), [Some(40), Some(100), Some(40), Some(100)]);
}

/// After a start it knows what it knew before.
#[test]
fn what_is_loaded_is_what_was_learned() {
    let kv = Arc::new(kv::memory::open(&KvOptions::default()));
    let learned = Backlog::default();
    let mut seed = 7u64;
    let mut below = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for _ in 0..200 {
        let (name, group) = (["a", "b", "c"][below(3) as usize], ["g", "h"][below(2) as usize]);
        let news = changes(&[(name, group, below(4) == 0)], &[(name, Q + below(6) as i64, below(5) * 300)]);
        learned.learn(&news).expect("our own rows");
        let mut batch = Batch::new();
        for (key, value) in news {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        kv.commit(batch).expect("memory");
        let loaded = Backlog::default();
        loaded.load(&*kv).expect("our own rows");
        for name in ["a", "b", "c"] {
            for quarter in 0..8 {
                let (due, now) = (after(Q + quarter, 5), after(Q, 0));
                assert_eq!(learned.free_at(&id(name), due, now), loaded.free_at(&id(name), due, now));
            }
        }
    }
}
