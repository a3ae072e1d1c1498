//! A whole gateway behind its gRPC server, for tests: simulated disk, clock held by the test, a shop set up, one key a
//! role. `Shop::open().await` and call.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic_health::server::HealthReporter;

use super::auth::{self, ApiKey};
use super::gate::GateLayer;
use super::keys::KeyTable;
use super::server::{ServeError, Services, Settings, serve};
use super::service::Hands;
use crate::clock::ManualClock;
use crate::decide::Engine;
use crate::disk::SimDisk;
use crate::entropy::SeededEntropy;
use crate::gateway::{Gateway, Parts, Secrets};
use crate::ledger::body::{Body, Object, RegistryBody};
use crate::ledger::checkpoint::Origin;
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::keys::MasterKey;
use crate::model::facts::{Answers, BrandProfile, SenderKind};
use crate::model::registry::{
    Brand, Connection, Program, ProgramTexts, Reconcile, Role, Seller, Sender, ThrottleGroup, Validity,
};
use crate::model::{Category, Channel as Medium, Instant, Zones};
use crate::store::KvOptions;
use crate::store::embedded::EmbeddedOptions;
use crate::tls::incoming;
use crate::writer::{Cx, Op, OpError, Policies, Priority, QueueLimits};

/// The one secret of every test key.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Keys of the shop: what each may do, and where.
const KEYS: [(&str, &[Role], &[&str]); 6] = [
    ("sender", &[Role::Sender], &[]),
    ("writer", &[Role::ConsentWriter], &[]),
    ("auditor", &[Role::Auditor], &[]),
    ("admin", &[Role::Admin], &[]),
    ("side", &[Role::Sender, Role::ConsentWriter], &["side"]),
    ("sideauditor", &[Role::Auditor], &["side"]),
];

/// A running shop.
pub struct Shop {
    pub clock: ManualClock,
    pub gateway: Gateway,
    pub channel: Channel,
    pub port: u16,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<Result<(), ServeError>>,
}

/// It is Monday 2026-06-01, 12:00 in New York.
pub fn noon() -> Instant {
    Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339")
}

impl Shop {
    /// Opens one.
    pub async fn open() -> Shop {
        let clock = ManualClock::at(noon());
        let gateway = Gateway::start(parts(&clock)).expect("an empty folder opens");
        let set_up = SetUp(objects());
        gateway.writer.call(set_up).await.expect("objects are taken");
        let hands = Hands::on(&gateway);
        let keys = KeyTable::load(&gateway.reader).expect("the index answers");
        let stop = gateway.stopping();
        tokio::spawn(Arc::clone(&keys).follow(hands.clone(), stop.clone()));
        let settings = Settings::default();
        let gate =
            GateLayer::new(keys, Arc::new(clock.clone()), settings.in_flight_max, settings.deadline_max);
        let services = Services::all(&hands, &settings, HealthReporter::new()).expect("descriptors");
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let connections = incoming(listener, None, 64, stop.clone());
        let stopping = stop.clone();
        let served =
            tokio::spawn(async move { serve(services, gate, &settings, connections, stopping).await });
        let uri = format!("http://127.0.0.1:{port}");
        let channel = Endpoint::from_shared(uri).expect("a URI").connect().await.expect("a connection");
        Shop { clock, gateway, channel, port, stop, served }
    }

    /// Writes objects down as they are.
    pub async fn set_up(&self, objects: Vec<Object>) {
        self.gateway.writer.call(SetUp(objects)).await.expect("objects are taken");
    }

    /// Stops server and gateway, and demands that both end well.
    pub async fn close(self) {
        let Shop { gateway, channel, stop, served, .. } = self;
        drop(channel);
        stop.cancel();
        served.await.expect("the server task").expect("drained");
        gateway.stop().await.expect("the writer ends well");
    }
}

/// The whole token of a key of the shop.
pub fn token(key: &str) -> String {
    auth::token(key, SECRET)
}

/// A request with a key of the shop.
pub fn by<T>(key: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let bearer = format!("Bearer {}", auth::token(key, SECRET));
    request.metadata_mut().insert("authorization", MetadataValue::try_from(bearer).expect("ASCII"));
    request
}

/// A connection without time limits of its own.
pub type Patient =
    hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, tonic::body::Body>;

/// One to this port, and the origin to ask under.
pub fn patient(port: u16) -> (Patient, http::Uri) {
    let mut client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let origin = format!("http://127.0.0.1:{port}").parse().expect("a URI");
    (client.http2_only(true).build_http(), origin)
}

