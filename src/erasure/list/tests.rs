//! The list under power cuts, full disks, and with what is none of its own.

use super::*;
use crate::disk::sim::Fault;
use crate::disk::{SimDisk, Tear};

const PATH: &str = "/far/erasures";

fn far(sim: &SimDisk) -> SharedDisk {
    let disk = sim.shared();
    disk.create_dir(Path::new("/far")).expect("a folder");
    disk
}

fn open(disk: &SharedDisk) -> Result<ErasureList, ListError> {
    ErasureList::open(disk, Path::new(PATH), "main")
}

fn one(n: u32) -> (SubjectId, Instant) {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    (SubjectId(id), Instant::from_micros(1_800_000_000_000_000 + i64::from(n) * 1_000_000))
}

#[test]
fn who_is_noted_is_listed_once_and_comes_back() {
    let sim = SimDisk::new(1);
    let disk = far(&sim);
    let list = open(&disk).expect("new");
    assert!(list.subjects().is_empty());
    list.note(&[one(1), one(2), one(1)]).expect("noted");
    list.note(&[one(2), one(3)]).expect("noted");
    list.note(&[]).expect("nothing");
    let text = String::from_utf8(sim.contents(Path::new(PATH)).expect("there")).expect("text");
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(text.lines().next(), Some("consentry erasures 1 of main"));
    assert!(text.contains(&format!("{} {}\n", one(3).1, one(3).0)), "{text}");
    let again = open(&disk).expect("opens");
    let mut listed = again.subjects();
    listed.sort_by_key(|id| id.0);
    assert_eq!(listed, [one(1).0, one(2).0, one(3).0]);
    assert!(again.has(&one(2).0) && !again.has(&one(4).0));
    // More than is read at a time.
    let many: Vec<_> = (100..3_100).map(one).collect();
    again.note(&many).expect("noted");
    assert_eq!(open(&disk).expect("opens").subjects().len(), 3_003);
}

#[test]
fn a_power_cut_at_any_operation_keeps_what_was_noted() {
    let script = |disk: &SharedDisk| {
        let mut noted = Vec::new();
        let Ok(list) = open(disk) else { return noted };
        for n in 0..6 {
            match list.note(&[one(2 * n), one(2 * n + 1)]) {
                Ok(()) => noted.extend([one(2 * n).0, one(2 * n + 1).0]),
                Err(_) => break,
            }
        }
        noted
    };
    let ready = SimDisk::new(2);
    drop(far(&ready));
    let dry = ready.fork(0);
    let before = dry.operations();
    script(&dry.shared());
    for cut in 1..=dry.operations() - before {
        let sim = ready.fork(cut);
        sim.fail_in(cut, Fault::PowerCut);
        let noted = script(&sim.shared());
        for (n, tear) in Tear::ALL.into_iter().enumerate() {
            let context = format!("cut at {cut}, {tear:?}");
            let after = sim.fork(cut * 100 + n as u64);
            after.crash(tear);
            let list = open(&after.shared()).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert!(noted.iter().all(|id| list.has(id)), "{context}");
            list.note(&[one(90)]).unwrap_or_else(|e| panic!("{context}: {e}"));
            after.crash(Tear::Lost);
            let list = open(&after.shared()).unwrap_or_else(|e| panic!("{context}, again: {e}"));
            assert!(list.has(&one(90).0) && noted.iter().all(|id| list.has(id)), "{context}");
        }
    }
}

#[test]
fn a_write_that_failed_is_made_good_by_the_next() {
    let sim = SimDisk::new(3);
    let disk = far(&sim);
    let list = open(&disk).expect("new");
    list.note(&[one(1)]).expect("noted");
    for fault in [Fault::Full, Fault::Error] {
        sim.fail_in(1, fault);
        assert!(list.note(&[one(2)]).is_err());
        assert!(!list.has(&one(2).0), "not said to be there");
    }
    list.note(&[one(2)]).expect("noted");
    let again = open(&disk).expect("opens");
    assert!(again.has(&one(1).0) && again.has(&one(2).0));
}

#[test]
fn what_is_none_of_its_own_is_refused_and_left_alone() {
    let long = "x".repeat(200_000);
    for text in [
        "",
        "consentry era",
        "consentry erasures 1 of other\n",
        "root:x:0:0\n",
        "consentry erasures 2 of main\n",
        &long,
    ] {
        let sim = SimDisk::new(5);
        let disk = far(&sim);
        sim.put(Path::new(PATH), text.as_bytes()).expect("there");
        assert!(matches!(open(&disk), Err(ListError::Other { .. })), "{text:.40}");
        assert_eq!(sim.contents(Path::new(PATH)).expect("there"), text.as_bytes());
    }
    let sim = SimDisk::new(7);
    let disk = far(&sim);
    let text = format!("consentry erasures 1 of main\n{} {}", one(1).1, one(1).0);
    sim.put(Path::new(PATH), text.as_bytes()).expect("there");
    open(&disk).expect("a last line without its end").note(&[one(2)]).expect("noted");
    let list = open(&disk).expect("opens");
    assert!(list.has(&one(1).0) && list.has(&one(2).0));
    let sim = SimDisk::new(6);
    let disk = far(&sim);
    let text = format!("consentry erasures 1 of main\nnonsense\n{} {}\n", one(1).1, one(1).0);
    sim.put(Path::new(PATH), text.as_bytes()).expect("there");
    let list = open(&disk).expect("lines that do not read are told and passed over");
    assert_eq!(list.subjects(), [one(1).0]);
}
