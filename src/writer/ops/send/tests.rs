//! From a request to a receipt, over memory: what each step leaves in state.

mod bounds;
mod contact;
mod ends;
mod erased;
mod herd;
mod idle;
mod prepared;
pub mod push;
mod routes;
mod spelling;

use super::*;
use crate::ledger::body::{ConsentBody, ConsentCause, ConsentChange, Object};
use crate::ledger::rows::{ThrottleDay, keys};
use crate::model::facts::{Answers, BrandProfile, SenderKind};
use crate::model::outgoing::ErrorClass;
use crate::model::phone::Digits;
use crate::model::registry::{
    Brand, Connection, Program, ProgramTexts, Reconcile, Sender, ThrottleGroup, Validity,
};
use crate::model::{
    Basis, Category, Consent, ConsentState, DoubleOptIn, Grade, Method, OptOut, OptOutScope, OptOutSource,
};
use crate::provider::{Failure, Handover};
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::outcome::RecordOutcome;
use crate::writer::testing::TestWriter;

/// A shop with one brand, one program for cart reminders and one sender.
pub fn shop() -> Vec<Object> {
    let id = |s: &str| s.parse().expect("a slug");
    vec![
        Object::Brand(Brand {
            id: id("acme"),
            display_name: "Acme".to_owned(),
            short_domain: "go.acme.example".to_owned(),
            target_domains: vec!["acme.example".to_owned()],
            fallback_url: "https://acme.example/".to_owned(),
            support_contact: "help@acme.example".to_owned(),
            locale: "en".to_owned(),
            accepts_attested: false,
            profile: BrandProfile::default(),
            plain_typography: false,
        }),
        Object::Program(Program {
            id: "carts".parse().expect("a slug"),
            brand: "acme".parse().expect("a slug"),
            name: "cart reminders".to_owned(),
            category: Category::Marketing,
            channels: vec![Channel::Sms],
            senders: vec!["main".parse().expect("a slug")],
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
            id: "main".parse().expect("a slug"),
            kind: SenderKind::TenDlc,
            address: "+12125550100".to_owned(),
            country: "US".to_owned(),
            connection: "virtual".parse().expect("a slug"),
            brands: Vec::new(),
            registered: true,
            paused: false,
            answers: Answers::Gateway,
            throttle: ThrottleGroup {
                id: "main".to_owned(),
                milli_parts_per_second: 4_000,
                parts_per_day: Some(2_000),
                reset_zone: "America/Los_Angeles".to_owned(),
            },
            pool: String::new(),
            tax_id_cap: None,
            national_languages: Vec::new(),
        }),
        Object::Connection(Connection {
            id: "virtual".parse().expect("a slug"),
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
    ]
}

/// Grants, or takes back, for every program, the way the consent operations do.
pub struct Grant(pub &'static str, pub ConsentState);

impl Op for Grant {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let address = Target::Phone(Digits::received(self.0, None)).addresses().remove(0);
        let subject = cx.subject_for(&address)?;
        let programs = cx.programs(8)?;
        let consent = |program: &Program| Consent {
            program: program.id.clone(),
            brand: program.brand.clone(),
            channel: Channel::Sms,
            state: self.1,
            basis: Basis::ExpressWritten,
            basis_date: None,
            grade: Grade::Full,
            method: Method::CheckoutCheckbox,
            act: None,
            captured_at: cx.now,
            recorded_at: cx.now,
            confirmed_at: Some(cx.now),
            double_opt_in: DoubleOptIn::ByText,
            covers_cart: true,
            night: crate::model::consent::Night::No,
            expires_at: None,
            sender: None,
        };
        let body = ConsentBody {
            cause: ConsentCause::Confirmation,
            changes: programs
                .into_iter()
                .map(|program| ConsentChange { consent: consent(&program), reasons: Vec::new() })
                .collect(),
            customer: None,
            hints: Vec::new(),
            evidence: crate::model::evidence::Evidence::empty(Method::CheckoutCheckbox),
            operation: None,
            actor: "test".to_owned(),
        };
        let public = crate::ledger::entry::Public::default();
        cx.emit(subject, None, public, Body::Consent(body)).map(|_| ())
    }
}

/// Opts out of everything.
pub struct Stop(pub &'static str);

impl Op for Stop {
    type Answer = ();
    const PRIORITY: Priority = Priority::Inbound;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let address = Target::Phone(Digits::received(self.0, None)).addresses().remove(0);
        let subject = cx.subject_for(&address)?;
        let opt_out = OptOut {
            scope: OptOutScope::All,
            source: OptOutSource::SmsReply,
            received_at: cx.now,
            recorded_at: cx.now,
            sender: None,
            lifted_at: None,
            lifted_for: Vec::new(),
            scope_named: false,
        };
        let body = crate::ledger::body::OptOutBody {
            opt_out,
            text: "STOP".to_owned(),
            customer: None,
            cancelled: Vec::new(),
            in_flight: Vec::new(),
            voided: Vec::new(),
            operation: None,
            actor: "test".to_owned(),
        };
        cx.emit(subject, None, crate::ledger::entry::Public::default(), Body::OptOut(body)).map(|_| ())
    }
}

/// A cart reminder that may leave.
pub fn request(key: &str, number: &str, cart: &str, now: Instant) -> SendRequest {
    SendRequest {
        idempotency_key: key.to_owned(),
        request_sha256: [7; 32],
        brand: "acme".parse().expect("a slug"),
        program: "carts".parse().expect("a slug"),
        target: Target::Phone(Digits::received(number, None)),
        channel: Channel::Sms,
        fallback_to_sms: false,
        sender: None,
        cart: Some(CartInput {
            id: cart.parse().expect("a name"),
            value: None,
            checkout_url: "https://acme.example/checkout/1".to_owned(),
            abandoned_at: Some(now - Span::hours(1)),
        }),
        words: Words::Body("{{name}}, your cart waits: {{link}}".to_owned()),
        variables: vec![("name".to_owned(), "Ana".to_owned())],
        link_url: String::new(),
        coupon_pool: None,
        hints: Vec::new(),
        on_hold: OnHold::Hold,
        expires_at: None,
        labels: Vec::new(),
        actor: "test".to_owned(),
    }
}

fn writer() -> TestWriter {
    let mut writer = TestWriter::new();
    writer.set_up(shop());
    writer.run(Grant("+12125550123", ConsentState::Granted)).expect("granted");
    writer
}

fn send(writer: &mut TestWriter, key: &str, cart: &str) -> SendAnswer {
    use crate::clock::Clock;
    let now = writer.clock.now();
    writer.run(Send::new(request(key, "+12125550123", cart, now))).expect("answered")
}

fn state_of(writer: &TestWriter, id: &MessageId) -> MessageState {
    let message = writer.look(|state| state.get::<Message>(&keys::message(id)).expect("readable"));
    message.expect("the message is there").state
}

#[test]
fn an_abandoned_cart_is_won_back() {
    let mut writer = writer();
    let answer = send(&mut writer, "k1", "c1");
    assert_eq!(answer.verdict.outcome, Outcome::Admit, "{:?}", answer.verdict.reasons);
    let text = &answer.message.spec.preview;
    assert!(text.starts_with("Acme: Ana, your cart waits: https://go.acme.example/"), "{text}");
    assert!(text.ends_with("Reply STOP to opt out"), "{text}");

    let id = answer.message.spec.id;
    let IntentAnswer::Go(draft) = writer.run(Intent::of(id)).expect("asked") else {
        panic!("it may leave");
    };
    assert_eq!((draft.to.clone(), draft.from.as_str()), (answer.message.spec.to.clone(), "+12125550100"));
    assert_eq!(state_of(&writer, &id), MessageState::Sending);
    let again = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(again, IntentAnswer::NotWaiting), "an intent is unique");

    let handover = Handover::Accepted { ids: vec!["p1".to_owned()] };
    let done = RecordOutcome { message: id, handover, handed_over_at: None };
    assert_eq!(writer.run(done).expect("recorded"), MessageState::Sent);
    let day = keys::throttle_day("main", "2026-06-01");
    let counted = writer.look(|state| state.get::<ThrottleDay>(&day).expect("readable"));
    assert_eq!(counted.map(|d| d.parts), Some(1));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_key_names_one_attempt() {
    let mut writer = writer();
    let first = send(&mut writer, "k1", "c1");
    let entries = writer.entries().len();
    let again = send(&mut writer, "k1", "c1");
    assert!(again.repeated && again.verdict == first.verdict);
    assert_eq!(writer.entries().len(), entries, "a repeat writes nothing");
    use crate::clock::Clock;
    let other =
        SendRequest { request_sha256: [8; 32], ..request("k1", "+12125550123", "c1", writer.clock.now()) };
    let refused = writer.run(Send::new(other)).expect_err("another request");
    assert!(refused.to_string().contains("idempotency_key"), "{refused}");
}

#[test]
fn stop_beats_a_message_that_was_accepted_before_it() {
    let mut writer = writer();
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    writer.run(Stop("+12125550123")).expect("recorded");
    let answer = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(answer, IntentAnswer::Ended(MessageState::Cancelled)), "{answer:?}");
    let after = send(&mut writer, "k2", "c2");
    assert_eq!(after.verdict.outcome, Outcome::Refuse);
    assert!(after.verdict.has(&crate::model::Code::OptedOut));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn nobody_is_texted_without_consent_and_the_refusal_is_recorded() {
    let mut writer = TestWriter::new();
    writer.set_up(shop());
    let answer = send(&mut writer, "k1", "c1");
    assert_eq!(answer.verdict.outcome, Outcome::Refuse);
    assert!(answer.verdict.has(&crate::model::Code::ConsentMissing));
    assert_eq!(answer.message.state, MessageState::Refused);
    let kinds: Vec<_> = writer.entries().iter().rev().take(1).map(|e| e.leaf.kind).collect();
    assert_eq!(kinds, [crate::ledger::entry::Kind::Decision]);
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn at_21_04_it_waits_for_the_morning() {
    let mut writer = writer();
    writer.clock.set(Instant::parse("2026-06-02T01:04:00Z").expect("RFC 3339"));
    let answer = send(&mut writer, "k1", "c1");
    assert_eq!((answer.verdict.outcome, answer.message.state), (Outcome::Hold, MessageState::Held));
    let until = answer.verdict.hold_until.expect("the morning is known");
    assert_eq!(until.to_string(), "2026-06-02T13:00:00Z", "09:00 in New York");
    let id = answer.message.spec.id;
    let early = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(early, IntentAnswer::NotWaiting));
    writer.clock.set(answer.message.due.expect("it wakes"));
    let go = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(go, IntentAnswer::Go(_)), "{go:?}");
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_second_text_for_the_same_cart_is_refused_by_the_carriers() {
    let mut writer = writer();
    let first = send(&mut writer, "k1", "c1");
    assert_eq!(first.verdict.outcome, Outcome::Admit);
    writer.run(Intent::of(first.message.spec.id)).expect("asked");
    let second = send(&mut writer, "k2", "c1");
    assert_eq!(second.verdict.outcome, Outcome::Refuse);
    assert!(second.verdict.has(&crate::model::Code::CartCap), "{:?}", second.verdict.reasons);
}

#[test]
fn what_was_certainly_not_taken_is_decided_afresh_and_what_is_unclear_is_not() {
    let mut writer = writer();
    let failure = || Failure { class: ErrorClass::Retryable, code: "503".into(), text: String::new() };
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    writer.run(Intent::of(id)).expect("asked");
    let handover = Handover::NotTaken { failure: failure(), after_seconds: Some(5) };
    let state = writer.run(RecordOutcome { message: id, handover, handed_over_at: None }).expect("recorded");
    assert_eq!(state, MessageState::Queued);
    writer.advance(Span::seconds(6));
    assert!(matches!(writer.run(Intent::of(id)).expect("asked"), IntentAnswer::Go(_)));
    let unclear = Handover::Unclear(failure());
    let op = RecordOutcome { message: id, handover: unclear, handed_over_at: None };
    assert_eq!(writer.run(op).expect("recorded"), MessageState::Sending);
    writer.advance(Span::hours(1));
    assert!(matches!(writer.run(Intent::of(id)).expect("asked"), IntentAnswer::NotWaiting));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_label_the_law_wants_first_is_put_there() {
    let mut writer = writer();
    let now = crate::clock::Clock::now(&writer.clock);
    let asked = Send::new(request("k1", "+821023456789", "c1", now));
    let answer = writer.run(asked).expect("answered");
    let text = &answer.message.spec.preview;
    assert!(text.starts_with("(광고) Acme: "), "{text}");
    assert!(!answer.verdict.has(&crate::model::Code::LabelRequired), "{:?}", answer.verdict.reasons);
    assert!(
        answer.verdict.has(&crate::model::Code::OptOutWordingMissing),
        "a free number is the shop's to name"
    );
}
