//! A data folder on a volume that fills up, loses keys, and gets room again.

use std::path::Path;

use super::room::{RESERVE_BYTES, room_in};
use super::*;
use crate::clock::ManualClock;
use crate::disk::{SimDisk, Space};
use crate::entropy::SeededEntropy;
use crate::export::testing::{env, master, origin};
use crate::export::verify::{self, Outcome};
use crate::ledger::body::PreferencesBody;
use crate::ledger::entry::Public;
use crate::model::subject::{Address, Preferences};
use crate::store::{KvOptions, SharedKv, kv};
use crate::writer::{
    CallError, Core, CoreError, Cx, Op, OpError, Priority, QueueLimits, QueuedOp, WriterHandle, spawn,
};

const DIR: &str = "/data";

/// A writer over a simulated disk, driven by hand.
struct Store {
    sim: SimDisk,
    clock: ManualClock,
    books: Books,
    kv: SharedKv,
    core: Core,
}

/// Says something of the n-th person, who may be new.
struct Say<const PRIORITY: usize>(u32);

impl<const P: usize> Op for Say<P> {
    type Answer = ();
    const PRIORITY: Priority = [Priority::Inbound, Priority::Outcome, Priority::Intent, Priority::Api][P];
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let subject = cx.subject_for(&Address::Phone(format!("1212555{:04}", self.0)))?;
        let body = PreferencesBody {
            preferences: Preferences::default(),
            hints: Vec::new(),
            operation: None,
            actor: "test".to_owned(),
        };
        cx.emit(subject, None, Public::default(), Body::Preferences(body)).map(drop)
    }
}

fn options(reserve: bool) -> EmbeddedOptions {
    EmbeddedOptions { reserve, ..EmbeddedOptions::default() }
}

impl Store {
    fn new(reserve: bool) -> Store {
        let clock = ManualClock::at(Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339"));
        let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        Store::open(SimDisk::new(5), clock, kv, reserve).expect("an empty folder opens")
    }

    fn open(sim: SimDisk, clock: ManualClock, kv: SharedKv, reserve: bool) -> Result<Store, CoreError> {
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(sim.operations()));
        let env = env(&clock, &entropy);
        let (log, books, _) =
            EmbeddedLog::open(&sim.shared(), Path::new(DIR), &origin(), master(), &entropy, options(reserve))
                .expect("the folder opens");
        let source = Arc::new(books.clone());
        let core = Core::open(env, Box::new(log), kv.clone(), source, books.keys().clone())?;
        Ok(Store { sim, clock, books, kv, core })
    }

    fn say(&mut self, n: u32) -> Result<(), CallError> {
        self.clock.advance(Span::seconds(2));
        let (queued, mut told) = QueuedOp::new(Say::<0>(n));
        // Whether the writer can go on is one thing; what the caller was told is another.
        let _ = self.core.run(vec![queued]);
        told.try_recv().expect("every operation is answered").map(drop)
    }

    /// How many bytes the volume has room for from here on; none: it is as large as one likes.
    fn leave(&self, bytes: Option<u64>) {
        self.sim.set_capacity(None);
        let used = (1 << 40) - self.sim.shared().space(Path::new(DIR)).expect("answers").available;
        self.sim.set_capacity(bytes.map(|bytes| used + bytes));
    }

    /// Entries, those in the tree, those under a checkpoint.
    fn sizes(&self) -> (u64, u64, u64) {
        (self.books.size(), self.books.tree().size(), self.books.checkpoint().size())
    }

    /// Ends the process as a kill does, and demands that everything of `entries` is there and sound.
    fn demand(self, entries: u64) {
        let Store { sim, clock, books, core, .. } = self;
        let key = books.verifier().clone();
        drop((core, books));
        let shared = sim.shared();
        let report = verify::directory(&shared, Path::new(DIR), &key, Some(master()), None);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
        let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        let again = Store::open(sim, clock, kv, false).expect("it opens again");
        assert!(again.books.size() >= entries, "{} of {entries}", again.books.size());
        assert_eq!(again.sizes().1, again.sizes().0);
    }
}

#[test]
fn a_full_volume_gets_the_reserve_wherever_it_fills_up() {
    let reserve = Path::new(DIR).join("reserve");
    for room in (0..2_600).step_by(47) {
        let mut store = Store::new(true);
        store.say(1).expect("there is room");
        store.leave(Some(room));
        for n in 2..5 {
            store.say(n).unwrap_or_else(|e| panic!("with {room} bytes left: {e}"));
        }
        store.core.close().expect("the last checkpoint fits");
        assert_eq!(store.sim.contents(&reserve), None, "it was given up");
        let (all, tree, signed) = store.sizes();
        assert_eq!((tree, signed), (all, all));
        store.leave(None);
        store.say(5).expect("there is room again");
        let held = store.sim.contents(&reserve).map(|bytes| bytes.len() as u64);
        assert_eq!(held, Some(RESERVE_BYTES), "and held again");
        store.demand(all);
    }
}

