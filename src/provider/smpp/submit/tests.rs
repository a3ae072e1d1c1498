//! Messages as this peer and that one want them.

use super::super::settings::Settings;
use super::super::wire::{self, Frame};
use super::*;
use crate::provider::faults::{dispatch, dispatch_from, given, now, shown};

const SHORT: &str = "Your cart waits. Reply STOP to end.";

fn how(settings: &[(&str, &str)]) -> Submission {
    let settings = [settings, &[("url", "smpp://smsc.example"), ("system_id", "esme1")]].concat();
    given(&settings, Settings::read).submission
}

fn built(settings: &[(&str, &str)], dispatch: &crate::provider::Dispatch) -> Vec<SubmitSm> {
    parts(&how(settings), dispatch, now(), 0x1234).expect("parts")
}

fn texts(parts: &[SubmitSm]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| part.short_message().to_vec()).collect()
}

#[test]
fn the_vector_comes_out_of_a_message() {
    let vector = dispatch_from(1, "+15555550100", "15555550123", "Hello STOP to end");
    // Two hours are left of it, where the vector has one.
    let octets = wire::written(0, 1, built(&[], &vector).remove(0));
    let expected = wire::tests::SUBMIT.replace("3030303030303031", "3030303030303032");
    assert_eq!(hex::encode(octets), expected);
}

#[test]
fn senders_have_their_type_of_number() {
    for (from, settings, expected) in [
        ("+15555550100", &[][..], (1, 1, "15555550100")),
        ("Fernhill", &[], (5, 0, "Fernhill")),
        ("24680", &[], (3, 0, "24680")),
        ("24680", &[("short_code_ton", "0"), ("short_code_npi", "1")], (0, 1, "24680")),
    ] {
        let part = built(settings, &dispatch_from(1, from, "12125550123", SHORT)).remove(0);
        let told =
            (u8::from(part.source_addr_ton), u8::from(part.source_addr_npi), part.source_addr.as_str());
        assert_eq!(told, expected, "{from}");
        assert_eq!((u8::from(part.dest_addr_ton), part.destination_addr.as_str()), (1, "12125550123"));
        assert_eq!(u8::from(part.registered_delivery), 1);
    }
    let nobody = parts(&how(&[]), &dispatch_from(1, "24680", "", SHORT), now(), 1).expect_err("no number");
    assert_eq!(shown(&nobody), "rejected PermanentRecipient not_a_number");
}

#[test]
fn the_deadline_is_told_both_ways() {
    let relative = built(&[], &dispatch(1)).remove(0);
    assert_eq!(relative.validity_period.as_str(), "000000020000000R");
    let absolute = built(&[("validity_format", "absolute")], &dispatch(1)).remove(0);
    assert_eq!(absolute.validity_period.as_str(), "260101140000000+");
}

#[test]
fn long_texts_are_cut_as_the_peer_wants_them() {
    let long = "abcdefghij".repeat(20);
    let message = dispatch_from(1, "+18555550100", "12125550123", &long);
    let udh8 = texts(&built(&[], &message));
    assert_eq!(udh8.iter().map(Vec::len).collect::<Vec<_>>(), [159, 53]);
    assert_eq!((&udh8[0][..6], &udh8[1][..6]), (&[5, 0, 3, 0x34, 2, 1][..], &[5, 0, 3, 0x34, 2, 2][..]));
    assert_eq!([&udh8[0][6..], &udh8[1][6..]].concat(), long.as_bytes());
    let udh16 = built(&[("long_messages", "udh16")], &message);
    assert!(udh16.iter().all(|part| u8::from(part.esm_class) == 0x40));
    let udh16 = texts(&udh16);
    assert_eq!((udh16[0].len(), &udh16[1][..7]), (159, &[6, 8, 4, 0x12, 0x34, 2, 2][..]));
    assert_eq!([&udh16[0][7..], &udh16[1][7..]].concat(), long.as_bytes());
    let sar = built(&[("long_messages", "sar")], &message);
    assert_eq!(texts(&sar).concat(), long.as_bytes());
    let tags = |part: &SubmitSm| -> Vec<u16> { part.tlvs().iter().map(|tlv| tlv.tag().into()).collect() };
    assert_eq!(
        tags(&sar[1]),
        [wire::tag::SAR_MSG_REF_NUM, wire::tag::SAR_TOTAL_SEGMENTS, wire::tag::SAR_SEGMENT_SEQNUM]
    );
    assert!(sar.iter().all(|part| u8::from(part.esm_class) == 0));
    let payload = built(&[("long_messages", "payload"), ("user_message_reference", "yes")], &message);
    assert_eq!((payload.len(), payload[0].short_message().len()), (1, 0));
    assert_eq!(tags(&payload[0]), [wire::tag::MESSAGE_PAYLOAD, 0x0204]);
    let short = built(&[("long_messages", "payload")], &dispatch_from(1, "24680", "12125550123", SHORT));
    assert_eq!(texts(&short), [SHORT.as_bytes()]);
}

