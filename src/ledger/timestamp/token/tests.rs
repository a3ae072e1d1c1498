//! Tokens of OpenSSL's server: what it makes we accept, what was tampered with neither accepts.

use rustls_pki_types::pem::PemObject;

use super::*;
use crate::ledger::timestamp::testing::{Authority, Make};
use crate::ledger::timestamp::{request, token_of};

const MESSAGE: &[u8] = b"gw.shop.example/log/shop/e1\n7\nroot\n";

fn stamped(authority: &Authority) -> (Vec<u8>, [u8; 8]) {
    let (query, nonce) = request(MESSAGE, [0xff; 8]);
    (token_of(&authority.reply(&query)).expect("granted"), nonce)
}

fn roots(authority: &Authority) -> TsaRoots {
    TsaRoots::from_pem(&authority.root(), "the throwaway root").expect("PEM")
}

#[test]
fn what_openssl_stamps_is_accepted_by_both() {
    for make in [
        Make::EC,
        Make::RSA,
        Make { key: &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], digest: "sha384", ..Make::EC },
    ] {
        let Some(authority) = Authority::new(make) else { return };
        let (token, nonce) = stamped(&authority);
        let read = Token::read(&token, MESSAGE).unwrap_or_else(|e| panic!("{make:?}: {e}"));
        read.check_nonce(&nonce).expect("ours");
        read.check_chain(&roots(&authority)).expect("its root vouches");
        assert_eq!(read.authority(), "CN=Throwaway Time Stamps");
        assert!(authority.accepts(&token, MESSAGE, None), "{make:?}: what is kept is what OpenSSL verifies");
        let (at, now) = (read.not_after(), crate::clock::Clock::now(&crate::clock::SystemClock));
        assert!(at > now - Span::minutes(5) && at < now + Span::minutes(5), "{at}");
        assert_eq!(read.accuracy, Span::millis(1_500));
    }
}

#[test]
fn another_message_nonce_root_or_purpose_is_refused() {
    let (Some(authority), Some(stranger)) = (Authority::new(Make::EC), Authority::new(Make::EC)) else {
        return;
    };
    let (token, _) = stamped(&authority);
    assert_eq!(Token::read(&token, b"another checkpoint").err(), Some(TimestampError::Imprint));
    assert!(!authority.accepts(&token, b"another checkpoint", None));
    let read = Token::read(&token, MESSAGE).expect("sound");
    assert_eq!(read.check_nonce(&[1; 8]), Err(TimestampError::Nonce));
    assert!(matches!(read.check_chain(&roots(&stranger)), Err(TimestampError::Untrusted(_))));
    assert!(!authority.accepts(&token, MESSAGE, Some(&stranger)));
    assert!(read.check_chain(&TsaRoots::default()).is_err(), "nobody is believed by default");
    // OpenSSL's own server refuses to sign with a certificate that is not for time stamps alone, so nothing of the kind
    // can be made with it; the check is shown on the certificates themselves.
    assert!(stamps_only(&read.certificates[0]).is_ok());
    let root = CertificateDer::from_pem_slice(&authority.root()).expect("PEM");
    assert!(stamps_only(&root).is_err(), "the root may sign certificates, not stamps");
}

#[test]
fn no_bit_of_what_is_stated_or_signed_is_free() {
    let Some(authority) = Authority::new(Make::EC) else { return };
    let (token, nonce) = stamped(&authority);
    let roots = roots(&authority);
    let verdict = |token: &[u8]| {
        let read = Token::read(token, MESSAGE)?;
        read.check_nonce(&nonce)?;
        read.check_chain(&roots)?;
        Ok::<Token, TimestampError>(read)
    };
    let sound = verdict(&token).expect("sound");
    for at in 0..token.len() {
        let mut other = token.clone();
        other[at] ^= 1 << (at % 8);
        // What is not signed may differ (which certificates came along, version numbers); what it says may not.
        if let Ok(read) = verdict(&other) {
            assert_eq!((read.at, &read.authority), (sound.at, &sound.authority), "byte {at}");
        }
    }
    for len in 0..token.len() {
        assert!(Token::read(&token[..len], MESSAGE).is_err(), "cut at {len}");
    }
}

#[test]
fn a_refusal_is_told_in_its_words() {
    let Some(authority) = Authority::new(Make::EC) else { return };
    let (query, _) = request(MESSAGE, [1; 8]);
    // SHA-224 is not among the digests this authority takes: 2.16.840.1.101.3.4.2.4.
    let at = query.windows(9).position(|w| w == [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]).expect("SHA-256");
    let mut unknown = query.clone();
    unknown[at + 8] = 4;
    match token_of(&authority.reply(&unknown)) {
        Err(TimestampError::Refused(words)) => assert!(words.starts_with("Rejection"), "{words}"),
        other => panic!("{other:?}"),
    }
    for garbage in [&b""[..], b"<html>", &[0x30, 0x80], &[0xff; 100]] {
        assert!(token_of(garbage).is_err());
        assert!(Token::read(garbage, MESSAGE).is_err());
    }
}

#[test]
fn times_are_read_with_and_without_fractions() {
    let read = |text: &str| time(&Any::new(Tag::GeneralizedTime, text.as_bytes()).expect("short"));
    let at = |text: &str| Some(Instant::parse(text).expect("RFC 3339"));
    assert_eq!(read("20261122190501Z"), at("2026-11-22T19:05:01Z"));
    assert_eq!(read("20261122190501.25Z"), at("2026-11-22T19:05:01.25Z"));
    assert_eq!(
        read("20261122190501.123456789Z").map(|t| t.as_seconds()),
        at("2026-11-22T19:05:01Z").map(|t| t.as_seconds())
    );
    for bad in [
        "",
        "Z",
        "20261122190501",
        "20261122190501.Z",
        "20261322190501Z",
        "20261122190501+0100",
        "2026112219050.1Z",
        "20261122190501.1a",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(time(&Any::new(Tag::Utf8String, b"20261122190501Z".as_slice()).expect("short")), None);
}
