//! The suite every engine passes: what a caller may rely on, tried on each of them.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn small() -> KvOptions {
    KvOptions { cache_bytes: 8 << 20, memtable_bytes: 1 << 20, history_bytes: 8 << 20 }
}

/// Opens it again right after it was closed. A program that another test is just starting holds a copy of the lock's
/// descriptor between its fork and its exec, so a lock may stand for a moment after its owner let go.
fn opened(engine: Engine, dir: &Path) -> SharedKv {
    let begun = std::time::Instant::now();
    loop {
        match open(engine, dir, &small()) {
            Err(KvError::Locked(_)) if begun.elapsed().as_secs() < 30 => std::thread::yield_now(),
            opened => return opened.expect("the index opens"),
        }
    }
}

fn batch(changes: &[(&str, Option<&str>)]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(*key, *value),
            None => batch.delete(*key),
        }
    }
    batch
}

fn keys(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
}

fn for_every_engine(test: impl Fn(Engine, &Path)) {
    for engine in Engine::ALL {
        let dir = tempfile::tempdir().expect("a temporary folder");
        test(engine, dir.path());
    }
}

#[test]
fn rows_come_and_go() {
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        assert_eq!(kv.get(b"a").expect("get"), None);
        kv.commit(batch(&[("a", Some("1")), ("b", Some("2")), ("c", None)])).expect("commit");
        kv.commit(batch(&[("b", None), ("a", Some("3")), ("e", Some(""))])).expect("commit");
        kv.commit(Batch::new()).expect("an empty batch is fine");
        assert_eq!(kv.get(b"a").expect("get").as_deref(), Some(&b"3"[..]), "{engine}");
        assert_eq!(kv.get(b"b").expect("get"), None, "{engine}");
        assert_eq!(
            kv.get(b"e").expect("get").as_deref(),
            Some(&b""[..]),
            "an empty value is a value: {engine}"
        );
        kv.flush().expect("flush");
    });
}

#[test]
fn the_last_change_of_a_key_in_a_batch_wins() {
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        let changes = batch(&[("a", Some("1")), ("a", None), ("b", None), ("b", Some("2"))]);
        assert_eq!(changes.change_of(b"a"), Some(None));
        kv.commit(changes).expect("commit");
        assert_eq!(kv.get(b"a").expect("get"), None, "{engine}");
        assert_eq!(kv.get(b"b").expect("get").as_deref(), Some(&b"2"[..]), "{engine}");
    });
}

#[test]
fn scans_go_both_ways_and_stop() {
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        let rows = ["a", "b/1", "b/2", "b/3", "b0", "c"].map(|k| (k, Some("x")));
        kv.commit(batch(&rows)).expect("commit");
        let snapshot = kv.snapshot().expect("snapshot");
        let readers: [&dyn KvRead; 2] = [kv.as_ref(), snapshot.as_ref()];
        for reader in readers {
            let scan =
                |range: &KeyRange, order, limit| keys(&reader.scan(range, order, limit).expect("scan"));
            let under = KeyRange::prefix(*b"b/");
            assert_eq!(scan(&under, Order::Forward, 9), ["b/1", "b/2", "b/3"], "{engine}");
            assert_eq!(scan(&under, Order::Reverse, 2), ["b/3", "b/2"], "{engine}");
            assert_eq!(scan(&under.clone().after(b"b/1"), Order::Forward, 1), ["b/2"], "{engine}");
            assert_eq!(scan(&under.before(b"b/2"), Order::Reverse, 9), ["b/1"], "{engine}");
            assert_eq!(scan(&KeyRange::between(*b"b0", *b"c"), Order::Forward, 9), ["b0"], "{engine}");
            assert_eq!(scan(&KeyRange::all(), Order::Reverse, 9).len(), 6, "{engine}");
            assert!(scan(&KeyRange::all(), Order::Forward, 0).is_empty(), "{engine}");
            assert!(scan(&KeyRange::between(*b"c", *b"a"), Order::Forward, 9).is_empty(), "{engine}");
        }
    });
}

