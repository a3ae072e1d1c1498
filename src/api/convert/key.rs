//! API keys: as an operator writes them, as a row has them.

use crate::api::convert::{maybe_timestamp, names, timestamp};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::model::registry::ApiKey;
use crate::pb::consentry::v1 as wire;

/// Reads a key without its secrets; one without an id gets a random one.
pub fn key(f: &mut Fields, key: wire::ApiKey) -> Option<ApiKey> {
    if key.id.len() > 32 || !key.id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        f.bad("id", "must be 1 to 32 letters and digits");
    }
    let label = f.text("display_name", key.display_name, 1..=128, Lines::One);
    let roles = f.each("roles", key.roles, 1..=4, |f, raw| f.named("", raw, names::role_of));
    let brands = f.each("brands", key.brands, 0..=64, |f, id| f.id("", &id));
    let expires_at = f.time("expires_at", key.expires_at, TimeRule::Any);
    let roles = roles?;
    f.no_repeats("roles", roles.iter().copied())?;
    Some(ApiKey {
        id: key.id,
        label: label?,
        secret_sha256: Vec::new(),
        roles,
        brands: brands?,
        created_at: f.now(),
        expires_at: expires_at?,
        revoked_at: key.revoked_at.map(|_| f.now()),
    })
}

/// A key on the wire, without its secrets.
pub fn key_out(key: &ApiKey) -> wire::ApiKey {
    wire::ApiKey {
        id: key.id.clone(),
        display_name: key.label.clone(),
        roles: key.roles.iter().map(|role| names::role(*role).into()).collect(),
        brands: key.brands.iter().map(ToString::to_string).collect(),
        expires_at: maybe_timestamp(key.expires_at),
        revoked_at: maybe_timestamp(key.revoked_at),
        secrets: key.secret_sha256.len() as u32,
        created_at: Some(timestamp(key.created_at)),
    }
}
