//! The frozen vectors (built with smpplib, decoded by npm smpp and smpp.pdu3), and what no specification foresees.

use super::*;
use proptest::prelude::*;
use rusmpp_core::pdus::owned::{BindTransceiver, DeliverSm, SubmitSm, SubmitSmResp};
use rusmpp_core::tlvs::owned::MessageDeliveryRequestTlvValue as Parameter;
use rusmpp_core::types::owned::{AnyOctetString, COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp_core::values::owned::MessagePayload;
use rusmpp_core::values::{DataCoding, EsmClass, InterfaceVersion, Npi, RegisteredDelivery, Ton};
use std::str::FromStr;

pub const BIND: &str = "0000002400000009000000000000000165736d6531007365637265743038000034000000";
pub const SUBMIT: &str = "000000580000000400000000000000010001013135353535353530313030000101313535353535353031323300000000003030303030303031303030303030305200010000001148656c6c6f2053544f5020746f20656e64";
pub const RECEIPT: &str = "000000bf00000005000000000000000100010131353535353535303132330001013135353535353530313030000400000000000000007769643a30313233343536373839207375623a30303120646c7672643a303030207375626d697420646174653a3236303130313132303020646f6e6520646174653a3236303130313132303120737461743a554e44454c4956206572723a30363920746578743a48656c6c6f2053544f5020746f20656e640427000105001e00083735424344313500";
pub const STOP: &str = "0000003b00000005000000000000000100010131353535353535303132330001013135353535353530313030000000000000000000000453544f50";

pub fn frame(vector: &str) -> Frame {
    Frame::new(hex::decode(vector).expect("hex").into()).expect("a frame")
}

fn text<const MAX: usize>(text: &str) -> COctetString<1, MAX> {
    COctetString::from_str(text).expect("short ASCII")
}

#[test]
fn what_we_write_is_the_vector() {
    let bind = BindTransceiver::new(
        text("esme1"),
        text("secret08"),
        text(""),
        InterfaceVersion::Smpp3_4,
        Ton::from(0),
        Npi::from(0),
        text(""),
    );
    assert_eq!(hex::encode(written(0, 1, bind)), BIND);
    let submit = SubmitSm::builder()
        .source_addr_ton(Ton::from(1))
        .source_addr_npi(Npi::from(1))
        .source_addr(text("15555550100"))
        .dest_addr_ton(Ton::from(1))
        .dest_addr_npi(Npi::from(1))
        .destination_addr(text("15555550123"))
        .esm_class(EsmClass::from(0))
        .validity_period(EmptyOrFullCOctetString::from_str("000000010000000R").expect("16"))
        .registered_delivery(RegisteredDelivery::from(1))
        .short_message(OctetString::from_slice(b"Hello STOP to end").expect("short"))
        .build();
    assert_eq!(hex::encode(written(0, 1, submit)), SUBMIT);
}

#[test]
fn the_vectors_are_read() {
    let read = |vector| Delivered::read(&frame(vector)).map_err(|m| m.why).expect("a deliver_sm");
    let stop = read(STOP);
    assert_eq!(
        (stop.source.spelt(), stop.destination.spelt()),
        ("+15555550123".into(), "+15555550100".into())
    );
    assert_eq!((stop.esm_class, stop.data_coding, &stop.message[..]), (0, 0, &b"STOP"[..]));
    let receipt = read(RECEIPT);
    assert_eq!((receipt.esm_class, receipt.parameter(tag::MESSAGE_STATE)), (4, Some(&[5][..])));
    assert_eq!(receipt.parameter(tag::RECEIPTED_MESSAGE_ID), Some(&b"75BCD15\0"[..]));
    assert!(receipt.message.starts_with(b"id:0123456789 sub:001"));
    assert_eq!(frame(STOP).octets().len(), 0x3b);
}

#[test]
fn a_response_without_a_body_has_no_id() {
    let refused = frame("00000010800000040000005800000007");
    assert_eq!((refused.id(), refused.status(), refused.sequence()), (0x8000_0004, 0x58, 7));
    assert_eq!(message_id(&refused), None);
    let taken = Frame::new(written(0, 7, SubmitSmResp::new(text("75BCD15"), Vec::new()))).expect("a frame");
    assert_eq!(message_id(&taken).as_deref(), Some("75BCD15"));
    // Without the NUL that the specification asks for.
    assert_eq!(message_id(&frame("00000013800000040000000000000007616231")).as_deref(), Some("ab1"));
}

#[test]
fn private_and_broken_parameters_hide_no_text() {
    // An unterminated receipted_message_id, a private parameter, and one that is cut short.
    let mut octets = hex::decode(STOP).expect("hex");
    octets.extend_from_slice(&[0, 0x1e, 0, 2, b'4', b'2', 0x14, 0x00, 0, 1, 9, 0x13, 0x81, 0, 200, 1]);
    let length = octets.len() as u32;
    octets[..4].copy_from_slice(&length.to_be_bytes());
    let said =
        Delivered::read(&Frame::new(octets.into()).expect("a frame")).map_err(|m| m.why).expect("read");
    assert_eq!(&said.message[..], b"STOP");
    assert_eq!(said.parameter(tag::RECEIPTED_MESSAGE_ID), Some(&b"42"[..]));
    assert_eq!(said.parameter(0x1400), Some(&[9][..]));
}

#[test]
fn of_what_cannot_be_read_the_person_is_known_where_they_stand_there() {
    let whole = hex::decode(STOP).expect("hex");
    for (keep, source) in [(16, None), (20, None), (31, Some("+15555550123")), (45, Some("+15555550123"))] {
        let mut cut = whole[..keep].to_vec();
        cut[..4].copy_from_slice(&(keep as u32).to_be_bytes());
        let Err(malformed) = Delivered::read(&Frame::new(cut.into()).expect("a frame")) else {
            panic!("{keep}")
        };
        assert_eq!(malformed.source.map(|s| s.spelt()).as_deref(), source, "{keep}");
    }
    // A length that promises more than there is: what is there is read.
    let mut longer = whole.clone();
    *longer.last_chunk_mut::<5>().expect("five").first_mut().expect("one") = 99;
    let said =
        Delivered::read(&Frame::new(longer.into()).expect("a frame")).map_err(|m| m.why).expect("read");
    assert_eq!(&said.message[..], b"STOP");
}

#[tokio::test]
async fn frames_are_found_in_whatever_pieces_they_come() {
    let stream = [BIND, STOP, RECEIPT].map(|v| hex::decode(v).expect("hex")).concat();
    let mut pieces = tokio_test_reader(&stream, 7);
    for vector in [BIND, STOP, RECEIPT] {
        assert_eq!(pieces.next().await.expect("a frame"), frame(vector));
    }
    assert!(matches!(pieces.next().await, Err(FrameError::Closed)));
    for (length, fine) in
        [(15u32, false), (16, true), (LENGTH_MAX as u32 + 1, false), (u32::MAX, false), (0, false)]
    {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&length.to_be_bytes());
        let said = Frames::new(&octets[..]).next().await;
        assert_eq!(said.is_ok(), fine, "{length}");
        assert!(fine || matches!(said, Err(FrameError::Length(l)) if l == length), "{length}");
    }
}

