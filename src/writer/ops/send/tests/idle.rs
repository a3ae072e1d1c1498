//! Consents nobody uses for two years lapse; every message that left begins the two years anew.

use super::*;
use crate::clock::Clock;
use crate::model::subject::LastUse;

fn codes(answer: &SendAnswer) -> Vec<&str> {
    answer.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn uses(writer: &TestWriter) -> Vec<LastUse> {
    let address = Target::Phone(Digits::received("+12125550123", None)).addresses().remove(0);
    let known = writer.reader().look(|cx| Ok(cx.find_subject(&address)?.0)).expect("read");
    known.expect("known").uses.clone()
}

#[test]
fn silence_ends_a_consent_and_a_message_that_left_keeps_it() {
    let mut writer = writer();
    writer.advance(Span::days(600));
    let answer = send(&mut writer, "k1", "c1");
    assert!(codes(&answer).contains(&"CONSENT_IDLE"), "{:?}", codes(&answer));
    assert!(uses(&writer).is_empty(), "what only waits uses nothing");
    let id = answer.message.spec.id;
    assert!(matches!(writer.run(Intent::of(id)).expect("asked"), IntentAnswer::Go(_)), "it may leave");
    assert!(uses(&writer).is_empty(), "nobody said that it took it");
    let handover = Handover::Accepted { ids: vec!["p1".to_owned()] };
    writer.run(RecordOutcome { message: id, handover, handed_over_at: None }).expect("recorded");
    let left_at = writer.clock.now();
    let used = LastUse { program: "carts".parse().expect("a slug"), channel: Channel::Sms, at: left_at };
    assert_eq!(uses(&writer), [used]);

    // More than two years after it was given, and not two after the message.
    writer.advance(Span::days(540));
    let answer = send(&mut writer, "k2", "c2");
    assert!(!codes(&answer).contains(&"CONSENT_IDLE"), "{:?}", codes(&answer));
    assert!(!codes(&answer).contains(&"CONSENT_EXPIRED"), "{:?}", codes(&answer));
    writer.advance(Span::days(190));
    let answer = send(&mut writer, "k3", "c3");
    assert_eq!(answer.verdict.outcome, Outcome::Refuse);
    let reason =
        answer.verdict.reasons.iter().find(|r| r.code.as_str() == "CONSENT_EXPIRED").expect("refused");
    assert_eq!(reason.rule, "house/consent_use");
    writer.check_fold();
    writer.check_replay();
}

/// Entries of before uses were kept hash the record as they did.
#[test]
fn the_hash_of_a_record_knows_nothing_of_its_uses() {
    let writer = writer();
    let address = Target::Phone(Digits::received("+12125550123", None)).addresses().remove(0);
    let read = |writer: &TestWriter| {
        let known = writer.reader().look(|cx| Ok(cx.find_subject(&address)?.0)).expect("read");
        (*known.expect("known")).clone()
    };
    let before = read(&writer);
    let bytes = before.hashed_bytes().expect("bytes");
    let mut whole = postcard::to_stdvec(&before).expect("bytes");
    assert_eq!(whole.pop(), Some(0), "an empty list");
    assert_eq!(bytes, whole);
    let mut used = before;
    used.use_consent(&"carts".parse().expect("a slug"), Channel::Sms, writer.clock.now());
    used.use_consent(&"orders".parse().expect("a slug"), Channel::Sms, writer.clock.now());
    assert_eq!(used.uses.len(), 1, "a program without a consent is not kept");
    assert_eq!(used.hashed_bytes().expect("bytes"), bytes);
}
