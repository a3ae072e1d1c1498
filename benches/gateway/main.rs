//! Durable lawful sends over gRPC, next to a bare tonic echo of the same messages, load generator on the same cores.
//!
//! `cargo bench --bench gateway [-- fjall|sled] [--seconds N] [--no-echo]` prints one table, `-- memory [sled]` what a million
//! people take; `-- count N` makes N sends and prints nothing, to be run under callgrind; `docs/performance.md` keeps one of each.
//! Every send is a whole decision for a person with recorded consent, fsynced before it is answered. Nobody carries
//! messages here: what is admitted waits in its lane, which is what acceptance costs.

mod echo;
mod shop;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Moment};

use consentry::api::auth;
use consentry::api::message::Messages;
use consentry::pb::consentry::v1 as wire;
use consentry::pb::consentry::v1::message_service_client::MessageServiceClient;
use consentry::pb::consentry::v1::message_service_server::{MessageService, MessageServiceServer};
use consentry::store::Engine as IndexEngine;
use consentry::tls::incoming;
use hdrhistogram::Histogram;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel as Line, Endpoint};
use tonic::{Request, Status};

use crate::echo::Echo;
use crate::shop::{PEOPLE, SECRET, Shop, number};

/// As in the binary; the echo has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Before each first row, uncounted.
const WARM_UP: Duration = Duration::from_secs(3);
/// Calls under way at once, over so many connections.
const IN_FLIGHT: usize = 512;
const CONNECTIONS: usize = 4;

type Client = MessageServiceClient<InterceptedService<Line, fn(Request<()>) -> Result<Request<()>, Status>>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds = arguments.iter().position(|a| a == "--seconds").and_then(|at| arguments.get(at + 1));
    let seconds = Duration::from_secs(seconds.and_then(|s| s.parse().ok()).unwrap_or(8));
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
    println!(
        "{} cores, {IN_FLIGHT} calls under way over {CONNECTIONS} connections, {} s a row",
        cores(),
        seconds.as_secs()
    );
    println!(
        "{:<28}{:>12}{:>10}{:>10}{:>10}{:>10}",
        "", "per second", "cpu us", "p50 ms", "p99 ms", "max ms"
    );
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

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What one run found.
struct Found {
    per_second: f64,
    /// Processor time of the whole process, both sides, by call: moves less than the clock where others work, too.
    cpu_us: f64,
    took: Histogram<u64>,
}

