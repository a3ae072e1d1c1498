//! `HEAD` against shortened, rewritten and rolled back ledgers.

use super::*;
use crate::disk::sim::Fault;
use crate::disk::{SimDisk, Tear};
use crate::entropy::SeededEntropy;
use crate::ledger::entry::leaf_hash;
use crate::ledger::segment::{NewEntry, SegmentOptions, Segments, log_id};
use crate::ledger::tree::Tree;
use crate::model::EntryHash;

const HEAD: &str = "/d/HEAD";
const KEY: &str = "/d/log.key";

fn origin(epoch: u32) -> Origin {
    Origin::new("gateway.example", &"main".parse().expect("a slug"), epoch).expect("an origin")
}

struct Log {
    disk: SharedDisk,
    segments: Segments,
    tree: Tree,
    key: LogKey,
}

impl Log {
    fn open(sim: &SimDisk) -> Self {
        let disk = sim.shared();
        let name = origin(1);
        let (segments, _) =
            Segments::open(&disk, Path::new("/d/ledger"), name.as_str(), SegmentOptions::default())
                .expect("segments open");
        let (tree, _) =
            Tree::open(&disk, Path::new("/d/tree"), log_id(name.as_str()), &segments.reader()).expect("tree");
        let key = match load_key(&disk, Path::new(KEY), &name).expect("the key file reads") {
            Some(key) => key,
            None => create_key(&disk, Path::new(KEY), &name, &SeededEntropy::new(1)).expect("a key"),
        };
        Self { disk, segments, tree, key }
    }

    fn head(&self) -> Result<Head, HeadError> {
        Head::open(&self.disk, Path::new(HEAD), &self.key, &self.tree.reader())
    }

    fn append(&mut self, text: &str, count: u64) {
        let leaves: Vec<String> = (0..count).map(|n| format!("{text} {}", self.segments.len() + n)).collect();
        let batch: Vec<NewEntry<'_>> =
            leaves.iter().map(|l| NewEntry { leaf: l.as_bytes(), sealed: b"" }).collect();
        self.segments.append(&batch).expect("append");
        let hashes: Vec<EntryHash> = leaves.iter().map(|l| leaf_hash(l.as_bytes())).collect();
        self.tree.append(&hashes).expect("append");
    }
}

#[test]
fn a_new_log_starts_with_a_signed_nothing_and_goes_on() {
    let sim = SimDisk::new(1);
    let mut log = Log::open(&sim);
    let mut head = log.head().expect("a new log");
    assert_eq!((head.newest().size(), head.newest().root()), (0, Root::EMPTY));
    log.append("fact", 5);
    let signed = head.advance(&log.key, 5, log.tree.root()).expect("sign").clone();
    sim.crash(Tear::Lost);
    let log = Log::open(&sim);
    assert_eq!(log.head().expect("the same log").newest(), &signed);
    let key = std::slice::from_ref(log.key.verifier());
    assert_eq!(SignedCheckpoint::verify(signed.note(), key).as_ref(), Ok(&signed));
}

#[test]
fn a_shorter_ledger_or_another_history_does_not_open() {
    let sim = SimDisk::new(2);
    let mut log = Log::open(&sim);
    let mut head = log.head().expect("a new log");
    log.append("fact", 5);
    let backup = sim.fork(1);
    backup.crash(Tear::Lost);
    log.append("fact", 5);
    head.advance(&log.key, 10, log.tree.root()).expect("sign");
    let signed = sim.contents(Path::new(HEAD)).expect("HEAD");

    backup.put(Path::new(HEAD), &signed).expect("HEAD is kept elsewhere");
    let mut restored = Log::open(&backup);
    let error = restored.head().expect_err("a restored backup is noticed");
    assert!(matches!(error, HeadError::Shorter { found: 5, signed: 10 }), "{error}");
    let text = error.to_string();
    assert!(text.contains("5 entries are missing") && text.contains("consentry recover --from"), "{text}");
    assert!(text.contains("--new-epoch"), "{text}");
    restored.append("another fact", 7);
    assert!(
        matches!(restored.head(), Err(HeadError::OtherRoot { size: 10, .. })),
        "a rewritten history is noticed"
    );
    assert_eq!(backup.contents(Path::new(HEAD)), Some(signed), "a refusal changes nothing");
}

#[test]
fn a_missing_or_foreign_head_is_refused() {
    let sim = SimDisk::new(3);
    let mut log = Log::open(&sim);
    log.head().expect("a new log");
    log.append("fact", 1);
    sim.shared().remove(Path::new(HEAD)).expect("remove");
    assert!(matches!(log.head(), Err(HeadError::Missing { entries: 1, .. })));
    let stranger = LogKey::generate(&origin(1), &SeededEntropy::new(9)).sign(1, log.tree.root());
    for bytes in [stranger.note().as_bytes(), b"nonsense", b"", &[0xff; 9]] {
        sim.put(Path::new(HEAD), bytes).expect("put");
        assert!(matches!(log.head(), Err(HeadError::Unreadable { .. })));
    }
    let other_epoch = load_key(&sim.shared(), Path::new(KEY), &origin(2));
    assert!(matches!(
        other_epoch,
        Err(HeadError::Unreadable { source: CheckpointError::OtherLog { .. }, .. })
    ));
    sim.put(Path::new(KEY), b"no key").expect("put");
    assert!(matches!(load_key(&sim.shared(), Path::new(KEY), &origin(1)), Err(HeadError::Unreadable { .. })));
}

#[test]
fn no_checkpoint_contradicts_an_earlier_one() {
    let sim = SimDisk::new(4);
    let mut log = Log::open(&sim);
    let mut head = log.head().expect("a new log");
    log.append("fact", 3);
    let root = log.tree.root();
    head.advance(&log.key, 3, root).expect("sign");
    assert!(matches!(head.advance(&log.key, 2, root), Err(HeadError::Backwards { size: 2, signed: 3 })));
    assert!(matches!(head.advance(&log.key, 3, Root([1; 32])), Err(HeadError::Backwards { .. })));
    head.advance(&log.key, 3, root).expect("the same again is fine");
}

#[test]
fn a_power_cut_while_signing_leaves_the_older_or_the_newer_head() {
    for cut in 1..=6 {
        for tear in Tear::ALL {
            let sim = SimDisk::new(cut);
            let mut log = Log::open(&sim);
            let mut head = log.head().expect("a new log");
            log.append("fact", 3);
            head.advance(&log.key, 3, log.tree.root()).expect("sign");
            log.append("fact", 3);
            sim.fail_in(cut, Fault::PowerCut);
            let shown = head.advance(&log.key, 6, log.tree.root()).is_ok();
            sim.crash(tear);
            let size = Log::open(&sim).head().expect("it opens").newest().size();
            assert!(size == 6 || (size == 3 && !shown), "cut {cut} {tear:?}: {size}");
        }
    }
}
