//! When a message whose caller set no end loses its purpose: a day after it could first lawfully leave.

use super::*;
use crate::clock::Clock;
use crate::model::Code;
use crate::model::registry::Sender;

const DAY: Span = Span::hours(24);

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("RFC 3339")
}

fn sender() -> Sender {
    let found = shop().into_iter().find_map(|object| match object {
        Object::Sender(sender) => Some(sender),
        _ => None,
    });
    found.expect("a sender")
}

/// A reminder without a cart, whose window would end it sooner.
fn news(writer: &TestWriter, key: &str, number: &str) -> SendRequest {
    let link_url = "https://acme.example/new".to_owned();
    SendRequest { cart: None, link_url, ..request(key, number, "c1", writer.clock.now()) }
}

/// A caller that set no end got none: a message behind a paused sender waited for ever.
#[test]
fn a_message_without_an_end_gets_a_day_from_when_it_may_first_leave() {
    let mut writer = writer();
    let now = writer.clock.now();
    let sent = writer.run(Send::new(news(&writer, "now", "+12125550123"))).expect("answered");
    assert_eq!(sent.verdict.outcome, Outcome::Admit, "{:?}", sent.verdict.reasons);
    assert_eq!(sent.message.spec.expires_at, Some(now + DAY));

    writer.clock.set(at("2026-06-02T01:04:00Z"));
    let held = writer.run(Send::new(news(&writer, "night", "+12125550123"))).expect("answered");
    let morning = held.verdict.hold_until.expect("the morning is known");
    assert_eq!(held.message.spec.expires_at, Some(morning + DAY), "09:00, and a day");

    let own = now + Span::hours(20);
    let asked = SendRequest { expires_at: Some(own), ..news(&writer, "own", "+12125550123") };
    assert_eq!(writer.run(Send::new(asked)).expect("answered").message.spec.expires_at, Some(own));
    writer.check_fold();
    writer.check_replay();
}

/// Judged with a day from now, what is closed for longer than a day found no lawful window at all.
#[test]
fn a_message_that_has_to_wait_for_days_has_a_day_after_them() {
    let mut writer = writer();
    let number = "+12055550123";
    writer.run(Grant(number, ConsentState::Granted)).expect("granted");
    // Thursday night in Alabama; Independence Day is kept on Friday and on Saturday.
    writer.clock.set(at("2026-07-03T03:00:00Z"));
    let held = writer.run(Send::new(news(&writer, "k", number))).expect("answered");
    assert_eq!(held.verdict.outcome, Outcome::Hold, "{:?}", held.verdict.reasons);
    let opens = held.verdict.hold_until.expect("it is known");
    assert!(opens > writer.clock.now() + DAY, "{opens}");
    assert_eq!(held.message.spec.expires_at, Some(opens + DAY));
    writer.check_replay();
}

#[test]
fn who_is_refused_has_no_end_and_a_dry_run_tells_the_same_as_a_send() {
    let mut writer = writer();
    let refused = writer.run(Send::new(news(&writer, "k", "+12125550124"))).expect("answered");
    assert_eq!((refused.verdict.outcome, refused.message.spec.expires_at), (Outcome::Refuse, None));
    let asked = news(&writer, "dry", "+12125550123");
    let (spec, verdict) = writer.reader().look(|cx| check(cx, &asked, None)).expect("answered");
    let sent = writer.run(Send::new(asked)).expect("answered");
    assert_eq!(spec.expires_at, sent.message.spec.expires_at);
    assert_eq!(verdict.send_not_after, sent.verdict.send_not_after);
    writer.check_replay();
}

/// "It waits, not for ever": a day after it could have left it is over.
#[test]
fn behind_a_sender_that_stays_paused_a_message_ends_after_a_day() {
    let mut writer = writer();
    writer.set_up([Object::Sender(Sender { paused: true, ..sender() })]);
    let now = writer.clock.now();
    let asked = news(&writer, "k", "+12125550123");
    let held = writer.run(Send::new(asked)).expect("answered");
    assert!(held.verdict.has(&Code::SenderPaused) && held.verdict.hold_until.is_none());
    assert_eq!(held.message.spec.expires_at, Some(now + DAY));
    writer.clock.set(now + DAY);
    let ended = writer.run(Intent::of(held.message.spec.id)).expect("asked");
    assert!(matches!(ended, IntentAnswer::Ended(MessageState::Expired)), "{ended:?}");
    writer.check_fold();
    writer.check_replay();
}