fn row(name: &str, found: &Found) {
    let ms = |q: f64| found.took.value_at_quantile(q) as f64 / 1_000.0;
    println!(
        "{name:<28}{:>12.0}{:>10.0}{:>10.2}{:>10.2}{:>10.2}",
        found.per_second,
        found.cpu_us,
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}

async fn echo(seconds: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let wires = incoming(listener, None, 64, stop.clone());
    let serving = tonic::transport::Server::builder().add_service(MessageServiceServer::new(Echo));
    let stopped = stop.clone();
    let served =
        tokio::spawn(serving.serve_with_incoming_shutdown(wires, async move { stopped.cancelled().await }));
    let clients = clients(address).await;
    let next = Arc::new(AtomicU64::new(0));
    unary(&clients, &next, WARM_UP).await;
    row("echo, unary", &unary(&clients, &next, seconds).await);
    row("echo, stream", &streamed(&clients, &next, seconds).await);
    drop(clients);
    stop.cancel();
    served.await.expect("no panic").expect("served");
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

async fn clients(address: SocketAddr) -> Vec<Client> {
    fn show(mut request: Request<()>) -> Result<Request<()>, Status> {
        let bearer = format!("Bearer {}", auth::token("bench", SECRET));
        request.metadata_mut().insert("authorization", MetadataValue::try_from(bearer).expect("ASCII"));
        Ok(request)
    }
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let line = Endpoint::from_shared(format!("http://{address}"))
            .expect("a URI")
            .connect()
            .await
            .expect("a line");
        clients.push(MessageServiceClient::with_interceptor(line, show as fn(_) -> _));
    }
    clients
}

/// The n-th attempt: another cart each time, people in turn.
fn request(n: u64) -> wire::SendMessageRequest {
    let person = n % PEOPLE;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    wire::SendMessageRequest {
        brand: "main".to_owned(),
        program: "carts".to_owned(),
        subject: Some(wire::Subject { address: Some(wire::subject::Address::Phone(number(person))) }),
        channel: wire::Channel::Sms as i32,
        cart: Some(wire::Cart {
            id: format!("cart-{n}"),
            checkout_url: format!("https://shop.example/checkout/{n}"),
            abandoned_at: at(1_795_536_000),
            ..Default::default()
        }),
        content: Some(wire::send_message_request::Content::Body(
            "You left something behind: {{link}}".to_owned(),
        )),
        idempotency_key: format!("attempt-{n}"),
        ..Default::default()
    }
}

/// As many as are answered, so many under way at a time.
async fn unary(clients: &[Client], next: &Arc<AtomicU64>, seconds: Duration) -> Found {
    let begun = Moment::now();
    let workers = (0..IN_FLIGHT).map(|n| {
        let (mut client, next) = (clients[n % clients.len()].clone(), next.clone());
        tokio::spawn(async move {
            let mut took = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
            while begun.elapsed() < seconds {
                let asked = Moment::now();
                let answer = client.send_message(request(next.fetch_add(1, Ordering::Relaxed))).await;
                check(answer.expect("an answer").into_inner());
                took.saturating_record(asked.elapsed().as_micros() as u64);
            }
            took
        })
    });
    collect(workers.collect(), begun).await
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

/// The same over one stream a connection, a quarter of the calls under way on each.
async fn streamed(clients: &[Client], next: &Arc<AtomicU64>, seconds: Duration) -> Found {
    let begun = Moment::now();
    let workers = clients.iter().cloned().map(|mut client| {
        let next = next.clone();
        tokio::spawn(async move {
            let (ask, asks) = mpsc::channel(IN_FLIGHT);
            let mut answers =
                client.send_messages(ReceiverStream::new(asks)).await.expect("a stream").into_inner();
            let mut took = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
            let mut asked: HashMap<String, Moment> = HashMap::new();
            loop {
                while asked.len() < 256.min(IN_FLIGHT / CONNECTIONS) && begun.elapsed() < seconds {
                    let request = request(next.fetch_add(1, Ordering::Relaxed));
                    asked.insert(request.idempotency_key.clone(), Moment::now());
                    ask.send(request).await.expect("the server listens");
                }
                if asked.is_empty() {
                    return took;
                }
                let answer = answers.message().await.expect("an answer").expect("the stream goes on");
                let at = asked.remove(&answer.idempotency_key).expect("asked for");
                took.saturating_record(at.elapsed().as_micros() as u64);
            }
        })
    });
    collect(workers.collect(), begun).await
}

/// Open loop: attempts begin on time, whatever became of those before; latency counts from when each was due.
async fn paced(clients: &[Client], next: &Arc<AtomicU64>, rate: f64, seconds: Duration) -> Found {
    let begun = Moment::now();
    let every = Duration::from_secs_f64(IN_FLIGHT as f64 / rate);
    let workers = (0..IN_FLIGHT).map(|n| {
        let (mut client, next) = (clients[n % clients.len()].clone(), next.clone());
        let first = begun + every.mul_f64(n as f64 / IN_FLIGHT as f64);
        tokio::spawn(async move {
            let mut took = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
            let mut due = first;
            while due < begun + seconds {
                tokio::time::sleep_until(due.into()).await;
                let answer = client.send_message(request(next.fetch_add(1, Ordering::Relaxed))).await;
                check(answer.expect("an answer").into_inner());
                took.saturating_record(due.elapsed().as_micros() as u64);
                due += every;
            }
            took
        })
    });
    collect(workers.collect(), begun).await
}

async fn collect(workers: Vec<tokio::task::JoinHandle<Histogram<u64>>>, begun: Moment) -> Found {
    let before = cpu_us();
    let mut took = Histogram::new_with_bounds(1, 60_000_000, 3).expect("good bounds");
    for worker in workers {
        took.add(worker.await.expect("no panic")).expect("the same bounds");
    }
    let calls = took.len() as f64;
    Found { per_second: calls / begun.elapsed().as_secs_f64(), cpu_us: (cpu_us() - before) / calls, took }
}

/// Processor time of this process so far: `utime` and `stime` of proc(5), in hundredths of a second.
fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10_000.0
}

fn check(answer: wire::SendMessageResponse) {
    let verdict = answer.verdict.expect("a verdict");
    assert_eq!(verdict.outcome(), wire::verdict::Outcome::Admit, "{verdict:?}");
}
