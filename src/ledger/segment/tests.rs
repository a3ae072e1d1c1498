//! Segments under power cuts, torn tails, flipped bits and full disks.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::disk::sim::Fault;
use crate::disk::{RealDisk, SimDisk, Tear};

const DIR: &str = "/data/ledger";
const ORIGIN: &str = "gateway.example/log/main/e1";

fn options() -> SegmentOptions {
    SegmentOptions { segment_bytes: 12_000, check_all: false }
}

fn open(disk: &SharedDisk) -> LedgerResult<(Segments, Recovery)> {
    Segments::open(disk, Path::new(DIR), ORIGIN, options())
}

/// An entry that follows from its index and the attempt it was written in.
fn entry(attempt: u32, index: u64) -> Stored {
    let leaf_len = 20 + (index * 37 % 400) as usize;
    let sealed_len = if index.is_multiple_of(5) { 5000 } else { (index * 53 % 700) as usize };
    let mut leaf = vec![(index % 251) as u8 | 1; leaf_len];
    leaf[..8].copy_from_slice(&index.to_le_bytes());
    leaf[8..12].copy_from_slice(&attempt.to_le_bytes());
    Stored { index, leaf, sealed: vec![(index % 249) as u8 | 2; sealed_len] }
}

fn append(segments: &mut Segments, attempt: u32, count: u64) -> LedgerResult<Range<u64>> {
    let batch: Vec<Stored> = (0..count).map(|n| entry(attempt, segments.len() + n)).collect();
    let batch: Vec<NewEntry<'_>> =
        batch.iter().map(|e| NewEntry { leaf: &e.leaf, sealed: &e.sealed }).collect();
    segments.append(&batch)
}

/// The sizes of the batches every scripted run writes; some fit a segment, some roll it.
const SCRIPT: [u64; 9] = [1, 3, 7, 2, 12, 1, 5, 9, 4];

/// Writes the script until something fails; answers how many entries were acknowledged.
fn run_script(disk: &SharedDisk) -> u64 {
    let Ok((mut segments, _)) = open(disk) else { return 0 };
    for count in SCRIPT {
        if append(&mut segments, 0, count).is_err() {
            break;
        }
    }
    segments.len()
}

fn batch_ends() -> Vec<u64> {
    let mut ends = vec![0];
    ends.extend(SCRIPT.iter().scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    }));
    ends
}

/// Reads everything back both ways and compares it with what was written, by attempt.
fn assert_content(segments: &Segments, attempts: &[(u32, Range<u64>)], context: &str) {
    let reader = segments.reader();
    let expected: Vec<Stored> =
        attempts.iter().flat_map(|(attempt, range)| range.clone().map(|i| entry(*attempt, i))).collect();
    let streamed: Vec<Stored> = reader.entries(0).map(|e| e.expect("a durable entry reads")).collect();
    assert_eq!(streamed.len(), expected.len(), "{context}");
    assert!(streamed == expected, "{context}: content differs");
    for range in [0..segments.len(), 0..u64::MAX, 1..segments.len().saturating_sub(1), 7..8] {
        let mut seen = Vec::new();
        let visited = reader.visit(range.clone(), |entry| -> LedgerResult<bool> {
            seen.push(Stored {
                index: entry.index,
                leaf: entry.leaf.to_vec(),
                sealed: entry.sealed.to_vec(),
            });
            Ok(true)
        });
        visited.expect("a durable entry reads");
        let within: Vec<_> = expected.iter().filter(|entry| range.contains(&entry.index)).cloned().collect();
        assert!(seen == within, "{context}: {range:?} differs");
    }
    for wanted in expected {
        assert_eq!(reader.get(wanted.index).expect("read").as_ref(), Some(&wanted), "{context}");
    }
    assert_eq!(reader.get(segments.len()).expect("read"), None, "{context}: nothing beyond the end");
}

