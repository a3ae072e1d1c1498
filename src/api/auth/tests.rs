//! Tokens good and bad, keys alive and dead, and the role table against the contract.

use std::collections::HashMap;

use http::HeaderValue;
use prost::Message;
use prost_types::FileDescriptorSet;

use super::*;
use crate::api::standing::CALLER_STREAMS;
use crate::entropy::SeededEntropy;
use crate::model::Span;

struct Keys(HashMap<String, ApiKey>);

impl KeySource for Keys {
    fn key(&self, id: &str) -> Option<(Arc<ApiKey>, SellerId)> {
        let key = self.0.get(id).cloned()?;
        Some((Arc::new(key), "main".parse().expect("a slug")))
    }
}

fn now() -> Instant {
    Instant::parse("2026-11-22T21:04:00Z").expect("RFC 3339")
}

fn key(secret: &str) -> ApiKey {
    ApiKey {
        id: "k1".to_owned(),
        label: "test".to_owned(),
        secret_sha256: vec![hash_of(secret)],
        roles: vec![Role::Sender],
        brands: Vec::new(),
        created_at: now(),
        expires_at: None,
        revoked_at: None,
    }
}

fn ask(key: ApiKey, header: &str) -> Result<Caller, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(header).expect("a header value"));
    authenticate(&headers, &Keys([(key.id.clone(), key)].into()), now())
}

#[test]
fn a_good_token_names_its_caller() {
    let secret = new_secret(&SeededEntropy::new(7));
    let caller = ask(key(&secret), &format!("Bearer {}", token("k1", &secret))).expect("a caller");
    assert_eq!((caller.key.as_str(), caller.seller.as_str()), ("k1", "main"));
    assert!(
        ask(key(&secret), &format!("bearer {}", token("k1", &secret))).is_ok(),
        "the scheme's case is free"
    );
}

#[test]
fn everything_else_is_refused_alike() {
    let secret = new_secret(&SeededEntropy::new(7));
    let other = new_secret(&SeededEntropy::new(8));
    let good = token("k1", &secret);
    let short = token("k1", &secret[..31]);
    for header in [
        "".to_owned(),
        "Bearer".to_owned(),
        format!("Basic {good}"),
        format!("Bearer {}", token("k1", &other)),
        format!("Bearer {}", token("k2", &secret)),
        format!("Bearer {short}"),
        format!("Bearer {good}{}", "0".repeat(300)),
        "Bearer csk_k1".to_owned(),
        format!("Bearer csk__{secret}"),
    ] {
        assert_eq!(ask(key(&secret), &header), Err(ApiError::Unauthenticated), "{header}");
    }
}

#[test]
fn keys_expire_rotate_and_die() {
    let secret = new_secret(&SeededEntropy::new(7));
    let old = new_secret(&SeededEntropy::new(8));
    let header = |secret: &str| format!("Bearer {}", token("k1", secret));
    let expired = ApiKey { expires_at: Some(now()), ..key(&secret) };
    assert!(ask(expired, &header(&secret)).is_err(), "the end itself is too late");
    let alive = ApiKey { expires_at: Some(now() + Span::micros(1)), ..key(&secret) };
    assert!(ask(alive, &header(&secret)).is_ok());
    let revoked = ApiKey { revoked_at: Some(now()), ..key(&secret) };
    assert!(ask(revoked, &header(&secret)).is_err());
    let rotating = ApiKey { secret_sha256: vec![hash_of(&secret), hash_of(&old)], ..key(&secret) };
    assert!(ask(rotating.clone(), &header(&old)).is_ok() && ask(rotating, &header(&secret)).is_ok());
    assert!(ask(key(&secret), &header(&old)).is_err(), "the rotation is over");
}

#[test]
fn a_narrowed_key_sees_other_brands_as_missing() {
    let secret = new_secret(&SeededEntropy::new(7));
    let narrowed = ApiKey { brands: vec!["main".parse().expect("a slug")], ..key(&secret) };
    let caller = ask(narrowed, &format!("Bearer {}", token("k1", &secret))).expect("a caller");
    assert!(caller.check_brand(&"main".parse().expect("a slug")).is_ok());
    let refused = caller.check_brand(&"side".parse().expect("a slug"));
    assert!(matches!(refused, Err(ApiError::NotFound { kind: "brand", .. })), "{refused:?}");
}

#[test]
fn the_role_table_knows_exactly_the_methods_of_the_contract() {
    let set = FileDescriptorSet::decode(crate::pb::FILE_DESCRIPTOR_SET).expect("descriptors");
    let mut methods = 0;
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                assert!(roles_for(&path).is_some_and(|roles| !roles.is_empty()), "{path} has no role");
                let guarded = CALLER_STREAMS.contains(&method.name());
                assert_eq!(guarded, method.client_streaming(), "{path} is read while its key is good");
                methods += 1;
            }
        }
    }
    assert!(methods >= 70, "the contract has more than {methods} methods");
    for path in [
        "/consentry.v1.MessageService/Nothing",
        "/consentry.v1.X/SendMessage",
        "/x",
        "",
        "/consentry.v1.AdminService/ListSeller",
    ] {
        assert_eq!(roles_for(path), None, "{path}");
    }
}