/// A full volume under the tree or `HEAD` once stopped the writer, though the entries were durable.
#[test]
fn tree_and_head_lag_behind_on_a_full_volume_and_catch_up() {
    let (mut lagging_trees, mut lagging_heads, mut stopped) = (0, 0, 0);
    for room in (0..2_600).step_by(29) {
        let mut store = Store::new(false);
        store.say(1).expect("there is room");
        store.leave(Some(room));
        let said = store.say(2);
        let (all, tree, signed) = store.sizes();
        lagging_trees += usize::from(tree < all);
        lagging_heads += usize::from(signed < all);
        store.leave(None);
        if said.is_err() {
            stopped += 1;
            store.demand(all);
            continue;
        }
        store.say(3).unwrap_or_else(|e| panic!("with room again after {room} bytes: {e}"));
        let (all, tree, signed) = store.sizes();
        assert_eq!((tree, signed), (all, all), "after {room} bytes");
        store.demand(all);
    }
    assert!(
        lagging_trees > 0 && lagging_heads > 0 && stopped > 0,
        "{lagging_trees} {lagging_heads} {stopped}"
    );
}

#[test]
fn a_tenth_is_low_a_twentieth_is_scarce_and_large_volumes_are_judged_by_bytes() {
    let gib = 1u64 << 30;
    let cases = [
        (gib, 10 * gib, Room::Enough),
        (gib - 1, 10 * gib, Room::Low),
        (gib / 2 - 1, 10 * gib, Room::Scarce),
        (2 * gib, 4_000 * gib, Room::Enough),
        (2 * gib - 1, 4_000 * gib, Room::Low),
        (gib - 1, 4_000 * gib, Room::Scarce),
        (0, 0, Room::Enough),
    ];
    for (available, total, room) in cases {
        assert_eq!(room_in(Space { available, total }), room, "{available} of {total}");
    }
}

/// Gives the writer an occasion to look at its volume, and waits until what it saw counts.
fn beat(writer: &WriterHandle, clock: &ManualClock) -> Room {
    for _ in 0..2 {
        // The second answer comes from a batch taken after the first one's look.
        clock.advance(Span::seconds(2));
        writer.call_blocking(Say::<1>(1)).expect("outcomes are always taken");
    }
    writer.room()
}

#[test]
fn callers_are_refused_first_then_intents_and_opt_outs_never() {
    let store = Store::new(true);
    let (sim, clock) = (store.sim.clone(), store.clock.clone());
    let (writer, thread) = spawn(store.core, QueueLimits::default()).expect("a thread");
    let fill = |name: &str, bytes: usize| sim.put(&Path::new(DIR).join(name), &vec![7; bytes]);
    assert_eq!(beat(&writer, &clock), Room::Enough);
    writer.call_blocking(Say::<3>(2)).expect("there is room");

    let total = 40 << 20;
    sim.set_capacity(Some(total));
    let free = || sim.shared().space(Path::new(DIR)).expect("answers").available as usize;
    fill("one", free() - (3 << 20)).expect("fits");
    assert_eq!(beat(&writer, &clock), Room::Low);
    assert!(matches!(writer.call_blocking(Say::<3>(3)), Err(CallError::NoRoom)));
    writer.call_blocking(Say::<2>(3)).expect("intents are still taken");

    fill("two", free() - (1 << 20)).expect("fits");
    assert_eq!(beat(&writer, &clock), Room::Scarce);
    assert!(matches!(writer.call_blocking(Say::<3>(4)), Err(CallError::NoRoom)));
    assert!(matches!(writer.call_blocking(Say::<2>(4)), Err(CallError::NoRoom)));

    fill("three", free() - 100).expect("fits");
    for n in 5..50 {
        writer.call_blocking(Say::<0>(n)).expect("an opt-out is taken from the reserve");
    }
    for name in ["one", "two", "three"] {
        sim.shared().remove(&Path::new(DIR).join(name)).expect("removed");
    }
    assert_eq!(beat(&writer, &clock), Room::Enough);
    writer.call_blocking(Say::<3>(60)).expect("there is room again");
    writer.close();
    thread.join().expect("no panic").expect("ends well");
}

#[test]
fn keys_outlive_the_epoch_of_the_log() {
    let mut store = Store::new(false);
    store.say(1).expect("written");
    let Store { sim, core, books, .. } = store;
    drop((core, books));
    let next = origin().in_epoch(2).expect("an origin");
    assert_eq!((next.seller(), next.epoch()), ("shop", 2));
    let keys = DataDir(DIR.into()).keys();
    let open = |owner: &str| {
        Keys::open(&sim.shared(), &keys, owner, master(), Arc::new(SeededEntropy::new(1))).map(|k| k.len())
    };
    assert_eq!(open(next.seller()).expect("the same seller's"), 2, "the seller's own and the person's");
    assert!(matches!(open("another"), Err(LedgerError::OtherLog { .. })));
}

#[test]
fn keys_older_than_the_ledger_are_refused_instead_of_forgetting_people() {
    let file = DataDir(DIR.into()).keys().join("00000000.key");
    let mut store = Store::new(false);
    store.say(1).expect("written");
    let older = store.sim.contents(&file).expect("keys");
    store.say(2).expect("written");
    let Store { sim, clock, core, books, kv, .. } = store;
    drop((core, books));
    sim.put(&file, &older).expect("put back");

    // With the index as it was, the person is known, and a second key must not be made.
    let mut again = Store::open(sim.clone(), clock.clone(), kv, false).expect("nothing has to be folded");
    again.say(1).expect("this key is there");
    let said = again.say(2).expect_err("this one is not");
    assert!(said.to_string().contains("keys/ lacks"), "{said}");
    drop((again.core, again.books));

    // Without it, the fold notices.
    let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let refused = Store::open(sim.clone(), clock.clone(), kv.clone(), false).map(drop);
    assert!(matches!(refused, Err(CoreError::KeysMissing { subjects: 1 })), "{refused:?}");
    assert!(Core::is_foreign(&kv, 100).expect("memory"), "what was folded is not taken for whole");
}