#[test]
fn a_snapshot_does_not_move() {
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        kv.commit(batch(&[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))])).expect("commit");
        let early = kv.snapshot().expect("snapshot");
        kv.commit(batch(&[("a", None), ("b", Some("2")), ("d", Some("2"))])).expect("commit");
        let late = kv.snapshot().expect("snapshot");
        kv.commit(batch(&[("a", Some("3")), ("b", None), ("c", None), ("d", None)])).expect("commit");
        let all = |reader: &dyn KvRead, order| reader.scan(&KeyRange::all(), order, 99).expect("scan");
        assert_eq!(keys(&all(early.as_ref(), Order::Forward)), ["a", "b", "c"], "{engine}");
        assert_eq!(keys(&all(late.as_ref(), Order::Reverse)), ["d", "c", "b"], "{engine}");
        assert_eq!(keys(&all(kv.as_ref(), Order::Forward)), ["a"], "{engine}");
        assert_eq!(early.get(b"b").expect("get").as_deref(), Some(&b"1"[..]), "{engine}");
        assert_eq!(late.get(b"a").expect("get"), None, "{engine}");
        drop(early);
        assert_eq!(late.get(b"b").expect("get").as_deref(), Some(&b"2"[..]), "{engine}");
    });
}

/// Values are large enough for memtables to fill and flush while batches are applied: that is when it goes wrong.
#[test]
fn no_reader_sees_half_a_batch() {
    const KEYS: u32 = 400;
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        let write = |round: u32| {
            let mut changes = Batch::new();
            for n in 0..KEYS {
                changes.put(n.to_be_bytes(), [round.to_be_bytes(); 60].concat());
            }
            kv.commit(changes).expect("commit");
        };
        write(0);
        std::thread::scope(|threads| {
            // fjall flushes every tenth batch here; the others have no such moment.
            let rounds = if engine == Engine::Fjall { 400 } else { 60 };
            let write = &write;
            let writer = threads.spawn(move || (1..rounds).for_each(write));
            for look in 0_u32.. {
                if writer.is_finished() {
                    break;
                }
                let snapshot = kv.snapshot().expect("snapshot");
                let first = snapshot.get(&0_u32.to_be_bytes()).expect("get");
                let last = snapshot.get(&(KEYS - 1).to_be_bytes()).expect("get");
                assert!(first == last, "half a batch in {engine}");
                if !look.is_multiple_of(64) {
                    continue;
                }
                let rows = snapshot.scan(&KeyRange::all(), Order::Reverse, usize::MAX).expect("scan");
                assert_eq!(rows.len(), KEYS as usize, "{engine}");
                assert!(rows.iter().all(|(_, v)| Some(v) == first.as_ref()), "half a batch in {engine}");
            }
        });
    });
}

#[test]
fn lengths_are_checked_and_a_refused_batch_changes_nothing() {
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        let mut long_key = batch(&[("a", Some("1"))]);
        long_key.put(vec![7; KEY_BYTES_MAX + 1], "x");
        assert!(matches!(kv.commit(long_key), Err(KvError::KeyLength(_))), "{engine}");
        let mut no_key = batch(&[("a", Some("1"))]);
        no_key.put("", "x");
        assert!(matches!(kv.commit(no_key), Err(KvError::KeyLength(0))), "{engine}");
        let mut long_value = batch(&[("a", Some("1"))]);
        long_value.put("b", vec![7; VALUE_BYTES_MAX + 1]);
        assert!(matches!(kv.commit(long_value), Err(KvError::ValueLength(_))), "{engine}");
        assert_eq!(kv.get(b"a").expect("get"), None, "{engine}");

        let mut largest = Batch::new();
        largest.put(vec![7; KEY_BYTES_MAX], vec![9; VALUE_BYTES_MAX]);
        largest.put("64k", vec![3; 64 << 10]);
        kv.commit(largest).expect("the largest allowed");
        let value = kv.get(&[7; KEY_BYTES_MAX]).expect("get").expect("there");
        assert!(value.len() == VALUE_BYTES_MAX && value.iter().all(|b| *b == 9), "{engine}");
        assert_eq!(kv.get(b"64k").expect("get").map(|v| v.len()), Some(64 << 10), "{engine}");
    });
}

