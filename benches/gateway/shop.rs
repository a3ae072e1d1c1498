//! A whole gateway on the disk of the build, with people who agreed and nobody who carries.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use consentry::api::auth;
use consentry::api::gate::GateLayer;
use consentry::api::keys::KeyTable;
use consentry::api::server::{self, Services, Settings};
use consentry::clock::{ManualClock, SharedClock};
use consentry::decide::Engine;
use consentry::disk::RealDisk;
use consentry::entropy::SystemEntropy;
use consentry::gateway::{Gateway, Parts, Secrets};
use consentry::ledger::body::{Body, ConsentBody, ConsentCause, ConsentChange, Object, RegistryBody};
use consentry::ledger::checkpoint::Origin;
use consentry::ledger::entry::{Public, SELLER_CHAIN};
use consentry::ledger::keys::MasterKey;
use consentry::model::evidence::Evidence;
use consentry::model::facts::{Answers, BrandProfile, SenderKind};
use consentry::model::phone::Digits;
use consentry::model::registry::{
    ApiKey, Brand, Connection, Program, ProgramTexts, Reconcile, Role, Seller, Sender, ThrottleGroup,
    Validity,
};
use consentry::model::{
    Basis, Category, Channel, Consent, ConsentState, DoubleOptIn, Grade, Instant, Method, SellerId, Span,
    Zones,
};
use consentry::store::embedded::EmbeddedOptions;
use consentry::store::{Engine as IndexEngine, KvOptions};
use consentry::tls::incoming;
use consentry::writer::ops::Target;
use consentry::writer::{Cx, Op, OpError, Policies, Priority, QueueLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::people::{SECRET, number};

/// A gateway that serves gRPC.
pub struct Shop {
    pub address: SocketAddr,
    pub gateway: Gateway,
    stop: CancellationToken,
    /// Deleted with it.
    dir: Option<tempfile::TempDir>,
}

impl Shop {
    /// Opens one and lets everybody agree.
    pub async fn open(index: IndexEngine, people: u64) -> Shop {
        let dir =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk of the build");
        let clock = Arc::new(ManualClock::at(noon()));
        let shop = Shop::within(dir.path(), clock, index, people).await;
        Shop { dir: Some(dir), ..shop }
    }

    /// The same in a folder that stays, by another clock.
    pub async fn within(dir: &Path, clock: SharedClock, index: IndexEngine, people: u64) -> Shop {
        let gateway = Gateway::start(parts(dir, index, clock)).expect("a gateway");
        gateway.writer.call(SetUp).await.expect("objects are taken");
        for first in (0..people).step_by(500) {
            gateway.writer.call(Agree { first, count: 500 }).await.expect("consents are taken");
        }
        let hands = gateway.hands();
        let keys = KeyTable::load(&gateway.reader).expect("the index answers");
        let settings = Settings::default();
        let gate =
            GateLayer::new(keys, gateway.env.clock.clone(), settings.in_flight_max, settings.deadline_max);
        let (reporter, _) = tonic_health::server::health_reporter();
        let services = Services::all(&hands, &settings, reporter).expect("descriptors");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let wires = incoming(listener, None, 64, stop.clone());
        let stopping = stop.clone();
        gateway.run(async move {
            server::serve(services, gate, &settings, wires, stopping).await.expect("served");
        });
        Shop { address, gateway, stop, dir: None }
    }

    /// Who asks without transport: the key that callers over gRPC show, already looked up.
    pub fn caller(&self) -> Arc<auth::Caller> {
        let roles = [Role::Sender].into_iter().collect();
        Arc::new(auth::Caller { key: "bench".to_owned(), seller: id("main"), roles, brands: Vec::new() })
    }

    /// Ends it well.
    pub async fn close(self) {
        self.stop.cancel();
        self.gateway.stop().await.expect("a clean end");
        drop(self.dir);
    }
}

/// What a gateway in that folder is made of.
pub fn parts(dir: &Path, index: IndexEngine, clock: SharedClock) -> Parts {
    let policy = consentry::policy::embedded::load().expect("the packs of this release compile");
    let engine = Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit");
    let seller: SellerId = id("main");
    Parts {
        disk: Arc::new(RealDisk),
        erasures: None,
        data_dir: dir.to_owned(),
        index,
        index_options: KvOptions::default(),
        embedded: EmbeddedOptions { reserve: false, ..EmbeddedOptions::default() },
        origin: origin(),
        seller,
        secrets: Secrets { master: MasterKey::from_bytes([1; 32]), pepper: [2; 32], coupons: [3; 32] },
        policies: Policies::new(engine),
        clock,
        entropy: Arc::new(SystemEntropy),
        queues: QueueLimits::default(),
        drain: Duration::from_secs(5),
    }
}

/// Of its log.
pub fn origin() -> Origin {
    Origin::new("bench.example", &id::<SellerId>("main"), 1).expect("an origin")
}

/// A Tuesday noon in New York.
pub fn noon() -> Instant {
    Instant::parse("2026-11-24T17:00:00Z").expect("RFC 3339")
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("an id")
}

struct SetUp;

impl Op for SetUp {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        for object in objects() {
            let body = RegistryBody { object, reason: String::new(), actor: "bench".to_owned() };
            cx.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body))?;
        }
        Ok(())
    }
}

