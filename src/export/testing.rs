//! A small shop over a simulated disk, with one person's whole story in its ledger, for tests of exports.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::clock::ManualClock;
use crate::disk::{SharedDisk, SimDisk};
use crate::entropy::{SeededEntropy, SharedEntropy};
use crate::ledger::body::*;
use crate::ledger::checkpoint::Origin;
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::keys::MasterKey;
use crate::ledger::segment::SegmentOptions;
use crate::model::cart::Click;
use crate::model::consent::*;
use crate::model::evidence::Evidence;
use crate::model::facts::{Encoding, OnHold};
use crate::model::outgoing::{MessageLink, MessageSpec};
use crate::model::registry::*;
use crate::model::subject::Address;
use crate::model::verdict::{Code, Effect, Outcome, Reason, Verdict};
use crate::model::{BrandId, Instant, MessageId, MessageState, Span, SubjectId, Zones};
use crate::store::embedded::{Books, EmbeddedLog, EmbeddedOptions};
use crate::store::{KvOptions, SharedKv, kv};
use crate::writer::{Core, Cx, Env, Op, OpError, Policies, Priority, QueuedOp, Reader, about_message};

/// What the person agreed to.
pub const WORDING: &str =
    "I agree to cart reminders by text from Main. Not a condition of purchase. Reply STOP to stop.";

/// A gateway's writer over files, driven by hand.
pub struct World {
    pub sim: SimDisk,
    pub disk: SharedDisk,
    pub dir: PathBuf,
    pub clock: ManualClock,
    pub env: Arc<Env>,
    pub books: Books,
    pub reader: Reader,
    pub kv: SharedKv,
    core: Core,
}

/// The origin of the test log.
pub fn origin() -> Origin {
    Origin::new("gw.shop.example", &"shop".parse().expect("a slug"), 1).expect("an origin")
}

/// The key that wraps data keys in tests.
pub fn master() -> MasterKey {
    MasterKey::from_bytes([9; 32])
}

/// Compiled once for all tests: some open hundreds of worlds.
fn policies() -> Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    let compile = || {
        let policy = crate::policy::embedded::load().expect("the packs of this release compile");
        Policies::new(crate::decide::Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit"))
    };
    POLICIES.get_or_init(compile).clone()
}

/// Surroundings of the test gateway.
pub fn env(clock: &ManualClock, entropy: &SharedEntropy) -> Arc<Env> {
    let seller = "shop".parse().expect("a slug");
    Arc::new(Env::new(seller, [1; 32], [2; 32], policies(), Arc::new(clock.clone()), entropy.clone()))
}

/// Small segments, so that tests have several.
pub fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        segments: SegmentOptions { segment_bytes: 16 << 10, check_all: false },
        reserve: false,
        raw_days: 30,
        public_tiles: false,
    }
}

