//! A shop: what its operator sets up, what its services ask for, and what a wrong gateway would do instead.

use consentry::ledger::body::{Body, CouponPoolBody, IntentBody, Object, RegistryBody};
use consentry::ledger::entry::{Public, SELLER_CHAIN};
use consentry::ledger::rows::keys;
use consentry::model::cart::{Coupon, CouponPool, OnOptOut, PoolSource};
use consentry::model::consent::Act;
use consentry::model::device::{Destination, OsPermission, PushPlatform};
use consentry::model::evidence::Evidence;
use consentry::model::facts::{Answers, BrandProfile, OnHold, SenderKind};
use consentry::model::location::{LocationHint, LocationSource};
use consentry::model::notification::PushWords;
use consentry::model::outgoing::Message;
use consentry::model::phone::Digits;
use consentry::model::registry::{
    Brand, Connection, Control, ControlDefault, Disclosure, Keyword, Program, ProgramTexts, Reconcile,
    Sender, ThrottleGroup, Validity,
};
use consentry::model::{
    Basis, BrandId, Category, Channel, Instant, MessageId, Method, OptOutScope, OptOutSource, Span,
};
use consentry::provider::IntentDraft;
use consentry::writer::ops::consent::RecordOptIn;
use consentry::writer::ops::coupon::{CreateCouponPool, ImportCouponCodes};
use consentry::writer::ops::device::UpsertDevice;
use consentry::writer::ops::disclosure::RegisterDisclosure;
use consentry::writer::ops::opt_out::RecordOptOut;
use consentry::writer::ops::send::{CartInput, SendRequest, Words};
use consentry::writer::ops::{Idempotency, Target};
use consentry::writer::{Cx, Op, OpError, Priority};
use sha2::{Digest, Sha256};

use crate::carrier::{LINES, Line};
use crate::people::{App, KEYWORD, Person};
use crate::pushes::PUSH;

/// Where its short links lead.
pub const SHORT_DOMAIN: &str = "go.acme.example";
/// The shop's app.
const APP: &str = "com.acme.shop";

/// The token in the path of our webhooks, and the secret they are signed with.
pub const TOKEN: &str = "path-token";
pub const SECRET: &str = "webhook-secret";
const ACTOR: &str = "sim";

pub fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a slug")
}

pub fn brand_id() -> BrandId {
    id("acme")
}

pub fn connection(line: Line) -> Connection {
    Connection {
        id: id(line.name),
        provider: "sandbox".to_owned(),
        settings: Vec::new(),
        secrets: Vec::new(),
        public_url: String::new(),
        token_sha256: Sha256::digest(TOKEN).into(),
        validity: Validity::Native { min_seconds: 5, max_seconds: 36_000 },
        reconcile: Reconcile::List,
        slots: 3,
        prices: Vec::new(),
    }
}

/// What an operator sets up.
pub fn objects() -> Vec<Object> {
    vec![
        Object::Brand(Brand {
            id: brand_id(),
            display_name: "Acme".to_owned(),
            short_domain: SHORT_DOMAIN.to_owned(),
            target_domains: vec!["acme.example".to_owned()],
            fallback_url: String::new(),
            support_contact: "help@acme.example".to_owned(),
            locale: "en".to_owned(),
            accepts_attested: false,
            profile: BrandProfile::default(),
            plain_typography: false,
        }),
        Object::Program(Program { double_opt_in: true, ..program("carts", Category::Marketing) }),
        Object::Program(program("orders", Category::Transactional)),
        Object::Sender(sender("main", LINES[0])),
        Object::Sender(sender("spare", LINES[1])),
        Object::Sender(Sender { kind: SenderKind::PushApp, country: String::new(), ..push_sender() }),
        Object::Connection(Connection {
            id: id(PUSH),
            provider: "fcm".to_owned(),
            validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
            reconcile: Reconcile::Nothing,
            ..connection(LINES[0])
        }),
        Object::Connection(connection(LINES[0])),
        Object::Connection(connection(LINES[1])),
    ]
}

