//! What a commit costs: segments alone, with the tree, and with the index of each engine behind them.
//!
//! One entry is 350 bytes of leaf and 300 of sealed blob; it costs one index read and two index writes of 500
//! bytes, as a decision does. One sync a batch. `cargo bench --bench ledger`.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use consentry::disk::{RealDisk, SharedDisk};
use consentry::ledger::entry::leaf_hash;
use consentry::ledger::segment::{NewEntry, SegmentOptions, Segments, log_id};
use consentry::ledger::tree::Tree;
use consentry::store::{self, Batch, Engine, KvOptions, SharedKv};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const ORIGIN: &str = "bench.example/log/main/e1";
const LEAF_BYTES: usize = 350;
const SEALED_BYTES: usize = 300;
const SUBJECTS: u64 = 1 << 17;

struct Ledger {
    segments: Segments,
    tree: Option<Tree>,
    index: Option<SharedKv>,
    _dir: tempfile::TempDir,
}

impl Ledger {
    fn new(with_tree: bool, engine: Option<Engine>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let disk: SharedDisk = Arc::new(RealDisk);
        let at = |name: &str| dir.path().join(name);
        let (segments, _) =
            Segments::open(&disk, &at("ledger"), ORIGIN, SegmentOptions::default()).expect("segments open");
        let open_tree =
            || Tree::open(&disk, &at("tree"), log_id(ORIGIN), &segments.reader()).expect("tree opens").0;
        let tree = with_tree.then(open_tree);
        let index = engine.map(|e| store::open(e, &at("index"), &KvOptions::default()).expect("index opens"));
        Self { segments, tree, index, _dir: dir }
    }

    /// One batch: append and sync, hash, read and write the index.
    fn commit(&mut self, count: u64) {
        let first = self.segments.len();
        let leaves: Vec<Vec<u8>> = (first..first + count).map(leaf).collect();
        let sealed = [3; SEALED_BYTES];
        let batch: Vec<NewEntry<'_>> = leaves.iter().map(|leaf| NewEntry { leaf, sealed: &sealed }).collect();
        self.segments.append(&batch).expect("append");
        if let Some(tree) = &mut self.tree {
            tree.append(&leaves.iter().map(|l| leaf_hash(l)).collect::<Vec<_>>()).expect("hash");
            black_box(tree.root());
        }
        if let Some(index) = &self.index {
            let mut changes = Batch::new();
            for n in first..first + count {
                let subject = scatter(n % SUBJECTS);
                black_box(index.get(&subject).expect("get"));
                changes.put(subject, vec![5; 500]);
                changes.put([&b"message"[..], &scatter(n)].concat(), vec![6; 500]);
            }
            index.commit(changes).expect("commit");
        }
    }
}

fn leaf(n: u64) -> Vec<u8> {
    let mut leaf = vec![7; LEAF_BYTES];
    leaf[..8].copy_from_slice(&n.to_le_bytes());
    leaf
}

/// Spreads keys as hashed ones are.
fn scatter(n: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&n.to_be_bytes());
    key
}

fn commits(criterion: &mut Criterion) {
    let setups = [
        ("segments", false, None),
        ("segments+tree", true, None),
        ("segments+tree+fjall", true, Some(Engine::Fjall)),
        ("segments+tree+sled", true, Some(Engine::Sled)),
        ("segments+tree+memory", true, Some(Engine::Memory)),
    ];
    for count in [64, 256] {
        let mut group = criterion.benchmark_group(format!("commit/{count}"));
        group.throughput(Throughput::Elements(count));
        for (name, with_tree, engine) in setups {
            let mut ledger = Ledger::new(with_tree, engine);
            group.bench_function(name, |bencher| bencher.iter(|| ledger.commit(count)));
        }
        group.finish();
    }
}

fn reads(criterion: &mut Criterion) {
    let mut ledger = Ledger::new(true, None);
    while ledger.segments.len() < 200_000 {
        ledger.commit(1_000);
    }
    let size = ledger.segments.len();
    let (reader, tree) = (ledger.segments.reader(), ledger.tree.as_ref().expect("it has a tree").reader());
    let mut group = criterion.benchmark_group("read");
    let mut n = 0;
    let mut next = move || {
        n = (n + 7_919) % size;
        n
    };
    let mut pick = next;
    group.bench_function("entry", |b| {
        b.iter_batched(&mut pick, |n| reader.get(n).expect("read"), BatchSize::SmallInput)
    });
    group.bench_function("inclusion proof", |b| {
        b.iter_batched(&mut next, |n| tree.inclusion(n, size).expect("proof"), BatchSize::SmallInput)
    });
    group.throughput(Throughput::Elements(size));
    group.sample_size(10);
    group.bench_function("stream all", |b| {
        b.iter(|| reader.entries(0).map(|e| e.expect("read").leaf.len()).sum::<usize>())
    });
    group.bench_function("open", |b| {
        let disk: SharedDisk = Arc::new(RealDisk);
        let dir: &Path = &ledger._dir.path().join("ledger");
        b.iter(|| consentry::ledger::segment::Reader::open(&disk, dir, ORIGIN, true).expect("open"))
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(std::time::Duration::from_secs(4)).warm_up_time(std::time::Duration::from_secs(1));
    targets = commits, reads
}
criterion_main!(benches);
