//! A copy made at any moment opens and verifies; one that broke off does not open; what is not sound is said.

use std::sync::Arc;

use super::*;
use crate::clock::ManualClock;
use crate::disk::sim::Fault;
use crate::entropy::{SeededEntropy, SharedEntropy};
use crate::export::testing::{World, env, master, options, origin};
use crate::export::verify::{Outcome, directory};
use crate::store::embedded::EmbeddedLog;
use crate::store::{KvOptions, SharedKv, kv};
use crate::writer::{Core, EntrySource};

fn folder(path: &str) -> DataDir {
    DataDir(path.into())
}

fn key_of(from: &DataDir) -> Vec<PathBuf> {
    vec![from.log_key()]
}

/// Opens a folder as a start does, index and all; answers how many entries it has.
fn open(disk: &SharedDisk, dir: &DataDir) -> Result<u64, String> {
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(9));
    let (log, books, _) = EmbeddedLog::open(disk, &dir.0, &origin(), master(), &entropy, options())
        .map_err(|e| e.to_string())?;
    let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let env = env(&ManualClock::default(), &entropy);
    let source = Arc::new(books.clone());
    let mut core =
        Core::open(env, Box::new(log), kv, source, books.keys().clone()).map_err(|e| e.to_string())?;
    core.close().map_err(|e| e.to_string())?;
    Ok(books.size())
}

fn person(world: &mut World, n: u32) {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    world.person(SubjectId(id), &format!("1212555{n:04}"), "main", n as u8);
}

#[test]
fn a_copy_says_which_master_key_opens_it_and_holds_keys_under_one_only() {
    use crate::ledger::keys::rotation::{MASTER_NEXT, rotate};
    let (sim, dir) = World::with_story().stop();
    let (disk, from, to) = (sim.shared(), DataDir(dir), folder("/copy"));
    let first = backup(&disk, &from, &to, &key_of(&from)).expect("copied");
    assert_eq!(first.master, None, "it was never opened with a key in it");
    open(&disk, &from).expect("opens");
    let next = crate::ledger::keys::MasterKey::from_bytes([77; 32]);
    let entropy = SeededEntropy::new(4);
    let masters = (&master(), &next);
    rotate(&disk, &from.keys(), "shop", masters, &entropy, &mut |_, _| {}).expect("rotated");
    // A rotation that has happened and is not settled: some files are under the one key, some under the other.
    sim.put(&from.keys().join(MASTER_NEXT), format!("{}\n", next.id()).as_bytes()).expect("there");
    let refused = backup(&disk, &from, &to, &key_of(&from));
    assert!(matches!(refused, Err(BackupError::Rotated { .. })), "{refused:?}");
    crate::ledger::keys::rotation::settle(&disk, &from.keys()).expect("settled");
    let made = backup(&disk, &from, &to, &key_of(&from)).expect("copied");
    assert_eq!(made.master, Some(next.id()));
    assert!(open(&disk, &to).expect_err("the former key").contains(&next.id().to_string()));
    let report = directory(&disk, &to.0, &made.verifier, Some(next), None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
}

#[test]
fn what_webhooks_are_still_to_be_told_is_in_the_copy_and_never_ahead_of_its_ledger() {
    use crate::feed::queue::{Position, Queue};
    use crate::feed::shelf::Shelf;
    let mut world = World::with_story();
    let (disk, from, to) = (world.disk.clone(), DataDir(world.dir.clone()), folder("/copy"));
    for n in 0..3 {
        person(&mut world, n);
        world.sign();
        let mut queue = Queue::from(world.books.size());
        let position = Position { entry: world.books.size() - 1, event: 0 };
        queue.add(position, SubjectId([7; 16]), crate::model::Instant::EPOCH);
        Shelf::new(disk.clone(), &from.0, "shop").save(&queue).expect("kept");
        let made = backup(&disk, &from, &to, &key_of(&from)).expect("copied");
        let copied = Shelf::new(disk.clone(), &to.0, "shop").load().expect("reads").expect("there");
        assert_eq!(copied.waiting(), queue.waiting());
        assert!(copied.next <= made.entries, "{} of {}", copied.next, made.entries);
    }
}

#[test]
fn copies_made_while_the_gateway_writes_open_and_verify() {
    let mut world = World::with_story();
    let (disk, from) = (world.disk.clone(), DataDir(world.dir.clone()));
    let verifier = world.books.verifier().clone();
    let books = world.books.clone();
    let (go, told) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut n = 0;
        while told.recv().is_ok() {
            for _ in 0..4 {
                n += 1;
                person(&mut world, n);
            }
        }
    });
    for n in 0..6 {
        let to = folder(&format!("/copy{n}"));
        let before = books.size();
        go.send(()).expect("it writes");
        let made = backup(&disk, &from, &to, &key_of(&from)).expect("copied");
        assert!(made.entries >= made.signed && made.entries >= before, "{made:?}");
        let report = directory(&disk, &to.0, &verifier, Some(master()), None);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
        assert_eq!(open(&disk, &to), Ok(made.entries));
    }
    drop(go);
    writer.join().expect("it wrote to the end");
}