fn push_sender() -> Sender {
    Sender { address: APP.to_owned(), ..sender("app", Line { name: PUSH, number: APP }) }
}

/// A sender of ours on a line.
pub fn sender(name: &str, line: Line) -> Sender {
    Sender {
        id: id(name),
        kind: SenderKind::TenDlc,
        address: line.number.to_owned(),
        country: "US".to_owned(),
        connection: id(line.name),
        brands: Vec::new(),
        registered: true,
        paused: false,
        answers: Answers::Gateway,
        throttle: ThrottleGroup {
            id: name.to_owned(),
            milli_parts_per_second: 2_000,
            parts_per_day: Some(60),
            reset_zone: "America/Los_Angeles".to_owned(),
        },
        pool: String::new(),
        tax_id_cap: None,
        national_languages: Vec::new(),
    }
}

fn program(name: &str, category: Category) -> Program {
    let marketing = category == Category::Marketing;
    let keyword = Keyword { word: KEYWORD.to_owned(), disclosure: id("by-keyword") };
    Program {
        id: id(name),
        brand: brand_id(),
        name: if marketing { "cart reminders" } else { "order updates" }.to_owned(),
        category,
        channels: if marketing { vec![Channel::Sms, Channel::Push] } else { vec![Channel::Sms] },
        senders: vec![id("main"), id("spare"), id("app")],
        double_opt_in: false,
        covers_cart_reminders: marketing,
        keywords: if marketing { vec![keyword] } else { Vec::new() },
        texts: ProgramTexts::default(),
        terms_url: String::new(),
        privacy_url: String::new(),
        frequency: if marketing { "up to 4 msgs/month" } else { "" }.to_owned(),
        subject_matter: name.to_owned(),
        active: true,
    }
}

/// The wordings people agree to.
pub fn disclosures() -> Vec<RegisterDisclosure> {
    let carts = "to get recurring automated cart reminders and offers by text, up to 4 msgs/month. Consent is not a \
        condition of purchase. Msg & data rates may apply. Reply STOP to opt out, HELP for help.";
    let box_text = format!("Acme: by ticking this box I agree {carts}");
    let keyword_text = format!("Acme: text {KEYWORD} {carts}");
    let orders = "Acme: text me about my orders. Reply STOP to opt out, HELP for help.".to_owned();
    [
        ("at-checkout", "carts", box_text, Control::Checkbox),
        ("by-keyword", "carts", keyword_text, Control::Keyword),
        ("for-orders", "orders", orders, Control::Checkbox),
    ]
    .into_iter()
    .map(|(name, program, text, control)| RegisterDisclosure {
        disclosure: Disclosure {
            id: id(name),
            version: "1".to_owned(),
            brand: brand_id(),
            program: id(program),
            locale: "en-US".to_owned(),
            text,
            control,
            control_default: ControlDefault::Unchecked,
            condition_of_purchase: false,
            separate_from_terms: true,
            e_sign_text: "You agree to receive these terms electronically.".to_owned(),
            url: "https://acme.example/checkout".to_owned(),
            snapshot_sha256: Vec::new(),
            approved_by: "Acme compliance".to_owned(),
            text_sha256: [0; 32],
            registered_at: Instant::EPOCH,
            refusals: Vec::new(),
            night: false,
        },
        actor: ACTOR.to_owned(),
    })
    .collect()
}

/// The pools by name, and whether STOP ends their codes.
pub const POOLS: [&str; 2] = ["own", "made"];

pub fn pools() -> Vec<CreateCouponPool> {
    let pool = |name: &str, source, on_opt_out| CreateCouponPool {
        brand: brand_id(),
        pool: id(name),
        source,
        exclusive_channel: None,
        exclusive_until: None,
        valid_for: Span::days(2),
        on_opt_out,
        low_water: 2,
        actor: ACTOR.to_owned(),
    };
    vec![
        pool("own", PoolSource::Imported, OnOptOut::Void),
        pool("made", PoolSource::Generated { prefix: "A-".to_owned() }, OnOptOut::Keep),
    ]
}