#[test]
fn what_was_committed_is_there_after_reopening_and_gone_after_wiping() {
    for_every_engine(|engine, dir| {
        if engine == Engine::Memory {
            return;
        }
        for round in 0..3_u32 {
            let kv = opened(engine, dir);
            assert_eq!(
                kv.scan(&KeyRange::all(), Order::Forward, 99).expect("scan").len(),
                round as usize,
                "{engine}"
            );
            assert!(matches!(open(engine, dir, &small()), Err(KvError::Locked(_))), "opened twice: {engine}");
            let mut changes = Batch::new();
            changes.put(round.to_be_bytes(), vec![1; 5000]);
            kv.commit(changes).expect("commit");
        }
        wipe(engine, dir).expect("wipe");
        wipe(engine, dir).expect("wiping nothing is fine");
        let kv = opened(engine, dir);
        assert!(kv.scan(&KeyRange::all(), Order::Forward, 9).expect("scan").is_empty(), "{engine}");
    });
}

#[test]
fn damaged_files_are_wiped_or_leave_an_earlier_state() {
    for_every_engine(|engine, dir| {
        if engine == Engine::Memory {
            return;
        }
        let mut wiped = 0;
        for seed in 0..6_usize {
            wipe(engine, dir).expect("wipe");
            let kv = opened(engine, dir);
            for n in 0..20_u32 {
                let mut changes = Batch::new();
                changes.put(n.to_be_bytes(), vec![n as u8; 3000]);
                changes.put("applied_through", n.to_be_bytes());
                kv.commit(changes).expect("commit");
            }
            kv.flush().expect("flush");
            drop(kv);
            damage(&folder(engine, dir), seed);
            let again = open_or_wipe(engine, dir, &small()).expect("it opens, empty if need be");
            wiped += usize::from(again.wiped.is_some());
            let rows = again.kv.scan(&KeyRange::prefix([0, 0, 0]), Order::Forward, 99).expect("scan");
            let applied = again.kv.get(b"applied_through").expect("get").map(|v| v[3] as usize + 1);
            assert_eq!(rows.len(), applied.unwrap_or(0), "{engine} seed {seed}: a gap in what was applied");
        }
        println!("{engine}: wiped {wiped} of 6");
    });
}

#[test]
fn a_condemned_index_starts_empty() {
    for_every_engine(|engine, dir| {
        let kv = opened(engine, dir);
        kv.commit(batch(&[("a", Some("1"))])).expect("commit");
        drop(kv);
        condemn(engine, dir, "a block would not read").expect("condemn");
        let again = open_or_wipe(engine, dir, &small()).expect("open");
        assert_eq!(again.wiped.as_deref(), Some("a block would not read"), "{engine}");
        assert_eq!(again.kv.get(b"a").expect("get"), None, "{engine}");
        drop(again);
        assert_eq!(
            open_or_wipe(engine, dir, &small()).expect("open").wiped,
            None,
            "{engine}: once is enough"
        );
    });
}

/// Overwrites a stretch of the largest file, at a place that depends on `seed`.
fn damage(dir: &Path, seed: usize) {
    let files = std::fs::read_dir(dir).expect("list").map(|e| e.expect("entry").path());
    let largest = files.filter(|p| p.is_file()).max_by_key(|p| std::fs::metadata(p).map_or(0, |m| m.len()));
    let path = largest.expect("an engine has files");
    let mut bytes = std::fs::read(&path).expect("read");
    let used = bytes.iter().rposition(|b| *b != 0).unwrap_or(0);
    let at = used * (seed + 1) / 8;
    bytes[at..at + 16].fill(0xa5);
    std::fs::write(&path, bytes).expect("write");
}

