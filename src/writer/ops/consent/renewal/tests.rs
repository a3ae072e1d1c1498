//! A Korean consent from its day to the next two years.

mod push;

use super::*;
use crate::clock::Clock;
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::Public;
use crate::model::location::{LocationHint, LocationSource};
use crate::model::phone::Digits;
use crate::model::registry::{Brand, Program, Sender};
use crate::model::{Basis, Code, DoubleOptIn, Grade, Instant, Method, Outcome, Span};
use crate::provider::{Failure, Handover};
use crate::writer::ops::fixture::{brand, carts, main_brand, text_shop};
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::outcome::RecordOutcome;
use crate::writer::testing::TestWriter;

const PHONE: &str = "+821012345678";
const REFUSAL: &str = "무료수신거부 080-123-4567";

/// Somebody agreed.
struct Agreed(Instant);

impl Op for Agreed {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        agree(cx, &person().addresses().remove(0), Channel::Sms, self.0, Vec::new())
    }
}

/// Somebody in Seoul agreed in the app.
struct AgreedInApp(Instant);

impl Op for AgreedInApp {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let hint = LocationHint {
            source: LocationSource::Billing,
            country: "KR".to_owned(),
            region: String::new(),
            postal_code: String::new(),
            time_zone: String::new(),
            observed_at: cx.now,
        };
        let app = Address::Device { app: "com.shop".to_owned(), installation: "i1".to_owned() };
        agree(cx, &app, Channel::Push, self.0, vec![hint])
    }
}

fn agree(
    cx: &mut Cx<'_>,
    address: &Address,
    channel: Channel,
    at: Instant,
    hints: Vec<LocationHint>,
) -> Result<(), OpError> {
    let subject = cx.subject_for(address)?;
    let consent = Consent {
        program: carts().id,
        brand: main_brand(),
        channel,
        state: ConsentState::Granted,
        basis: Basis::Express,
        basis_date: None,
        grade: Grade::Full,
        method: Method::WebForm,
        act: None,
        captured_at: at,
        recorded_at: cx.now,
        confirmed_at: None,
        double_opt_in: DoubleOptIn::None,
        covers_cart: true,
        night: crate::model::consent::Night::No,
        expires_at: None,
        sender: None,
    };
    let body = ConsentBody {
        cause: ConsentCause::OptIn,
        changes: vec![ConsentChange { consent, reasons: Vec::new() }],
        customer: None,
        hints,
        evidence: Evidence::empty(Method::WebForm),
        operation: None,
        actor: "test".to_owned(),
    };
    cx.emit(subject, None, Public::default(), Body::Consent(body)).map(|_| ())
}

fn person() -> Target {
    Target::Phone(Digits::received(PHONE, None))
}

/// A shop that texts Koreans, and one of them; it is the first of June, a Monday.
fn writer() -> TestWriter {
    let mut writer = text_shop();
    let sender = writer.look(|state| {
        let row = state.get::<crate::ledger::rows::RegistryRow>(&keys::registry("sender", "sender"));
        match row.expect("readable").expect("set up").object.clone() {
            Object::Sender(sender) => sender,
            other => panic!("{other:?}"),
        }
    });
    writer.set_up([
        Object::Brand(Brand { locale: "ko".to_owned(), ..brand("main") }),
        Object::Program(Program { name: "할인 소식".to_owned(), ..carts() }),
        Object::Sender(Sender { country: "KR".to_owned(), address: "+8215881234".to_owned(), ..sender }),
    ]);
    writer
}

fn ask(writer: &mut TestWriter) -> RenewalAnswer {
    let refusal = Some(REFUSAL.to_owned());
    let op = SendConsentRenewal { brand: main_brand(), program: carts().id, target: person(), refusal };
    writer.run(op).expect("answered")
}

fn due(writer: &TestWriter) -> Vec<Listed> {
    let wanted = Wanted { brand: main_brand(), program: None, renewal_due: true };
    writer.reader().look(|cx| Ok(list(cx, &wanted, None, (10, 10), |_, _| Ok(true))?.0)).expect("read")
}