struct Emit(SubjectId, Option<&'static str>, Public, Body);

impl Op for Emit {
    type Answer = u64;
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<u64, OpError> {
        let brand: Option<BrandId> = self.1.map(|b| b.parse().expect("a slug"));
        cx.emit(self.0, brand.as_ref(), self.2, self.3)
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// An empty ledger; it is Monday 2026-06-01, 12:00 in New York.
    pub fn new() -> World {
        let sim = SimDisk::new(7);
        World::at(sim.clone(), sim.shared(), Path::new("/data"))
    }

    /// A ledger in a folder.
    pub fn at(sim: SimDisk, disk: SharedDisk, dir: &Path) -> World {
        let clock = ManualClock::at(Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339"));
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
        let env = env(&clock, &entropy);
        let (log, books, _) =
            EmbeddedLog::open(&disk, dir, &origin(), master(), &entropy, options()).expect("opens");
        let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        let source = Arc::new(books.clone());
        let core = Core::open(env.clone(), Box::new(log), kv.clone(), source, books.keys().clone())
            .expect("an empty ledger folds");
        let reader = Reader::new(env.clone(), kv.clone(), Arc::new(books.clone()), books.keys().clone());
        World { sim, disk, dir: dir.to_owned(), clock, env, books, reader, kv, core }
    }

    /// The world of a folder that was stopped, a day after its newest entry.
    pub fn again(sim: &SimDisk, dir: &Path) -> World {
        let world = World::at(sim.clone(), sim.shared(), dir);
        let last = world.books.stored().len().checked_sub(1).expect("entries");
        let newest = world.books.stored().get(last).expect("reads").expect("there");
        let newest = crate::ledger::entry::Leaf::decode(&newest.leaf).expect("a leaf");
        world.clock.set(newest.instant + Span::days(1));
        world
    }

    /// A world in which the story below has happened.
    pub fn with_story() -> World {
        let mut world = World::new();
        world.tell_story();
        world.sign();
        world
    }

    /// Writes one entry.
    pub fn emit(
        &mut self,
        subject: SubjectId,
        brand: Option<&'static str>,
        public: Public,
        body: Body,
    ) -> u64 {
        self.clock.advance(Span::seconds(7));
        let (queued, mut told) = QueuedOp::new(Emit(subject, brand, public, body));
        self.core.run(vec![queued]).expect("the fold takes it");
        told.try_recv().expect("answered").expect("written").answer
    }

    /// Carries out one operation.
    pub fn run<O: Op>(&mut self, op: O) -> O::Answer {
        let (queued, mut told) = QueuedOp::new(op);
        self.core.run(vec![queued]).expect("the writer goes on");
        told.try_recv().expect("answered").expect("done").answer
    }

    /// Records the heads of all chains; answers the index of the entry.
    pub fn record_heads(&mut self) -> u64 {
        let covered_size = self.books.tree().size();
        let tree = self.books.heads().tree(&self.reader, &self.books, covered_size).expect("built");
        self.clock.advance(Span::seconds(7));
        let (subjects, root) = (tree.subjects(), tree.root().0);
        self.run(crate::writer::ops::heads::RecordHeads { covered_size, subjects, root })
    }

    /// Signs a checkpoint over everything.
    pub fn sign(&mut self) {
        self.core.close().expect("signs");
    }

    /// Ends the writer, so that others may open the folder.
    pub fn stop(mut self) -> (SimDisk, PathBuf) {
        self.sign();
        (self.sim, self.dir)
    }

    /// The shop, one person's consent, message, click, STOP and refusal, and another person elsewhere.
    pub fn tell_story(&mut self) {
        for object in shop() {
            let body = RegistryBody { object, reason: String::new(), actor: "operator".to_owned() };
            self.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body));
        }
        self.person(person(), "12125550123", "main", 1);
        self.person(SubjectId([6; 16]), "13125550145", "other", 2);
    }

    /// One person's story with a brand, on message `n`.
    pub fn person(&mut self, subject: SubjectId, digits: &str, brand: &'static str, n: u8) {
        let to = Address::Phone(digits.to_owned());
        let start = self.clock_now();
        self.emit(subject, None, Public::default(), Body::Subject(SubjectBody { address: to.clone() }));
        self.emit(subject, Some(brand), public("GRANTED"), Body::Consent(consent(brand, digits, start)));
        let message = MessageId([n; 16]);
        let held = verdict(Outcome::Hold, start);
        let spec = spec(message, subject, &to, brand);
        let about = |outcome| about_message(&message, spec.program.as_str(), "SMS", outcome);
        let decision = DecisionBody {
            message: Arc::new(spec.clone()),
            request_sha256: [3; 32],
            hints: Vec::new(),
            state_hashes: Vec::new(),
            lane_free_at: None,
            state: MessageState::Held,
            due: held.hold_until,
            moved: None,
            verdict: Arc::new(held),
            inputs: None,
        };
        self.emit(subject, Some(brand), about("HOLD"), Body::Decision(Box::new(decision)));
        let intent = IntentBody {
            message,
            state_hashes: Vec::new(),
            verdict: Arc::new(verdict(Outcome::Admit, self.clock_now())),
            text: spec.preview.clone(),
            sender: "main-10dlc".parse().expect("a slug"),
            connection: "carrier".parse().expect("a slug"),
            to,
            coupon_expires_at: None,
            not_after: self.clock_now() + Span::hours(3),
            resolve_by: self.clock_now() + Span::hours(72),
            throttle: ("main-10dlc".to_owned(), "2026-06-01".to_owned()),
            tax_id: None,
            stands_in_for: None,
            cost: None,
            inputs: None,
        };
        self.emit(subject, Some(brand), about("ADMIT"), Body::Intent(Box::new(intent)));
        let outcome = OutcomeBody {
            message,
            state: MessageState::Sent,
            provider_ids: vec![format!("SM{n}")],
            error: None,
            handed_over_at: Some(self.clock_now()),
            due: None,
            cost: None,
            connection: None,
        };
        self.emit(subject, Some(brand), about("SENT"), Body::Outcome(outcome));
        let click = Click {
            at: self.clock_now(),
            human: true,
            class: "human".to_owned(),
            classifier: 1,
            user_agent: "browser".to_owned(),
        };
        let code = spec.link.expect("a link").code;
        let clicks = ClickBody { code, clicks: vec![click], uncounted: (0, 0) };
        self.emit(subject, Some(brand), Public::default(), Body::Click(clicks));
        self.stop_by_text(subject, brand, n);
    }

    /// Writes that the person replied STOP.
    pub fn stop_by_text(&mut self, subject: SubjectId, brand: &'static str, n: u8) {
        let at = self.clock_now();
        let inbound = InboundBody {
            connection: "carrier".parse().expect("a slug"),
            provider_id: format!("IN{n}"),
            sender: Some("main-10dlc".parse().expect("a slug")),
            to: "18885550100".to_owned(),
            text: "=STOP".to_owned(),
            class: "OPT_OUT".to_owned(),
            rule: "exact/stop".to_owned(),
            provider_flag: None,
            received_at: at,
            review: false,
            raw: None,
            program: None,
            opt_out: Some(at),
            part: None,
        };
        self.emit(subject, Some(brand), Public::default(), Body::Inbound(inbound));
        let opt_out = OptOut {
            scope: OptOutScope::All,
            scope_named: false,
            source: OptOutSource::SmsReply,
            received_at: at,
            recorded_at: at,
            sender: None,
            lifted_at: None,
            lifted_for: Vec::new(),
        };
        let body = OptOutBody {
            opt_out,
            text: "=STOP".to_owned(),
            customer: None,
            cancelled: Vec::new(),
            in_flight: vec![MessageId([n; 16])],
            voided: Vec::new(),
            operation: None,
            actor: "gateway".to_owned(),
        };
        self.emit(subject, None, public("ALL"), Body::OptOut(body));
    }

    fn clock_now(&self) -> Instant {
        use crate::clock::Clock;
        self.clock.now()
    }
}

/// The person of the story.
pub fn person() -> SubjectId {
    SubjectId([5; 16])
}

fn public(outcome: &str) -> Public {
    Public { outcome: outcome.to_owned(), ..Public::default() }
}

fn shop() -> Vec<Object> {
    let brand = |id: &str| Brand {
        id: id.parse().expect("a slug"),
        display_name: "Main".to_owned(),
        short_domain: "go.shop.example".to_owned(),
        target_domains: vec!["shop.example".to_owned()],
        fallback_url: String::new(),
        support_contact: "help@shop.example".to_owned(),
        locale: "en".to_owned(),
        accepts_attested: false,
        profile: BrandProfile::default(),
        plain_typography: false,
    };
    let disclosure = Disclosure {
        id: "checkout".parse().expect("a slug"),
        version: "7".to_owned(),
        brand: "main".parse().expect("a slug"),
        program: "carts".parse().expect("a slug"),
        locale: "en".to_owned(),
        text: WORDING.to_owned(),
        control: Control::Checkbox,
        control_default: ControlDefault::Unchecked,
        condition_of_purchase: false,
        separate_from_terms: true,
        e_sign_text: String::new(),
        url: "https://shop.example/checkout".to_owned(),
        snapshot_sha256: Vec::new(),
        approved_by: "counsel".to_owned(),
        text_sha256: wording_hash(),
        registered_at: Instant::from_seconds(1_780_000_000),
        refusals: Vec::new(),
        night: false,
    };
    let key = ApiKey {
        id: "k1".to_owned(),
        label: "the shop".to_owned(),
        secret_sha256: vec![[8; 32]],
        roles: vec![Role::Sender],
        brands: Vec::new(),
        created_at: Instant::from_seconds(1_780_000_000),
        expires_at: None,
        revoked_at: None,
    };
    vec![
        Object::Brand(brand("main")),
        Object::Brand(brand("other")),
        Object::Disclosure(Box::new(disclosure)),
        Object::ApiKey(key),
    ]
}

/// SHA-256 of [`WORDING`].
pub fn wording_hash() -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(WORDING).into()
}

