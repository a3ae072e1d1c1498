//! Everybody who is held until the same 09:00 goes through one lane, and that is known when they are accepted.

use super::*;
use crate::clock::Clock;
use crate::model::Code;
use crate::model::registry::Sender;
use crate::writer::ops::cancel::CancelMessage;

/// Seconds a part takes in this lane: 43 fit between 09:00 and 21:00, and a 44th begins in time.
const PART: i64 = 1_000;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("RFC 3339")
}

/// A slow lane, and people enough; it is 22:00 in New York.
fn night() -> TestWriter {
    let mut writer = TestWriter::new();
    for object in shop() {
        let object = match object {
            Object::Sender(sender) => Object::Sender(Sender {
                throttle: ThrottleGroup {
                    milli_parts_per_second: 1,
                    parts_per_day: None,
                    ..sender.throttle.clone()
                },
                ..sender
            }),
            other => other,
        };
        writer.set_up([object]);
    }
    for n in 0..60 {
        let number: &'static str = Box::leak(number(n).into_boxed_str());
        writer.run(Grant(number, ConsentState::Granted)).expect("granted");
    }
    writer.clock.set(at("2026-06-02T02:00:00Z"));
    writer
}

fn number(n: usize) -> String {
    format!("+121255501{n:02}")
}

/// A text without a cart to the n-th person.
fn send(writer: &mut TestWriter, n: usize) -> SendAnswer {
    let link_url = "https://acme.example/new".to_owned();
    let asked = request(&format!("k{n}"), &number(n), "c1", writer.clock.now());
    writer.run(Send::new(SendRequest { cart: None, link_url, ..asked })).expect("answered")
}

/// The estimate knew only what was due and loaded already: at 22:00 everybody was told 09:00.
#[test]
fn each_of_the_herd_is_told_its_turn_and_whoever_finds_no_room_is_refused() {
    let mut writer = night();
    let opens = at("2026-06-02T13:00:00Z");
    for n in 0..44 {
        let answer = send(&mut writer, n);
        let verdict = &answer.verdict;
        assert_eq!((verdict.outcome, verdict.hold_until), (Outcome::Hold, Some(opens)), "{n}");
        let turn = opens + Span::seconds(PART * n as i64);
        assert_eq!(verdict.estimated_send_at, Some(turn), "{n}: {:?}", verdict.reasons);
    }
    // The 45th turn would come when the window has closed, and tomorrow's opens at its end.
    let answer = send(&mut writer, 44);
    assert_eq!(answer.verdict.outcome, Outcome::Refuse);
    assert!(answer.verdict.has(&Code::SenderBacklog), "{:?}", answer.verdict.reasons);
    // With an end of its own that is later there is room tomorrow.
    let asked = request("later", &number(45), "c1", writer.clock.now());
    let patient = SendRequest {
        cart: None,
        link_url: "https://acme.example/new".to_owned(),
        expires_at: Some(opens + Span::hours(30)),
        ..asked
    };
    let answer = writer.run(Send::new(patient)).expect("answered");
    assert_eq!(answer.verdict.outcome, Outcome::Hold);
    assert!(answer.verdict.has(&Code::SenderBacklog), "it is told: {:?}", answer.verdict.reasons);
    assert_eq!(answer.verdict.estimated_send_at, Some(opens + Span::hours(24)));
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn whoever_goes_makes_room_and_whoever_may_leave_now_is_not_behind_the_morning() {
    let mut writer = night();
    let opens = at("2026-06-02T13:00:00Z");
    let held: Vec<SendAnswer> = (0..10).map(|n| send(&mut writer, n)).collect();
    let turn = |writer: &mut TestWriter, n| send(writer, n).verdict.estimated_send_at.expect("an estimate");
    assert_eq!(turn(&mut writer, 10), opens + Span::seconds(10 * PART));
    for answer in &held[..4] {
        let (message, actor) = (answer.message.spec.id, "test".to_owned());
        writer.run(CancelMessage { message, reason: String::new(), actor }).expect("withdrawn");
    }
    assert_eq!(turn(&mut writer, 11), opens + Span::seconds(7 * PART), "seven are left of eleven");

    // It is 16:00 in Honolulu: who is held until 09:00 in New York is not before whoever may leave now.
    writer.run(Grant("+18085550123", ConsentState::Granted)).expect("granted");
    let link_url = "https://acme.example/new".to_owned();
    let asked = request("aloha", "+18085550123", "c1", writer.clock.now());
    let aloha = writer.run(Send::new(SendRequest { cart: None, link_url, ..asked })).expect("answered");
    assert_eq!(aloha.verdict.outcome, Outcome::Admit, "{:?}", aloha.verdict.reasons);
    assert_eq!(aloha.verdict.estimated_send_at, Some(writer.clock.now()));
    writer.run(Intent::of(aloha.message.spec.id)).expect("asked");

    // They are due at 09:00 and a little, and leave one after another.
    writer.clock.set(opens + Span::minutes(15));
    for answer in &held[4..] {
        let left = writer.run(Intent::of(answer.message.spec.id)).expect("asked");
        assert!(matches!(left, IntentAnswer::Go(_)), "{left:?}");
    }
    let now = writer.clock.now();
    assert_eq!(turn(&mut writer, 12), now + Span::seconds(2 * PART), "two wait");
    writer.check_fold();
    writer.check_replay();
}
