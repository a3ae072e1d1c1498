//! Texts, parts and receipts as SMSCs really write them.

use super::*;
use crate::provider::faults::connection;
use crate::provider::line::Said;
use crate::provider::smpp::wire::tests::{RECEIPT as RECEIPT_VECTOR, STOP, frame};
use proptest::prelude::*;

fn voice(settings: &[(&str, &str)]) -> Smpp {
    Smpp::new(&connection("smpp", settings)).expect("settings")
}

fn heard(voice: &Smpp, octets: bytes::Bytes, again: bool) -> Vec<InboundEvent> {
    let said = Said { id: "s-1".to_owned(), bytes: octets, again };
    voice.read(&super::super::line::webhook(&said), Instant::EPOCH)
}

/// A `deliver_sm` from a person in New York to a short code.
fn deliver(esm: u8, coding: u8, octets: &[u8], parameters: &[(u16, &[u8])]) -> bytes::Bytes {
    let mut body = b"\0\x01\x0112125550123\0\0\x0124680\0".to_vec();
    body.extend_from_slice(&[esm, 0, 0, 0, 0, 0, 0, coding, 0, octets.len() as u8]);
    body.extend_from_slice(octets);
    for (tag, value) in parameters {
        body.extend_from_slice(&tag.to_be_bytes());
        body.extend_from_slice(&(value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
    }
    let head = [(body.len() + 16) as u32, 5, 0, 1].map(u32::to_be_bytes).concat();
    [head, body].concat().into()
}

fn one(events: Vec<InboundEvent>) -> InboundEvent {
    let [event] = <[InboundEvent; 1]>::try_from(events).unwrap_or_else(|e| panic!("{e:?}"));
    event
}

fn receipt(voice: &Smpp, octets: bytes::Bytes) -> Receipt {
    match one(heard(voice, octets, false)) {
        InboundEvent::Receipt(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vectors_say_what_they_say() {
    let InboundEvent::Text(text) = one(heard(&voice(&[]), frame(STOP).octets().clone(), false)) else {
        panic!()
    };
    assert_eq!(
        (text.from.as_str(), text.to.as_str(), text.text.as_str()),
        ("+15555550123", "+15555550100", "STOP")
    );
    assert_eq!((text.provider_id.as_str(), text.weak), ("s-1", false));
    for (format, id) in [("raw", "75bcd15"), ("hex", "123456789")] {
        let receipt =
            receipt(&voice(&[("message_id_format", format)]), frame(RECEIPT_VECTOR).octets().clone());
        assert_eq!((receipt.provider_id.as_str(), receipt.state), (id, MessageState::Undelivered));
        let error = receipt.error.expect("why");
        assert_eq!(
            (error.class, error.code.as_str(), error.text.as_str()),
            (ErrorClass::Retryable, "069", "UNDELIV")
        );
    }
    let opted_out = voice(&[("opted_out_errors", "69")]);
    let receipt = receipt(&opted_out, frame(RECEIPT_VECTOR).octets().clone());
    assert_eq!(
        (receipt.state, receipt.error.expect("why").class),
        (MessageState::Rejected, ErrorClass::OptedOut)
    );
}

#[test]
fn over_http_nobody_speaks_for_an_smsc() {
    let webhook = super::super::testing::post("/h", &[], "");
    assert!(!super::super::testing::authentic(&voice(&[]), &webhook, &["password"], 0));
}

#[test]
fn receipts_are_read_in_every_dialect() {
    use MessageState::{Delivered, Expired, Failed, Rejected, Sent, Undelivered, Unknown};
    let dialects: &[(u8, &str, &[(u16, &[u8])], &str, MessageState)] = &[
        (
            4,
            "id:42 sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:STOP now",
            &[],
            "42",
            Delivered,
        ),
        (4, "ID:42 STAT:delivrd ERR:0", &[], "42", Delivered),
        (4, "stat:EXPIRED done date:260101120100 id:42", &[], "42", Expired),
        (4, "id: 42 stat: UNDELIVERABLE err: 12345", &[], "42", Undelivered),
        (4, "id:42 stat:REJECTD", &[], "42", Rejected),
        (4, "id:42 stat:DELETED", &[], "42", Failed),
        (4, "id:42 stat:ACCEPTD", &[], "42", Sent),
        (4, "id:42 stat:ENROUTE", &[], "42", Sent),
        (4, "id:42 stat:UNKNOWN", &[], "42", Unknown),
        (4, "id:00042 sub:001 stat:DELIVRD Text:id:43 stat:UNDELIV", &[], "42", Delivered),
        // Without text, by parameters alone; and as if it were a text of a person.
        (4, "", &[(tag::RECEIPTED_MESSAGE_ID, b"42\0"), (tag::MESSAGE_STATE, &[2])], "42", Delivered),
        (0, "", &[(tag::RECEIPTED_MESSAGE_ID, b"42"), (tag::MESSAGE_STATE, &[8])], "42", Rejected),
        (0, "id:42 sub:001 dlvrd:000 stat:UNDELIV err:001", &[], "42", Undelivered),
        (
            4,
            "id:41 stat:DELIVRD",
            &[(tag::RECEIPTED_MESSAGE_ID, b"42\0"), (tag::MESSAGE_STATE, &[5])],
            "42",
            Undelivered,
        ),
        (4, "id:42 stat:DELIVRD", &[(tag::MESSAGE_STATE, &[9])], "42", Failed),
        (4, "id:42", &[(tag::MESSAGE_STATE, &[0])], "42", Sent),
    ];
    for (esm, text, parameters, id, state) in dialects {
        let receipt = receipt(&voice(&[]), deliver(*esm, 0, text.as_bytes(), parameters));
        assert_eq!((receipt.provider_id.as_str(), receipt.state), (*id, *state), "{text}");
        assert_eq!(receipt.carrier_at, None, "its dates name no zone");
        assert!(receipt.error.is_none() || !matches!(state, Delivered | Sent), "{text}");
    }
    for (text, parameters) in [
        ("", &[][..]),
        ("stat:DELIVRD", &[]),
        ("id:42 stat:PERHAPS", &[]),
        ("id:42", &[(tag::MESSAGE_STATE, &[77u8][..])]),
    ] {
        let event = one(heard(&voice(&[]), deliver(4, 0, text.as_bytes(), parameters), false));
        assert!(matches!(&event, InboundEvent::Unreadable(u) if u.from.is_none()), "{text}: {event:?}");
    }
    let network = deliver(4, 0, b"id:42 stat:UNDELIV err:000", &[(tag::NETWORK_ERROR_CODE, &[3, 1, 4])]);
    assert_eq!(receipt(&voice(&[]), network).error.expect("why").code, "260");
}

#[test]
fn what_is_no_final_word_is_passed_over() {
    assert!(heard(&voice(&[]), deliver(0x20, 0, b"id:42 stat:ENROUTE", &[]), false).is_empty());
}

#[test]
fn people_are_understood_in_every_alphabet() {
    for (esm, coding, octets, parameters, words) in [
        (0, 0, &b"STOP"[..], &[][..], "STOP"),
        (0, 8, &[0, b'S', 0, b'T', 0, b'O', 0, b'P'], &[], "STOP"),
        (0, 3, b"ARR\xcaT", &[], "ARRÊT"),
        (0, 0, b"", &[(tag::MESSAGE_PAYLOAD, &b"please stop"[..])], "please stop"),
        // Words that only look like a receipt are a person's.
        (0, 0, b"what is my id: 5?", &[], "what is my id: 5?"),
        (0, 0, b"id: STOP", &[], "id: STOP"),
        (0, 0, b"STOP", &[(tag::RECEIPTED_MESSAGE_ID, b"77\0")], "STOP"),
        (0x10, 0, b"STOP", &[], "STOP"),
        // A header of another kind, such as a port, is no word; and a header that is none is.
        (0x40, 0, b"\x06\x05\x04\x0b\x84\x0b\x84STOP", &[], "STOP"),
        (0x40, 0, b"STOP", &[], "STOP"),
    ] {
        let event = one(heard(&voice(&[]), deliver(esm, coding, octets, parameters), false));
        let InboundEvent::Text(text) = event else { panic!("{words}: {event:?}") };
        assert_eq!(
            (text.text.as_str(), text.from.as_str(), text.to.as_str()),
            (words, "+12125550123", "24680")
        );
    }
    let latin = one(heard(&voice(&[("default_alphabet", "latin1")]), deliver(0, 0, b"@rr\xeat", &[]), false));
    assert!(matches!(latin, InboundEvent::Text(t) if t.text == "@rrêt"));
    for (coding, octets) in [(4, &b"\x01\x02"[..]), (6, b"\xc1\xc2")] {
        let event = one(heard(&voice(&[]), deliver(0, coding, octets, &[]), false));
        assert!(
            matches!(&event, InboundEvent::Unreadable(u) if u.from.as_deref() == Some("+12125550123")),
            "{event:?}"
        );
    }
}

#[test]
fn what_may_be_a_repetition_may_stop_and_never_start() {
    let event = one(heard(&voice(&[]), deliver(0, 0, b"START", &[]), true));
    assert!(matches!(event, InboundEvent::Text(t) if t.weak));
}

#[test]
fn parts_are_known_by_header_and_by_parameters() {
    let sar: [(u16, &[u8]); 3] =
        [(tag::SAR_MSG_REF_NUM, &[1, 2]), (tag::SAR_TOTAL_SEGMENTS, &[3]), (tag::SAR_SEGMENT_SEQNUM, &[2])];
    for (esm, octets, parameters, expected) in [
        (0x40, &b"\x05\0\x03\x07\x02\x01hi, I would like to be re"[..], &[][..], Some(("8:7", 2, 1))),
        (0x40, b"\x06\x08\x04\x01\x02\x03\x02moved", &[], Some(("16:258", 3, 2))),
        (0x40, b"\x0b\x05\x04\x0b\x84\x0b\x84\0\x03\x07\x02\x02x", &[], Some(("8:7", 2, 2))),
        (0, b"moved", &sar[..], Some(("sar:258", 3, 2))),
        (0x40, b"\x05\0\x03\x07\x01\x01whole", &[], None),
        (0x40, b"\x05\0\x03\x07\x02\x03beyond", &[], None),
    ] {
        let event = one(heard(&voice(&[]), deliver(esm, 0, octets, parameters), false));
        let told = match &event {
            InboundEvent::Part(_, part) => Some((part.reference.as_str(), part.total, part.number)),
            InboundEvent::Text(_) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{octets:?}");
        let (InboundEvent::Part(text, _) | InboundEvent::Text(text)) = &event else { panic!() };
        assert!(text.text.bytes().all(|b| b >= b' '), "the header is no word: {:?}", text.text);
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_a_text_a_receipt_or_unreadable(esm: u8, coding: u8, octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let events = heard(&voice(&[]), deliver(esm, coding, &octets, &[]), false);
        let passed_over = esm & KIND == INTERMEDIATE;
        prop_assert_eq!(events.len(), usize::from(!passed_over));
    }

    #[test]
    fn a_receipt_is_read_in_any_order(order in Just(["id:abc", "stat:DELIVRD", "err:001", "sub:001"]).prop_shuffle()) {
        let text = order.join(" ");
        let told = Told::read(&text);
        prop_assert_eq!((told.id, told.stat, told.err), (Some("abc"), Some("DELIVRD"), Some("001")));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Told::read(&text);
    }
}
