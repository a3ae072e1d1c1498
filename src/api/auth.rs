//! Who calls: bearer tokens, the keys behind them, and what a caller may touch.
//!
//! A token is `csk_<id>_<secret>` with 256 random bits of secret. Only SHA-256 of the secret is kept: a secret of that
//! size cannot be guessed, so a slow hash would only cost time on every call.

mod roles;

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use roles::{Role, Roles, roles_for};

use super::status::ApiError;
use crate::entropy::Entropy;
pub use crate::model::registry::ApiKey;
use crate::model::{BrandId, Instant, SellerId};

/// Start of every token; lets secret scanners find one that leaked.
const SCHEME: &str = "csk_";
/// Longest token looked at, in bytes.
const TOKEN_MAX: usize = 256;
/// Shortest secret taken: 32 characters. Ours have 64.
const SECRET_MIN: usize = 32;

/// Where keys are looked up; answers from memory, for every call asks.
pub trait KeySource: Send + Sync + 'static {
    /// The key of that id, and whose it is.
    fn key(&self, id: &str) -> Option<(Arc<ApiKey>, SellerId)>;
}

/// Who calls, once the key was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Id of the key.
    pub key: String,
    /// The seller everything is looked up at.
    pub seller: SellerId,
    /// What the key may do.
    pub roles: Roles,
    /// Brands it is narrowed to; empty: all.
    pub brands: Vec<BrandId>,
}

impl Caller {
    /// Whether the key reaches that brand.
    pub fn reaches(&self, brand: &BrandId) -> bool {
        self.brands.is_empty() || self.brands.contains(brand)
    }

    /// Refuses a brand the key does not reach, with the words for one that does not exist.
    pub fn check_brand(&self, brand: &BrandId) -> Result<(), ApiError> {
        if self.reaches(brand) {
            return Ok(());
        }
        Err(ApiError::NotFound { kind: "brand", name: brand.to_string() })
    }

    /// Refuses a caller that has none of the roles.
    pub fn require(&self, needed: &[Role]) -> Result<(), ApiError> {
        if self.roles.has_any(needed) {
            return Ok(());
        }
        let names: Vec<&str> = needed.iter().map(|role| roles::name(*role)).collect();
        Err(ApiError::Forbidden { needed: names.join(" or ") })
    }
}

/// Finds the caller of a request, or refuses without saying which part was wrong.
pub fn authenticate(headers: &HeaderMap, keys: &dyn KeySource, now: Instant) -> Result<Caller, ApiError> {
    Presented::read(headers)?.caller(keys, now)
}

/// A key as it comes with a request: its secret by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    id: String,
    offered: [u8; 32],
}

impl Presented {
    /// The key in the headers of a request.
    pub fn read(headers: &HeaderMap) -> Result<Presented, ApiError> {
        let token = bearer(headers).ok_or(ApiError::Unauthenticated)?;
        let (id, secret) = split(token).ok_or(ApiError::Unauthenticated)?;
        Ok(Presented { id: id.to_owned(), offered: hash_of(secret) })
    }

    /// Who it makes its caller now.
    pub fn caller(&self, keys: &dyn KeySource, now: Instant) -> Result<Caller, ApiError> {
        let (key, seller) = keys.key(&self.id).ok_or(ApiError::Unauthenticated)?;
        // Every secret is compared in full, whichever matches.
        let matches = |hash: &[u8; 32]| bool::from(hash.ct_eq(&self.offered));
        let known = key.secret_sha256.iter().fold(false, |known, hash| known | matches(hash));
        let alive = key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end);
        if known && alive {
            let roles = key.roles.iter().copied().collect();
            Ok(Caller { key: key.id.clone(), seller, roles, brands: key.brands.clone() })
        } else {
            Err(ApiError::Unauthenticated)
        }
    }
}

/// SHA-256 of the secret part of a token: all that is kept of it.
pub fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A new secret, as 64 hexadecimal digits.
pub fn new_secret(entropy: &dyn Entropy) -> String {
    hex::encode(entropy.bytes::<32>())
}

/// The whole token of a key, to be shown once.
pub fn token(id: &str, secret: &str) -> String {
    format!("{SCHEME}{id}_{secret}")
}

/// Id and secret of a token, if it has the shape of one.
pub fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(SCHEME)?.split_once('_')?;
    let id_good = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    (id_good && secret.len() >= SECRET_MIN && token.len() <= TOKEN_MAX).then_some((id, secret))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

#[cfg(test)]
mod tests;
