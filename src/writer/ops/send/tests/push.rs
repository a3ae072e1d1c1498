//! Push from a request to a hand-over: what is chosen, what leaves, what moves on when nothing can show it.

use super::*;
use crate::erasure::inventory;
use crate::ledger::rows::DeviceRow;
use crate::model::device::{Destination, OsPermission, PushPlatform};
use crate::model::location::{LocationHint, LocationSource};
use crate::model::notification::{NotificationAction, PushWords};
use crate::model::subject::{Address, Subject};
use crate::model::{Code, CustomerId, SubjectId};
use crate::provider::IntentDraft;
use crate::writer::ops::device::UpsertDevice;
use crate::writer::ops::erase::Erase;

const PHONE: &str = "+12125550123";

fn customer() -> CustomerId {
    "c1".parse().expect("an id")
}

fn with_app() -> TestWriter {
    with_app_over("fcm")
}

/// A shop with an app whose notifications go through this provider.
pub fn with_app_over(provider: &str) -> TestWriter {
    let mut objects = shop();
    let mut changed = Vec::new();
    for object in &objects {
        match object {
            Object::Connection(connection) => changed.push(Object::Connection(Connection {
                id: "google".parse().expect("a slug"),
                provider: provider.to_owned(),
                // Where a browser may say that it listens.
                settings: vec![("push_hosts".to_owned(), "127.0.0.1".to_owned())],
                validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
                reconcile: Reconcile::Nothing,
                ..connection.clone()
            })),
            Object::Sender(sender) => changed.push(Object::Sender(Sender {
                id: "app".parse().expect("a slug"),
                kind: SenderKind::PushApp,
                address: "com.acme.shop".to_owned(),
                country: String::new(),
                connection: "google".parse().expect("a slug"),
                throttle: ThrottleGroup {
                    id: "app".to_owned(),
                    parts_per_day: None,
                    ..sender.throttle.clone()
                },
                ..sender.clone()
            })),
            Object::Program(program) => changed.push(Object::Program(Program {
                channels: vec![Channel::Sms, Channel::Push],
                senders: vec!["main".parse().expect("a slug"), "app".parse().expect("a slug")],
                ..program.clone()
            })),
            _ => {}
        }
    }
    objects.extend(changed);
    let mut writer = TestWriter::new();
    writer.set_up(objects);
    writer
}

pub fn installed(writer: &TestWriter, installation: &str) -> UpsertDevice {
    UpsertDevice {
        brand: "acme".parse().expect("a slug"),
        app: "com.acme.shop".to_owned(),
        installation: installation.to_owned(),
        platform: PushPlatform::Fcm,
        destination: Some(Destination::Token(format!("token of {installation}").replace(' ', "-"))),
        permission: OsPermission::Granted,
        channel_enabled: true,
        time_zone: Some("America/New_York".parse().expect("a zone")),
        customer: Some(customer()),
        locale: "en".to_owned(),
        observed_at: writer.env.clock.now(),
        actor: "test".to_owned(),
    }
}

pub fn app(installation: &str) -> Address {
    Address::Device { app: "com.acme.shop".to_owned(), installation: installation.to_owned() }
}

fn phone() -> Address {
    Target::Phone(Digits::received(PHONE, None)).addresses().remove(0)
}

/// Consent at an address that belongs to the customer.
struct Agreed(Address, Channel, Basis);

impl Op for Agreed {
    type Answer = SubjectId;
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<SubjectId, OpError> {
        let subject = cx.subject_for(&self.0)?;
        let consent = Consent {
            program: "carts".parse().expect("a slug"),
            brand: "acme".parse().expect("a slug"),
            channel: self.1,
            state: ConsentState::Granted,
            basis: self.2,
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
            cause: ConsentCause::OptIn,
            changes: vec![ConsentChange { consent, reasons: Vec::new() }],
            customer: Some(customer()),
            hints: Vec::new(),
            evidence: crate::model::evidence::Evidence::empty(Method::CheckoutCheckbox),
            operation: None,
            actor: "test".to_owned(),
        };
        let public = crate::ledger::entry::Public::default();
        cx.emit(subject, None, public, Body::Consent(body))?;
        Ok(subject)
    }
}

