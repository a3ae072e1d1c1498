//! Every way on, from every damage it is for, through a power cut at every step.

use std::sync::Arc;

use super::*;
use crate::clock::ManualClock;
use crate::disk::sim::Fault;
use crate::disk::{SimDisk, Tear};
use crate::entropy::{SeededEntropy, SharedEntropy};
use crate::export::testing::{World, env, master, options, origin};
use crate::store::embedded::EmbeddedLog;
use crate::store::maintain::backup::backup;
use crate::store::{KvOptions, SharedKv, kv};
use crate::writer::{Core, EntrySource};

const SEGMENT: &str = "/data/ledger/00000000.seg";

fn data() -> DataDir {
    DataDir("/data".into())
}

fn copy() -> DataDir {
    DataDir("/copy".into())
}

/// A folder with a story in it, at rest, and how many entries that is.
fn story() -> (SimDisk, u64) {
    let world = World::with_story();
    let entries = world.books.size();
    (world.stop().0, entries)
}

fn found(sim: &SimDisk, origin: &Origin) -> Found {
    look(&sim.shared(), &data(), origin).expect("the disk answers")
}

/// Opens the folder as a start under `origin` does, index and all.
fn open(sim: &SimDisk, origin: &Origin) -> Result<u64, String> {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(9));
    let opened = EmbeddedLog::open(&sim.shared(), &data().0, origin, master(), &entropy, options());
    let (log, books, _) = opened.map_err(|e| e.to_string())?;
    let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let env = env(&ManualClock::default(), &entropy);
    let core = Core::open(env, Box::new(log), kv, Arc::new(books.clone()), books.keys().clone());
    core.map_err(|e| e.to_string())?;
    Ok(books.size())
}

/// Flips a bit in the middle of a segment; answers what still reads before it.
fn damage(sim: &SimDisk) -> u64 {
    let middle = sim.contents(Path::new(SEGMENT)).expect("a segment").len() as u64 / 2;
    assert!(sim.flip_bit(Path::new(SEGMENT), middle, 2));
    found(sim, &origin()).entries
}

#[test]
fn a_sound_folder_and_a_torn_tail_need_nothing() {
    let (sim, entries) = story();
    let sound = found(&sim, &origin());
    assert!(sound.is_sound() && sound.end == End::Whole, "{sound:?}");
    assert_eq!((sound.entries, &sound.head), (entries, &HeadState::Covers { signed: entries }));

    // A batch of which only a part reached the disk.
    let last = sim.shared().list(&data().ledger()).expect("lists");
    let last = last.iter().rfind(|name| name.ends_with(".seg")).expect("a segment").clone();
    let path = data().ledger().join(last);
    let whole = sim.contents(&path).expect("there");
    sim.put(&path, &[whole.as_slice(), &whole[64..164]].concat()).expect("put");
    let torn = found(&sim, &origin());
    assert_eq!(torn.end, End::Torn { bytes: 100 });
    assert!(torn.is_sound());
    assert_eq!(trim_tail(&sim.shared(), &data(), &torn).expect("cut"), 100);
    assert_eq!(sim.contents(&path), Some(whole));
    assert_eq!(trim_tail(&sim.shared(), &data(), &found(&sim, &origin())).expect("nothing to cut"), 0);
}

#[test]
fn damage_is_no_torn_tail_and_a_missing_head_is_told() {
    let (sim, entries) = story();
    let read = damage(&sim);
    let damaged = found(&sim, &origin());
    assert!(read < entries && !damaged.is_sound(), "{damaged:?}");
    assert!(matches!(&damaged.end, End::Damaged { file, .. } if file == Path::new(SEGMENT)));
    assert_eq!(damaged.head, HeadState::Shorter { signed: entries });
    assert!(matches!(trim_tail(&sim.shared(), &data(), &damaged), Err(RecoverError::Refused(_))));
    sim.shared().remove(&data().head()).expect("removed");
    assert!(matches!(found(&sim, &origin()).head, HeadState::Unreadable { .. }));
    sim.shared().remove(Path::new(SEGMENT)).expect("removed");
    let gone = found(&sim, &origin());
    assert_eq!((gone.entries, gone.is_sound()), (0, false));
    let started = open(&sim, &origin()).expect_err("it must not begin anew");
    assert!(started.contains("they were lost"), "{started}");
}