fn consent(brand: &str, digits: &str, at: Instant) -> ConsentBody {
    let consent = Consent {
        program: "carts".parse().expect("a slug"),
        brand: brand.parse().expect("a slug"),
        channel: Channel::Sms,
        state: ConsentState::Granted,
        basis: Basis::ExpressWritten,
        basis_date: None,
        grade: Grade::Full,
        method: Method::CheckoutCheckbox,
        act: Some(Act::Ticked),
        captured_at: at,
        recorded_at: at,
        confirmed_at: None,
        double_opt_in: DoubleOptIn::None,
        covers_cart: true,
        night: crate::model::consent::Night::No,
        expires_at: None,
        sender: None,
    };
    let evidence = Evidence {
        disclosure: Some(("checkout".parse().expect("a slug"), "7".to_owned())),
        disclosure_sha256: Some(wording_hash()),
        disclosure_text: String::new(),
        method: Method::CheckoutCheckbox,
        act: Some(Act::Ticked),
        control_default: Some(ControlDefault::Unchecked),
        condition_of_purchase: false,
        bundled_with_terms: false,
        captured_at: Some(at),
        source_url: "https://shop.example/checkout".to_owned(),
        ip_address: "192.0.2.7".to_owned(),
        user_agent: "browser".to_owned(),
        locale: "en-US".to_owned(),
        signatory_name: "Ada Example".to_owned(),
        signature_text: String::new(),
        certificate_url: String::new(),
        snapshot_sha256: Vec::new(),
        inbound_text: String::new(),
        e_sign_version: "1".to_owned(),
        basis: Basis::ExpressWritten,
        basis_date: None,
        night: false,
        grade: Grade::Full,
        attributes: vec![("form".to_owned(), "v7".to_owned())],
        number: format!("+{digits}"),
    };
    ConsentBody {
        cause: ConsentCause::OptIn,
        changes: vec![ConsentChange { consent, reasons: Vec::new() }],
        customer: Some("customer-1".parse().expect("a name")),
        hints: Vec::new(),
        evidence,
        operation: None,
        actor: "k1".to_owned(),
    }
}