fn at_home(country: &str, region: &str, now: Instant) -> LocationHint {
    LocationHint {
        source: LocationSource::Billing,
        country: country.to_owned(),
        region: region.to_owned(),
        postal_code: String::new(),
        time_zone: String::new(),
        observed_at: now,
    }
}

pub fn push(writer: &TestWriter, key: &str) -> SendRequest {
    let now = writer.env.clock.now();
    SendRequest {
        target: Target::Customer(customer()),
        channel: Channel::Push,
        words: Words::Push(PushWords {
            title: "Still yours, {{name}}".to_owned(),
            body: "Your boots wait: {{link}}".to_owned(),
            image_url: "https://acme.example/boots.png".to_owned(),
            deep_link: String::new(),
            collapse_key: None,
            actions: vec![NotificationAction {
                id: "buy".to_owned(),
                title: "Finish".to_owned(),
                url: "acme://cart".to_owned(),
            }],
        }),
        variables: vec![("name".to_owned(), "Ada".to_owned())],
        hints: vec![at_home("US", "NY", now)],
        ..request(key, PHONE, &format!("cart of {key}"), now)
    }
}

fn with_fallback(writer: &TestWriter, key: &str) -> SendRequest {
    SendRequest { fallback_to_sms: true, ..push(writer, key) }
}

/// A person with one phone and one installation who agreed to both.
pub fn person(writer: &mut TestWriter) -> (SubjectId, SubjectId) {
    writer.run(installed(writer, "i1")).expect("taken");
    let device = writer.run(Agreed(app("i1"), Channel::Push, Basis::Express)).expect("granted");
    let phone = writer.run(Agreed(phone(), Channel::Sms, Basis::ExpressWritten)).expect("granted");
    (device, phone)
}

pub fn message(writer: &TestWriter, id: &MessageId) -> Message {
    let row = writer.look(|state| state.get::<Message>(&keys::message(id)).expect("readable"));
    (*row.expect("kept")).clone()
}

pub fn subject(writer: &TestWriter, id: &SubjectId) -> Subject {
    let row = writer.look(|state| state.get::<Subject>(&keys::subject(id)).expect("readable"));
    (*row.expect("kept")).clone()
}

