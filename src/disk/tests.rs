//! The contract both disks keep, and what only the simulated one does.

use std::path::{Path, PathBuf};

use super::sim::Fault;
use super::*;

fn contract(disk: &SharedDisk, dir: &Path) {
    let folder = dir.join("a").join("b");
    disk.create_dir(&folder).expect("create");
    disk.create_dir(&folder).expect("creating again is fine");
    let path = folder.join("x");
    assert!(disk.open(&path, OpenMode::Read).is_err_and(|e| e.is_missing()));

    let file = disk.open_or_create(&path).expect("create");
    file.append(b"hello ").expect("append");
    file.append(b"world").expect("append");
    file.sync_data().expect("sync");
    assert!(disk.open(&path, OpenMode::CreateNew).is_err(), "a file is not created twice");
    let mut out = [0; 8];
    assert_eq!(file.read_at(6, &mut out).expect("read"), 5);
    assert_eq!(&out[..5], b"world");
    assert_eq!(file.read_at(100, &mut out).expect("read past the end"), 0);
    file.truncate(5).expect("cut");
    file.append(b"!").expect("append lands at the new end");
    assert_eq!(disk.read_whole(&path, 100).expect("read").as_deref(), Some(&b"hello!"[..]));
    assert!(disk.read_whole(&path, 5).is_err(), "a limit is kept");
    assert_eq!(disk.read_whole(&folder.join("none"), 5).expect("missing is no error"), None);

    let reader = disk.open(&path, OpenMode::Read).expect("open");
    assert!(reader.append(b"x").is_err(), "a reader cannot write");
    disk.write_whole(&path, b"new").expect("replace");
    assert_eq!(reader.len().expect("an open file outlives its name"), 6);
    assert_eq!(disk.read_whole(&path, 100).expect("read").as_deref(), Some(&b"new"[..]));
    disk.write_whole(&folder.join("y"), b"").expect("empty file");
    assert_eq!(disk.list(&folder).expect("list"), ["x", "y"]);
    assert_eq!(disk.list(dir).expect("list"), ["a"]);
    disk.remove(&folder.join("y")).expect("remove");
    disk.remove_if_there(&folder.join("y")).expect("missing is fine here");
    assert!(disk.remove(&folder.join("y")).is_err_and(|e| e.is_missing()));

    let lock = disk.lock_dir(&folder).expect("lock");
    assert!(disk.lock_dir(&folder).is_err_and(|e| e.is_locked()), "a taken lock is refused");
    drop(lock);
    disk.lock_dir(&folder).expect("a dropped lock is free");
    assert!(disk.space(dir).expect("space").percent_available() <= 100);

    let reserve = Reserve::new(disk.clone(), &folder.join("reserve"), (1 << 20) + 7);
    assert!(!reserve.is_held().expect("asked"));
    reserve.hold().expect("hold");
    assert!(reserve.is_held().expect("asked"));
    reserve.release().expect("release");
    assert!(!reserve.is_held().expect("asked"));
}

#[test]
fn real_disk_keeps_the_contract() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    contract(&(Arc::new(RealDisk) as SharedDisk), dir.path());
}

#[cfg(unix)]
#[test]
fn new_files_and_folders_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk: SharedDisk = Arc::new(RealDisk);
    let folder = dir.path().join("keys");
    disk.create_dir(&folder).expect("create");
    disk.write_whole(&folder.join("log.key"), b"secret").expect("write");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("log.key"))), (0o700, 0o600));
}

#[test]
fn simulated_disk_keeps_the_contract() {
    contract(&SimDisk::new(1).shared(), Path::new("/data"));
}

#[test]
fn a_percentage_of_nothing_is_not_a_crash() {
    assert_eq!(Space { available: 5, total: 100 }.percent_available(), 5);
    assert_eq!(Space { available: 0, total: 0 }.percent_available(), 100);
    assert_eq!(Space { available: u64::MAX, total: u64::MAX }.percent_available(), 100);
}

fn with_synced(sim: &SimDisk, synced: &[u8], unsynced: &[u8]) -> PathBuf {
    let disk = sim.shared();
    disk.create_dir(Path::new("/d")).expect("create");
    let path = PathBuf::from("/d/f");
    let file = disk.open_or_create(&path).expect("create");
    file.append(synced).expect("append");
    file.sync_data().expect("sync");
    file.append(unsynced).expect("append");
    path
}