#[test]
fn entries_come_back_after_reopening_and_over_rolls() {
    let disk = SimDisk::new(1).shared();
    let (segments, recovery) = open(&disk).expect("a new log");
    assert_eq!(recovery, Recovery { entries: 0, segments: 1, checked: 1, cut_bytes: 0 });
    drop(segments);
    let acknowledged = run_script(&disk);
    assert_eq!(acknowledged, SCRIPT.iter().sum::<u64>());
    let (mut segments, recovery) = open(&disk).expect("reopen");
    assert!(recovery.segments > 2, "the script rolls: {recovery:?}");
    assert_eq!(recovery.checked, 1, "closed segments are taken from their side files");
    assert_content(&segments, &[(0, 0..acknowledged)], "reopened");
    append(&mut segments, 0, 20).expect("append");
    assert_content(&segments, &[(0, 0..acknowledged + 20)], "appended");
    let after: Vec<u64> = segments.reader().entries(30).map(|e| e.expect("read").index).collect();
    assert_eq!(after, (30..acknowledged + 20).collect::<Vec<_>>());
}

/// The heart of invariant 3: stop at every single operation, tear in every way, and all acknowledged entries are
/// there, nothing else is, batches are whole, and the log goes on.
#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let dry = SimDisk::new(0);
    run_script(&dry.shared());
    let (operations, ends) = (dry.operations(), batch_ends());
    assert!(operations > 40, "the script writes and rolls: {operations} operations");
    let mut tails_cut = 0;
    for cut in 1..=operations {
        let sim = SimDisk::new(cut);
        sim.fail_in(cut, Fault::PowerCut);
        let acknowledged = run_script(&sim.shared());
        assert!(sim.is_off(), "cut {cut} did not happen");
        for (n, tear) in Tear::ALL.into_iter().cycle().take(3 * Tear::ALL.len()).enumerate() {
            let context = format!("cut at {cut}, {tear:?}, seed {n}");
            let after = sim.fork(cut * 1000 + n as u64);
            after.crash(tear);
            let (mut segments, recovery) = open(&after.shared()).unwrap_or_else(|e| panic!("{context}: {e}"));
            let kept = segments.len();
            assert!(kept >= acknowledged, "{context}: {kept} of {acknowledged} acknowledged entries");
            assert!(ends.contains(&kept), "{context}: {kept} entries are part of a batch");
            assert_content(&segments, &[(0, 0..kept)], &context);
            tails_cut += u64::from(recovery.cut_bytes > 0);
            // What recovery kept must be durable: a second cut right away takes nothing back.
            append(&mut segments, 1, 6).unwrap_or_else(|e| panic!("{context}: {e}"));
            after.crash(Tear::Lost);
            let (segments, _) = open(&after.shared()).unwrap_or_else(|e| panic!("{context}, again: {e}"));
            assert_content(&segments, &[(0, 0..kept), (1, kept..kept + 6)], &context);
        }
    }
    assert!(tails_cut > 50, "tails were torn {tails_cut} times");
}