#[test]
fn no_character_is_cut_in_two() {
    // The pair would stand across the 67th code unit, the escape across the 153rd septet.
    for (text, coding) in
        [("я".repeat(66) + "🛒" + &"я".repeat(40), 8), ("a".repeat(152) + "€" + &"a".repeat(60), 0)]
    {
        let parts = built(&[], &dispatch_from(1, "24680", "12125550123", &text));
        assert_eq!(parts.len(), 2);
        let alphabet = super::super::alphabet::Alphabet::Gsm;
        let read: String = parts
            .iter()
            .map(|part| {
                assert_eq!(u8::from(part.data_coding), coding);
                super::super::alphabet::decoded(&part.short_message()[6..], coding, alphabet).expect("text")
            })
            .collect();
        assert_eq!(read, text);
    }
}

#[test]
fn more_parts_than_can_be_numbered_are_refused() {
    let endless = dispatch_from(1, "24680", "12125550123", &"a".repeat(153 * 256));
    let refused = parts(&how(&[]), &endless, now(), 1).expect_err("too long");
    assert_eq!(shown(&refused), "rejected PermanentContent too_long");
    assert!(Frame::new(wire::written(0, 1, built(&[], &dispatch(2)).remove(0))).is_some());
}

#[test]
fn settings_are_read_or_say_what_is_wrong() {
    use crate::provider::registry::{BuildError, Given};
    let read = |settings: &[(&str, &str)], password: &'static str| {
        let connection = crate::provider::faults::connection("smpp", settings);
        let secret = move |name: &str| (name == "password").then(|| password.to_owned().into());
        Settings::read(&Given { connection: &connection, secret: &secret }).map(|_| ())
    };
    let good = [("url", "smpps://smsc.example:3551"), ("system_id", "esme1")];
    assert_eq!(read(&good, "secret08"), Ok(()));
    let wrong = |settings: &[(&str, &str)]| match read(&[&good[..], settings].concat(), "secret08") {
        Err(BuildError::Setting(name, _)) => name,
        other => panic!("{settings:?}: {other:?}"),
    };
    for (name, value) in [
        ("bind", "sender"),
        ("binds", "0"),
        ("binds", "17"),
        ("window", "x"),
        ("interface_version", "3.3"),
        ("default_alphabet", "ascii"),
        ("long_messages", "udh"),
        ("message_id_format", "octal"),
        ("response_seconds", "4"),
        ("system_type", "thirteen long"),
        ("service_type", "sixsix"),
        ("short_code_ton", "256"),
        ("opted_out_codes", "maybe"),
        ("mo_while_unbound", "yes"),
    ] {
        assert_eq!(wrong(&[(name, value)]), name, "{value}");
    }
    for url in [
        "https://smsc.example",
        "smpp://",
        "smsc.example:2775",
        "smpp://a@smsc.example",
        "smpp://smsc.example/x",
    ] {
        let settings = [("url", url), ("system_id", "esme1")];
        assert!(matches!(read(&settings, "secret08"), Err(BuildError::Setting("url", _))), "{url}");
    }
    assert!(matches!(read(&good, "ninechars"), Err(BuildError::Secret("password", _))));
    assert!(matches!(read(&good, ""), Err(BuildError::Secret("password", _))));
}
