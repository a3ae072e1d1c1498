//! Rotation under power cuts, with erasures in between, and over what was put together by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::disk::sim::Fault;
use crate::disk::{SimDisk, Tear};
use crate::entropy::SeededEntropy;
use crate::ledger::keys::Keys;
use crate::ledger::seal::DataKey;

const DIR: &str = "/d/keys";
const OWNER: &str = "shop";

fn master(n: u8) -> MasterKey {
    MasterKey::from_bytes([n; 32])
}

fn open(disk: &SharedDisk, n: u8) -> LedgerResult<Keys> {
    Keys::open(disk, Path::new(DIR), OWNER, master(n), Arc::new(SeededEntropy::new(5)))
}

fn turn(disk: &SharedDisk, former: u8, next: u8) -> LedgerResult<Rotated> {
    let entropy = SeededEntropy::new(u64::from(next));
    rotate(disk, Path::new(DIR), OWNER, (&master(former), &master(next)), &entropy, &mut |_, _| {})
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

/// Whether each has its own key.
fn check(keys: &Keys, expected: &BTreeMap<u32, bool>, context: &str) {
    for (n, has) in expected {
        let found = keys.get(&subject(*n)).unwrap_or_else(|e| panic!("{context}: subject {n}: {e}"));
        assert_eq!(found.is_some(), *has, "{context}: subject {n}");
        assert_eq!(keys.is_destroyed(&subject(*n)), !has, "{context}: subject {n}");
        assert!(found.is_none_or(|found| found.expose() == key(*n).expose()), "{context}: subject {n}");
    }
}

/// Two files under key 1, some destroyed.
fn folder(disk: &SharedDisk) -> BTreeMap<u32, bool> {
    let keys = open(disk, 1).expect("new");
    add(&keys, 0..10).expect("few");
    add(&keys, 10..160).expect("many");
    keys.destroy(&[subject(3), subject(150), subject(159)]).expect("destroyed");
    (0..160).map(|n| (n, ![3, 150, 159].contains(&n))).collect()
}

#[test]
fn the_next_key_opens_what_the_former_did_and_the_former_is_told_which() {
    let sim = SimDisk::new(1);
    let disk = sim.shared();
    let expected = folder(&disk);
    let first = Path::new(DIR).join("00000000.key");
    let before = sim.contents(&first).expect("the file");
    let mut seen = Vec::new();
    let entropy = SeededEntropy::new(2);
    let masters = (&master(1), &master(2));
    let done = rotate(&disk, Path::new(DIR), OWNER, masters, &entropy, &mut |n, of| seen.push((n, of)));
    assert_eq!(done.expect("rotated"), Rotated { wrapped: 157, already: 0, destroyed: 3 });
    assert!(seen.len() > 1 && seen.last() == Some(&(160, 160)), "{seen:?}");
    let after = sim.contents(&first).expect("the file");
    let wrapped = FILE_HEADER_BYTES + RECORD_HEADER_BYTES + ID_BYTES;
    assert!(!after.windows(48).any(|w| w == &before[wrapped..wrapped + 48]), "the former wrapping is gone");
    let refused = open(&disk, 1).expect_err("the former key");
    let LedgerError::OtherMasterKey { given, wrapped, .. } = &refused else { panic!("{refused}") };
    assert_eq!((*given, *wrapped), (master(1).id(), Some(master(2).id())));
    let keys = open(&disk, 2).expect("the next key");
    check(&keys, &expected, "rotated");
    add(&keys, 160..170).expect("more");
    drop(keys);
    let again = Rotated { wrapped: 0, already: 167, destroyed: 3 };
    assert_eq!(turn(&disk, 1, 2).expect("again"), again, "nothing is left to do");
    assert_eq!(disk.list(Path::new(DIR)).expect("list").len(), 3, "two files and the name of the key");
    assert_eq!(wrapped_under(&disk, Path::new(DIR)).expect("read"), Some(master(2).id()));
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_folder_that_one_of_both_keys_opens() {
    let ready = SimDisk::new(7);
    let expected = folder(&ready.shared());
    let dry = ready.fork(0);
    let before = dry.operations();
    turn(&dry.shared(), 1, 2).expect("a dry run");
    // A cipher call for everybody after every accident would take a minute.
    let edges = [0, 3, 4, 145, 146, 150, 158, 159].map(|n| (n, expected[&n])).into();
    let (mut former, mut next) = (0, 0);
    for cut in 1..=dry.operations() - before {
        let sim = ready.fork(cut);
        sim.fail_in(cut, Fault::PowerCut);
        let answered = turn(&sim.shared(), 1, 2).is_ok();
        for (n, tear) in Tear::ALL.into_iter().enumerate() {
            let context = format!("cut at {cut}, {tear:?}");
            let after = sim.fork(cut * 100 + n as u64);
            after.crash(tear);
            let disk = after.shared();
            let told = wrapped_under(&disk, Path::new(DIR)).expect("read");
            let opens: Vec<u8> = [1, 2].into_iter().filter(|n| open(&disk, *n).is_ok()).collect();
            assert_eq!(opens.len(), 1, "{context}: exactly one key opens it");
            assert!(!answered || opens == [2], "{context}: it was said to have happened");
            // Only a folder that nobody opened with keys in it does not say.
            assert!(told.is_none_or(|told| told == master(opens[0]).id()), "{context}: it says which");
            *(if opens == [1] { &mut former } else { &mut next }) += 1;
            check(&open(&disk, opens[0]).expect("opens"), &edges, &context);
            let names = disk.list(Path::new(DIR)).expect("list");
            assert!(!names.iter().any(|name| name.ends_with(NEXT)), "{context}: {names:?}");
            turn(&disk, 1, 2).unwrap_or_else(|e| panic!("{context}, again: {e}"));
            after.crash(Tear::Lost);
            check(&open(&disk, 2).expect("ended"), &expected, &context);
        }
    }
    assert!(former > 0 && next > 0, "cuts fell before ({former}) and after ({next}) the commit");
}

/// A rotation that broke off while its files were prepared.
fn broken_off(sim: &SimDisk) {
    sim.fail_in(5, Fault::PowerCut);
    assert!(turn(&sim.shared(), 1, 2).is_err());
    sim.crash(Tear::Kept);
    let names = sim.shared().list(Path::new(DIR)).expect("list");
    assert!(names.iter().any(|name| name.ends_with(NEXT)), "{names:?}");
}

#[test]
fn who_is_erased_after_a_broken_rotation_does_not_come_back_with_the_next() {
    let sim = SimDisk::new(3);
    let disk = sim.shared();
    let mut expected = folder(&disk);
    broken_off(&sim);
    let keys = open(&disk, 1).expect("the former key");
    keys.destroy(&[subject(4)]).expect("destroyed");
    expected.insert(4, false);
    drop(keys);
    sim.crash(Tear::Lost);
    turn(&disk, 1, 2).expect("rotated");
    check(&open(&disk, 2).expect("opens"), &expected, "erased in between");
}

#[test]
fn files_put_together_from_two_times_are_told_and_made_one() {
    let sim = SimDisk::new(4);
    let disk = sim.shared();
    let expected = folder(&disk);
    let second = Path::new(DIR).join("00000001.key");
    let old = sim.contents(&second).expect("the file");
    turn(&disk, 1, 2).expect("rotated");
    sim.put(&second, &old).expect("put back");
    for n in [1, 2] {
        assert!(matches!(open(&disk, n), Err(LedgerError::OtherMasterKey { .. })), "key {n}");
    }
    let done = turn(&disk, 1, 2).expect("made one");
    assert!(done.wrapped > 0 && done.already > 0, "{done:?}");
    check(&open(&disk, 2).expect("opens"), &expected, "made one");
}

#[test]
fn a_key_under_neither_changes_nothing() {
    let sim = SimDisk::new(5);
    let disk = sim.shared();
    let expected = folder(&disk);
    assert!(matches!(turn(&disk, 3, 2), Err(LedgerError::WrongMasterKey { .. })));
    check(&open(&disk, 1).expect("opens"), &expected, "refused");
}

#[test]
fn a_full_volume_changes_nothing() {
    let sim = SimDisk::new(6);
    let disk = sim.shared();
    let expected = folder(&disk);
    sim.set_capacity(Some(20_000));
    assert!(turn(&disk, 1, 2).is_err_and(|e| e.is_full()), "told before anything is written");
    sim.set_capacity(None);
    sim.fail_in(3, Fault::Full);
    assert!(turn(&disk, 1, 2).is_err_and(|e| e.is_full()));
    check(&open(&disk, 1).expect("opens"), &expected, "refused");
}

#[derive(Debug, Clone)]
enum Step {
    Add(u32),
    Destroy(u32),
    /// To this key; the power fails at this operation, if it comes so far, and the disk forgets like this.
    Rotate(u8, Option<(u64, usize)>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let cut = proptest::option::of((1u64..40, 0..Tear::ALL.len()));
    let step = prop_oneof![
        (1u32..120).prop_map(Step::Add),
        (0u32..400).prop_map(Step::Destroy),
        (1u8..5, cut).prop_map(|(to, cut)| Step::Rotate(to, cut)),
    ];
    proptest::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_key_is_lost_and_no_destroyed_one_comes_back(steps in steps(), seed in 0u64..1_000) {
        let sim = SimDisk::new(seed);
        let disk = sim.shared();
        let (mut now, mut next, mut expected) = (1u8, 0u32, BTreeMap::new());
        drop(open(&disk, now).expect("new"));
        for step in steps {
            match step {
                Step::Add(n) => {
                    add(&open(&disk, now).expect("opens"), next..next + n).expect("added");
                    expected.extend((next..next + n).map(|n| (n, true)));
                    next += n;
                }
                Step::Destroy(n) => {
                    open(&disk, now).expect("opens").destroy(&[subject(n)]).expect("destroyed");
                    expected.entry(n).and_modify(|has| *has = false);
                }
                Step::Rotate(to, cut) => {
                    if let Some((nth, _)) = cut {
                        sim.fail_in(nth, Fault::PowerCut);
                    }
                    let done = turn(&disk, now, to).is_ok();
                    // Also when it came to its end first: what it wrote must be durable.
                    sim.crash(Tear::ALL[cut.map_or(0, |(_, tear)| tear)]);
                    let any = expected.values().any(|has| *has);
                    let moved = done || !any || open(&disk, now).is_err();
                    now = if moved { to } else { now };
                }
            }
            check(&open(&disk, now).expect("one of both opens it"), &expected, "after a step");
        }
    }
}