/// The shop's own codes, few enough to run out.
pub fn codes() -> ImportCouponCodes {
    let codes = (0..6).map(|n| format!("CODE-{n}")).collect();
    ImportCouponCodes { brand: brand_id(), pool: id("own"), codes, actor: ACTOR.to_owned() }
}

/// Sets one object up.
pub struct SetUp(pub Object);

impl Op for SetUp {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let body = RegistryBody { object: self.0, actor: ACTOR.to_owned(), reason: String::new() };
        cx.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body)).map(|_| ())
    }
}

pub fn target(number: &str) -> Target {
    Target::Phone(Digits::received(number, None))
}

fn key(method: &'static str, key: &str) -> Idempotency {
    Idempotency { method, key: key.to_owned(), request_sha256: Sha256::digest(key).into() }
}

/// A caller says that somebody ticked a box, at the checkout or in an old list.
pub fn opt_in(
    person: &Person,
    program: &str,
    captured_at: Instant,
    imported: bool,
    name: &str,
) -> RecordOptIn {
    let method = if imported { Method::Imported } else { Method::CheckoutCheckbox };
    let disclosure = if program == "carts" { "at-checkout" } else { "for-orders" };
    let evidence = Evidence {
        disclosure: Some((id(disclosure), "1".to_owned())),
        act: Some(Act::Ticked),
        control_default: Some(ControlDefault::Unchecked),
        captured_at: Some(captured_at),
        source_url: "https://acme.example/checkout".to_owned(),
        locale: "en-US".to_owned(),
        number: person.number.to_owned(),
        ..Evidence::empty(method)
    };
    RecordOptIn {
        night_only: false,
        brand: brand_id(),
        programs: vec![id(program)],
        target: target(person.number),
        channels: vec![Channel::Sms],
        customer: person.customer.map(id),
        hints: Vec::new(),
        evidence,
        idempotency: key("RecordOptIn", name),
        actor: ACTOR.to_owned(),
    }
}

pub fn installed(app: &App) -> Target {
    Target::Device { app: APP.to_owned(), installation: app.installation.to_owned() }
}

/// An app reports itself.
pub fn report(app: &App, token: Option<String>, allowed: bool, enabled: bool, at: Instant) -> UpsertDevice {
    UpsertDevice {
        brand: brand_id(),
        app: APP.to_owned(),
        installation: app.installation.to_owned(),
        platform: PushPlatform::Fcm,
        destination: token.map(Destination::Token),
        permission: if allowed { OsPermission::Granted } else { OsPermission::Denied },
        channel_enabled: enabled,
        time_zone: Some(id(app.zone)),
        customer: Some(id(app.customer)),
        locale: "en".to_owned(),
        observed_at: at,
        actor: ACTOR.to_owned(),
    }
}

/// Somebody turns the app's own switch on.
pub fn switched_on(app: &App, captured_at: Instant, name: &str) -> RecordOptIn {
    let evidence = Evidence {
        disclosure_text: "Notify me with cart reminders from Acme. Turn off at any time in settings."
            .to_owned(),
        act: Some(Act::Switched),
        control_default: Some(ControlDefault::Unchecked),
        captured_at: Some(captured_at),
        source_url: "app://settings/notifications".to_owned(),
        locale: "en-US".to_owned(),
        basis: Basis::Express,
        ..Evidence::empty(Method::AppPermission)
    };
    RecordOptIn {
        night_only: false,
        brand: brand_id(),
        programs: vec![id("carts")],
        target: installed(app),
        channels: vec![Channel::Push],
        customer: Some(id(app.customer)),
        hints: Vec::new(),
        evidence,
        idempotency: key("RecordOptIn", name),
        actor: ACTOR.to_owned(),
    }
}