fn codes_of(answer: &SendAnswer) -> Vec<&str> {
    answer.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn leaves(writer: &mut TestWriter, id: MessageId) -> IntentDraft {
    match writer.run(Intent::of(id)).expect("asked") {
        IntentAnswer::Go(draft) => *draft,
        other => panic!("it does not leave: {other:?}"),
    }
}

fn dead() -> Handover {
    let text = "Requested entity was not found.".to_owned();
    Handover::Rejected(Failure {
        class: ErrorClass::PermanentRecipient,
        code: "UNREGISTERED".to_owned(),
        text,
    })
}

fn outcome(writer: &mut TestWriter, id: MessageId, handover: Handover) -> MessageState {
    let handed_over_at = Some(writer.env.clock.now());
    writer.run(RecordOutcome { message: id, handover, handed_over_at }).expect("recorded")
}

#[test]
fn a_notification_leaves_whole_and_says_how_to_stop() {
    let mut writer = with_app();
    person(&mut writer);
    let answer = writer.run(Send::new(push(&writer, "k1"))).expect("decided");
    assert_eq!(answer.verdict.outcome, Outcome::Admit, "{:?}", answer.verdict.reasons);
    let id = answer.message.spec.id;
    let draft = leaves(&mut writer, id);
    let handed = draft.push.expect("a notification");
    assert_eq!((draft.channel, draft.parts, draft.from.as_str()), (Channel::Push, 1, "com.acme.shop"));
    let link = message(&writer, &id).spec.link.clone().expect("a link").code;
    let shown = &handed.content;
    assert_eq!(shown.title, "Still yours, Ada");
    assert_eq!(shown.body, format!("Your boots wait: https://go.acme.example/{link}"));
    assert_eq!(shown.deep_link, format!("https://go.acme.example/{link}"), "a tap is a click");
    assert_eq!(shown.opt_out_url, format!("https://go.acme.example/opt-out/{link}"));
    assert_eq!(shown.collapse_key, "cart of k1", "a second one takes its place");
    assert!(!handed.urgent, "marketing wakes no phone");
    // The window of the house ends at nine in the evening; the push service gives up then.
    let window = Instant::parse("2026-06-02T01:00:00Z").expect("RFC 3339");
    let by = draft.deliver_by.expect("a deadline");
    assert!(by <= window && window.since(by) <= Span::minutes(1), "{by}");
    assert_eq!(
        outcome(&mut writer, id, Handover::Accepted { ids: vec!["m1".to_owned()] }),
        MessageState::Sent
    );
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn nothing_leaves_that_nobody_would_see_or_that_nobody_agreed_to() {
    type Change = fn(UpsertDevice) -> UpsertDevice;
    let cases: [(&str, Change, bool, &[&str]); 5] = [
        (
            "refused by the system",
            |d| UpsertDevice { permission: OsPermission::Denied, ..d },
            true,
            &["PUSH_PERMISSION_MISSING"],
        ),
        (
            "never asked",
            |d| UpsertDevice { permission: OsPermission::NotDetermined, ..d },
            true,
            &["PUSH_PERMISSION_MISSING"],
        ),
        ("no token", |d| UpsertDevice { destination: None, ..d }, true, &["PUSH_PERMISSION_MISSING"]),
        (
            "switched off in the app",
            |d| UpsertDevice { channel_enabled: false, ..d },
            true,
            &["PUSH_PERMISSION_MISSING"],
        ),
        ("permission is no consent", |d| d, false, &["CONSENT_MISSING"]),
    ];
    for (name, change, agreed, expected) in cases {
        let mut writer = with_app();
        writer.run(change(installed(&writer, "i1"))).expect("taken");
        writer.run(Agreed(phone(), Channel::Sms, Basis::ExpressWritten)).expect("granted");
        if agreed {
            writer.run(Agreed(app("i1"), Channel::Push, Basis::Express)).expect("granted");
        }
        let answer = writer.run(Send::new(push(&writer, "k1"))).expect("decided");
        let mut codes = codes_of(&answer);
        codes.dedup();
        assert_eq!(codes, expected, "{name}");
        writer.check_fold();
        writer.check_replay();
    }
}

/// Network Act, article 50: the label before everything, a way to refuse in the words, the night only by its own consent.
#[test]
fn korea_wants_its_label_first_and_its_nights_free() {
    let mut writer = with_app();
    person(&mut writer);
    let now = writer.env.clock.now();
    let korean = |words: &str, writer: &TestWriter, key: &str| {
        let asked = push(writer, key);
        let Words::Push(push) = asked.words.clone() else { panic!("push words") };
        let words =
            Words::Push(PushWords { title: "남은 상품".to_owned(), body: words.to_owned(), ..push });
        SendRequest { words, hints: vec![at_home("KR", "", now)], ..asked }
    };
    let without = writer.run(Send::new(korean("장바구니 {{link}}", &writer, "k1"))).expect("decided");
    assert!(codes_of(&without).contains(&"OPT_OUT_WORDING_MISSING"), "{:?}", codes_of(&without));
    // It is noon in New York and one in the night in Seoul.
    let night =
        writer.run(Send::new(korean("장바구니 {{link}} 수신거부: 설정", &writer, "k2"))).expect("decided");
    let spec = &night.message.spec;
    assert!(
        spec.push.as_ref().expect("push").content.title.starts_with("(광고) Acme: 남은"),
        "{:?}",
        spec.push
    );
    assert_eq!(night.verdict.outcome, Outcome::Hold, "{:?}", codes_of(&night));
    assert!(codes_of(&night).contains(&"QUIET_HOURS"), "{:?}", codes_of(&night));
    writer.check_replay();
}

/// CASL s. 6(2) and the Network Act ask every message for its sender and a way to stop, notifications too.
#[test]
fn where_a_law_asks_a_notification_names_the_brand_and_says_how_to_stop() {
    let mut writer = with_app();
    person(&mut writer);
    let now = writer.env.clock.now();
    let there = |country: &str, region: &str, key: &str, writer: &TestWriter| SendRequest {
        hints: vec![at_home(country, region, now)],
        ..push(writer, key)
    };
    let shown = |answer: &SendAnswer| {
        let content = &answer.message.spec.push.as_ref().expect("push").content;
        (content.title.clone(), content.body.clone())
    };
    let canada = writer.run(Send::new(there("CA", "ON", "k1", &writer))).expect("decided");
    let (title, body) = shown(&canada);
    assert!(title.ends_with(": Still yours, Ada") && title.starts_with("A"), "{title}");
    let code = &canada.message.spec.link.as_ref().expect("a link").code;
    assert!(body.contains(&format!("go.acme.example/opt-out/{code}")), "{body}");
    assert!(!body.contains("help@acme.example"), "a link will do: {body}");
    let codes = codes_of(&canada);
    assert!(
        !codes.contains(&"BRAND_NAME_MISSING") && !codes.contains(&"OPT_OUT_WORDING_MISSING"),
        "{codes:?}"
    );

    let korea = writer.run(Send::new(there("KR", "", "k2", &writer))).expect("decided");
    let (title, body) = shown(&korea);
    assert!(body.ends_with("help@acme.example"), "{body}");
    assert!(title.starts_with("(광고) A") && title.ends_with(": Still yours, Ada"), "{title}");
    let missing = ["BRAND_NAME_MISSING", "CONTACT_MISSING"];
    for codes in [codes_of(&canada), codes_of(&korea)] {
        assert!(!codes.iter().any(|code| missing.contains(code)), "{codes:?}");
    }
    writer.check_replay();
}

#[test]
fn a_button_may_not_lead_elsewhere_and_a_notification_has_a_size() {
    let mut writer = with_app();
    person(&mut writer);
    let asked = push(&writer, "k1");
    let Words::Push(words) = asked.words.clone() else { panic!("push words") };
    let away = PushWords { deep_link: "https://evil.example/x".to_owned(), ..words.clone() };
    let answer =
        writer.run(Send::new(SendRequest { words: Words::Push(away), ..asked.clone() })).expect("decided");
    assert!(codes_of(&answer).contains(&"LINK_DOMAIN"), "{:?}", codes_of(&answer));
    let huge = PushWords { image_url: format!("https://acme.example/{}", "x".repeat(3_500)), ..words };
    let asked = SendRequest { words: Words::Push(huge), idempotency_key: "k2".to_owned(), ..asked };
    let error = writer.run(Send::new(asked)).expect_err("too large").to_string();
    assert!(error.starts_with("push: is 3") && error.contains("push services carry"), "{error}");
}

#[test]
fn without_an_installation_the_text_is_decided_at_once_where_it_is_wanted() {
    let mut writer = with_app();
    writer.run(Agreed(phone(), Channel::Sms, Basis::ExpressWritten)).expect("granted");
    let none = writer.run(Send::new(push(&writer, "k1"))).expect_err("no installation").to_string();
    assert!(none.contains("installation"), "{none}");
    let answer = writer.run(Send::new(with_fallback(&writer, "k2"))).expect("decided");
    let spec = &answer.message.spec;
    assert_eq!((spec.channel, spec.push.is_none()), (Channel::Sms, true));
    assert!(
        spec.preview.starts_with("Acme: Still yours, Ada. Your boots wait: https://"),
        "{}",
        spec.preview
    );
    assert!(spec.preview.contains("STOP"), "a text says how texts stop: {}", spec.preview);
    assert_eq!(answer.verdict.outcome, Outcome::Admit, "{:?}", answer.verdict.reasons);
    writer.check_fold();
    writer.check_replay();
}

/// The installation was alive when the message was accepted and refuses notifications when it is due.
#[test]
fn what_cannot_be_shown_at_dispatch_becomes_a_text_once_and_counts_once() {
    let mut writer = with_app();
    let (device, phone) = person(&mut writer);
    let asked = with_fallback(&writer, "k1");
    let first = writer.run(Send::new(asked.clone())).expect("decided");
    let id = first.message.spec.id;
    assert_eq!(first.message.spec.channel, Channel::Push);
    writer.advance(Span::minutes(1));
    writer.run(UpsertDevice { permission: OsPermission::Denied, ..installed(&writer, "i1") }).expect("taken");
    let moved = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(moved, IntentAnswer::Held { until } if until == writer.env.clock.now()), "{moved:?}");
    let now = message(&writer, &id);
    assert_eq!((now.spec.channel, now.spec.subject, now.state), (Channel::Sms, phone, MessageState::Queued));
    assert_eq!(now.first, first.verdict, "a repeat of the key hears what it heard first");
    assert_eq!(now.spec.expires_at, Some(first.verdict.evaluated_at + Span::hours(24)), "it keeps its end");
    assert!(subject(&writer, &device).open.is_empty() && subject(&writer, &phone).open.len() == 1);
    let again = writer.run(Send::new(asked)).expect("a repeat");
    assert!(again.repeated && again.message.spec.channel == Channel::Sms);

    let draft = leaves(&mut writer, id);
    assert!(draft.push.is_none() && draft.text.contains("Your boots wait"), "{}", draft.text);
    outcome(&mut writer, id, Handover::Accepted { ids: vec!["s1".to_owned()] });
    let touches = [device, phone].map(|id| subject(&writer, &id).touches.len());
    assert_eq!(touches, [0, 1], "one message, one touch");
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_dead_token_ends_itself_and_nothing_else_and_the_message_goes_on() {
    let mut writer = with_app();
    let (device, phone) = person(&mut writer);
    let id = writer.run(Send::new(with_fallback(&writer, "k1"))).expect("decided").message.spec.id;
    leaves(&mut writer, id);
    assert_eq!(outcome(&mut writer, id, dead()), MessageState::Queued, "certainly not shown");
    let row = writer.look(|state| state.get::<DeviceRow>(&keys::device(&device)).expect("readable"));
    assert!(row.expect("kept").device.dead_at.is_some());
    let granted = subject(&writer, &device).consents.iter().all(|c| c.state == ConsentState::Granted);
    assert!(granted && subject(&writer, &device).opt_outs.is_empty(), "the address is gone, not the consent");
    writer.advance(Span::seconds(2));
    writer.run(Intent::of(id)).expect("asked");
    assert_eq!(message(&writer, &id).spec.subject, phone);
    leaves(&mut writer, id);
    writer.check_fold();
    writer.check_replay();

    // Without anywhere to go it is refused by the push service, and that is its end.
    let mut writer = with_app();
    person(&mut writer);
    let target = Target::Device { app: "com.acme.shop".to_owned(), installation: "i1".to_owned() };
    let alone = SendRequest { target, ..push(&writer, "k1") };
    let id = writer.run(Send::new(alone)).expect("decided").message.spec.id;
    leaves(&mut writer, id);
    assert_eq!(outcome(&mut writer, id, dead()), MessageState::Rejected);
    writer.check_fold();
}

#[test]
fn a_token_reported_while_its_predecessor_died_lives_on() {
    let mut writer = with_app();
    let (device, _) = person(&mut writer);
    let id = writer.run(Send::new(push(&writer, "k1"))).expect("decided").message.spec.id;
    leaves(&mut writer, id);
    writer.advance(Span::seconds(1));
    let fresh = Some(Destination::Token("another".to_owned()));
    writer.run(UpsertDevice { destination: fresh, ..installed(&writer, "i1") }).expect("taken");
    outcome(&mut writer, id, dead());
    let row = writer.look(|state| state.get::<DeviceRow>(&keys::device(&device)).expect("readable"));
    assert!(row.expect("kept").device.can_show(), "what died was another one");
}

#[test]
fn another_installation_of_the_person_goes_before_a_text() {
    let mut writer = with_app();
    person(&mut writer);
    let id = writer.run(Send::new(with_fallback(&writer, "k1"))).expect("decided").message.spec.id;
    writer.run(installed(&writer, "i2")).expect("taken");
    let second = writer.run(Agreed(app("i2"), Channel::Push, Basis::Express)).expect("granted");
    writer.advance(Span::minutes(1));
    writer.run(UpsertDevice { destination: None, ..installed(&writer, "i1") }).expect("taken");
    writer.run(Intent::of(id)).expect("asked");
    let now = message(&writer, &id);
    assert_eq!((now.spec.channel, now.spec.subject), (Channel::Push, second));
    let handed = leaves(&mut writer, id).push.expect("a notification");
    assert_eq!(handed.destination, Destination::Token("token-of-i2".to_owned()));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn a_stop_ends_the_message_instead_of_moving_it() {
    let mut writer = with_app();
    person(&mut writer);
    let id = writer.run(Send::new(with_fallback(&writer, "k1"))).expect("decided").message.spec.id;
    writer.run(Stop(PHONE)).expect("stopped");
    writer.advance(Span::minutes(1));
    writer.run(UpsertDevice { permission: OsPermission::Denied, ..installed(&writer, "i1") }).expect("taken");
    let ended = writer.run(Intent::of(id)).expect("asked");
    assert!(matches!(ended, IntentAnswer::Ended(MessageState::Cancelled)), "{ended:?}");
    let last = message(&writer, &id).last.expect("a second verdict");
    assert!(last.has(&Code::OptedOut) && last.has(&Code::PushPermissionMissing));
    writer.check_fold();
    writer.check_replay();
}

/// A message that moved on is the new address's: erasing the old one takes nothing from it, erasing the new one all.
#[test]
fn erasing_either_address_leaves_what_a_rebuild_would() {
    for phone_first in [false, true] {
        let mut writer = with_app();
        let (device, phone) = person(&mut writer);
        let id = writer.run(Send::new(with_fallback(&writer, "k1"))).expect("decided").message.spec.id;
        writer.advance(Span::minutes(1));
        writer
            .run(UpsertDevice { permission: OsPermission::Denied, ..installed(&writer, "i1") })
            .expect("taken");
        writer.run(Intent::of(id)).expect("moved");
        leaves(&mut writer, id);
        outcome(&mut writer, id, Handover::Accepted { ids: vec!["s1".to_owned()] });
        let order = if phone_first { [phone, device] } else { [device, phone] };
        for (n, who) in order.into_iter().enumerate() {
            let inventory = inventory::take(&writer.reader(), who).expect("readable");
            let erase =
                Erase { inventories: vec![inventory], reason: "asked".to_owned(), actor: "test".to_owned() };
            writer.run(erase).expect("recorded");
            writer.log.forget(&who);
            let kept = writer.look(|state| state.get::<Message>(&keys::message(&id)).expect("readable"));
            assert_eq!(
                kept.is_some(),
                who == device && n == 0,
                "after erasing {n} of phone first {phone_first}"
            );
            writer.check_fold();
        }
    }
}
