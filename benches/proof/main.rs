//! What proof costs: appending, until an entry can be proved, exporting, verifying and replaying a whole log.
//!
//! `cargo bench --bench proof [-- --entries N]` prints one table (default one million entries, a quarter of them decisions);
//! `docs/performance.md` keeps one. The log is written by a whole gateway: people agree and get a message each. Limits stand
//! beside the figures: for a bundle, SHA-256 over its bytes on one core; for the log, its leaves and blobs read once.
//! What reads runs in processes of their own, so that each peak of memory (Linux only) is that row's.

#[allow(dead_code, reason = "not all of them are asked")]
#[path = "../gateway/people.rs"]
mod people;
#[allow(dead_code, reason = "the gateway's benchmark asks for more of it")]
#[path = "../gateway/shop.rs"]
mod shop;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use consentry::audit::recorded;
use consentry::audit::replay::Options;
use consentry::clock::{Clock, SystemClock};
use consentry::disk::{RealDisk, SharedDisk};
use consentry::export::request::{Format, Request};
use consentry::export::run::Export;
use consentry::export::verify;
use consentry::gateway::offline::Offline;
use consentry::ledger::entry::leaf_hash;
use consentry::ledger::head::{Head, create_key};
use consentry::ledger::segment::{NewEntry, SegmentOptions, Segments, log_id};
use consentry::ledger::tree::Tree;
use consentry::model::phone::Digits;
use consentry::model::{Instant, Span};
use consentry::store::Engine as IndexEngine;
use consentry::writer::Reader;
use consentry::writer::ops::Target;
use consentry::writer::ops::send::{CartInput, Send, SendRequest, Words};
use hdrhistogram::Histogram;
use sha2::{Digest, Sha256};

use crate::people::number;
use crate::shop::Shop;

/// As in the binary.
#[path = "../../src/allocator.rs"]
mod allocator;

/// Sends under way at once while the log is written.
const IN_FLIGHT: u64 = 256;

fn main() {
    allocator::settle();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let entries: u64 = given("--entries").and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    if let (Some(name), Some(dir)) = (given("--row"), given("--on")) {
        return measure(name, Path::new(dir), entries);
    }
    println!("{} cores", std::thread::available_parallelism().map_or(1, usize::from));
    println!("{:<44}{:>12}{:>14}{:>12}", "", "seconds", "per second", "peak MiB");
    append(entries);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk of the build");
    let this = std::env::current_exe().expect("this program");
    for name in ["write", "read", "export", "hash", "verify", "replay"] {
        let mut one = Command::new(&this);
        one.args(["--row", name, "--on"]).arg(dir.path()).args(["--entries", &entries.to_string()]);
        assert!(one.status().expect("it starts").success(), "{name}");
    }
}

/// What one row did, how often, and what it needed.
fn row<T>(name: &str, count: u64, work: impl FnOnce() -> T) -> T {
    reset_peak();
    let begun = Moment::now();
    let done = work();
    told(name, count, begun.elapsed());
    done
}

fn told(name: &str, count: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    println!("{name:<44}{seconds:>12.2}{:>14.0}{:>12}", count as f64 / seconds, peak_mib());
}

/// From now on the peak counts anew; does nothing where that is not possible.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// `VmHWM` of this process.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1_024
}

/// The log alone: segments, tree and a checkpoint a second, 256 entries a batch, each batch fsynced. What is folded and judged
/// comes on top: that is in `--bench gateway`.
fn append(entries: u64) {
    const BATCH: usize = 256;
    let folder =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk of the build");
    let disk: SharedDisk = Arc::new(RealDisk);
    let at = |name: &str| folder.path().join(name);
    let origin = shop::origin();
    let (mut segments, _) = Segments::open(&disk, &at("ledger"), origin.as_str(), SegmentOptions::default())
        .expect("segments open");
    let mut tree = Tree::open(&disk, &at("tree"), log_id(origin.as_str()), &segments.reader())
        .expect("the tree opens")
        .0;
    let key = create_key(&disk, &at("log.key"), &origin, &consentry::entropy::SystemEntropy).expect("a key");
    let mut head = Head::open(&disk, &at("HEAD"), &key, &tree.reader()).expect("a head");
    let sealed = [3; 300];
    let mut checkpoints = 0;
    row("append: log, tree, a checkpoint a second", entries, || {
        let mut signed = Moment::now();
        let mut next = 0u64;
        while next < entries {
            let leaves: Vec<[u8; 350]> = (next..next + BATCH as u64)
                .map(|n| {
                    let mut leaf = [7; 350];
                    leaf[..8].copy_from_slice(&n.to_le_bytes());
                    leaf
                })
                .collect();
            let batch: Vec<NewEntry<'_>> =
                leaves.iter().map(|leaf| NewEntry { leaf, sealed: &sealed }).collect();
            segments.append(&batch).expect("append");
            tree.append(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>()).expect("hash");
            next += BATCH as u64;
            if signed.elapsed() >= Duration::from_secs(1) {
                head.advance(&key, tree.size(), tree.root()).expect("signed");
                (signed, checkpoints) = (Moment::now(), checkpoints + 1);
            }
        }
    });
    println!("  {checkpoints} checkpoints");
}

/// Runs from noon on: checkpoints wait for time to pass.
struct Running {
    ahead: Span,
}

impl Clock for Running {
    fn now(&self) -> Instant {
        SystemClock.now() + self.ahead
    }
}

/// Writes the log into a folder.
async fn write(dir: &Path, entries: u64) {
    // Somebody new, their consent, their cart and the decision.
    let people = entries / 4;
    let begun = Moment::now();
    let shop = Shop::within(dir, Arc::new(running()), IndexEngine::Fjall, people).await;
    send_each(&shop, people).await;
    told("the log of a gateway, a send for each", shop.gateway.books.stored().len(), begun.elapsed());
    until_proved(&shop, people).await;
    shop.close().await;
}

