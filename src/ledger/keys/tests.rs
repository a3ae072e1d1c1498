//! Keys under power cuts, destruction and the wrong master key.

use std::sync::Arc;

use super::*;
use crate::disk::sim::Fault;
use crate::disk::{SimDisk, Tear};
use crate::entropy::SeededEntropy;

const DIR: &str = "/d/keys";

fn master(n: u8) -> MasterKey {
    MasterKey::from_bytes([n; 32])
}

fn open(disk: &SharedDisk) -> LedgerResult<Keys> {
    Keys::open(disk, Path::new(DIR), "shop", master(1), Arc::new(SeededEntropy::new(5)))
}

fn subject(n: u32) -> SubjectId {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&n.to_le_bytes());
    SubjectId(id)
}

fn key(n: u32) -> DataKey {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    DataKey::from_bytes(bytes)
}

fn add(keys: &Keys, range: std::ops::Range<u32>) -> LedgerResult<()> {
    keys.add(&range.map(|n| (subject(n), key(n))).collect::<Vec<_>>())
}

fn has(keys: &Keys, n: u32) -> bool {
    match keys.get(&subject(n)).expect("readable") {
        Some(found) => {
            assert_eq!(found.expose(), key(n).expose(), "subject {n} has its own key");
            true
        }
        None => false,
    }
}

#[test]
fn keys_come_back_and_files_roll() {
    let disk = SimDisk::new(1).shared();
    let keys = open(&disk).expect("new");
    assert!(keys.is_empty() && !has(&keys, 0));
    add(&keys, 0..3).expect("add");
    add(&keys, 3..3).expect("nothing");
    add(&keys, 3..500).expect("a large batch rolls");
    add(&keys, 500..510).expect("add");
    let names = disk.list(Path::new(DIR)).expect("list");
    assert_eq!(names, ["00000000.key", "00000001.key", "00000002.key", "00000003.key"]);
    drop(keys);
    let keys = open(&disk).expect("reopen");
    assert_eq!(keys.len(), 510);
    assert!((0..510).all(|n| has(&keys, n)) && !has(&keys, 510));
    assert_eq!(keys.destroy(&[subject(2), subject(200), subject(509)]).expect("over files"), 3);
    add(&keys, 600..602).expect("add after destroying in the last file");
    drop(keys);
    let keys = open(&disk).expect("reopen");
    assert_eq!((keys.len(), has(&keys, 200), has(&keys, 601)), (509, false, true));
    assert!(matches!(add(&keys, 5..6), Err(LedgerError::KnownSubject(id)) if id == subject(5)));
    let twice = [(subject(99_999), key(1)), (subject(99_999), key(2))];
    assert!(matches!(keys.add(&twice), Err(LedgerError::KnownSubject(_))));
}

#[test]
fn a_destroyed_key_is_gone_from_the_file_and_stays_gone() {
    let sim = SimDisk::new(2);
    let keys = open(&sim.shared()).expect("new");
    add(&keys, 0..10).expect("add");
    let path = Path::new(DIR).join("00000000.key");
    let before = sim.contents(&path).expect("the file");
    let record = |n: usize| FILE_HEADER_BYTES + n * RECORD_BYTES + RECORD_HEADER_BYTES + ID_BYTES;
    let wrapped = before[record(4)..record(4) + LEAF_BYTES - ID_BYTES].to_vec();
    assert_eq!(keys.destroy(&[subject(4), subject(8), subject(4), subject(77)]).expect("destroy"), 2);
    assert_eq!(keys.destroy(&[subject(4)]).expect("again"), 0);
    let after = sim.contents(&path).expect("the file");
    assert!(
        !after.windows(16).any(|w| wrapped.windows(16).any(|k| k == w)),
        "not a trace of the wrapped key"
    );
    add(&keys, 10..12).expect("the rewritten file takes more");
    assert!(
        matches!(add(&keys, 4..5), Err(LedgerError::KnownSubject(_))),
        "no second life under the same id"
    );
    sim.crash(Tear::Lost);
    let keys = open(&sim.shared()).expect("reopen");
    let left: Vec<u32> = (0..13).filter(|n| has(&keys, *n)).collect();
    assert_eq!(left, [0, 1, 2, 3, 5, 6, 7, 9, 10, 11]);
    assert!(
        keys.is_destroyed(&subject(4)) && !keys.is_destroyed(&subject(5)) && !keys.is_destroyed(&subject(77))
    );
    assert_eq!(keys.len(), 10);
}

/// Subjects to add, and one to destroy then. The third step rolls.
const SCRIPT: [(u32, u32, u32); 4] = [(0, 5, 3), (5, 6, 5), (6, 160, 20), (160, 161, 0)];