#[test]
fn receipts_of_anchors_are_copied_once() {
    use crate::ledger::anchor::{Kind, Receipt, Shelf};

    let world = World::with_story();
    let (disk, from, to) = (world.disk.clone(), DataDir(world.dir.clone()), folder("/copy"));
    let keep = || {
        let checkpoint = world.books.checkpoint().note().to_owned();
        let recorded_at = crate::model::Instant::from_seconds(1_790_000_000);
        let anchor = "counsel".to_owned();
        let receipt =
            Receipt { anchor, kind: Kind::Command, recorded_at, checkpoint, proof: b"kept".to_vec() };
        world.books.anchors().add(&receipt, world.books.checkpoint().size()).expect("kept");
    };
    let mut copied = Vec::new();
    for _ in 0..3 {
        keep();
        copied.push(backup(&disk, &from, &to, &key_of(&from)).expect("copied").copied);
    }
    assert_eq!(
        (copied[2], copied[1]),
        (copied[1], copied[1]),
        "each run copies one more receipt: {copied:?}"
    );
    let shelf = Shelf::open(&disk, &to.anchors(1)).expect("opens");
    assert_eq!(shelf.list(), world.books.anchors().list());
}

#[test]
fn a_second_run_adds_what_is_new() {
    let mut world = World::with_story();
    let (disk, from, to) = (world.disk.clone(), DataDir(world.dir.clone()), folder("/backup"));
    for n in 1..4 {
        person(&mut world, n);
    }
    let first = backup(&disk, &from, &to, &[]).expect("copied");
    assert_eq!((first.kept, first.secrets), (0, false));
    assert!(!disk.exists(&to.log_key()).expect("answers"), "it was not asked for");
    for n in 4..8 {
        person(&mut world, n);
    }
    world.sign();
    let second = backup(&disk, &from, &to, &key_of(&from)).expect("copied");
    assert!(
        second.kept > 0 && second.entries > first.entries && second.signed == second.entries,
        "{second:?}"
    );
    assert_eq!(open(&disk, &to), Ok(second.entries));
}

#[test]
fn a_run_that_breaks_off_leaves_nothing_that_opens_and_the_next_one_ends_it() {
    let world = World::with_story();
    let entries = world.books.size();
    let (sim, dir) = world.stop();
    let (from, to) = (DataDir(dir), folder("/backup"));
    let whole = sim.fork(1);
    backup(&whole.shared(), &from, &to, &key_of(&from)).expect("copied");
    let operations = whole.operations() - sim.operations();
    let mut broke = 0;
    for at in 1..=operations {
        for fault in [Fault::Error, Fault::PowerCut] {
            let sim = sim.fork(at);
            sim.fail_in(at, fault);
            let made = backup(&sim.shared(), &from, &to, &key_of(&from));
            sim.crash(crate::disk::Tear::Lost);
            match (made, open(&sim.shared(), &to)) {
                (Ok(_), Ok(n)) => assert_eq!(n, entries, "{fault:?} at {at}"),
                (Ok(made), Err(why)) => panic!("{fault:?} at {at}: {made:?}, but {why}"),
                // A log without entries may begin anew where nothing was copied yet.
                (Err(_), Ok(n)) => assert!(n == entries || n == 0, "{fault:?} at {at}: {n} entries open"),
                (Err(_), Err(_)) => broke += 1,
            }
            let fresh = folder("/again");
            backup(&sim.shared(), &from, &fresh, &key_of(&from)).expect("the source is as it was");
            assert_eq!(open(&sim.shared(), &fresh), Ok(entries));
        }
    }
    assert!(broke > 5, "{broke} of {operations} broke");
}

