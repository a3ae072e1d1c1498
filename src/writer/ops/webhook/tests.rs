//! How far a text is believed.

use super::*;
use crate::inbound::event::{InboundText, TextPart};
use crate::ledger::body::Object;
use crate::provider::faults;
use crate::writer::ops::fixture::shop;

#[test]
fn a_weakly_signed_text_may_stop_but_never_start() {
    let mut writer = shop();
    writer.set_up([Object::Connection(faults::connection("plivo", &[("auth_id", "MA1")]))]);
    for (n, (text, weak, class)) in [
        ("START", false, "OPT_IN"),
        ("START", true, "UNCERTAIN"),
        ("YES", true, "UNCERTAIN"),
        ("STOP", true, "OPT_OUT"),
        ("wrong number", true, "WRONG_NUMBER"),
        ("when do you open?", true, "OTHER"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = InboundText {
            provider_id: format!("m{n}"),
            from: format!("121255501{n:02}"),
            to: "18555550100".to_owned(),
            text: text.to_owned(),
            provider_flag: None,
            received_at: None,
            weak,
        };
        let delivery = Delivery {
            connection: "main".parse().expect("a slug"),
            raw: None,
            events: vec![InboundEvent::Text(event)],
            listening: false,
        };
        let received = writer.run(ReceiveTexts(delivery)).expect("taken");
        assert_eq!(received.texts[0].class, class, "{text} weak {weak}: {}", received.texts[0].rule);
        assert_eq!(received.review, usize::from(class == "UNCERTAIN"), "{text} weak {weak}");
    }
    writer.check_fold();
}

const PERSON: &str = "12125550123";

/// One part of a text, as Vonage tells it.
fn part_of(id: &str, reference: &str, number: u8, total: u8, words: &str) -> InboundEvent {
    let text = InboundText {
        provider_id: id.to_owned(),
        from: PERSON.to_owned(),
        to: "12125550100".to_owned(),
        text: words.to_owned(),
        provider_flag: None,
        received_at: None,
        weak: false,
    };
    InboundEvent::Part(text, TextPart { reference: reference.to_owned(), total, number })
}

fn hear(writer: &mut crate::writer::testing::TestWriter, event: InboundEvent) -> Vec<&'static str> {
    let connection = "main".parse().expect("a slug");
    let delivery = Delivery { connection, raw: None, events: vec![event], listening: false };
    let received = writer.run(ReceiveTexts(delivery)).expect("taken");
    received.texts.iter().map(|text| text.class).collect()
}

#[test]
fn a_long_text_is_read_once_it_is_whole() {
    let mut writer = shop();
    writer.set_up([Object::Connection(faults::connection("vonage", &[("api_key", "k")]))]);
    // Neither half says it alone, and they come in the wrong order.
    assert_eq!(hear(&mut writer, part_of("a2", "7", 2, 2, "moved from your list")), ["OTHER"]);
    assert_eq!(hear(&mut writer, part_of("a2", "7", 2, 2, "moved from your list")), [""; 0], "a repeat");
    assert_eq!(
        hear(&mut writer, part_of("a1", "7", 1, 2, "hi, I would like to be re")),
        ["OTHER", "OPT_OUT"]
    );
    // The handset counts on and comes back to 7: the old second half is no part of the new text.
    writer.advance(crate::model::Span::minutes(5));
    assert_eq!(hear(&mut writer, part_of("b1", "7", 1, 2, "thank you, I have ordered")), ["OTHER"]);
    assert_eq!(hear(&mut writer, part_of("b2", "7", 2, 2, " two pairs")), ["OTHER", "OTHER"]);
    // A part that says STOP is obeyed at once, and the rest is not read as a second one.
    writer.advance(crate::model::Span::minutes(5));
    assert_eq!(hear(&mut writer, part_of("c1", "8", 1, 2, "STOP")), ["OPT_OUT"]);
    assert_eq!(hear(&mut writer, part_of("c2", "8", 2, 2, "thanks")), ["OTHER"]);
    // Parts an hour apart are two texts.
    assert_eq!(hear(&mut writer, part_of("d1", "9", 1, 2, "hi, I would like to be re")), ["OTHER"]);
    writer.advance(crate::model::Span::minutes(61));
    assert_eq!(hear(&mut writer, part_of("d2", "9", 2, 2, "moved from your list")), ["OTHER"]);
    writer.check_fold();
}

#[test]
fn a_piece_of_a_sentence_starts_nothing() {
    let mut writer = shop();
    writer.set_up([Object::Connection(faults::connection("vonage", &[("api_key", "k")]))]);
    for (id, words) in [("a", "START"), ("b", "YES"), ("c", "HELP")] {
        assert_eq!(hear(&mut writer, part_of(id, id, 1, 2, words)), ["OTHER"], "{words}");
    }
}
