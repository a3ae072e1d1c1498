//! Durable lawful sends over gRPC, next to a bare tonic echo of the same messages, load generator on the same cores.
//!
//! `cargo bench --bench gateway [-- fjall|sled] [--seconds N] [--no-echo]` prints one table, `-- memory [sled]` what a million
//! people take; `-- count N` makes N sends and prints nothing, to be run under callgrind; `docs/performance.md` keeps one of each.
//! Every send is a whole decision for a person with recorded consent, fsynced before it is answered. Nobody carries
//! messages here: what is admitted waits in its lane, which is what acceptance costs.

mod echo;
mod load;
mod people;
mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Moment};

use consentry::api::message::Messages;
use consentry::pb::consentry::v1::message_service_server::MessageService;
use consentry::store::Engine as IndexEngine;
use hdrhistogram::Histogram;
use tonic::Request;

use crate::echo::echo;
use crate::load::{
    Found, IN_FLIGHT, WARM_UP, check, clients, collect, head, paced, request, row, streamed, unary,
};
use crate::people::PEOPLE;
use crate::shop::Shop;

/// As in the binary; the echo has the same.
#[path = "../../src/allocator.rs"]
mod allocator;

fn main() {
    allocator::settle();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds = load::seconds(&arguments);
    let wanted = |name: &str| {
        !arguments.iter().any(|a| a == "fjall" || a == "sled") || arguments.iter().any(|a| a == name)
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if arguments.iter().any(|a| a == "memory") {
        let index =
            if arguments.iter().any(|a| a == "sled") { IndexEngine::Sled } else { IndexEngine::Fjall };
        return runtime.block_on(memory(index));
    }
    if let Some(at) = arguments.iter().position(|a| a == "count") {
        let sends = arguments.get(at + 1).and_then(|n| n.parse().ok()).unwrap_or(2_000);
        return runtime.block_on(counted(sends));
    }
    head(seconds);
    let skip_echo = arguments.iter().any(|a| a == "--no-echo");
    runtime.block_on(async {
        if !skip_echo {
            echo(seconds).await;
        }
        for (name, index) in [("fjall", IndexEngine::Fjall), ("sled", IndexEngine::Sled)] {
            if wanted(name) {
                sends(name, index, seconds).await;
            }
        }
    });
}

/// So many sends without transport over few people, for a profiler that counts instructions.
async fn counted(sends: u64) {
    let shop = Shop::open(IndexEngine::Fjall, 2_000).await;
    let (service, caller) = (Messages::new(shop.gateway.hands()), shop.caller());
    for first in (0..sends).step_by(128) {
        let calls = (first..sends.min(first + 128)).map(|n| {
            let mut call = Request::new(request(n % 2_000 + n / 2_000 * PEOPLE));
            call.extensions_mut().insert(caller.clone());
            let service = service.clone();
            tokio::spawn(async move { check(service.send_message(call).await.expect("sent").into_inner()) })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.expect("no panic");
        }
    }
    shop.close().await;
}

/// One engine a process: what the other left would count, too.
async fn memory(index: IndexEngine) {
    const MILLION: u64 = 1_000_000;
    let (before, begun) = (resident_mib(), Moment::now());
    let shop = Shop::open(index, MILLION).await;
    println!(
        "{index:?}: {MILLION} people with one consent each, recorded in {:.0} s: {before} MiB before, {} MiB after",
        begun.elapsed().as_secs_f64(),
        resident_mib()
    );
    let clients = clients(shop.address).await;
    let found = unary(&clients, &Arc::new(AtomicU64::new(0)), Duration::from_secs(5)).await;
    row("send, unary", &found);
    println!("{} MiB at the end", resident_mib());
    drop(clients);
    shop.close().await;
}

/// `VmRSS` of this process.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1_024
}

async fn sends(name: &str, index: IndexEngine, seconds: Duration) {
    let shop = Shop::open(index, PEOPLE).await;
    let clients = clients(shop.address).await;
    let next = Arc::new(AtomicU64::new(0));
    // What recording the people left to flush and compact is theirs, not the sends'.
    unary(&clients, &next, WARM_UP).await;
    let full = unary(&clients, &next, seconds).await;
    row(&format!("{name}: send, unary"), &full);
    row(&format!("{name}: send, no transport"), &inside(&shop, &next, seconds).await);
    row(&format!("{name}: send, stream"), &streamed(&clients, &next, seconds).await);
    let half = paced(&clients, &next, full.per_second / 2.0, seconds).await;
    row(&format!("{name}: send, half load"), &half);
    drop(clients);
    shop.close().await;
}

/// As [`unary`], asked of the service itself: what a send costs without HTTP/2 on either side.
async fn inside(shop: &Shop, next: &Arc<AtomicU64>, seconds: Duration) -> Found {
    let begun = Moment::now();
    let (service, caller) = (Messages::new(shop.gateway.hands()), shop.caller());
    let workers = (0..IN_FLIGHT).map(|_| {
        let (service, caller, next) = (service.clone(), caller.clone(), next.clone());
        tokio::spawn(async move {
            let mut took = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
            while begun.elapsed() < seconds {
                let asked = Moment::now();
                let mut call = Request::new(request(next.fetch_add(1, Ordering::Relaxed)));
                call.extensions_mut().insert(caller.clone());
                check(service.send_message(call).await.expect("an answer").into_inner());
                took.saturating_record(asked.elapsed().as_micros() as u64);
            }
            took
        })
    });
    collect(workers.collect(), begun).await
}