#[test]
fn a_power_cut_during_recovery_is_recovered_from() {
    let mut recoveries = 0;
    for seed in 0..60 {
        let sim = SimDisk::new(seed);
        sim.fail_in(20 + seed % 25, Fault::PowerCut);
        let acknowledged = run_script(&sim.shared());
        sim.crash(Tear::ALL[seed as usize % Tear::ALL.len()]);
        sim.fail_in(1 + seed % 3, Fault::PowerCut);
        recoveries += u64::from(open(&sim.shared()).is_err());
        sim.crash(Tear::Page);
        let (segments, _) = open(&sim.shared()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(segments.len() >= acknowledged, "seed {seed}");
        assert_content(&segments, &[(0, 0..segments.len())], &format!("seed {seed}"));
    }
    assert!(recoveries > 10, "recovery was interrupted {recoveries} times");
}

#[test]
fn a_sync_that_lies_is_caught() {
    let sim = SimDisk::new(4);
    let (mut segments, _) = open(&sim.shared()).expect("open");
    append(&mut segments, 0, 5).expect("append");
    sim.lie_on_sync(true);
    append(&mut segments, 0, 5).expect("append");
    let acknowledged = segments.len();
    sim.crash(Tear::Lost);
    let (segments, _) = open(&sim.shared()).expect("open");
    assert!(segments.len() < acknowledged, "the crash test above would see a skipped sync");
}

/// Three small batches in one segment; answers the offsets at which each ends.
fn three_batches(sim: &SimDisk) -> (std::path::PathBuf, Vec<u64>) {
    let (mut segments, _) = open(&sim.shared()).expect("open");
    let path = Path::new(DIR).join("00000000.seg");
    let mut ends = Vec::new();
    for count in [2, 1, 2] {
        append(&mut segments, 0, count).expect("append");
        ends.push(sim.contents(&path).expect("the segment").len() as u64);
    }
    (path, ends)
}

#[test]
fn damage_followed_by_a_later_batch_is_refused_and_changes_nothing() {
    let sim = SimDisk::new(5);
    let (path, ends) = three_batches(&sim);
    let before = sim.contents(&path).expect("the segment");
    for offset in (0..ends[1]).step_by(13).chain(ends[1] - 5..ends[1]) {
        let hurt = sim.fork(1);
        hurt.crash(Tear::Kept);
        assert!(hurt.flip_bit(&path, offset, (offset % 8) as u8));
        let damaged = hurt.contents(&path).expect("the segment");
        let error = open(&hurt.shared()).err().unwrap_or_else(|| panic!("byte {offset} was not missed"));
        let told = matches!(
            &error,
            LedgerError::Damaged { file, .. } | LedgerError::NewerFormat { file, .. } | LedgerError::OtherLog { file, .. }
                if file == &path
        );
        assert!(told, "byte {offset}: {error}");
        if offset >= FILE_HEADER_BYTES as u64 {
            assert!(error.to_string().contains("consentry recover"), "{error}");
        }
        assert_eq!(hurt.contents(&path).as_ref(), Some(&damaged), "a refused file is left alone");
        assert_ne!(damaged, before);
    }
}

#[test]
fn the_newest_batch_cannot_tell_damage_from_a_torn_tail_and_is_cut_whole() {
    let sim = SimDisk::new(6);
    let (path, ends) = three_batches(&sim);
    for offset in (ends[1]..ends[2]).step_by(11) {
        let hurt = sim.fork(1);
        hurt.crash(Tear::Kept);
        assert!(hurt.flip_bit(&path, offset, 3));
        let (segments, recovery) = open(&hurt.shared()).expect("HEAD decides whether this is too short");
        assert_eq!((segments.len(), recovery.cut_bytes), (3, ends[2] - ends[1]), "byte {offset}");
    }
}

#[test]
fn closed_segments_must_be_whole() {
    let sim = SimDisk::new(7);
    let acknowledged = run_script(&sim.shared());
    let first = Path::new(DIR).join("00000000.seg");
    let hurt = |change: &dyn Fn(&SimDisk)| {
        let copy = sim.fork(1);
        copy.crash(Tear::Kept);
        change(&copy);
        copy
    };
    let flipped = hurt(&|s| assert!(s.flip_bit(&first, 100, 1)));
    let (segments, _) = open(&flipped.shared()).expect("side files spare the reading");
    assert!(segments.reader().get(0).is_err(), "but no wrong byte is ever handed out");
    assert_eq!(segments.reader().entries(0).filter(Result::is_ok).count(), 0, "a stream ends at damage");
    let visited = segments.reader().visit(0..5, |_| -> LedgerResult<bool> { panic!("nothing reads") });
    assert!(matches!(visited, Err(LedgerError::Damaged { .. })), "{visited:?}");
    let all = SegmentOptions { check_all: true, ..options() };
    assert!(Segments::open(&flipped.shared(), Path::new(DIR), ORIGIN, all).is_err(), "a full check finds it");

    let side = Path::new(DIR).join("00000000.idx");
    let no_side = hurt(&|s| s.shared().remove(&side).expect("remove"));
    let (segments, recovery) = open(&no_side.shared()).expect("side files are disposable");
    assert_eq!(recovery.checked, 2);
    assert_content(&segments, &[(0, 0..acknowledged)], "without a side file");
    assert!(no_side.contents(&side).is_some(), "and made again");
    let bad_side = hurt(&|s| assert!(s.flip_bit(&side, 33, 1)));
    assert_content(
        &open(&bad_side.shared()).expect("open").0,
        &[(0, 0..acknowledged)],
        "with a wrong side file",
    );

    let short = hurt(&|s| {
        let file = s.shared().open(&first, OpenMode::Append).expect("open");
        file.truncate(file.len().expect("length") - 10).expect("cut");
    });
    assert!(open(&short.shared()).is_err(), "a closed segment is never cut");
    let gone = hurt(&|s| s.shared().remove(&Path::new(DIR).join("00000001.seg")).expect("remove"));
    let error = open(&gone.shared()).expect_err("a missing segment is refused").to_string();
    assert!(error.contains("00000001.seg"), "{error}");
}

#[test]
fn looking_changes_nothing_and_needs_no_writer() {
    let sim = SimDisk::new(11);
    let acknowledged = run_script(&sim.shared());
    let last = sim.shared().list(Path::new(DIR)).expect("list").into_iter().rfind(|n| n.ends_with("seg"));
    let last = Path::new(DIR).join(last.expect("a segment"));
    let file = sim.shared().open(&last, OpenMode::Append).expect("open");
    file.append(&[7; 300]).expect("a batch that is being written");
    sim.shared().remove(&Path::new(DIR).join("00000000.idx")).expect("remove");
    let before = sim.operations();
    let (reader, found) = Reader::open(&sim.shared(), Path::new(DIR), ORIGIN, false).expect("look");
    assert_eq!((reader.len(), found.cut_bytes, found.checked), (acknowledged, 300, 2));
    let seen: Vec<Stored> = reader.entries(0).map(|e| e.expect("read")).collect();
    assert_eq!(seen, (0..acknowledged).map(|n| entry(0, n)).collect::<Vec<_>>());
    assert_eq!(sim.operations(), before, "nothing was written, cut, created or removed");
    sim.shared().create_dir(Path::new("/empty")).expect("create");
    assert!(Reader::open(&sim.shared(), Path::new("/empty"), ORIGIN, false).is_err());
}

#[test]
fn other_logs_other_kinds_and_newer_formats_are_refused() {
    let sim = SimDisk::new(8);
    let (path, _) = three_batches(&sim);
    let other = Segments::open(&sim.shared(), Path::new(DIR), "gateway.example/log/main/e2", options());
    assert!(matches!(other, Err(LedgerError::OtherLog { .. })));
    let mut bytes = sim.contents(&path).expect("the segment");
    bytes[8] = 2;
    sim.put(&path, &bytes).expect("put");
    assert!(matches!(open(&sim.shared()), Err(LedgerError::NewerFormat { found: 2, known: 1, .. })));
}

#[test]
fn a_full_disk_leaves_the_log_usable_and_a_failed_sync_does_not() {
    let sim = SimDisk::new(9);
    let (mut segments, _) = open(&sim.shared()).expect("open");
    append(&mut segments, 0, 4).expect("append");
    let used = sim.contents(&Path::new(DIR).join("00000000.seg")).map_or(0, |b| b.len() as u64);
    sim.set_capacity(Some(used + 300));
    for _ in 0..3 {
        assert!(append(&mut segments, 0, 3).is_err_and(|e| e.is_full()));
    }
    assert_eq!(segments.len(), 4);
    sim.set_capacity(None);
    append(&mut segments, 0, 30).expect("space helps");
    append(&mut segments, 0, 3).expect("a roll works too");
    assert_content(&segments, &[(0, 0..37)], "after a full disk");
    sim.fail_in(2, Fault::Error);
    assert!(matches!(append(&mut segments, 0, 1), Err(LedgerError::Disk(_))), "the sync fails");
    assert!(matches!(append(&mut segments, 0, 1), Err(LedgerError::Poisoned { .. })));
    assert_eq!(segments.reader().len(), 37, "readers do not see what nobody acknowledged");
}

#[test]
fn lengths_are_limited() {
    let (mut segments, _) = open(&SimDisk::new(2).shared()).expect("open");
    let long_leaf = vec![1; LEAF_BYTES_MAX + 1];
    let long_blob = vec![1; SEALED_BYTES_MAX + 1];
    let too_many = vec![NewEntry { leaf: b"x", sealed: b"" }; BATCH_RECORDS_MAX + 1];
    assert!(matches!(segments.append(&too_many), Err(LedgerError::TooLarge { .. })));
    for (leaf, sealed) in [(&long_leaf[..], &b""[..]), (b"", &long_blob)] {
        let refused = segments.append(&[NewEntry { leaf: b"fine", sealed: b"" }, NewEntry { leaf, sealed }]);
        assert!(matches!(refused, Err(LedgerError::TooLarge { .. })));
    }
    let largest = NewEntry { leaf: &long_leaf[1..], sealed: &long_blob[1..] };
    assert_eq!(segments.append(&[largest]).expect("the largest"), 0..1);
    assert_eq!(segments.append(&[]).expect("nothing"), 1..1);
    let stored = segments.reader().get(0).expect("read").expect("there");
    assert_eq!((stored.leaf.len(), stored.sealed.len()), (LEAF_BYTES_MAX, SEALED_BYTES_MAX));
}

#[test]
fn readers_follow_a_writer_on_a_real_disk() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk: SharedDisk = Arc::new(RealDisk);
    let (mut segments, _) = Segments::open(&disk, dir.path(), ORIGIN, options()).expect("open");
    let reader = segments.reader();
    let total = 600;
    std::thread::scope(|threads| {
        let follower = threads.spawn(move || {
            let mut stream = reader.entries(0);
            let mut seen = 0;
            while seen < total {
                for stored in stream.by_ref() {
                    assert_eq!(stored.expect("read"), entry(0, seen));
                    seen += 1;
                }
                if let Some(last) = reader.len().checked_sub(1) {
                    assert_eq!(reader.get(last).expect("read"), Some(entry(0, last)));
                }
            }
        });
        while segments.len() < total {
            append(&mut segments, 0, 8).expect("append");
        }
        follower.join().expect("the follower saw every entry once");
    });
}

