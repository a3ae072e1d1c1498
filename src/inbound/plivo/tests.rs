//! The vectors of both generations, good and tampered, and what their parameters say.

use super::*;
use crate::inbound::testing::{authentic, get, post};

const TOKEN: &str = "MzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy";
const NONCE: &str = "05429567804466091622";
const FORM: &str = "From=15555550123&To=15555550100&Text=STOP+now&Type=sms&MessageUUID=5b40a428-bfc7-4daf-9d06-726c558bf3b8&Units=1";
const POST: &str = "JSBkXfjBkl9yx7HjhymUuADH6fJzGW1biqwpDwGMjSI=";
const BARE: &str = "1ty/eYsChuNQXtBm1alty0t0BpMjG/oHH+cDcVQMXHY=";
const GET: &str = "nnauODyDk2gTPhwstMGrCv5XS+UrMqD1uvfH8KdEo3s=";
const V2: &str = "a+4AXRsR6+sRq7Oh7DiaSFEk8/cFJsd5BMg2Q2cPH8Y=";

fn v3(signature: &str) -> [(&'static str, String); 2] {
    [("x-plivo-signature-v3", signature.to_owned()), ("x-plivo-signature-v3-nonce", NONCE.to_owned())]
}

fn signed(path: &str, signature: &str, body: &str) -> Webhook {
    let headers = v3(signature);
    post(path, &[(headers[0].0, &headers[0].1), (headers[1].0, &headers[1].1)], body)
}

fn strong() -> Plivo {
    Plivo { weak: None }
}

#[test]
fn v3_covers_address_and_parameters() {
    let tenant = "/hooks/plivo/inbound?tenant=acme";
    let know = |webhook: &Webhook| authentic(&strong(), webhook, &["other", TOKEN], 0);
    assert!(know(&signed(tenant, POST, FORM)));
    assert!(know(&signed("/hooks/plivo/inbound", BARE, FORM)));
    assert!(know(&signed(tenant, &format!("{BARE},{POST}"), FORM)), "any of a list");
    let headers = v3(GET);
    let by_get = get(
        "/hooks/plivo/inbound?tenant=acme&From=15555550123&Text=STOP%20now",
        &[(headers[0].0, &headers[0].1), (headers[1].0, &headers[1].1)],
    );
    assert!(know(&by_get));
    assert!(!know(&signed(tenant, POST, &FORM.replace("STOP", "START"))));
    assert!(!know(&signed("/hooks/plivo/inbound?tenant=other", POST, FORM)));
    assert!(!know(&signed(tenant, BARE, FORM)));
    assert!(!know(&post(tenant, &[], FORM)));
    assert!(!authentic(&strong(), &signed(tenant, POST, FORM), &["other"], 0));
    let v2 = post(tenant, &[("x-plivo-signature-v2", V2), ("x-plivo-signature-v2-nonce", NONCE)], FORM);
    assert!(!know(&v2), "V2 must be asked for");
}

#[test]
fn v2_is_bound_to_the_first_body_of_its_nonce() {
    let headers = [("x-plivo-signature-v2", V2), ("x-plivo-signature-v2-nonce", NONCE)];
    let path = "/hooks/plivo/inbound?tenant=acme";
    let plivo = Plivo { weak: Some(Nonces::default()) };
    let know = |body: &str| authentic(&plivo, &post(path, &headers, body), &[TOKEN], 0);
    assert!(know(FORM) && know(FORM), "a redelivery is welcome");
    assert!(!know(&FORM.replace("STOP+now", "START")), "the same pair with other words is a forgery");
    assert!(!authentic(&plivo, &post("/elsewhere", &headers, FORM), &[TOKEN], 0));
    let events = plivo.read(&post(path, &headers, FORM), Instant::EPOCH);
    assert!(matches!(&events[..], [InboundEvent::Text(text)] if text.weak && text.text == "STOP now"));
}

#[test]
fn what_is_remembered_is_bounded() {
    let nonces = Nonces::default();
    for n in 0..NONCES_MAX + 5 {
        assert!(nonces.fits(&n.to_string(), "a".to_owned()));
    }
    assert_eq!(nonces.0.lock().len(), NONCES_MAX);
    assert!(!nonces.fits(&(NONCES_MAX + 4).to_string(), "b".to_owned()));
}

#[test]
fn receipts_and_texts() {
    use MessageState::*;
    let path = "/h?ref=07070707070707070707070707070707";
    for (status, code, state, class) in [
        ("queued", "", None, None),
        ("sent", "000", Some(Sent), None),
        ("delivered", "000", Some(Delivered), None),
        ("undelivered", "80", Some(Undelivered), Some(ErrorClass::Retryable)),
        ("undelivered", "50", Some(Undelivered), Some(ErrorClass::PermanentRecipient)),
        ("undelivered", "30", Some(Rejected), Some(ErrorClass::PermanentContent)),
        ("failed", "200", Some(Rejected), Some(ErrorClass::OptedOut)),
        ("failed", "420", Some(Expired), Some(ErrorClass::Retryable)),
        ("failed", "951", Some(Rejected), Some(ErrorClass::PermanentSender)),
        ("failed", "900", Some(Failed), Some(ErrorClass::PermanentAccount)),
        ("rejected", "", Some(Rejected), None),
    ] {
        let body = format!("MessageUUID=u1&Status={status}&ErrorCode={code}&From=1&To=2");
        let events = strong().read(&post(path, &[], &body), Instant::EPOCH);
        let seen = events.first().map(|event| match event {
            InboundEvent::Receipt(r) => (r.state, r.error.as_ref().map(|e| e.class)),
            other => panic!("{other:?}"),
        });
        assert_eq!(seen, state.map(|state| (state, class)), "{status} {code}");
    }
    let events = strong().read(&post(path, &[], FORM), Instant::EPOCH);
    assert!(matches!(&events[..], [InboundEvent::Text(t)] if !t.weak && t.from == "15555550123"));
    let odd = strong().read(&post(path, &[], "MessageUUID=u1&Status=lost&From=1"), Instant::EPOCH);
    assert!(matches!(&odd[..], [InboundEvent::Unreadable(u)] if u.from.is_none()));
    let wordless = strong().read(&post(path, &[], "MessageUUID=u1&From=15555550123"), Instant::EPOCH);
    assert!(matches!(&wordless[..], [InboundEvent::Unreadable(u)] if u.from.is_some()));
}
