//! A shop for tests of operations, and messages whose life a test leads by hand.

use crate::ledger::body::{Body, DecisionBody, IntentBody, Object, OutcomeBody, RedecisionBody};
use crate::ledger::rows::keys;
use crate::model::facts::{BrandProfile, Encoding, OnHold};
use crate::model::outgoing::{Message, MessageCoupon, MessageSpec};
use crate::model::registry::Brand;
use crate::model::subject::Address;
use crate::model::{
    BrandId, CartId, Category, Channel, Instant, MessageId, MessageState, Outcome, PoolId, Span, Verdict,
};
use crate::writer::cx::{Cx, about_message};
use crate::writer::op::{Op, OpError, Priority};
use crate::writer::ops::Idempotency;
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
        };
        let body = DecisionBody {
            message: spec.clone(),
            request_sha256: [0; 32],
            hints: Vec::new(),
            state_hashes: Vec::new(),
            lane_free_at: None,
            verdict: admitted(cx.now),
            state: MessageState::Held,
            due: Some(cx.now + Span::hours(1)),
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
                verdict: admitted(now),
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
            })),
            Step::Die => Body::Redecision(Box::new(RedecisionBody {
                message: id,
                state_hashes: Vec::new(),
                verdict: admitted(now),
                state: MessageState::Expired,
                due: None,
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