pub fn opt_out(number: &str, scope: OptOutScope, source: OptOutSource, name: &str) -> RecordOptOut {
    RecordOptOut {
        brand: None,
        target: target(number),
        scope,
        source,
        text: "no more".to_owned(),
        received_at: None,
        idempotency: key("RecordOptOut", name),
        actor: ACTOR.to_owned(),
    }
}

/// What varies between requests.
#[derive(Debug, Clone)]
pub struct Wish {
    pub key: String,
    pub number: &'static str,
    /// By push, to whoever has this installation; and as a text, where it cannot be shown, if so wished.
    pub push: Option<(&'static App, bool)>,
    pub cart: Option<u64>,
    pub pool: Option<&'static str>,
    /// When it loses its purpose.
    pub expires_at: Option<Instant>,
    pub abandoned_at: Instant,
}

/// A caller's request for one attempt.
pub fn request(wish: &Wish) -> SendRequest {
    let words = match (wish.cart, wish.pool) {
        (None, _) => "Your order 7 has left our warehouse: {{link}}",
        (_, None) => "Your cart waits: {{link}}",
        (_, Some(_)) => "Your cart waits, use {{coupon}}: {{link}}",
    };
    let url = "https://acme.example/checkout".to_owned();
    let to_app = wish.push.map(|(app, fallback_to_sms)| {
        let hint = LocationHint {
            source: LocationSource::Billing,
            country: "US".to_owned(),
            region: app.region.to_owned(),
            postal_code: String::new(),
            time_zone: String::new(),
            observed_at: wish.abandoned_at,
        };
        (Target::Customer(id(app.customer)), hint, fallback_to_sms)
    });
    let words = match to_app {
        None => Words::Body(words.to_owned()),
        Some(_) => Words::Push(PushWords {
            title: "Still yours".to_owned(),
            body: words.to_owned(),
            image_url: String::new(),
            deep_link: String::new(),
            collapse_key: None,
            actions: Vec::new(),
        }),
    };
    SendRequest {
        idempotency_key: wish.key.clone(),
        request_sha256: Sha256::digest(&wish.key).into(),
        brand: brand_id(),
        program: id(if wish.cart.is_some() { "carts" } else { "orders" }),
        target: to_app.as_ref().map_or_else(|| target(wish.number), |(target, ..)| target.clone()),
        channel: if to_app.is_some() { Channel::Push } else { Channel::Sms },
        fallback_to_sms: to_app.as_ref().is_some_and(|(.., fallback)| *fallback),
        sender: None,
        cart: wish.cart.map(|cart| CartInput {
            id: id(&format!("cart-{cart}")),
            value: None,
            checkout_url: url.clone(),
            abandoned_at: Some(wish.abandoned_at),
        }),
        words,
        variables: Vec::new(),
        link_url: if wish.cart.is_some() { String::new() } else { url },
        coupon_pool: wish.pool.map(id),
        hints: to_app.into_iter().map(|(_, hint, _)| hint).collect(),
        on_hold: OnHold::Hold,
        expires_at: wish.expires_at,
        labels: Vec::new(),
        actor: ACTOR.to_owned(),
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
            tax_id: None,
            stands_in_for: None,
            cost: None,
            inputs: None,
        };
        cx.emit(spec.subject, Some(&spec.brand), Public::default(), Body::Intent(Box::new(body)))?;
        Ok(None)
    }
}

/// A planted bug: an import that does not look whether a code is promised already.
pub struct CarelessImport;

impl Op for CarelessImport {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        for code in codes().codes {
            let coupon = cx.get::<Coupon>(&keys::coupon(&brand_id(), &code))?;
            if coupon.is_none_or(|c| c.message.is_none()) {
                continue;
            }
            let pool =
                cx.get::<CouponPool>(&keys::pool(&brand_id(), &id("own")))?.expect("made at the start");
            let body = CouponPoolBody { pool: (*pool).clone(), codes: vec![code], actor: ACTOR.to_owned() };
            return cx
                .emit(SELLER_CHAIN, Some(&brand_id()), Public::default(), Body::CouponPool(body))
                .map(|_| ());
        }
        Ok(())
    }
}