/// What a gateway of tests is made of: an empty simulated disk, the index in memory.
pub fn parts(clock: &ManualClock) -> Parts {
    let policy = crate::policy::embedded::load().expect("the packs of this release compile");
    let engine = Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit");
    let seller = "main".parse().expect("a slug");
    Parts {
        disk: SimDisk::new(7).shared(),
        erasures: None,
        data_dir: "data".into(),
        index: crate::store::Engine::Memory,
        index_options: KvOptions::default(),
        embedded: EmbeddedOptions { reserve: false, ..EmbeddedOptions::default() },
        origin: Origin::new("gw.shop.example", &seller, 1).expect("an origin"),
        seller,
        secrets: Secrets { master: MasterKey::from_bytes([3; 32]), pepper: [1; 32], coupons: [2; 32] },
        policies: Policies::new(engine),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SeededEntropy::new(1)),
        queues: QueueLimits::default(),
        drain: std::time::Duration::from_secs(5),
    }
}

struct SetUp(Vec<Object>);

impl Op for SetUp {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        for object in self.0 {
            let body = RegistryBody { object, reason: String::new(), actor: "test".to_owned() };
            cx.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body))?;
        }
        Ok(())
    }
}

fn objects() -> Vec<Object> {
    let seller = Seller {
        id: "main".parse().expect("a slug"),
        legal_name: "Fable & Fern LLC".to_owned(),
        host: "gw.shop.example".to_owned(),
        postal_address: String::new(),
    };
    let mut objects = vec![
        Object::Seller(seller),
        Object::Brand(brand("main")),
        Object::Brand(brand("side")),
        Object::Connection(connection()),
        Object::Sender(sender()),
        Object::Program(program("carts", "main", Category::Marketing)),
        Object::Program(program("orders", "main", Category::Transactional)),
    ];
    objects.extend(KEYS.iter().map(|(id, roles, brands)| Object::ApiKey(key(id, roles, brands))));
    objects
}

fn brand(id: &str) -> Brand {
    Brand {
        id: id.parse().expect("a slug"),
        display_name: "Fable & Fern".to_owned(),
        short_domain: format!("go.{id}.example"),
        target_domains: vec!["shop.example".to_owned()],
        fallback_url: String::new(),
        support_contact: "help@shop.example".to_owned(),
        locale: "en".to_owned(),
        accepts_attested: false,
        profile: BrandProfile::default(),
        plain_typography: false,
    }
}

fn program(id: &str, brand: &str, category: Category) -> Program {
    Program {
        id: id.parse().expect("a slug"),
        brand: brand.parse().expect("a slug"),
        name: "cart reminders".to_owned(),
        category,
        channels: vec![Medium::Sms],
        senders: vec!["tollfree".parse().expect("a slug")],
        double_opt_in: false,
        covers_cart_reminders: true,
        keywords: Vec::new(),
        texts: ProgramTexts::default(),
        terms_url: "https://shop.example/terms".to_owned(),
        privacy_url: "https://shop.example/privacy".to_owned(),
        frequency: "up to 4 msgs/month".to_owned(),
        subject_matter: id.to_owned(),
        active: true,
    }
}

fn sender() -> Sender {
    Sender {
        id: "tollfree".parse().expect("a slug"),
        kind: SenderKind::TollFree,
        address: "+18005550100".to_owned(),
        country: "US".to_owned(),
        connection: "carrier".parse().expect("a slug"),
        brands: Vec::new(),
        registered: true,
        paused: false,
        answers: Answers::Gateway,
        throttle: ThrottleGroup {
            id: "tollfree".to_owned(),
            milli_parts_per_second: 3_000,
            parts_per_day: None,
            reset_zone: "America/Los_Angeles".to_owned(),
        },
        pool: String::new(),
        tax_id_cap: None,
        national_languages: Vec::new(),
    }
}

fn connection() -> Connection {
    Connection {
        id: "carrier".parse().expect("a slug"),
        provider: "sandbox".to_owned(),
        settings: Vec::new(),
        secrets: Vec::new(),
        public_url: String::new(),
        token_sha256: [0; 32],
        validity: Validity::None { queue_seconds: 60 },
        reconcile: Reconcile::List,
        slots: 4,
        prices: Vec::new(),
    }
}

/// A key with the one secret.
pub fn key(id: &str, roles: &[Role], brands: &[&str]) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        label: id.to_owned(),
        secret_sha256: vec![auth::hash_of(SECRET)],
        roles: roles.to_vec(),
        brands: brands.iter().map(|brand| brand.parse().expect("a slug")).collect(),
        created_at: noon(),
        expires_at: None,
        revoked_at: None,
    }
}