fn objects() -> Vec<Object> {
    let seller = Seller {
        id: id("main"),
        legal_name: "Fable & Fern LLC".to_owned(),
        host: "bench.example".to_owned(),
        postal_address: String::new(),
    };
    let brand = Brand {
        id: id("main"),
        display_name: "Fable & Fern".to_owned(),
        short_domain: "go.shop.example".to_owned(),
        target_domains: vec!["shop.example".to_owned()],
        fallback_url: String::new(),
        support_contact: "help@shop.example".to_owned(),
        locale: "en".to_owned(),
        accepts_attested: false,
        profile: BrandProfile::default(),
        plain_typography: false,
    };
    let connection = Connection {
        id: id("carrier"),
        provider: "sandbox".to_owned(),
        settings: Vec::new(),
        secrets: Vec::new(),
        public_url: String::new(),
        token_sha256: [0; 32],
        validity: Validity::Native { min_seconds: 1, max_seconds: 36_000 },
        reconcile: Reconcile::List,
        slots: 4,
        prices: Vec::new(),
    };
    let sender = Sender {
        id: id("main"),
        kind: SenderKind::TenDlc,
        address: "+12125550100".to_owned(),
        country: "US".to_owned(),
        connection: id("carrier"),
        brands: Vec::new(),
        registered: true,
        paused: false,
        answers: Answers::Provider,
        throttle: ThrottleGroup {
            id: "main".to_owned(),
            milli_parts_per_second: 100_000_000,
            parts_per_day: None,
            reset_zone: "UTC".to_owned(),
        },
        pool: String::new(),
        tax_id_cap: None,
        national_languages: Vec::new(),
    };
    let program = Program {
        id: id("carts"),
        brand: id("main"),
        name: "cart reminders".to_owned(),
        category: Category::Marketing,
        channels: vec![Channel::Sms],
        senders: vec![id("main")],
        double_opt_in: true,
        covers_cart_reminders: true,
        keywords: Vec::new(),
        texts: ProgramTexts::default(),
        terms_url: String::new(),
        privacy_url: String::new(),
        frequency: "up to 4 msgs/month".to_owned(),
        subject_matter: "carts".to_owned(),
        active: true,
    };
    let key = ApiKey {
        id: "bench".to_owned(),
        label: "bench".to_owned(),
        secret_sha256: vec![auth::hash_of(SECRET)],
        roles: vec![Role::Sender],
        brands: Vec::new(),
        created_at: noon(),
        expires_at: None,
        revoked_at: None,
    };
    vec![
        Object::Seller(seller),
        Object::Brand(brand),
        Object::Connection(connection),
        Object::Sender(sender),
        Object::Program(program),
        Object::ApiKey(key),
    ]
}

/// So many people from the `first` on agreed ten days ago, and confirmed it.
struct Agree {
    first: u64,
    count: u64,
}

impl Op for Agree {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let at = noon() - Span::days(10);
        for person in self.first..self.first + self.count {
            let address = cx.address_of(&Target::Phone(Digits::received(&number(person), None)))?;
            let subject = cx.subject_for(&address)?;
            let consent = Consent {
                program: id("carts"),
                brand: id("main"),
                channel: Channel::Sms,
                state: ConsentState::Granted,
                basis: Basis::ExpressWritten,
                basis_date: None,
                grade: Grade::Full,
                method: Method::WebForm,
                act: None,
                captured_at: at,
                recorded_at: at,
                confirmed_at: Some(at),
                double_opt_in: DoubleOptIn::ByText,
                covers_cart: true,
                night: consentry::model::consent::Night::No,
                expires_at: None,
                sender: Some(id("main")),
            };
            let body = ConsentBody {
                cause: ConsentCause::Confirmation,
                changes: vec![ConsentChange { consent, reasons: Vec::new() }],
                customer: None,
                hints: Vec::new(),
                evidence: Evidence::of_text(Method::WebForm, Basis::ExpressWritten, "YES", at),
                operation: None,
                actor: "bench".to_owned(),
            };
            cx.emit(subject, Some(&id("main")), Public::default(), Body::Consent(body))?;
        }
        Ok(())
    }
}
