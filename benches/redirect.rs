//! Redirects per second over real sockets, next to a bare hyper server that answers the same 302 from nothing.
//!
//! Client and server share the machine, so the ratio says more than the numbers. `kept` asks for links that are in
//! memory, `read` for more links than memory keeps, so that each comes from the index. Clicks are written all the while.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use consentry::clock::SystemClock;
use consentry::decide::Engine;
use consentry::disk::RealDisk;
use consentry::entropy::SystemEntropy;
use consentry::gateway::{Gateway, Parts, Secrets};
use consentry::ledger::body::Object;
use consentry::ledger::checkpoint::Origin;
use consentry::ledger::keys::MasterKey;
use consentry::model::facts::BrandProfile;
use consentry::model::registry::Brand;
use consentry::model::{SellerId, Zones};
use consentry::redirect::Redirect;
use consentry::store::embedded::EmbeddedOptions;
use consentry::store::{Engine as IndexEngine, KvOptions};
use consentry::writer::ops::Idempotency;
use consentry::writer::ops::link::CreateLink;
use consentry::writer::ops::registry::PutObject;
use consentry::writer::{Policies, QueueLimits, WriterHandle};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Keep-alive connections that ask at once.
const CONNECTIONS: u64 = 32;
/// More than the directory keeps.
const LINKS: usize = 80_000;
const HOST: &str = "go.shop.example";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

fn brand() -> Brand {
    Brand {
        id: "shop".parse().expect("a slug"),
        display_name: "Shop".to_owned(),
        short_domain: HOST.to_owned(),
        target_domains: vec!["shop.example".to_owned()],
        fallback_url: String::new(),
        support_contact: "help@shop.example".to_owned(),
        locale: "en".to_owned(),
        accepts_attested: false,
        profile: BrandProfile::default(),
        plain_typography: false,
    }
}

fn gateway(dir: &std::path::Path) -> Gateway {
    let seller: SellerId = "shop".parse().expect("a slug");
    let policy = consentry::policy::embedded::load().expect("the packs of this release compile");
    let engine = Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit");
    let parts = Parts {
        disk: Arc::new(RealDisk),
        erasures: None,
        data_dir: dir.to_path_buf(),
        index: IndexEngine::Fjall,
        index_options: KvOptions::default(),
        embedded: EmbeddedOptions { reserve: false, ..EmbeddedOptions::default() },
        origin: Origin::new("bench.example", &seller, 1).expect("an origin"),
        seller,
        secrets: Secrets { master: MasterKey::from_bytes([1; 32]), pepper: [2; 32], coupons: [3; 32] },
        policies: Policies::new(engine),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        queues: QueueLimits::default(),
        drain: std::time::Duration::from_secs(5),
    };
    Gateway::start(parts).expect("a gateway")
}

async fn make_link(writer: WriterHandle, n: usize) -> String {
    let op = CreateLink {
        brand: "shop".parse().expect("a slug"),
        target: format!("https://shop.example/cart/{n}"),
        expires_at: None,
        idempotency: Idempotency { method: "CreateLink", key: String::new(), request_sha256: [0; 32] },
        actor: "bench".to_owned(),
    };
    format!("/{}", writer.call(op).await.expect("a link").answer.link.code)
}

/// Serves whatever a connection asks with `answer`.
async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let service = service_fn(answer.clone());
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn bare(listener: TcpListener) {
    serve(listener, |_| async {
        let response = Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, "https://shop.example/cart/1")
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::REFERRER_POLICY, "no-referrer")
            .body(Body::empty())
            .expect("a response");
        Ok(response)
    })
    .await
}

async fn ours(listener: TcpListener, redirect: Arc<Redirect>) {
    let router = redirect.in_front_of(Router::new());
    serve(listener, move |request| router.clone().oneshot(request.map(Body::new))).await
}

/// Asks for so many codes over one connection, one after another.
async fn ask(address: std::net::SocketAddr, codes: Arc<Vec<String>>, from: usize, count: u64) {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("no delay");
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    for n in 0..count as usize {
        let request = Request::builder()
            .uri(codes[(from + n) % codes.len()].as_str())
            .header(header::HOST, HOST)
            .header(header::USER_AGENT, PHONE)
            .header(header::ACCEPT, "text/html,*/*;q=0.8")
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let response = send.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::FOUND);
        black_box(response.into_body().collect().await.expect("a body"));
    }
}

async fn load(address: std::net::SocketAddr, codes: Arc<Vec<String>>, requests: u64) -> Duration {
    let share = requests.div_ceil(CONNECTIONS);
    let stride = codes.len() / CONNECTIONS as usize;
    let begun = Instant::now();
    let asking: Vec<_> = (0..CONNECTIONS as usize)
        .map(|n| tokio::spawn(ask(address, codes.clone(), n * stride, share)))
        .collect();
    for one in asking {
        one.await.expect("no panic");
    }
    // Rounded up to whole shares: scaled back to what was asked for.
    begun.elapsed().mul_f64(requests as f64 / (share * CONNECTIONS) as f64)
}

async fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn redirects(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    let (gateway, bare_at, ours_at, codes) = runtime.block_on(async {
        let gateway = gateway(dir.path());
        let put = PutObject::create(Object::Brand(brand()), "bench");
        gateway.writer.call(put).await.expect("a brand");
        let writer = gateway.writer.clone();
        let making = stream::iter(0..LINKS).map(|n| make_link(writer.clone(), n)).buffer_unordered(1_024);
        let codes: Vec<String> = making.collect().await;
        let clock = gateway.env.clock.clone();
        let redirect = Redirect::open(gateway.kv.clone(), clock, gateway.writer.clone()).expect("brands");
        gateway.run(redirect.clone().run(gateway.watch(), gateway.stopping()));
        let (bare_listener, bare_at) = listen().await;
        let (ours_listener, ours_at) = listen().await;
        tokio::spawn(bare(bare_listener));
        tokio::spawn(ours(ours_listener, redirect));
        (gateway, bare_at, ours_at, codes)
    });
    let all = Arc::new(codes);
    let few = Arc::new(all[..1_024].to_vec());
    let mut group = c.benchmark_group("redirect");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(8));
    for (name, address, codes) in
        [("bare_hyper", bare_at, &few), ("kept", ours_at, &few), ("read", ours_at, &all)]
    {
        group.bench_function(name, |b| {
            b.iter_custom(|requests| runtime.block_on(load(address, codes.clone(), requests)));
        });
    }
    group.finish();
    runtime.block_on(gateway.stop()).expect("a clean stop");
}

criterion_group!(benches, redirects);
criterion_main!(benches);
