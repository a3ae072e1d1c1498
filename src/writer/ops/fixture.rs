//! A shop for tests of operations, and messages whose life a test leads by hand.

use std::sync::Arc;

use crate::ledger::body::{Body, DecisionBody, IntentBody, Object, OutcomeBody, RedecisionBody};
use crate::ledger::rows::keys;
use crate::model::consent::{Act, Method, OptOutScope, OptOutSource};
use crate::model::evidence::Evidence;
use crate::model::facts::{Answers, BrandProfile, Encoding, OnHold, SenderKind};
use crate::model::outgoing::{Message, MessageCoupon, MessageSpec};
use crate::model::phone::Digits;
use crate::model::registry::{
    Brand, Connection, Program, ProgramTexts, Reconcile, Sender, ThrottleGroup, Validity,
};
use crate::model::subject::{Address, Subject};
use crate::model::{
    BrandId, CartId, Category, Channel, Instant, MessageId, MessageState, Outcome, PoolId, Span, Verdict,
};
use crate::writer::cx::{Cx, about_message};
use crate::writer::op::{Op, OpError, Priority};
use crate::writer::ops::consent::RecordOptIn;
use crate::writer::ops::opt_out::RecordOptOut;
use crate::writer::ops::{Idempotency, Target};
use crate::writer::testing::TestWriter;

/// A writer with one brand, `main`, whose links lead to `shop.example`.
pub fn shop() -> TestWriter {
    let mut writer = TestWriter::new();
    writer.set_up([Object::Brand(brand("main"))]);
    writer
}

pub fn brand(id: &str) -> Brand {
    Brand {
        id: id.parse().expect("a slug"),
        display_name: "Shop".to_owned(),
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

pub fn main_brand() -> BrandId {
    "main".parse().expect("a slug")
}

pub fn key(method: &'static str, key: &str) -> Idempotency {
    use sha2::{Digest, Sha256};
    Idempotency { method, key: key.to_owned(), request_sha256: Sha256::digest(key).into() }
}

/// The n-th person: a number of the test range.
pub fn address(n: u8) -> Address {
    Address::Phone(format!("121255501{n:02}"))
}

/// A verdict that admits.
pub fn admitted(at: Instant) -> Verdict {
    Verdict {
        outcome: Outcome::Admit,
        hold_until: None,
        estimated_send_at: Some(at),
        send_not_after: None,
        reasons: Vec::new(),
        evaluated_at: at,
        engine: [0; 32],
        policy_version: String::new(),
        time_zone_version: String::new(),
        zones_considered: Vec::new(),
        jurisdictions_considered: Vec::new(),
    }
}

/// Accepts a message to the n-th person and holds it, with the next code of a pool where one is named.
pub struct Accept {
    pub id: MessageId,
    pub to: u8,
    pub cart: Option<CartId>,
    pub pool: Option<PoolId>,
    pub link: Option<&'static str>,
}

impl Op for Accept {
    type Answer = MessageSpec;
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<MessageSpec, OpError> {
        let brand = main_brand();
        let coupon: Option<MessageCoupon> = match &self.pool {
            Some(pool) => Some(super::coupon::next_code(cx, &brand, pool, &self.id)?.promise()),
            None => None,
        };
        let expires = cx.now + Span::days(30);
        let link = match self.link {
            Some(target) => Some(super::link::for_message(cx, target, expires)?),
            None => None,
        };
        let subject = cx.subject_for(&address(self.to))?;
        let spec = MessageSpec {
            id: self.id,
            brand: brand.clone(),
            program: "carts".parse().expect("a slug"),
            category: Category::Marketing,
            channel: Channel::Sms,
            subject,
            to: address(self.to),
            sender: None,
            connection: Some("main".parse().expect("a slug")),
            cart: self.cart,
            text: "Shop: your cart".to_owned(),
            preview: "Shop: your cart".to_owned(),
            encoding: Encoding::Gsm7,
            parts: 1,
            template: None,
            language: "en".to_owned(),
            link,
            coupon,
            expires_at: None,
            on_hold: OnHold::Hold,
            automatic: None,
            subject_matter: "carts".to_owned(),
            labels: Vec::new(),
            actor: "test".to_owned(),
            push: None,
        };
        let body = DecisionBody {
            message: Arc::new(spec.clone()),
            request_sha256: [0; 32],
            hints: Vec::new(),
            state_hashes: Vec::new(),
            lane_free_at: None,
            verdict: Arc::new(admitted(cx.now)),
            state: MessageState::Held,
            due: Some(cx.now + Span::hours(1)),
            inputs: None,
            moved: None,
        };
        let public = about_message(&spec.id, "carts", "SMS", "HOLD");
        cx.emit(subject, Some(&brand), public, Body::Decision(Box::new(body)))?;
        Ok(spec)
    }
}

/// What happens to an accepted message next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its intent commits.
    Leave,
    /// The second decision ends it.
    Die,
    /// An outcome.
    Outcome(MessageState),
}

pub struct Next(pub MessageId, pub Step);

impl Op for Next {
    type Answer = ();
    const PRIORITY: Priority = Priority::Outcome;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let message = cx.get::<Message>(&keys::message(&self.0))?.expect("an accepted message");
        let (id, now) = (self.0, cx.now);
        let body = match self.1 {
            Step::Leave => Body::Intent(Box::new(IntentBody {
                message: id,
                state_hashes: Vec::new(),
                verdict: Arc::new(admitted(now)),
                text: message.spec.text.clone(),
                sender: "sender".parse().expect("a slug"),
                connection: "connection".parse().expect("a slug"),
                to: message.spec.to.clone(),
                coupon_expires_at: super::coupon::expires_at(
                    cx,
                    &message.spec.brand,
                    message.spec.coupon.as_ref(),
                    now,
                )?,
                not_after: now + Span::seconds(2),
                resolve_by: now + Span::hours(1),
                throttle: ("group".to_owned(), "2026-06-01".to_owned()),
                tax_id: None,
                stands_in_for: None,
                cost: None,
                inputs: None,
            })),
            Step::Die => Body::Redecision(Box::new(RedecisionBody {
                message: id,
                state_hashes: Vec::new(),
                verdict: Arc::new(admitted(now)),
                state: MessageState::Expired,
                due: None,
                inputs: None,
                moved_to: None,
            })),
            Step::Outcome(state) => Body::Outcome(OutcomeBody {
                message: id,
                state,
                provider_ids: Vec::new(),
                error: None,
                handed_over_at: None,
                due: Some(now + Span::minutes(1)),
                cost: None,
                connection: None,
            }),
        };
        let public = about_message(&id, "carts", "SMS", "");
        cx.emit(message.spec.subject, Some(&message.spec.brand), public, body).map(|_| ())
    }
}