fn verdict(outcome: Outcome, at: Instant) -> Verdict {
    let reason = Reason {
        effect: Effect::Hold,
        code: Code::QuietHours,
        rule: "us/fl/quiet_hours".to_owned(),
        citation: "Fla. Stat. 501.616(6)".to_owned(),
        detail: "It is 20:30 where the person may be".to_owned(),
        hold_until: Some(at + Span::hours(12)),
    };
    let held = outcome == Outcome::Hold;
    Verdict {
        outcome,
        hold_until: held.then_some(at + Span::hours(12)),
        estimated_send_at: Some(at + Span::hours(12)),
        send_not_after: Some(at + Span::hours(20)),
        reasons: if held { vec![reason] } else { Vec::new() },
        evaluated_at: at,
        engine: [2; 32],
        policy_version: "2026.11".to_owned(),
        time_zone_version: "2026e".to_owned(),
        zones_considered: vec!["America/New_York".parse().expect("a zone")],
        jurisdictions_considered: vec!["us".parse().expect("a place"), "us/fl".parse().expect("a place")],
    }
}

fn spec(id: MessageId, subject: SubjectId, to: &Address, brand: &str) -> MessageSpec {
    let at = Instant::parse("2026-07-01T00:00:00Z").expect("RFC 3339");
    let link = MessageLink {
        code: format!("c{}", &id.to_string()[..6]).parse().expect("a slug"),
        target: "https://shop.example/cart".to_owned(),
        expires_at: at,
        opt_out: false,
    };
    MessageSpec {
        id,
        brand: brand.parse().expect("a slug"),
        program: "carts".parse().expect("a slug"),
        category: Category::Marketing,
        channel: Channel::Sms,
        subject,
        to: to.clone(),
        sender: Some("main-10dlc".parse().expect("a slug")),
        connection: Some("carrier".parse().expect("a slug")),
        cart: None,
        text: "Main: you left something. Reply STOP to stop.".to_owned(),
        preview: "Main: you left something. Reply STOP to stop.".to_owned(),
        encoding: Encoding::Gsm7,
        parts: 1,
        template: None,
        language: "en".to_owned(),
        link: Some(link),
        coupon: None,
        expires_at: None,
        on_hold: OnHold::Hold,
        automatic: None,
        subject_matter: "carts".to_owned(),
        labels: vec![("campaign".to_owned(), "june".to_owned())],
        actor: "k1".to_owned(),
        push: None,
    }
}
