//! Tables of good and bad fields, and one property: no input makes the readers panic.

use proptest::prelude::*;
use prost_types::Timestamp;

use super::*;
use crate::model::{BrandId, CartId, Country, Span};
use crate::pb::consentry::v1::{CartState, ListDevicesRequest};
use crate::pb::google::type_::Money;

fn fields() -> Fields {
    Fields::new(Instant::parse("2026-11-22T21:04:00Z").expect("RFC 3339"))
}

fn refused(read: impl FnOnce(&mut Fields) -> bool) -> Vec<String> {
    let mut fields = fields();
    let good = read(&mut fields);
    let names: Vec<String> = fields.violations.iter().map(|v| v.field.clone()).collect();
    assert_eq!(good, names.is_empty(), "a value is answered exactly when nothing is noted: {names:?}");
    names
}

#[test]
fn paths_name_messages_and_places_in_lists() {
    let mut f = fields();
    f.within("cart", |f| f.within("value", |f| f.bad("nanos", "x")));
    let carts = vec!["good", "", "also good", "a\nb"];
    let read = f.each("carts", carts, 1..=8, |f, id| f.id::<CartId>("id", id));
    assert!(read.is_none());
    let names: Vec<_> = f.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(names, ["cart.value.nanos", "carts[1].id", "carts[3].id"]);
    let error = f.finish(Some(())).expect_err("violations were noted");
    assert!(matches!(error, ApiError::Invalid(all) if all.len() == 3));
}

#[test]
fn texts_have_lengths_and_no_control_characters() {
    let table = [
        ("", 1, Lines::One, false),
        ("", 0, Lines::One, true),
        ("abc", 1, Lines::One, true),
        ("abcdef", 1, Lines::One, false),
        ("ééééé", 1, Lines::One, true),
        ("a\nb", 1, Lines::Many, true),
        ("a\nb", 1, Lines::One, false),
        ("a\u{0}b", 1, Lines::Many, false),
        ("a\u{9f}b", 1, Lines::One, false),
    ];
    for (text, least, lines, good) in table {
        let names = refused(|f| f.text("t", text.to_owned(), least..=5, lines).is_some());
        assert_eq!(names.is_empty(), good, "{text:?}");
    }
}

#[test]
fn keys_are_1_to_128_bytes() {
    for (key, good) in
        [("k", true), ("", false), (&"x".repeat(128), true), (&"é".repeat(65), false), ("a\tb", false)]
    {
        assert_eq!(refused(|f| f.idempotency_key(key.to_owned()).is_some()).is_empty(), good, "{key:?}");
    }
}

#[test]
fn times_keep_to_their_rule() {
    let now = fields().now().as_seconds();
    let day = 86_400;
    let table = [
        (TimeRule::Happened, now, true),
        (TimeRule::Happened, now + 299, true),
        (TimeRule::Happened, now + 301, false),
        (TimeRule::Happened, 0, false),
        (TimeRule::HappenedWithin(Span::days(30)), now - 29 * day, true),
        (TimeRule::HappenedWithin(Span::days(30)), now - 31 * day, false),
        (TimeRule::AheadBy(Span::days(30)), now, false),
        (TimeRule::AheadBy(Span::days(30)), now + 30 * day, true),
        (TimeRule::AheadBy(Span::days(30)), now + 30 * day + 1, false),
        (TimeRule::Known, now + 1, false),
        (TimeRule::Any, now + 900 * day, true),
        (TimeRule::Any, i64::MAX, false),
        (TimeRule::Any, i64::MIN, false),
    ];
    for (rule, seconds, good) in table {
        let wire = Some(Timestamp { seconds, nanos: 0 });
        assert_eq!(refused(|f| f.time("at", wire, rule).is_some()).is_empty(), good, "{rule:?} {seconds}");
    }
    let negative = Some(Timestamp { seconds: now, nanos: -1 });
    assert!(!refused(|f| f.time("at", negative, TimeRule::Any).is_some()).is_empty());
}

#[test]
fn money_is_whole_positive_and_has_a_currency() {
    let table = [
        ("USD", 49, 900_000_000, &[][..]),
        ("USD", -1, 0, &["value.units"][..]),
        ("usd", 1, 0, &["value.currency_code"][..]),
        ("", 1, 1_000_000_000, &["value.currency_code", "value.nanos"][..]),
        ("USD", 1, -1, &["value.nanos"][..]),
        ("USD", i64::MIN, 0, &["value.units"][..]),
        ("USD", i64::MAX, 0, &["value.units"][..]),
    ];
    for (currency, units, nanos, bad) in table {
        let wire = Money { currency_code: currency.to_owned(), units, nanos };
        assert_eq!(refused(|f| f.money("value", Some(wire)).is_some()), bad, "{currency} {units} {nanos}");
    }
}

