//! Vectors computed apart from this code, and accepted by the vendor's own libraries where the facts say so.

use proptest::prelude::*;

use super::*;

const TOKEN: &[u8] = b"0123456789abcdef0123456789abcdef";
const URL: &str = "https://gw.example.com/hooks/twilio/inbound?tenant=acme&x=1";
const SHA1: &str = "KjTym6yyBQCdnhFtUJ7DIzkjhNo=";

fn form(pairs: &[(&str, &str)]) -> Form {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        text.append_pair(name, value);
    }
    Form::parse(text.finish().as_bytes())
}

fn stop(body: &str) -> Form {
    form(&[
        ("ToCountry", "US"),
        ("MessageSid", "SM00000000000000000000000000000001"),
        ("SmsSid", "SM00000000000000000000000000000001"),
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("MessagingServiceSid", "MG00000000000000000000000000000001"),
        ("From", "+15555550123"),
        ("To", "+15555550100"),
        ("Body", body),
        ("NumMedia", "0"),
        ("OptOutType", "STOP"),
        ("FromCity", ""),
        ("ApiVersion", "2010-04-01"),
    ])
}

fn signed(url: &str, form: &Form, signature: &str, secret: &[u8]) -> bool {
    is_twilio(url, form, signature, &[secret], TwilioAlgorithm::Sha1)
}

#[test]
fn the_canonical_string_is_the_documented_one() {
    let expected = "https://gw.example.com/hooks/twilio/inbound?tenant=acme&x=1AccountSidAC00000000000000000000000000000001\
        ApiVersion2010-04-01BodySTOP From+15555550123FromCityMessageSidSM00000000000000000000000000000001\
        MessagingServiceSidMG00000000000000000000000000000001NumMedia0OptOutTypeSTOP\
        SmsSidSM00000000000000000000000000000001To+15555550100ToCountryUS";
    assert_eq!(twilio_canonical(URL, &stop("STOP ")), expected);
}

#[test]
fn an_inbound_stop_with_its_trailing_space() {
    assert!(signed(URL, &stop("STOP "), SHA1, TOKEN));
    assert!(!signed(URL, &stop("STOP"), SHA1, TOKEN), "trimmed");
    assert!(!signed(URL, &stop("STOP "), SHA1, b"another token"));
    assert!(!signed(URL, &stop("STOP "), "", TOKEN));
    assert!(!signed(URL, &stop("STOP "), "not base64!", TOKEN));
}

#[test]
fn the_default_port_may_stand_there_or_not() {
    let with_port = "https://gw.example.com:443/hooks/twilio/inbound?tenant=acme&x=1";
    let port_signature = "9Ee3R2XuXQ2JWdKkAw7LXehuVX8=";
    for url in [URL, with_port] {
        assert!(signed(url, &stop("STOP "), SHA1, TOKEN), "{url}");
        assert!(signed(url, &stop("STOP "), port_signature, TOKEN), "{url}");
    }
    let other = "https://gw.example.com:8443/hooks/twilio/inbound?tenant=acme&x=1";
    assert!(!signed(other, &stop("STOP "), SHA1, TOKEN));
    assert!(signed(&format!("{URL}#rc=5&rp=all"), &stop("STOP "), SHA1, TOKEN), "the fragment is ours alone");
}

#[test]
fn shared_keys_are_pinned() {
    let signature = "qqwEzLNiC+A0mtF2YJ/poWqTsrgztIaMbmlzD/IIKbw=";
    let check = |algorithm| is_twilio(URL, &stop("STOP "), signature, &[TOKEN], algorithm);
    assert!(check(TwilioAlgorithm::Sha256));
    assert!(!check(TwilioAlgorithm::Sha1));
    let ids = ["webhooks_sharedkey_a".to_owned(), "webhooks_sharedkey_b".to_owned()];
    assert!(names_pinned_key("key=webhooks_sharedkey_b,algorithm=HMAC_SHA256", &ids));
    assert!(names_pinned_key("algorithm=HMAC_SHA256, key=webhooks_sharedkey_a", &ids));
    for bad in [
        "",
        "key=webhooks_sharedkey_a",
        "key=webhooks_sharedkey_a,algorithm=HMAC_SHA1",
        "key=webhooks_sharedkey_c,algorithm=HMAC_SHA256",
        "key=webhooks_sharedkey_a,algorithm=none",
    ] {
        assert!(!names_pinned_key(bad, &ids), "{bad}");
    }
}

#[test]
fn repeated_parameters_count_once_each() {
    let form = form(&[("a", "2"), ("a", "1"), ("a", "1"), ("B", "x")]);
    assert_eq!(twilio_canonical("https://gw.example.com/h", &form), "https://gw.example.com/hBxa1a2");
    assert!(signed("https://gw.example.com/h", &form, "D6fye+1lF8auxgH+qLC60mZ4Jpw=", TOKEN));
}

#[test]
fn a_json_body_is_covered_by_its_hash_in_the_url() {
    let query = "bodySHA256=09ad9fd2fb648cb2f62141215828ea00a62c299db05d20aa9ade2f527a301cc6";
    let url = format!("https://gw.example.com/hooks/twilio/json?{query}");
    let body = "{\"a\":1,\"b\":\"é\"}".as_bytes();
    assert!(signed(&url, &form(&[]), "Tic3IHyemASh3l2BmE5lBpLWPnU=", TOKEN));
    assert!(is_twilio_body(query, body));
    assert!(!is_twilio_body(query, b"{}"));
    assert!(!is_twilio_body("", body), "a body nobody vouches for");
}

#[test]
fn the_vendors_published_vector() {
    let params = form(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]);
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    assert!(signed(url, &params, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", b"12345"));
}

#[test]
fn both_secrets_of_a_rotation_are_taken() {
    let both: [&[u8]; 2] = [b"the new one", TOKEN];
    assert!(is_twilio(URL, &stop("STOP "), SHA1, &both, TwilioAlgorithm::Sha1));
    assert!(!is_twilio(URL, &stop("STOP "), SHA1, &[], TwilioAlgorithm::Sha1));
}

proptest! {
    #[test]
    fn no_header_makes_the_checks_panic(header in ".{0,80}", url in ".{0,60}", body in prop::collection::vec(any::<u8>(), 0..60)) {
        let form = Form::parse(&body);
        prop_assert!(!is_twilio(&url, &form, &header, &[TOKEN], TwilioAlgorithm::Sha1));
        prop_assert!(!names_pinned_key(&header, &["k".to_owned()]));
    }
}