/// Adds and destroys until something fails; answers what was acknowledged.
fn run_script(disk: &SharedDisk) -> (Vec<u32>, Vec<u32>) {
    let (mut added, mut destroyed) = (Vec::new(), Vec::new());
    let Ok(keys) = open(disk) else { return (added, destroyed) };
    for (from, to, gone) in SCRIPT {
        if add(&keys, from..to).is_err() {
            break;
        }
        added.extend(from..to);
        if keys.destroy(&[subject(gone)]).is_err() {
            break;
        }
        destroyed.push(gone);
    }
    (added, destroyed)
}

#[test]
fn a_power_cut_at_any_operation_keeps_added_keys_and_buries_destroyed_ones() {
    let dry = SimDisk::new(0);
    run_script(&dry.shared());
    for cut in 1..=dry.operations() {
        let sim = SimDisk::new(cut);
        sim.fail_in(cut, Fault::PowerCut);
        let (added, destroyed) = run_script(&sim.shared());
        for (n, tear) in Tear::ALL.into_iter().enumerate() {
            let context = format!("cut at {cut}, {tear:?}, seed {n}");
            let after = sim.fork(cut * 100 + n as u64);
            after.crash(tear);
            let keys = open(&after.shared()).unwrap_or_else(|e| panic!("{context}: {e}"));
            for subject in &added {
                let buried = destroyed.contains(subject);
                // The one destruction that was under way may have happened.
                let may_be = SCRIPT.get(destroyed.len()).is_some_and(|(_, _, gone)| gone == subject);
                assert!(has(&keys, *subject) != buried || may_be, "{context}: subject {subject}");
            }
            add(&keys, 500..520).unwrap_or_else(|e| panic!("{context}: {e}"));
            after.crash(Tear::Lost);
            let keys = open(&after.shared()).unwrap_or_else(|e| panic!("{context}, again: {e}"));
            assert!((500..520).all(|n| has(&keys, n)), "{context}");
            assert!(destroyed.iter().all(|n| !has(&keys, *n)), "{context}: a destroyed key came back");
        }
    }
}

#[test]
fn the_wrong_master_key_or_owner_is_told_at_once() {
    let disk = SimDisk::new(3).shared();
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(1));
    let with = |n, owner: &str| Keys::open(&disk, Path::new(DIR), owner, master(n), entropy.clone());
    drop(with(1, "shop").expect("new"));
    let keys = with(2, "shop").expect("nothing is wrapped yet");
    add(&keys, 0..2).expect("add");
    assert!(matches!(with(1, "shop"), Err(LedgerError::OtherMasterKey { wrapped: None, .. })));
    drop(with(2, "shop").expect("its own"));
    let told = with(1, "shop").expect_err("another").to_string();
    let (given, wrapped) = (master(1).id().to_string(), master(2).id().to_string());
    assert!(told.contains(&given) && told.contains(&wrapped) && told.contains("keys.master"), "{told}");
    assert!(matches!(with(2, "other"), Err(LedgerError::OtherLog { .. })));
    assert!(with(2, "shop").is_ok());
}

#[test]
fn a_changed_record_is_noticed_when_opened_and_when_read() {
    let sim = SimDisk::new(4);
    let keys = open(&sim.shared()).expect("new");
    add(&keys, 0..1).expect("add");
    add(&keys, 1..2).expect("add");
    let path = Path::new(DIR).join("00000000.key");
    assert!(sim.flip_bit(&path, (FILE_HEADER_BYTES + 60) as u64, 2));
    assert!(matches!(keys.get(&subject(0)), Err(LedgerError::Damaged { .. })));
    drop(keys);
    assert!(matches!(open(&sim.shared()), Err(LedgerError::Damaged { .. })));
}

#[test]
fn a_full_disk_can_be_lived_with() {
    let sim = SimDisk::new(5);
    let keys = open(&sim.shared()).expect("new");
    add(&keys, 0..4).expect("add");
    sim.fail_in(1, Fault::Full);
    assert!(add(&keys, 4..40).is_err_and(|e| e.is_full()));
    add(&keys, 4..8).expect("space helps");
    assert!((0..8).all(|n| has(&keys, n)) && !has(&keys, 9));
    sim.fail_in(2, Fault::Error);
    assert!(add(&keys, 8..9).is_err() && !has(&keys, 8));
    assert!(matches!(add(&keys, 8..9), Err(LedgerError::Poisoned { .. })));
}

#[test]
fn a_master_key_is_named_and_not_told() {
    let key = MasterKey::generate(&SeededEntropy::new(1));
    assert_eq!(format!("{key:?}"), "MasterKey(…)");
    assert_eq!(key.id(), key.clone().id());
    assert_ne!(key.id(), master(1).id());
    let text = master(1).id().to_string();
    assert_eq!((text.as_str(), MasterKeyId::parse(&format!("{text}\n"))), (ID_OF_ONES, Some(master(1).id())));
    assert_eq!(MasterKeyId::parse("master"), None);
}

/// The first 8 bytes of SHA-256 of `consentry/master-key-id/v1` and 32 bytes of 1, by another tool.
const ID_OF_ONES: &str = "f419f8d4d3f3fb79";