#[test]
fn an_old_snapshot_expires_instead_of_eating_the_memory() {
    for engine in [Engine::Memory, Engine::Sled] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let options = KvOptions { history_bytes: 64 << 10, ..small() };
        let kv = open(engine, dir.path(), &options).expect("open");
        let put = |n: u32| {
            let mut changes = Batch::new();
            changes.put((n % 100).to_be_bytes(), vec![n as u8; 2000]);
            kv.commit(changes).expect("commit");
        };
        (0..100).for_each(put);
        let old = kv.snapshot().expect("snapshot");
        (0..20).for_each(put);
        assert_eq!(old.get(&5_u32.to_be_bytes()).expect("still kept").map(|v| v[0]), Some(5));
        (20..90).for_each(put);
        assert!(matches!(old.get(&5_u32.to_be_bytes()), Err(KvError::SnapshotTooOld)), "{engine}");
        let new = kv.snapshot().expect("snapshot");
        drop(old);
        (90..110).for_each(put);
        assert_eq!(new.get(&95_u32.to_be_bytes()).expect("get").map(|v| v[0]), Some(95), "{engine}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Snapshot,
    Forget(usize),
    Scan { start: Vec<u8>, end: Option<Vec<u8>>, reverse: bool, limit: usize },
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xfe), Just(0xff)], 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..9));
    prop_oneof![
        6 => proptest::collection::vec((key(), value), 0..8).prop_map(Step::Commit),
        2 => Just(Step::Snapshot),
        1 => (0..4_usize).prop_map(Step::Forget),
        4 => (key(), proptest::option::of(key()), any::<bool>(), 0..12_usize)
            .prop_map(|(start, end, reverse, limit)| Step::Scan { start, end, reverse, limit }),
        1 => Just(Step::Reopen),
    ]
}

fn scan_model(model: &Model, range: &KeyRange, order: Order, limit: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = model.clone().into_iter().filter(|(k, _)| range.contains(k)).collect();
    if order == Order::Reverse {
        rows.reverse();
    }
    rows.truncate(limit);
    rows
}

fn run_against_model(engine: Engine, steps: &[Step]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut kv = opened(engine, dir.path());
    let mut model = Model::new();
    let mut snapshots: Vec<(Box<dyn KvRead>, Model)> = Vec::new();
    for step in steps {
        match step {
            Step::Commit(changes) => {
                let mut batch = Batch::new();
                for (key, value) in changes {
                    match value {
                        Some(value) => {
                            batch.put(key.clone(), value.clone());
                            model.insert(key.clone(), value.clone());
                        }
                        None => {
                            batch.delete(key.clone());
                            model.remove(key);
                        }
                    }
                }
                kv.commit(batch).expect("commit");
            }
            Step::Snapshot => snapshots.push((kv.snapshot().expect("snapshot"), model.clone())),
            Step::Forget(n) if *n < snapshots.len() => drop(snapshots.remove(*n)),
            Step::Forget(_) => {}
            Step::Scan { start, end, reverse, limit } => {
                let range = match end {
                    Some(end) => KeyRange::between(start.clone(), end.clone()),
                    None => KeyRange::prefix(start.clone()),
                };
                let order = if *reverse { Order::Reverse } else { Order::Forward };
                let newest = kv.scan(&range, order, *limit).expect("scan");
                assert_eq!(newest, scan_model(&model, &range, order, *limit), "{engine} {range:?}");
                for (snapshot, then) in &snapshots {
                    let rows = snapshot.scan(&range, order, *limit).expect("scan");
                    assert_eq!(rows, scan_model(then, &range, order, *limit), "{engine} {range:?}");
                    assert_eq!(snapshot.get(start).expect("get").as_ref(), then.get(start), "{engine}");
                }
            }
            Step::Reopen if engine == Engine::Memory => {}
            Step::Reopen => {
                snapshots.clear();
                drop(kv);
                kv = opened(engine, dir.path());
            }
        }
    }
    let rows = kv.scan(&KeyRange::all(), Order::Forward, usize::MAX).expect("scan");
    assert_eq!(rows, model.into_iter().collect::<Vec<_>>(), "{engine}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn memory_agrees_with_an_ordered_map(steps in proptest::collection::vec(step(), 1..60)) {
        run_against_model(Engine::Memory, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn fjall_agrees_with_an_ordered_map(steps in proptest::collection::vec(step(), 1..40)) {
        run_against_model(Engine::Fjall, &steps);
    }

    #[test]
    fn sled_agrees_with_an_ordered_map(steps in proptest::collection::vec(step(), 1..40)) {
        run_against_model(Engine::Sled, &steps);
    }
}