#[test]
fn links_are_https_with_a_host_and_no_user() {
    let table = [
        ("https://Shop.example.com/c?x=1#y", true),
        ("http://shop.example.com/", false),
        ("shop.example.com", false),
        ("https://u:p@shop.example.com/", false),
        ("https:///path", false),
        ("https://shop.example.com/a b", false),
        ("javascript:alert(1)", false),
        ("https://shop.example.com/\u{0}", false),
    ];
    for (text, good) in table {
        assert_eq!(refused(|f| f.link("url", text.to_owned()).is_some()).is_empty(), good, "{text:?}");
    }
    for (text, good) in
        [("shop://cart/1", true), ("javascript:x", false), ("JavaScript:x", false), ("cart", false)]
    {
        assert_eq!(refused(|f| f.deep_link("url", text.to_owned()).is_some()).is_empty(), good, "{text:?}");
    }
}

#[test]
fn places_languages_and_hosts() {
    let us = Some(Country::US);
    assert_eq!(
        fields().region("region", "FL", us).flatten().map(|r| r.as_str().to_owned()),
        Some("us/fl".to_owned())
    );
    assert_eq!(refused(|f| f.region("region", "FL", None).is_some()), ["region"]);
    assert_eq!(refused(|f| f.region("region", "F/L", us).is_some()), ["region"]);
    assert_eq!(refused(|f| f.country("country", "USA").is_some()), ["country"]);
    assert_eq!(refused(|f| f.zone("zone", "America/Phoenix").is_some()), [""; 0]);
    assert_eq!(refused(|f| f.zone("zone", "America/Nowhere").is_some()), ["zone"]);
    for (tag, good) in
        [("en", true), ("es-419", true), ("zh-Hant-TW", true), ("e", false), ("en_US", false), ("en-", false)]
    {
        assert_eq!(refused(|f| f.locale("locale", tag.to_owned()).is_some()).is_empty(), good, "{tag}");
    }
    for (host, good) in
        [("go.example.com", true), ("a..b", false), ("-a.com", false), ("a.com/x", false), ("a b", false)]
    {
        assert_eq!(refused(|f| f.host("host", host).is_some()).is_empty(), good, "{host}");
    }
}

#[test]
fn enums_are_known_and_named() {
    assert_eq!(fields().choice::<CartState>("state", 2), Some(CartState::Purchased));
    assert_eq!(refused(|f| f.choice::<CartState>("state", 0).is_some()), ["state"]);
    assert_eq!(refused(|f| f.choice::<CartState>("state", 77).is_some()), ["state"]);
    assert_eq!(refused(|f| f.known::<CartState>("state", 0).is_some()), [""; 0]);
}

#[test]
fn a_page_token_belongs_to_its_question() {
    let asked = ListDevicesRequest { app: "main".to_owned(), ..Default::default() };
    let other = ListDevicesRequest { app: "side".to_owned(), ..Default::default() };
    let first = fields().page(0, "", &asked).expect("the first page");
    assert_eq!((first.size, first.after.len()), (100, 0));
    let token = first.next(b"key 7");
    assert_eq!(
        fields().page(5_000, &token, &asked).map(|p| (p.size, p.after)),
        Some((1_000, b"key 7".to_vec()))
    );
    assert_eq!(refused(|f| f.page(-1, &token, &other).is_some()), ["page_size", "page_token"]);
    assert_eq!(refused(|f| f.page(1, "?", &asked).is_some()), ["page_token"]);
}

#[test]
fn repeats_are_named_each() {
    assert_eq!(
        refused(|f| f.no_repeats("brands", ["a", "b", "a", "b"]).is_some()),
        ["brands[2]", "brands[3]"]
    );
}

proptest! {
    #[test]
    fn no_input_makes_a_reader_panic(text in any::<String>(), n in any::<i64>(), i in any::<i32>(), bytes in any::<Vec<u8>>()) {
        let mut f = fields();
        let _ = f.id::<BrandId>("a", &text);
        let _ = f.text("b", text.clone(), 1..=9, Lines::Many);
        let _ = f.link("c", text.clone());
        let _ = f.deep_link("c", text.clone());
        let _ = f.host("c", &text);
        let _ = f.zone("d", &text);
        let _ = f.locale("d", text.clone());
        let _ = f.ip("d", &text);
        let _ = f.time("e", Some(Timestamp { seconds: n, nanos: i }), TimeRule::Happened);
        let _ = f.span("e", Some(prost_types::Duration { seconds: n, nanos: i }), Span::ZERO, Span::days(1));
        let _ = f.money("f", Some(Money { currency_code: text.clone(), units: n, nanos: i }));
        let _ = f.sha256("g", &bytes);
        let _ = f.page(i, &text, &ListDevicesRequest::default());
        let _ = f.region("h", &text, Some(Country::US));
    }
}
