//! How far a text is believed.

use super::*;
use crate::inbound::endpoint::{Endpoint, Webhook};
use crate::inbound::event::{InboundText, TextPart};
use crate::ledger::body::Object;
use crate::model::subject::{Address, Subject};
use crate::provider::account::Vendor;
use crate::provider::bandwidth::Bandwidth;
use crate::provider::faults;
use crate::provider::plivo::Plivo;
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
    assert_eq!(hear(&mut writer, part_of("a2", "7", 2, 2, "oved from the list")), ["OTHER"]);
    assert_eq!(hear(&mut writer, part_of("a2", "7", 2, 2, "oved from the list")), [""; 0], "a repeat");
    assert_eq!(
        hear(&mut writer, part_of("a1", "7", 1, 2, "hi, I would like to be rem")),
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
    assert_eq!(hear(&mut writer, part_of("d1", "9", 1, 2, "hi, I would like to be rem")), ["OTHER"]);
    writer.advance(crate::model::Span::minutes(61));
    assert_eq!(hear(&mut writer, part_of("d2", "9", 2, 2, "oved from the list")), ["OTHER"]);
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

/// What a vendor's list tells of one text that came in.
fn listed<V: Vendor>(vendor: V, list: &str) -> Vec<InboundEvent> {
    let wanted = faults::now();
    let asked = vendor.lists(wanted, faults::now()).expect("a list").remove(0);
    vendor.page(&asked, wanted, &faults::said(200, list), faults::now()).expect("a page").events
}

fn take(writer: &mut crate::writer::testing::TestWriter, events: Vec<InboundEvent>) -> Received {
    let raw =
        Raw { method: "POST".to_owned(), query: String::new(), content_type: String::new(), body: vec![1] };
    let connection = "main".parse().expect("a slug");
    let delivery = Delivery { connection, raw: Some(raw), events, listening: false };
    writer.run(ReceiveTexts(delivery)).expect("taken")
}

fn person(writer: &crate::writer::testing::TestWriter) -> Subject {
    let found = writer.reader().look(|cx| cx.find_subject(&Address::Phone(PERSON.to_owned())));
    (*found.expect("memory answers").0.expect("heard of")).clone()
}

/// The lists of Plivo and Bandwidth name a text without showing it. A webhook that comes after the list has its words.
#[test]
fn a_text_known_without_its_words_is_read_when_they_come() {
    let plivo = [("auth_id", "MA1")];
    let bandwidth =
        [("account_id", "900000"), ("application_id", "a"), ("api_user", "u"), ("webhook_user", "u")];
    let list_of = |provider: &str| match provider {
        "plivo" => listed(
            faults::given(&plivo, Plivo::new),
            r#"{"meta":{"next":null},"objects":[{"message_uuid":"m1","message_direction":"inbound","message_state":"delivered","from_number":"12125550123","to_number":"18555550100","message_time":"2026-01-01 12:00:05+00:00","error_code":null}]}"#,
        ),
        _ => listed(
            faults::given(&bandwidth, Bandwidth::new),
            r#"{"messages":[{"messageId":"m1","messageDirection":"INBOUND","messageStatus":"RECEIVED","sourceTn":"+12125550123","destinationTn":"+18555550100"}]}"#,
        ),
    };
    let webhook_of = |provider: &str, words: &str, more: &[(&str, &str)]| {
        let (settings, kind, body) = match provider {
            "plivo" => {
                let form = format!("From=12125550123&To=18555550100&Text={words}&Type=sms&MessageUUID=m1");
                (&plivo[..], "application/x-www-form-urlencoded", form)
            }
            _ => {
                let body = format!(
                    r#"[{{"type":"message-received","to":"+18555550100","message":{{"id":"m1","from":"+12125550123","to":["+18555550100"],"text":"{words}","direction":"in"}}}}]"#
                );
                (&bandwidth[..], "application/json", body)
            }
        };
        let connection = faults::connection(provider, &[settings, more].concat());
        let ear = Endpoint::new(&connection, faults::secret).expect("an ear");
        let webhook = Webhook {
            method: http::Method::POST,
            path_and_query: "/webhooks/main/token".to_owned(),
            headers: [(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind))]
                .into_iter()
                .collect(),
            body: body.into_bytes(),
        };
        ear.read(&webhook, faults::now())
    };
    // Who speaks, what they wrote, how it was read, whether an opt-out stands, and how many texts still wait for an officer.
    for (provider, words, weak, class, stopped, waiting) in [
        ("plivo", "STOP", false, "OPT_OUT", true, 0),
        ("bandwidth", "STOP", false, "OPT_OUT", true, 0),
        ("bandwidth", "wrong number", false, "WRONG_NUMBER", true, 0),
        ("bandwidth", "when do you open?", false, "OTHER", false, 0),
        ("bandwidth", "", false, "UNCERTAIN", false, 1),
        // Its signature covers no word: it may stop, and lifts no suspension.
        ("plivo", "STOP", true, "OPT_OUT", true, 0),
        ("plivo", "hello", true, "OTHER", false, 1),
    ] {
        let what = format!("{provider} {words:?} weak {weak}");
        let mut writer = shop();
        writer.set_up([Object::Connection(faults::connection(provider, &[]))]);
        let heard = take(&mut writer, list_of(provider));
        assert_eq!((heard.unreadable, heard.review), (1, 1), "{what}");
        assert_eq!(person(&writer).reviews.len(), 1, "{what}: suspended");
        let raws = |writer: &crate::writer::testing::TestWriter| {
            writer.entries().iter().filter(|entry| matches!(entry.body, Body::Raw(_))).count()
        };
        let before = raws(&writer);
        let more: &[(&str, &str)] = if weak { &[("signature", "v2")] } else { &[] };
        let heard = take(&mut writer, webhook_of(provider, words, more));
        assert_eq!((heard.texts[0].class, heard.known), (class, 0), "{what}");
        assert_eq!(raws(&writer), before + 1, "{what}: its octets are kept");
        let now = person(&writer);
        assert_eq!(!now.opt_outs.is_empty(), stopped, "{what}");
        assert_eq!(now.reviews.len(), waiting, "{what}");
        // From here on it is known, whoever tells of it again.
        for again in [webhook_of(provider, words, more), list_of(provider)] {
            let heard = take(&mut writer, again);
            assert_eq!((heard.known, heard.texts.len()), (1, 0), "{what}");
        }
        writer.check_fold();
    }
}

/// Beyond the 1,024th, senders were not looked at: what people texted to them found no sender and no program.
#[test]
fn a_text_to_the_last_of_many_senders_finds_it() {
    let mut writer = crate::writer::ops::fixture::text_shop();
    let first = writer.reader().look(|cx| cx.sender("sender")).expect("read").expect("there");
    let senders = (0..1_100).map(|n| {
        Object::Sender(crate::model::registry::Sender {
            id: format!("t{n:04}").parse().expect("a slug"),
            address: format!("+1212556{n:04}"),
            ..(*first).clone()
        })
    });
    writer.set_up(senders.collect::<Vec<_>>());
    let text = InboundText {
        provider_id: "m1".to_owned(),
        from: PERSON.to_owned(),
        to: "12125561099".to_owned(),
        text: "when do you open?".to_owned(),
        provider_flag: None,
        received_at: None,
        weak: false,
    };
    take(&mut writer, vec![InboundEvent::Text(text)]);
    let heard = writer.entries().into_iter().find_map(|entry| match entry.body {
        crate::ledger::body::Body::Inbound(body) => Some(body.sender),
        _ => None,
    });
    assert_eq!(heard.flatten().map(|id| id.to_string()).as_deref(), Some("t1099"));
}
