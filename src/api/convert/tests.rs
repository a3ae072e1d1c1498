//! What an operator writes is read, kept and shown as it was; what is wrong is named, all of it.

use prost_types::Duration;

use super::*;
use crate::api::ApiError;
use crate::api::field::Fields;
use crate::ledger::body::Object;
use crate::ledger::rows::RegistryRow;
use crate::model::cart::{OnOptOut, PoolSource};
use crate::model::registry::Role;
use crate::pb::consentry::v1 as wire;

fn now() -> Instant {
    Instant::parse("2026-11-22T21:04:00Z").expect("RFC 3339")
}

fn read<T>(read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<T, ApiError> {
    let mut fields = Fields::new(now());
    let value = read(&mut fields);
    fields.finish(value)
}

fn violations<T>(outcome: Result<T, ApiError>) -> Vec<String> {
    match outcome {
        Err(ApiError::Invalid(all)) => all.into_iter().map(|v| v.field).collect(),
        _ => Vec::new(),
    }
}

fn row(object: Object) -> RegistryRow {
    RegistryRow { object, created_at: now(), updated_at: now() }
}

fn brand() -> wire::Brand {
    wire::Brand {
        id: "main".into(),
        display_name: "Fable & Fern".into(),
        short_domain: "go.fable.example".into(),
        target_domains: vec!["fable.example".into()],
        fallback_url: "https://fable.example/".into(),
        support_contact: "help@fable.example".into(),
        locale: "en-US".into(),
        accepts_attested: true,
        profile: Some(wire::BrandProfile {
            hours: vec![wire::LocalWindow { start_minute: 600, end_minute: 1_140, days: vec![1] }],
            texts_per_cart: 1,
            hours_between_cart_texts: 48,
            minutes_between_touches: 120,
            messages_per_day: 2,
            segments: 2,
        }),
        ..wire::Brand::default()
    }
}

#[test]
fn a_brand_comes_back_as_written() {
    let kept = read(|f| registry::brand(f, brand())).expect("good");
    let hours = kept.profile.hours.as_ref().expect("hours");
    assert_eq!((hours.mon.to_string().as_str(), hours.tue.is_none()), ("10:00-19:00", true));
    let shown = registry::brand_out(&kept, String::new(), &row(Object::Brand(kept.clone())));
    let expected =
        wire::Brand { created_at: Some(timestamp(now())), updated_at: Some(timestamp(now())), ..brand() };
    assert_eq!(shown, expected);
}

#[test]
fn every_wrong_field_of_a_brand_is_named() {
    let wrong = wire::Brand {
        id: "no good".into(),
        short_domain: "go fable".into(),
        target_domains: vec!["ok.example".into(), "".into()],
        fallback_url: "http://fable.example".into(),
        profile: Some(wire::BrandProfile {
            hours: vec![wire::LocalWindow { start_minute: 700, end_minute: 600, days: vec![8, 1, 1] }],
            texts_per_cart: 3,
            ..wire::BrandProfile::default()
        }),
        ..brand()
    };
    assert_eq!(
        violations(read(|f| registry::brand(f, wrong))),
        ["id", "target_domains[1]", "fallback_url", "profile.hours[0].days[0]", "profile.texts_per_cart"]
    );
}

#[test]
fn senders_take_addresses_that_fit_their_kind() {
    let sender = |kind: wire::SenderKind, address: &str| wire::Sender {
        id: "s1".into(),
        kind: kind.into(),
        address: address.into(),
        country: "US".into(),
        connection: "c1".into(),
        throttle_group: Some(wire::ThrottleGroup { segments_per_second: 1.25, ..Default::default() }),
        ..wire::Sender::default()
    };
    for (kind, address, good) in [
        (wire::SenderKind::TenDlc, "+12125550100", true),
        (wire::SenderKind::TenDlc, "2125550100", false),
        (wire::SenderKind::ShortCode, "72345", true),
        (wire::SenderKind::ShortCode, "7234a", false),
        (wire::SenderKind::Alphanumeric, "FABLE FERN", true),
        (wire::SenderKind::Alphanumeric, "12345", false),
        (wire::SenderKind::PushApp, "com.example.shop", true),
        (wire::SenderKind::PushApp, "", false),
    ] {
        let kept = read(|f| super::sender::sender(f, sender(kind, address)));
        assert_eq!(kept.is_ok(), good, "{kind:?} {address}");
        if let Ok(kept) = kept {
            assert_eq!((kept.throttle.id.as_str(), kept.throttle.milli_parts_per_second), ("s1", 1_250));
        }
    }
}

#[test]
fn a_connection_never_takes_or_repeats_a_secret() {
    let wrong = wire::Connection {
        id: "c1".into(),
        provider: wire::ProviderKind::Twilio.into(),
        secrets: vec![wire::SecretRef { name: "auth_token".into(), source: "hunter2hunter2".into() }],
        public_url: "http://gw.example".into(),
        ..wire::Connection::default()
    };
    let refused = read(|f| super::sender::connection(f, wrong)).expect_err("a bare secret");
    assert!(!format!("{refused:?}").contains("hunter2"));
    assert_eq!(violations::<()>(Err(refused)), ["secrets[0].source", "public_url"]);
}

#[test]
fn providers_have_one_name_each() {
    for number in 1..=14 {
        let kind = wire::ProviderKind::try_from(number).expect("a provider");
        assert_eq!(names::provider_kind(names::provider(kind).expect("a name")), kind);
    }
    assert_eq!(names::provider_kind("carrier pigeon"), wire::ProviderKind::Unspecified);
}

#[test]
fn keys_need_roles_and_a_good_id() {
    let named = wire::ApiKey { display_name: "shop".into(), roles: vec![1, 3], ..wire::ApiKey::default() };
    let kept = read(|f| key::key(f, named.clone())).expect("good");
    assert_eq!((kept.id.as_str(), kept.roles), ("", vec![Role::Sender, Role::Auditor]));
    let wrong = wire::ApiKey { id: "a_b".into(), roles: vec![1, 1], ..named };
    assert_eq!(violations(read(|f| key::key(f, wrong))), ["id", "roles[1]"]);
}

#[test]
fn pools_are_read_whole() {
    let pool = wire::CouponPool {
        brand: "main".into(),
        pool: "spring".into(),
        source: wire::CouponSource::Generated.into(),
        prefix: "FERN-".into(),
        exclusive_channel: wire::Channel::Sms.into(),
        valid_for: Some(Duration { seconds: 86_400, nanos: 0 }),
        on_opt_out: wire::OnOptOut::Void.into(),
        low_level: 7,
        ..wire::CouponPool::default()
    };
    let asked = read(|f| coupon::new_pool(f, pool.clone(), "k1".into())).expect("good");
    assert_eq!((asked.pool.as_str(), asked.low_water, asked.on_opt_out), ("spring", 7, OnOptOut::Void));
    assert_eq!(asked.source, PoolSource::Generated { prefix: "FERN-".into() });
    let wrong = wire::CouponPool { valid_for: None, prefix: "low".into(), exclusive_channel: 0, ..pool };
    let wrong = wire::CouponPool { exclusive_until: Some(timestamp(now())), ..wrong };
    assert_eq!(
        violations(read(|f| coupon::new_pool(f, wrong, String::new()))),
        ["prefix", "exclusive_until", "valid_for"]
    );
}

#[test]
fn evidence_may_be_thin_but_not_malformed() {
    let thin = wire::ConsentEvidence {
        method: wire::ConsentMethod::WebForm.into(),
        ..wire::ConsentEvidence::default()
    };
    let kept =
        read(|f| evidence::evidence(f, thin, String::new())).expect("whether it holds is judged later");
    assert_eq!(kept.captured_at, None);
    let wrong = wire::ConsentEvidence {
        ip_address: "300.1.1.1".into(),
        snapshot_sha256: vec![1],
        attributes: vec![wire::Attribute::default()],
        ..wire::ConsentEvidence::default()
    };
    assert_eq!(
        violations(read(|f| evidence::evidence(f, wrong, String::new()))),
        ["ip_address", "snapshot_sha256", "attributes[0].key"]
    );
}

#[test]
fn hints_come_one_a_source_and_are_shown_as_given() {
    let hint = |region: &str| wire::Location {
        source: wire::LocationSource::Shipping.into(),
        country: "US".into(),
        region: region.into(),
        postal_code: "33101".into(),
        time_zone: "America/New_York".into(),
        observed_at: Some(timestamp(now())),
    };
    let kept = read(|f| subject::hints(f, vec![hint("FL")])).expect("good");
    assert_eq!(subject::location(&kept[0]), hint("FL"));
    assert_eq!(violations(read(|f| subject::hints(f, vec![hint("FL"), hint("TX")]))), ["locations[1]"]);
    let number = wire::Location { source: wire::LocationSource::Number.into(), ..hint("FL") };
    assert_eq!(violations(read(|f| subject::hints(f, vec![number]))), ["locations[0].source"]);
}

#[test]
fn scopes_name_what_they_need_and_nothing_else() {
    let scope = |raw: wire::OptOutScope, program: &str, channel: i32| {
        let brand = "main".parse().expect("a slug");
        violations(read(|f| consent::scope(f, raw.into(), Some(&brand), program, channel)))
    };
    assert_eq!(scope(wire::OptOutScope::Unspecified, "", 0), [""; 0]);
    assert_eq!(scope(wire::OptOutScope::Program, "", 0), ["program"]);
    assert_eq!(scope(wire::OptOutScope::All, "carts", 1), ["program", "channel"]);
    assert_eq!(scope(wire::OptOutScope::Channel, "", 1), [""; 0]);
}

/// The list was always empty: nothing filled it.
#[test]
fn a_person_is_shown_with_the_carts_they_were_told_of() {
    use crate::model::message::{Medium, MessageState, Touch};
    use crate::model::subject::{Address, Subject};
    use crate::model::{Category, Instant, Span, SubjectId};
    let now = Instant::from_seconds(1_800_000_000);
    let touch = |n: i64, cart: Option<&str>| Touch {
        message: None,
        at: now - Span::hours(100 - n),
        medium: Medium::Email,
        brand: "main".parse().expect("a slug"),
        program: None,
        category: Category::Marketing,
        cart: cart.map(|cart| cart.parse().expect("a name")),
        subject_matter: None,
        parts: 1,
        state: MessageState::Sent,
        external: true,
    };
    let mut person = Subject::new(SubjectId([1; 16]), Address::Phone("12125550123".to_owned()), now);
    person.touches = (0..10).map(|n| touch(n, Some(&format!("c{n}")))).collect();
    person.touches.push(touch(11, None));
    person.touches.push(touch(12, Some("c4")));
    let view = super::consent::view(&person, &[], false, now);
    assert_eq!(view.cart_ids, ["c2", "c3", "c5", "c6", "c7", "c8", "c9", "c4"], "the newest 8, each once");
}
