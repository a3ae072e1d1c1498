//! What the heads tree costs with many chains: one walk over the index for the root, one block for a path.
//!
//! `CONSENTRY_BENCH_SUBJECTS=10000000 cargo bench --bench heads` (default one million; one entry a chain, fjall). Prints
//! times and the peak of resident memory, which must not grow with the number of chains beyond 48 bytes for 256.

use std::sync::Arc;
use std::time::Instant;

use consentry::audit::heads::{Standing, build, standing};
use consentry::disk::{RealDisk, SharedDisk};
use consentry::ledger::segment::{SegmentOptions, Segments, log_id};
use consentry::ledger::tree::Tree;
use consentry::model::{EntryHash, SubjectId};
use consentry::store::{self, Batch, Engine, KvOptions};

const ORIGIN: &str = "bench.example/log/main/e1";
const CHUNK: u64 = 10_000;

/// Random-looking, different for each `n`.
fn id(n: u64) -> SubjectId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&n.to_be_bytes());
    SubjectId(id)
}

fn main() {
    let count: u64 =
        std::env::var("CONSENTRY_BENCH_SUBJECTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk: SharedDisk = Arc::new(RealDisk);
    let at = |name: &str| dir.path().join(name);
    let (segments, _) =
        Segments::open(&disk, &at("ledger"), ORIGIN, SegmentOptions::default()).expect("segments open");
    let mut tree =
        Tree::open(&disk, &at("tree"), log_id(ORIGIN), &segments.reader()).expect("the tree opens").0;
    let index = store::open(Engine::Fjall, &at("index"), &KvOptions::default()).expect("the index opens");
    for first in (0..count).step_by(CHUNK as usize) {
        let mut batch = Batch::new();
        let mut leaves = Vec::new();
        for n in first..(first + CHUNK).min(count) {
            batch.put(
                consentry::ledger::rows::keys::chain(&id(n), 1),
                postcard::to_stdvec(&n).expect("a number"),
            );
            leaves.push(EntryHash([n as u8; 32]));
        }
        index.commit(batch).expect("commit");
        tree.append(&leaves).expect("hash");
    }
    let hashes = tree.reader();
    println!("{count} chains written; resident {} MiB", resident_mib());
    let rows = index.snapshot().expect("a snapshot");
    let start = Instant::now();
    let heads = build(&*rows, &hashes, count).expect("built");
    println!(
        "root over {} chains: {:?}; file {} KiB",
        heads.subjects(),
        start.elapsed(),
        heads.encode().len() / 1024
    );
    let (start, tries) = (Instant::now(), 1_000);
    let mut longest = 0;
    for n in 0..tries {
        let found = standing(&*rows, &hashes, &heads, &id(n * count / tries)).expect("told");
        let Standing::Present(placed) = found else { panic!("it has a chain") };
        placed.check(count, heads.root()).expect("under the root");
        longest = longest.max(placed.path.len() * 32);
    }
    println!("path of one chain, checked: {:?}; at most {longest} bytes", start.elapsed() / tries as u32);
    println!("resident {} MiB", resident_mib());
}

/// Peak of resident memory; 0 where the system does not tell.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