#[test]
fn a_backup_brings_back_what_was_damaged_whenever_the_power_goes() {
    let (sim, entries) = story();
    backup(&sim.shared(), &data(), &copy(), &[]).expect("copied");
    damage(&sim);
    let bring_back = |sim: &SimDisk| restore(&sim.shared(), &data(), &copy(), &found(sim, &origin()));
    let trial = sim.fork(1);
    assert_eq!(bring_back(&trial).expect("restored"), entries);
    assert_eq!(open(&trial, &origin()), Ok(entries));
    assert!(trial.contents(Path::new("/data/ledger.damaged/00000000.seg")).is_some(), "it is kept");
    let operations = trial.operations() - sim.operations();
    for at in 1..=operations {
        let sim = sim.fork(at);
        sim.fail_in(at, Fault::PowerCut);
        let _ = bring_back(&sim);
        sim.crash(Tear::Lost);
        match open(&sim, &origin()) {
            Ok(n) => assert_eq!(n, entries, "cut at {at}"),
            Err(_) => {
                assert_eq!(bring_back(&sim).unwrap_or_else(|e| panic!("cut at {at}: {e}")), entries);
                assert_eq!(open(&sim, &origin()), Ok(entries), "cut at {at}");
            }
        }
    }
}

#[test]
fn a_backup_that_would_lose_something_is_refused() {
    let mut world = World::with_story();
    let disk = world.disk.clone();
    backup(&disk, &data(), &copy(), &[]).expect("copied");
    world.person(crate::model::SubjectId([9; 16]), "12125550199", "main", 9);
    let (sim, _) = world.stop();
    damage(&sim);
    let refused = |sim: &SimDisk| {
        let why = restore(&sim.shared(), &data(), &copy(), &found(sim, &origin()));
        why.expect_err("refused").to_string()
    };
    assert!(refused(&sim).contains("were signed for"), "{}", refused(&sim));

    // One that is of another history, with the operator's own key.
    let mut other = World::new();
    other.person(crate::model::SubjectId([8; 16]), "12125550198", "main", 8);
    other.tell_story();
    other.sign();
    let (sim, entries) = story();
    damage(&sim);
    for name in other.disk.list(Path::new("/data/ledger")).expect("lists") {
        let bytes = other.sim.contents(&Path::new("/data/ledger").join(&name)).expect("there");
        sim.shared().create_dir(&copy().ledger()).expect("made");
        sim.put(&copy().ledger().join(&name), &bytes).expect("put");
    }
    assert!(other.books.size() > entries && refused(&sim).contains("another history"), "{}", refused(&sim));
}

#[test]
fn a_new_epoch_carries_over_what_reads_whenever_the_power_goes() {
    let (sim, entries) = story();
    let old_head = sim.contents(&data().head()).expect("a head");
    let read = damage(&sim);
    assert!(read > 0 && read < entries);
    let new = origin().in_epoch(2).expect("an origin");
    let begin = |sim: &SimDisk| begin_epoch(&sim.shared(), &data(), &origin(), &new, &SeededEntropy::new(77));
    let check = |sim: &SimDisk, begun: Begun, at: u64| {
        assert_eq!((begun.carried, begun.signed), (read, Some(entries)), "cut at {at}");
        assert_eq!(begun.checkpoint.as_bytes(), old_head);
        assert_eq!(open(sim, &new), Ok(read), "cut at {at}");
        assert!(open(sim, &origin()).is_err(), "the old epoch has ended");
        for kept in ["ledger.e1/00000000.seg", "HEAD.e1", "log.key.e1"] {
            assert!(sim.contents(&data().0.join(kept)).is_some(), "{kept} is kept");
        }
        assert_eq!(found(sim, &new).entries, read);
        assert!(found(sim, &new).is_sound());
    };
    let trial = sim.fork(1);
    let begun = begin(&trial).expect("begun");
    assert!(!begun.was_there);
    check(&trial, begun, 0);
    assert!(begin(&trial).expect("looked").was_there);
    let operations = trial.operations() - sim.operations();
    for at in 1..operations {
        let sim = sim.fork(at);
        sim.fail_in(at, Fault::PowerCut);
        let _ = begin(&sim);
        sim.crash(Tear::Lost);
        assert!(open(&sim, &origin()).is_err(), "cut at {at}: as the old epoch");
        if let Ok(n) = open(&sim.fork(2), &new) {
            assert_eq!(n, read, "cut at {at}: as the new epoch");
        }
        let begun = begin(&sim).unwrap_or_else(|e| panic!("cut at {at}: {e}"));
        check(&sim, begun, at);
    }
}