#[test]
fn synced_bytes_survive_every_tear_and_unsynced_ones_only_some() {
    let synced: Vec<u8> = (0..5000_u32).map(|n| n as u8 | 1).collect();
    let unsynced: Vec<u8> = (0..20_000_u32).map(|n| (n / 7) as u8 | 1).collect();
    for tear in Tear::ALL {
        let mut changed = 0;
        for seed in 0..40 {
            let sim = SimDisk::new(seed);
            let path = with_synced(&sim, &synced, &unsynced);
            sim.crash(tear);
            let after = sim.contents(&path).expect("the name was synced");
            assert!(after.starts_with(&synced), "{tear:?} seed {seed} lost synced bytes");
            let tail = &after[synced.len()..];
            assert!(tail.len() <= unsynced.len(), "{tear:?} seed {seed} invented bytes");
            changed += usize::from(tail != unsynced);
            match tear {
                Tear::Lost => assert!(tail.is_empty()),
                Tear::Kept => assert_eq!(tail, unsynced),
                Tear::Byte => assert!(unsynced.starts_with(tail)),
                Tear::SectorHole | Tear::PageHole => {
                    assert_eq!(tail.len(), unsynced.len());
                    let zeros = tail.iter().filter(|b| **b == 0).count();
                    assert!((1..=4096).contains(&zeros), "{tear:?} seed {seed}: {zeros} zeros");
                }
                Tear::Sector | Tear::Page => {
                    assert!(tail.iter().zip(&unsynced).all(|(a, b)| a == b || *a == 0));
                }
                Tear::Noise => {}
            }
        }
        assert!(tear == Tear::Kept || changed > 20, "{tear:?} tears too little: {changed} of 40");
    }
}

#[test]
fn a_name_is_durable_only_after_its_folder_was_synced() {
    let sim = SimDisk::new(3);
    let disk = sim.shared();
    disk.create_dir(Path::new("/d")).expect("create");
    let path = Path::new("/d/f");
    let file = disk.open(path, OpenMode::CreateNew).expect("create");
    file.append(b"x").expect("append");
    file.sync_data().expect("sync");
    let forgot = sim.fork(1);
    forgot.crash(Tear::Lost);
    assert_eq!(forgot.contents(path), None);
    disk.sync_dir(Path::new("/d")).expect("sync");
    sim.crash(Tear::Lost);
    assert_eq!(sim.contents(path).as_deref(), Some(&b"x"[..]));
    assert!(file.append(b"y").is_err(), "handles die with the power");
}

#[test]
fn replacing_a_file_leaves_the_old_or_the_new_one() {
    for cut in 1..=6 {
        for tear in Tear::ALL {
            let sim = SimDisk::new(cut);
            let disk = sim.shared();
            disk.create_dir(Path::new("/d")).expect("create");
            disk.write_whole(Path::new("/d/f"), b"old").expect("write");
            sim.fail_in(cut, Fault::PowerCut);
            let done = disk.write_whole(Path::new("/d/f"), b"new").is_ok();
            sim.crash(tear);
            let after = sim.contents(Path::new("/d/f")).expect("never neither");
            assert!(after == b"new" || (after == b"old" && !done), "cut {cut} {tear:?}: {after:?}");
            disk.write_whole(Path::new("/d/f"), b"again").expect("a left-over does not stand in the way");
        }
    }
}

#[test]
fn faults_come_when_planned() {
    let sim = SimDisk::new(5);
    let path = with_synced(&sim, b"", b"");
    let file = sim.shared().open(&path, OpenMode::Append).expect("open");
    sim.fail_in(2, Fault::Error);
    file.append(b"one").expect("the first works");
    assert!(file.append(b"two").is_err(), "the second fails");
    file.append(b"three").expect("the third works");
    sim.fail_in(1, Fault::Full);
    assert!(file.append(b"four").is_err_and(|e| e.is_full()));
    let used = file.len().expect("length");
    sim.set_capacity(Some(used + 2));
    assert!(file.append(b"five").is_err_and(|e| e.is_full()));
    assert_eq!(file.len().expect("length"), used + 2, "a full volume takes what fits");
    assert_eq!(sim.shared().space(Path::new("/d")).expect("space").available, 0);
    sim.fail_in(1, Fault::PowerCut);
    assert!(file.sync_data().is_err());
    assert!(sim.is_off() && file.len().is_err(), "nothing works without power");
}

#[test]
fn a_lying_sync_loses_bytes_and_a_flipped_bit_stays() {
    let sim = SimDisk::new(9);
    let path = with_synced(&sim, b"abc", b"def");
    let file = sim.shared().open(&path, OpenMode::Append).expect("open");
    sim.lie_on_sync(true);
    file.sync_data().expect("it says so");
    assert!(sim.flip_bit(&path, 1, 0) && !sim.flip_bit(&path, 99, 0));
    sim.crash(Tear::Lost);
    assert_eq!(sim.contents(&path).as_deref(), Some(&b"acc"[..]));
}