#[derive(Debug, Clone)]
enum Harm {
    Overwrite(usize, Vec<u8>),
    CutOut(usize, usize),
    Insert(usize, Vec<u8>),
    /// A stretch of the file once more, somewhere else: stale blocks.
    Copy(usize, usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = 0..30_000_usize;
    let bytes = proptest::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        (at.clone(), bytes.clone()).prop_map(|(at, bytes)| Harm::Overwrite(at, bytes)),
        (at.clone(), 1..9_000_usize).prop_map(|(at, len)| Harm::CutOut(at, len)),
        (at.clone(), bytes).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (at.clone(), at, 1..6_000_usize).prop_map(|(from, to, len)| Harm::Copy(from, to, len)),
    ]
}

fn apply(harm: &Harm, file: &mut Vec<u8>) {
    let end = file.len();
    let within = |at: usize, len: usize| at.min(end)..(at + len).min(end);
    match harm {
        Harm::Overwrite(at, bytes) => {
            let range = within(*at, bytes.len());
            file[range.clone()].copy_from_slice(&bytes[..range.len()]);
        }
        Harm::CutOut(at, len) => drop(file.drain(within(*at, *len))),
        Harm::Insert(at, bytes) => drop(file.splice(within(*at, 0), bytes.iter().copied())),
        Harm::Copy(from, to, len) => {
            let stretch = file[within(*from, *len)].to_vec();
            let range = within(*to, stretch.len());
            file[range.clone()].copy_from_slice(&stretch[..range.len()]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    /// Whatever happens to a file, opening it answers, and what it hands out was written, in order, batch by batch.
    #[test]
    fn no_harm_makes_a_segment_tell_what_was_never_written(
        harms in proptest::collection::vec(harm(), 1..4),
        whole_file in any::<bool>(),
    ) {
        let sim = SimDisk::new(1);
        let options = SegmentOptions { segment_bytes: 1 << 20, check_all: true };
        let (mut segments, _) = Segments::open(&sim.shared(), Path::new(DIR), ORIGIN, options).expect("open");
        for count in SCRIPT {
            append(&mut segments, 0, count).expect("append");
        }
        let path = Path::new(DIR).join("00000000.seg");
        let mut bytes = sim.contents(&path).expect("the segment");
        // Mostly the records are of interest; a harmed header is refused at once.
        let (header, mut records) = (bytes[..FILE_HEADER_BYTES].to_vec(), bytes.split_off(FILE_HEADER_BYTES));
        let mut harmed = if whole_file { [header, records].concat() } else { std::mem::take(&mut records) };
        harms.iter().for_each(|harm| apply(harm, &mut harmed));
        let harmed = if whole_file { harmed } else { [bytes, harmed].concat() };
        sim.put(&path, &harmed).expect("put");
        if let Ok((segments, _)) = Segments::open(&sim.shared(), Path::new(DIR), ORIGIN, options) {
            prop_assert!(batch_ends().contains(&segments.len()), "{} entries", segments.len());
            assert_content(&segments, &[(0, 0..segments.len())], "harmed");
        }
    }
}
