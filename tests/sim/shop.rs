//! A shop and the people who act on it, as operations.

use consentry::ledger::body::{
    Body, ConsentBody, ConsentCause, ConsentChange, IntentBody, Object, OptOutBody, RegistryBody,
};
use consentry::ledger::entry::{Public, SELLER_CHAIN};
use consentry::ledger::rows::keys;
use consentry::model::evidence::Evidence;
use consentry::model::facts::{Answers, BrandProfile, OnHold, SenderKind};
use consentry::model::outgoing::Message;
use consentry::model::phone::Digits;
use consentry::model::registry::{
    Brand, Connection, Program, ProgramTexts, Reconcile, Sender, ThrottleGroup, Validity,
};
use consentry::model::{
    Basis, Category, Channel, Consent, ConsentState, DoubleOptIn, Grade, Instant, MessageId, Method, OptOut,
    OptOutScope, OptOutSource, Span,
};
use consentry::provider::IntentDraft;
use consentry::writer::ops::Target;
use consentry::writer::ops::send::{CartInput, SendRequest, Words};
use consentry::writer::{Cx, Op, OpError, Priority};

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a slug")
}

/// What an operator sets up.
pub fn objects() -> Vec<Object> {
    vec![
        Object::Brand(Brand {
            id: id("acme"),
            display_name: "Acme".to_owned(),
            short_domain: "go.acme.example".to_owned(),
            target_domains: vec!["acme.example".to_owned()],
            fallback_url: String::new(),
            support_contact: "help@acme.example".to_owned(),
            locale: "en".to_owned(),
            accepts_attested: false,
            profile: BrandProfile::default(),
        }),
        Object::Program(Program {
            id: id("carts"),
            brand: id("acme"),
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
        }),
        Object::Sender(Sender {
            id: id("main"),
            kind: SenderKind::TenDlc,
            address: "+12125550100".to_owned(),
            country: "US".to_owned(),
            connection: id("virtual"),
            brands: Vec::new(),
            registered: true,
            paused: false,
            answers: Answers::Provider,
            throttle: ThrottleGroup {
                id: "main".to_owned(),
                milli_parts_per_second: 2_000,
                parts_per_day: Some(500),
                reset_zone: "America/Los_Angeles".to_owned(),
            },
        }),
        Object::Connection(Connection {
            id: id("virtual"),
            provider: "sandbox".to_owned(),
            settings: Vec::new(),
            secrets: Vec::new(),
            public_url: String::new(),
            token_sha256: [0; 32],
            validity: Validity::Native { min_seconds: 5, max_seconds: 36_000 },
            reconcile: Reconcile::List,
            slots: 3,
        }),
    ]
}

/// Sets one object up.
pub struct SetUp(pub Object);

impl Op for SetUp {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let body = RegistryBody { object: self.0, actor: "sim".to_owned(), reason: String::new() };
        cx.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body)).map(|_| ())
    }
}

pub fn target(number: &str) -> Target {
    Target::Phone(Digits::received(number, None))
}

/// The person agrees by their own act.
pub struct Agree(pub &'static str);

impl Op for Agree {
    type Answer = ();
    const PRIORITY: Priority = Priority::Inbound;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let subject = cx.subject_for(&target(self.0).addresses().remove(0))?;
        let consent = Consent {
            program: id("carts"),
            brand: id("acme"),
            channel: Channel::Sms,
            state: ConsentState::Granted,
            basis: Basis::ExpressWritten,
            basis_date: None,
            grade: Grade::Full,
            method: Method::Keyword,
            act: None,
            captured_at: cx.now,
            recorded_at: cx.now,
            confirmed_at: Some(cx.now),
            double_opt_in: DoubleOptIn::ByText,
            covers_cart: true,
            night: false,
            expires_at: None,
            sender: Some(id("main")),
        };
        let body = ConsentBody {
            cause: ConsentCause::Keyword,
            changes: vec![ConsentChange { consent, reasons: Vec::new() }],
            customer: None,
            hints: Vec::new(),
            evidence: Evidence::empty(Method::Keyword),
            operation: None,
            actor: "sim".to_owned(),
        };
        cx.emit(subject, None, Public::default(), Body::Consent(body)).map(|_| ())
    }
}

/// The person says STOP.
pub struct Stop(pub &'static str);

impl Op for Stop {
    type Answer = ();
    const PRIORITY: Priority = Priority::Inbound;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let subject = cx.subject_for(&target(self.0).addresses().remove(0))?;
        let opt_out = OptOut {
            scope: OptOutScope::All,
            source: OptOutSource::SmsReply,
            received_at: cx.now,
            recorded_at: cx.now,
            sender: Some(id("main")),
            lifted_at: None,
            lifted_for: Vec::new(),
            scope_named: false,
        };
        let body = OptOutBody {
            opt_out,
            text: "STOP".to_owned(),
            customer: None,
            cancelled: Vec::new(),
            in_flight: Vec::new(),
            voided: Vec::new(),
            operation: None,
            actor: "sim".to_owned(),
        };
        cx.emit(subject, None, Public::default(), Body::OptOut(body)).map(|_| ())
    }
}

/// A caller's request for one attempt.
pub fn request(key: &str, number: &str, cart: u32, now: Instant) -> SendRequest {
    SendRequest {
        idempotency_key: key.to_owned(),
        request_sha256: [1; 32],
        brand: id("acme"),
        program: id("carts"),
        target: target(number),
        channel: Channel::Sms,
        sender: None,
        cart: Some(CartInput {
            id: id(&format!("cart-{cart}")),
            value: None,
            checkout_url: "https://acme.example/checkout".to_owned(),
            abandoned_at: Some(now - Span::minutes(30)),
        }),
        words: Words::Body("Your cart waits: {{link}}".to_owned()),
        variables: Vec::new(),
        link_url: String::new(),
        coupon_pool: None,
        hints: Vec::new(),
        on_hold: OnHold::Hold,
        expires_at: None,
        labels: Vec::new(),
        actor: "sim".to_owned(),
    }
}

/// A planted bug: an intent that repeats the first verdict instead of judging again.
pub struct HastyIntent(pub MessageId);

impl Op for HastyIntent {
    type Answer = Option<IntentDraft>;
    const PRIORITY: Priority = Priority::Intent;
    fn run(self, cx: &mut Cx<'_>) -> Result<Option<IntentDraft>, OpError> {
        let Some(message) = cx.get::<Message>(&keys::message(&self.0))? else { return Ok(None) };
        if !message.state.is_waiting() || message.due.is_none_or(|due| due > cx.now) {
            return Ok(None);
        }
        let spec = message.spec.clone();
        let body = IntentBody {
            message: spec.id,
            state_hashes: Vec::new(),
            verdict: message.first.clone(),
            text: spec.preview.clone(),
            sender: id("main"),
            connection: id("virtual"),
            to: spec.to.clone(),
            coupon_expires_at: None,
            not_after: cx.now + Span::seconds(2),
            resolve_by: cx.now + Span::hours(72),
            throttle: ("main".to_owned(), "2026-06-01".to_owned()),
        };
        cx.emit(spec.subject, Some(&spec.brand), Public::default(), Body::Intent(Box::new(body)))?;
        Ok(None)
    }
}
