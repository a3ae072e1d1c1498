//! The load: the same attempts over gRPC, counted and timed, whoever answers them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Moment};

use consentry::api::auth;
use consentry::pb::consentry::v1 as wire;
use consentry::pb::consentry::v1::message_service_client::MessageServiceClient;
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel as Line, Endpoint};
use tonic::{Request, Status};

use crate::people::{PEOPLE, SECRET, number};

/// Before each first row, uncounted.
pub const WARM_UP: Duration = Duration::from_secs(3);
/// Calls under way at once, over so many connections.
pub const IN_FLIGHT: usize = 512;
pub const CONNECTIONS: usize = 4;

pub type Client =
    MessageServiceClient<InterceptedService<Line, fn(Request<()>) -> Result<Request<()>, Status>>>;

/// What the columns of [`row`] are.
pub fn head(seconds: Duration) {
    println!(
        "{} cores, {IN_FLIGHT} calls under way over {CONNECTIONS} connections, {} s a row",
        std::thread::available_parallelism().map_or(1, usize::from),
        seconds.as_secs()
    );
    println!(
        "{:<28}{:>12}{:>10}{:>10}{:>10}{:>10}",
        "", "per second", "cpu us", "p50 ms", "p99 ms", "max ms"
    );
}

/// `--seconds N` of the command line: how long a row is measured.
pub fn seconds(arguments: &[String]) -> Duration {
    let named = arguments.iter().position(|a| a == "--seconds").and_then(|at| arguments.get(at + 1));
    Duration::from_secs(named.and_then(|s| s.parse().ok()).unwrap_or(8))
}

/// What one run found.
pub struct Found {
    pub per_second: f64,
    /// Processor time of the whole process, both sides, by call: moves less than the clock where others work, too.
    pub cpu_us: f64,
    pub took: Histogram<u64>,
}

pub fn row(name: &str, found: &Found) {
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

pub async fn clients(address: SocketAddr) -> Vec<Client> {
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
pub fn request(n: u64) -> wire::SendMessageRequest {
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
pub async fn unary(clients: &[Client], next: &Arc<AtomicU64>, seconds: Duration) -> Found {
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

/// The same over one stream a connection, a quarter of the calls under way on each.
pub async fn streamed(clients: &[Client], next: &Arc<AtomicU64>, seconds: Duration) -> Found {
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
pub async fn paced(clients: &[Client], next: &Arc<AtomicU64>, rate: f64, seconds: Duration) -> Found {
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

pub async fn collect(workers: Vec<tokio::task::JoinHandle<Histogram<u64>>>, begun: Moment) -> Found {
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

pub fn check(answer: wire::SendMessageResponse) {
    let verdict = answer.verdict.expect("a verdict");
    assert_eq!(verdict.outcome(), wire::verdict::Outcome::Admit, "{verdict:?}");
}