/// It leaves when its hours come, and this is what the provider says.
fn leave(writer: &mut TestWriter, id: MessageId, handover: Handover) -> MessageState {
    for _ in 0..5 {
        let waits = writer.look(|state| state.get::<Message>(&keys::message(&id)).expect("readable"));
        let due = waits.and_then(|message| message.due).expect("waiting");
        if due > writer.clock.now() {
            writer.advance(due.since(writer.clock.now()));
        }
        match writer.run(Intent::of(id)).expect("asked") {
            IntentAnswer::Go(_) => break,
            IntentAnswer::Held { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    writer.run(RecordOutcome { message: id, handover, handed_over_at: None }).expect("recorded")
}

fn codes(verdict: &Verdict) -> Vec<Code> {
    verdict.reasons.iter().map(|reason| reason.code.clone()).collect()
}

fn taken() -> Handover {
    Handover::Accepted { ids: vec!["p".to_owned()] }
}

#[test]
fn a_notice_that_left_moves_the_day_and_the_next_two_years_begin() {
    let mut writer = writer();
    let now = writer.clock.now();
    writer.run(Agreed(now - Span::days(669))).expect("recorded");
    assert_eq!(due(&writer).len(), 0, "61 days are left");
    let early = ask(&mut writer);
    assert!(early.message.is_none() && codes(&early.verdict).contains(&Code::AutomaticTextNotDue));
    writer.advance(Span::days(1));
    let listed = due(&writer);
    assert_eq!((listed.len(), listed[0].notice), (1, None));
    let ends_at = listed[0].renewal.expect("a rule asks for it").ends_at;
    assert_eq!(ends_at, now + Span::days(61));

    let answer = ask(&mut writer);
    let message = answer.message.expect("lawful");
    assert_ne!(answer.verdict.outcome, Outcome::Refuse);
    let agreed = (now - Span::days(669)).to_jiff().to_string();
    assert!(message.spec.text.contains(&agreed[..7]), "{} {agreed}", message.spec.text);
    assert!(
        message.spec.text.contains(REFUSAL) && !message.spec.text.contains("광고"),
        "{}",
        message.spec.text
    );
    assert_eq!(due(&writer)[0].notice, Some((message.spec.id, message.state)));
    let again = ask(&mut writer).message.expect("the same");
    assert_eq!(again.spec.id, message.spec.id);

    assert_eq!(leave(&mut writer, message.spec.id, taken()), MessageState::Sent);
    let left_at = writer.clock.now();
    assert_eq!(due(&writer).len(), 0);
    let address = person().addresses().remove(0);
    let consent = writer.reader().look(|cx| Ok(cx.find_subject(&address)?.0)).expect("read");
    let consent = consent.expect("known").consents[0].clone();
    assert_eq!((consent.captured_at, consent.basis_date), (now - Span::days(669), Some(left_at)));
    writer.advance(Span::days(669));
    assert_eq!(due(&writer).len(), 0);
    writer.advance(Span::days(2));
    assert_eq!(due(&writer).len(), 1, "and again two years later");
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_notice_that_did_not_arrive_renews_nothing_and_may_be_followed_by_another() {
    let mut writer = writer();
    let now = writer.clock.now();
    writer.run(Agreed(now - Span::days(700))).expect("recorded");
    let first = ask(&mut writer).message.expect("lawful").spec.id;
    let failure = Failure {
        class: crate::model::outgoing::ErrorClass::PermanentSender,
        code: "1".into(),
        text: String::new(),
    };
    assert_eq!(leave(&mut writer, first, Handover::Rejected(failure)), MessageState::Rejected);
    assert_eq!(due(&writer)[0].notice, Some((first, MessageState::Rejected)));
    let soon = ask(&mut writer);
    assert!(codes(&soon.verdict).contains(&Code::AutomaticTextRepeated), "{:?}", soon.verdict);
    writer.advance(Span::days(1));
    let second = ask(&mut writer).message.expect("a day later").spec.id;
    assert_ne!(first, second);
    assert_eq!(leave(&mut writer, second, taken()), MessageState::Sent);
    assert_eq!(due(&writer).len(), 0);
    writer.check_fold();
}

#[test]
fn without_a_free_way_to_refuse_it_is_refused_and_after_the_end_it_is_too_late() {
    let mut writer = writer();
    let now = writer.clock.now();
    writer.run(Agreed(now - Span::days(700))).expect("recorded");
    let op = SendConsentRenewal { brand: main_brand(), program: carts().id, target: person(), refusal: None };
    let answer = writer.run(op).expect("answered");
    assert!(codes(&answer.verdict).contains(&Code::OptOutWordingMissing), "{:?}", answer.verdict);
    writer.advance(Span::days(30));
    assert_eq!(due(&writer).len(), 0, "over");
    let late = ask(&mut writer);
    assert!(late.message.is_none() && codes(&late.verdict).contains(&Code::ConsentExpired));
}