#[test]
fn wrong_places_and_damaged_folders_are_told() {
    let mut world = World::with_story();
    let (disk, from) = (world.disk.clone(), DataDir(world.dir.clone()));
    let copy = |to: &DataDir| backup(&disk, &from, to, &[]);
    for inside in ["/data", "/data/backup"] {
        assert!(matches!(copy(&folder(inside)), Err(BackupError::Inside { .. })), "{inside}");
    }
    let foreign = folder("/photos");
    disk.create_dir(&foreign.0).expect("made");
    world.sim.put(&foreign.0.join("cat.jpg"), b"meow").expect("put");
    assert!(matches!(copy(&foreign), Err(BackupError::Occupied { .. })));
    assert!(matches!(backup(&disk, &foreign, &folder("/b"), &[]), Err(BackupError::NoFolder { .. })));
    let newer = folder("/newer");
    person(&mut world, 1);
    world.sign();
    copy(&newer).expect("copied");
    let old = World::with_story();
    // The folder was put back to what it was before: its backup must not follow.
    for name in ["HEAD", "ledger/00000000.seg"] {
        let bytes = old.sim.contents(&from.0.join(name)).expect("there");
        world.sim.put(&from.0.join(name), &bytes).expect("put");
    }
    assert!(matches!(copy(&newer), Err(BackupError::Newer { .. })), "{:?}", copy(&newer));

    let (sim, dir) = old.stop();
    let from = DataDir(dir);
    assert!(sim.flip_bit(&from.ledger().join("00000000.seg"), 700, 3));
    let refused = backup(&sim.shared(), &from, &folder("/copy"), &[]);
    assert!(matches!(refused, Err(BackupError::NotSound { .. })), "{refused:?}");
    sim.shared().remove(&from.log_key()).expect("removed");
    let refused = backup(&sim.shared(), &from, &folder("/copy"), &[]);
    assert!(matches!(refused, Err(BackupError::NoLogKey { .. })), "{refused:?}");
}

#[test]
fn a_copy_without_the_keys_of_its_people_is_not_sound() {
    let world = World::with_story();
    let (sim, dir) = world.stop();
    let from = DataDir(dir);
    let file = from.keys().join("00000000.key");
    let keys = sim.contents(&file).expect("keys");
    // The newest key is gone, as in a keys/ that is older than its ledger.
    sim.put(&file, &keys[..keys.len() - 112]).expect("put");
    let refused = backup(&sim.shared(), &from, &folder("/copy"), &[]);
    assert!(refused.is_err_and(|e| e.to_string().contains("lacks the keys of 1 subjects")));
}

#[test]
fn snapshots_of_wordings_are_copied_and_nothing_else_from_their_folder() {
    let (sim, dir) = World::with_story().stop();
    let (disk, from, to) = (sim.shared(), DataDir(dir), folder("/copy"));
    let shelf = crate::store::embedded::snapshots::SnapshotShelf::new(&disk, &from.snapshots());
    let sha256 = shelf.keep(b"a picture").expect("kept");
    sim.put(&from.snapshots().join("notes.txt"), b"x").expect("there");
    backup(&disk, &from, &to, &key_of(&from)).expect("copied");
    let copied = crate::store::embedded::snapshots::SnapshotShelf::new(&disk, &to.snapshots());
    assert!(copied.get(&sha256).expect("reads").is_some());
    assert_eq!(disk.list(&to.snapshots()).expect("a folder").len(), 1);
}
