//! Network Act art. 50(8) binds notifications as well: the notice goes to the installation that agreed.

use super::*;
use crate::model::device::{Destination, OsPermission, PushPlatform};
use crate::model::facts::SenderKind;
use crate::model::registry::{Connection, Reconcile, Validity};
use crate::provider::IntentDraft;
use crate::writer::ops::device::UpsertDevice;

fn app() -> Target {
    Target::Device { app: "com.shop".to_owned(), installation: "i1".to_owned() }
}

/// The shop that texts Koreans has an app, too, and somebody in Seoul agreed there so many days ago.
fn agreed_in_app(days: i64) -> TestWriter {
    let mut writer = writer();
    let (sender, connection) = writer.look(|state| {
        let mut object = |kind, id| {
            let row = state.get::<crate::ledger::rows::RegistryRow>(&keys::registry(kind, id));
            row.expect("readable").expect("set up").object.clone()
        };
        match (object("sender", "sender"), object("connection", "main")) {
            (Object::Sender(sender), Object::Connection(connection)) => (sender, connection),
            other => panic!("{other:?}"),
        }
    });
    writer.set_up([
        Object::Brand(Brand {
            locale: "ko".to_owned(),
            short_domain: "go.shop.example".to_owned(),
            ..brand("main")
        }),
        Object::Connection(Connection {
            id: "google".parse().expect("a slug"),
            provider: "fcm".to_owned(),
            validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
            reconcile: Reconcile::Nothing,
            ..connection
        }),
        Object::Sender(Sender {
            id: "app".parse().expect("a slug"),
            kind: SenderKind::PushApp,
            address: "com.shop".to_owned(),
            country: String::new(),
            connection: "google".parse().expect("a slug"),
            ..sender
        }),
        Object::Program(Program {
            name: "할인 소식".to_owned(),
            senders: vec!["sender".parse().expect("a slug"), "app".parse().expect("a slug")],
            ..carts()
        }),
    ]);
    let now = writer.clock.now();
    writer.run(AgreedInApp(now - Span::days(days))).expect("agreed");
    writer.run(installed(&writer)).expect("reported");
    writer
}

fn installed(writer: &TestWriter) -> UpsertDevice {
    UpsertDevice {
        brand: main_brand(),
        app: "com.shop".to_owned(),
        installation: "i1".to_owned(),
        platform: PushPlatform::Fcm,
        destination: Some(Destination::Token("token".to_owned())),
        permission: OsPermission::Granted,
        channel_enabled: true,
        time_zone: Some("Asia/Seoul".parse().expect("a zone")),
        customer: None,
        locale: "ko".to_owned(),
        observed_at: writer.clock.now(),
        actor: "test".to_owned(),
    }
}

fn ask(writer: &mut TestWriter) -> RenewalAnswer {
    let op = SendConsentRenewal { brand: main_brand(), program: carts().id, target: app(), refusal: None };
    writer.run(op).expect("answered")
}

fn counted(writer: &TestWriter) -> Instant {
    let address = Address::Device { app: "com.shop".to_owned(), installation: "i1".to_owned() };
    let known = writer.reader().look(|cx| Ok(cx.find_subject(&address)?.0)).expect("read").expect("known");
    counted_from(&known.consents[0])
}

/// What leaves when its hours come.
fn draft(writer: &mut TestWriter, id: MessageId) -> IntentDraft {
    for _ in 0..5 {
        let waits = writer.look(|state| state.get::<Message>(&keys::message(&id)).expect("readable"));
        let due = waits.and_then(|message| message.due).expect("waiting");
        if due > writer.clock.now() {
            writer.advance(due.since(writer.clock.now()));
        }
        match writer.run(Intent::of(id)).expect("asked") {
            IntentAnswer::Go(draft) => return *draft,
            IntentAnswer::Held { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("it never leaves")
}

#[test]
fn a_notice_to_the_app_renews_for_two_years_and_goes_once() {
    let mut writer = agreed_in_app(669);
    let agreed_at = counted(&writer);
    assert!(due(&writer).is_empty(), "a day early");
    let early = ask(&mut writer);
    assert!(early.message.is_none() && codes(&early.verdict).contains(&Code::AutomaticTextNotDue));
    writer.advance(Span::days(1));
    let listed = due(&writer);
    assert_eq!((listed.len(), listed[0].consent.channel), (1, Channel::Push));

    let answer = ask(&mut writer);
    let message = answer.message.expect("lawful");
    assert_eq!(message.spec.channel, Channel::Push);
    // One in the night in Seoul: it waits for the morning like everything else.
    assert_eq!(answer.verdict.outcome, Outcome::Hold, "{:?}", codes(&answer.verdict));
    assert!(codes(&answer.verdict).contains(&Code::QuietHours));
    let again = ask(&mut writer).message.expect("the same");
    assert_eq!(again.spec.id, message.spec.id);
    assert_eq!(due(&writer)[0].notice, Some((message.spec.id, message.state)));

    let left = draft(&mut writer, message.spec.id);
    let push = left.push.expect("a notification");
    let shown = push.content;
    let code = &message.spec.link.as_ref().expect("the way out").code;
    assert!(shown.title.contains("Shop") && !shown.body.contains("광고"), "{shown:?}");
    assert!(
        shown.body.contains(&format!("수신거부: https://go.shop.example/opt-out/{code}")),
        "{}",
        shown.body
    );
    assert!(shown.opt_out_url.ends_with(&format!("/opt-out/{code}")), "{shown:?}");
    // The day it was in Seoul.
    let day = (agreed_at + Span::hours(9)).to_jiff().to_string();
    assert!(shown.body.contains(&day[..10]), "{}", shown.body);
    let outcome = RecordOutcome { message: message.spec.id, handover: taken(), handed_over_at: None };
    assert_eq!(writer.run(outcome).expect("recorded"), MessageState::Sent);
    assert_eq!(counted(&writer), writer.clock.now());
    assert!(due(&writer).is_empty());
    writer.advance(Span::days(671));
    assert_eq!(due(&writer).len(), 1, "and again two years later");
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn one_the_push_service_refuses_renews_nothing_and_a_day_later_another_may_go() {
    let mut writer = agreed_in_app(700);
    let agreed_at = counted(&writer);
    let first = ask(&mut writer).message.expect("lawful").spec.id;
    draft(&mut writer, first);
    let failure = Failure {
        class: crate::model::outgoing::ErrorClass::PermanentSender,
        code: "1".into(),
        text: String::new(),
    };
    let outcome =
        RecordOutcome { message: first, handover: Handover::Rejected(failure), handed_over_at: None };
    assert_eq!(writer.run(outcome).expect("recorded"), MessageState::Rejected);
    assert_eq!(counted(&writer), agreed_at);
    assert!(codes(&ask(&mut writer).verdict).contains(&Code::AutomaticTextRepeated));
    writer.advance(Span::days(1));
    let second = ask(&mut writer).message.expect("a day later").spec.id;
    assert_ne!(first, second);
    writer.check_fold();
}

#[test]
fn an_app_that_may_show_nothing_is_told_nothing_and_stays_listed() {
    let mut writer = agreed_in_app(700);
    writer.run(UpsertDevice { permission: OsPermission::Denied, ..installed(&writer) }).expect("reported");
    let answer = ask(&mut writer);
    assert!(answer.message.is_none());
    assert!(codes(&answer.verdict).contains(&Code::PushPermissionMissing), "{:?}", answer.verdict);
    assert_eq!(due(&writer).len(), 1, "the shop sees whom it has to tell some other way");
}