/// A stream that gives so many octets at a time.
fn tokio_test_reader(octets: &[u8], at_once: usize) -> Frames<tokio::io::DuplexStream> {
    let (mut write, read) = tokio::io::duplex(at_once);
    let octets = octets.to_vec();
    tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &octets).await;
    });
    Frames::new(read)
}

proptest! {
    /// What another's encoder writes, this reader reads.
    #[test]
    fn rusmpp_writes_it_and_we_read_it(
        source in "[0-9]{1,20}", destination in "[0-9A-Za-z]{0,20}", esm: u8, coding: u8, payload: bool,
        octets in proptest::collection::vec(any::<u8>(), 0..255),
    ) {
        let mut pdu = DeliverSm::builder()
            .source_addr_ton(Ton::from(1))
            .source_addr(text(&source))
            .destination_addr(text(&destination))
            .esm_class(EsmClass::from(esm))
            .data_coding(DataCoding::from(coding))
            .build();
        match payload {
            true => pdu.push_tlv(Parameter::MessagePayload(MessagePayload::new(AnyOctetString::from_slice(&octets)))),
            false => pdu.set_short_message(OctetString::from_slice(&octets).expect("short")),
        }
        let said = Delivered::read(&Frame::new(written(0, 9, pdu)).expect("a frame")).map_err(|m| m.why).expect("read");
        prop_assert_eq!(said.source.spelt(), format!("+{source}"));
        prop_assert_eq!(said.destination.text, destination);
        prop_assert_eq!((said.esm_class, said.data_coding, &said.message[..]), (esm, coding, &octets[..]));
    }

    #[test]
    fn nothing_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), data: bool) {
        let length = (body.len() + HEADER) as u32;
        let id = if data { id::DATA_SM } else { id::DELIVER_SM };
        let octets = [&length.to_be_bytes()[..], &id.to_be_bytes(), &[0; 8], &body].concat();
        let frame = Frame::new(octets.into()).expect("a frame");
        let _ = Delivered::read(&frame);
        let _ = message_id(&frame);
    }
}