/// A writer with brand `main`, its program `carts` and a registered American sender for it.
pub fn text_shop() -> TestWriter {
    let mut writer = shop();
    writer.set_up([
        Object::Program(carts()),
        Object::Sender(Sender {
            id: "sender".parse().expect("a slug"),
            kind: SenderKind::TenDlc,
            address: "+12125550100".to_owned(),
            country: "US".to_owned(),
            connection: "main".parse().expect("a slug"),
            brands: Vec::new(),
            registered: true,
            paused: false,
            answers: Answers::Gateway,
            throttle: ThrottleGroup {
                id: "sender".to_owned(),
                milli_parts_per_second: 4_000,
                parts_per_day: None,
                reset_zone: "America/Los_Angeles".to_owned(),
            },
            pool: String::new(),
            tax_id_cap: None,
            national_languages: Vec::new(),
        }),
        Object::Connection(Connection {
            id: "main".parse().expect("a slug"),
            provider: "sandbox".to_owned(),
            settings: Vec::new(),
            secrets: Vec::new(),
            public_url: String::new(),
            token_sha256: [0; 32],
            validity: Validity::Native { min_seconds: 5, max_seconds: 36_000 },
            reconcile: Reconcile::List,
            slots: 4,
            prices: Vec::new(),
        }),
    ]);
    writer
}

/// Marketing by text and push, one step.
pub fn carts() -> Program {
    Program {
        id: "carts".parse().expect("a slug"),
        brand: main_brand(),
        name: "offers".to_owned(),
        category: Category::Marketing,
        channels: vec![Channel::Sms, Channel::Push],
        senders: vec!["sender".parse().expect("a slug")],
        double_opt_in: false,
        covers_cart_reminders: false,
        keywords: Vec::new(),
        texts: ProgramTexts::default(),
        terms_url: String::new(),
        privacy_url: String::new(),
        frequency: "up to 4 msgs/month".to_owned(),
        subject_matter: "carts".to_owned(),
        active: true,
    }
}

/// What American carriers and courts ask a wording to say.
pub const WORDING: &str = "Yes, text me cart reminders and offers from Shop. Recurring messages. Consent is \
    not a condition of purchase. Msg & data rates may apply. Reply STOP to opt out, HELP for help.";

/// A box ticked at a checkout.
pub fn ticked(at: Instant) -> Evidence {
    Evidence {
        disclosure_text: WORDING.to_owned(),
        act: Some(Act::Ticked),
        captured_at: Some(at),
        source_url: "https://shop.example/checkout".to_owned(),
        e_sign_version: "1".to_owned(),
        ..Evidence::empty(Method::CheckoutCheckbox)
    }
}

/// The n-th person agrees to `carts` by text.
pub fn opt_in(n: u8, evidence: Evidence, name: &str) -> RecordOptIn {
    RecordOptIn {
        brand: main_brand(),
        programs: vec![carts().id],
        target: person(n),
        channels: vec![Channel::Sms],
        customer: None,
        hints: Vec::new(),
        evidence,
        night_only: false,
        idempotency: key("RecordOptIn", name),
        actor: "test".to_owned(),
    }
}

/// The n-th person, by number.
pub fn person(n: u8) -> Target {
    Target::Phone(Digits::received(&format!("+121255501{n:02}"), None))
}

/// The n-th person wants no more.
pub fn opt_out(n: u8, scope: OptOutScope, source: OptOutSource, name: &str) -> RecordOptOut {
    RecordOptOut {
        brand: None,
        target: person(n),
        scope,
        source,
        text: String::new(),
        received_at: None,
        idempotency: key("RecordOptOut", name),
        actor: "test".to_owned(),
    }
}

/// What is kept of the n-th person.
pub fn subject(writer: &TestWriter, n: u8) -> Subject {
    let found = writer.reader().look(|cx| cx.find_subject(&address(n))).expect("memory answers");
    (*found.0.expect("a person who was heard of")).clone()
}
