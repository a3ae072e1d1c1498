//! Two signatures for 90 days, whatever the power does meanwhile.

use super::*;
use crate::disk::sim::Fault;
use crate::disk::{SimDisk, Tear};
use crate::entropy::SeededEntropy;
use crate::export::testing::{World, master, options, origin};
use crate::export::verify::{Outcome, directory};
use crate::store::embedded::{DataDir, EmbeddedLog};
use crate::writer::Log;

fn now() -> Instant {
    Instant::parse("2026-06-02T12:00:00Z").expect("RFC 3339")
}

fn rotated(sim: &SimDisk, dir: &DataDir, at: Instant, seed: u64) -> Result<Rotated, RotateError> {
    let files = (dir.log_key(), dir.log_key_before(), dir.head());
    rotate(&sim.shared(), (&files.0, &files.1, &files.2), &origin(), &SeededEntropy::new(seed), at)
}

fn open(sim: &SimDisk, dir: &DataDir) -> (EmbeddedLog, crate::store::embedded::Books) {
    let entropy: crate::entropy::SharedEntropy = std::sync::Arc::new(SeededEntropy::new(5));
    let (log, books, _) =
        EmbeddedLog::open(&sim.shared(), &dir.0, &origin(), master(), &entropy, options()).expect("opens");
    (log, books)
}

fn verifies(note: &str, key: &str) -> bool {
    SignedCheckpoint::verify(note, &[key.parse().expect("a key")]).is_ok()
}

#[test]
fn both_keys_sign_for_ninety_days_and_then_the_new_one_alone() {
    let (sim, dir) = World::with_story().stop();
    let dir = DataDir(dir);
    let done = rotated(&sim, &dir, now(), 77).expect("rotated");
    assert_eq!(done.until, now() + Span::days(90));
    for key in [&done.before, &done.now] {
        let report = directory(&sim.shared(), &dir.0, &key.parse().expect("a key"), None, None);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
    }
    assert!(matches!(rotated(&sim, &dir, now() + Span::days(89), 78), Err(RotateError::Underway { .. })));

    let mut world = World::again(&sim, &dir.0);
    assert_eq!(world.books.verifier().as_str(), done.now);
    world.stop_by_text(crate::export::testing::person(), "main", 3);
    world.sign();
    let note = world.books.checkpoint().note().to_owned();
    assert!(verifies(&note, &done.before) && verifies(&note, &done.now), "{note}");
    let keys = world.books.verifiers(now());
    assert_eq!(keys.iter().map(|k| k.as_str()).collect::<Vec<_>>(), [&done.now, &done.before]);
    drop(world.stop());

    let (mut log, books) = open(&sim, &dir);
    log.tick(done.until - Span::seconds(1)).expect("ticks");
    assert!(sim.contents(&dir.log_key_before()).is_some());
    log.tick(done.until).expect("ticks");
    assert!(sim.contents(&dir.log_key_before()).is_none(), "its time is over");
    assert_eq!(books.verifiers(done.until).len(), 1);
    drop(log);
    let mut world = World::again(&sim, &dir.0);
    world.stop_by_text(crate::export::testing::person(), "main", 4);
    world.sign();
    let note = world.books.checkpoint().note().to_owned();
    assert!(!verifies(&note, &done.before) && verifies(&note, &done.now), "{note}");
    drop(world.stop());
    rotated(&sim, &dir, done.until, 79).expect("and again");
}

#[test]
fn a_power_cut_anywhere_leaves_a_log_that_opens_and_verifies() {
    let (sound, path) = World::with_story().stop();
    let dir = DataDir(path);
    let mut cuts = 0;
    for nth in 1.. {
        let sim = sound.fork(nth);
        sim.fail_in(nth, Fault::PowerCut);
        let done = rotated(&sim, &dir, now(), 77);
        let over = done.is_ok();
        sim.crash(Tear::Lost);
        let (log, books) = open(&sim, &dir);
        let note = books.checkpoint().note().to_owned();
        assert!(verifies(&note, &log.verifier_key()), "cut {nth}");
        if let Ok(done) = done {
            assert!(verifies(&note, &done.before) && verifies(&note, &done.now));
        }
        drop((log, books));
        if over {
            break;
        }
        cuts += 1;
        rotated(&sim, &dir, now(), 78)
            .or_else(|e| {
                if matches!(e, RotateError::Underway { .. }) {
                    rotated(&sim, &dir, now() + OVERLAP, 78)
                } else {
                    Err(e)
                }
            })
            .expect("the same call ends it");
    }
    assert!(cuts > 6, "{cuts}");
}

#[test]
fn a_bundle_verifies_with_either_key() {
    use crate::export::verify::bundle;
    use crate::export::{Export, Format, Request};

    let (sim, dir) = World::with_story().stop();
    let done = rotated(&sim, &DataDir(dir.clone()), now(), 77).expect("rotated");
    let world = World::again(&sim, &dir);
    let request =
        Request { brand: None, person: None, from: None, to: None, format: Format::Bundle, since: None };
    let export = Export::plan(&world.reader, &world.books, request).expect("planned");
    let mut bytes = Vec::new();
    let keep = |piece: Vec<u8>| {
        bytes.extend(piece);
        Ok(())
    };
    export.run(&world.reader, &world.books, 0, keep).expect("made");
    for key in [&done.before, &done.now] {
        let report = bundle(bytes.as_slice(), &[key.parse().expect("a key")], None);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
    }
}