fn running() -> Running {
    Running { ahead: shop::noon().since(SystemClock.now()) }
}

/// One row over the log in that folder, in a process of its own.
fn measure(name: &str, dir: &Path, entries: u64) {
    let bundle = dir.join("bundle.tar");
    let open = || {
        let parts = shop::parts(dir, IndexEngine::Fjall, Arc::new(running()));
        Offline::open(parts).expect("the folder opens")
    };
    match name {
        "write" => tokio::runtime::Runtime::new().expect("a runtime").block_on(write(dir, entries)),
        "read" => {
            let books = open().books;
            row("read every leaf and blob (limit)", books.stored().len(), || {
                books.stored().entries(0).for_each(|entry| drop(entry.expect("read")));
            });
        }
        "export" => {
            let Offline { env, books, kv, .. } = open();
            let reader = Reader::new(env, kv, Arc::new(books.clone()), books.keys().clone());
            std::fs::write(dir.join("key"), books.verifier().as_str()).expect("written");
            row("export, bundle with proofs", books.checkpoint().size(), || {
                let request = Request::brand("main".parse().expect("an id"), Format::Bundle);
                let export = Export::plan(&reader, &books, request).expect("planned");
                let mut to = BufWriter::new(File::create(&bundle).expect("a file"));
                export.run(&reader, &books, 0, |bytes| to.write_all(&bytes)).expect("exported");
                to.flush().expect("written");
            });
            println!("  {} MiB", bundle.metadata().expect("a file").len() >> 20);
        }
        "hash" => {
            let size = bundle.metadata().expect("a file").len();
            row("SHA-256 of the bundle, one core, bytes (limit)", size, || hash(&bundle));
        }
        "verify" => {
            let key = std::fs::read_to_string(dir.join("key")).expect("a key").parse().expect("a key");
            reset_peak();
            let begun = Moment::now();
            let file = BufReader::with_capacity(256 << 10, File::open(&bundle).expect("a file"));
            let report = verify::bundle(file, &[key], None);
            assert_eq!(report.outcome, verify::Outcome::Valid, "{report}");
            told("verify", report.entries, begun.elapsed());
        }
        _ => {
            let Offline { env, books, .. } = open();
            reset_peak();
            let begun = Moment::now();
            let report = recorded::replay(&env, &books, &Options::default(), None, 1).expect("replayed");
            assert_eq!(report.different, 0);
            told("replay, decisions", report.replayed, begun.elapsed());
        }
    }
}

fn hash(path: &Path) -> [u8; 32] {
    let (mut file, mut hash) = (File::open(path).expect("a file"), Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).expect("read") {
            0 => return hash.finalize().into(),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Everybody gets one message.
async fn send_each(shop: &Shop, people: u64) {
    let workers = (0..IN_FLIGHT.min(people)).map(|first| {
        let (writer, reader) = (shop.gateway.writer.clone(), shop.gateway.reader.clone());
        tokio::spawn(async move {
            for person in (first..people).step_by(IN_FLIGHT as usize) {
                let coming = writer.announce();
                let send = Send::prepared(request(person), &reader);
                writer.call_announced(coming, send).await.expect("recorded");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
}

/// From the answer to one more entry until a signed checkpoint has a proof for it, on a quiet log, a hundred times.
async fn until_proved(shop: &Shop, people: u64) {
    let mut took = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
    let begun = Moment::now();
    for n in 0..100 {
        let books = &shop.gateway.books;
        let index = books.stored().len();
        shop.gateway.writer.call(Send::new(request_again(n % people, n))).await.expect("recorded");
        let answered = Moment::now();
        while books.checkpoint().size() <= index {
            assert!(answered.elapsed() < Duration::from_secs(30), "no checkpoint covers entry {index}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let checkpoint = books.checkpoint();
        let proof = books.tree().inclusion(index, checkpoint.size()).expect("a proof");
        std::hint::black_box(proof);
        took.record(answered.elapsed().as_micros() as u64).expect("within bounds");
        // Not in step with the checkpoints.
        tokio::time::sleep(Duration::from_millis(n * 37 % 250)).await;
    }
    told("entry to inclusion proof, quiet log", 100, begun.elapsed());
    let ms = |q: f64| took.value_at_quantile(q) as f64 / 1_000.0;
    println!("  p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms", ms(0.5), ms(0.99), ms(1.0));
}

fn request(person: u64) -> SendRequest {
    request_again(person, u64::MAX)
}

/// Another attempt for the same person.
fn request_again(person: u64, attempt: u64) -> SendRequest {
    let id = |text: &str| text.to_owned();
    SendRequest {
        idempotency_key: format!("attempt-{person}-{attempt}"),
        request_sha256: [0; 32],
        brand: "main".parse().expect("an id"),
        program: "carts".parse().expect("an id"),
        target: Target::Phone(Digits::received(&number(person), None)),
        channel: consentry::model::Channel::Sms,
        fallback_to_sms: false,
        sender: None,
        cart: Some(CartInput {
            id: format!("cart-{person}-{attempt}").parse().expect("an id"),
            value: None,
            checkout_url: format!("https://shop.example/checkout/{person}"),
            abandoned_at: Some(shop::noon() - Span::hours(2)),
        }),
        words: Words::Body(id("You left something behind: {{link}}")),
        variables: Vec::new(),
        link_url: String::new(),
        coupon_pool: None,
        hints: Vec::new(),
        on_hold: consentry::model::facts::OnHold::Hold,
        expires_at: None,
        labels: Vec::new(),
        actor: id("bench"),
    }
}
