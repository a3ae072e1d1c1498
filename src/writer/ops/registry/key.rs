//! Secrets we hand out: API keys and the tokens of webhook paths. Made here, answered once, kept as SHA-256.

use secrecy::{ExposeSecret, SecretString};

use super::{Problems, Put, write};
use crate::api::auth;
use crate::ledger::body::Object;
use crate::model::registry::{ApiKey, Connection};
use crate::provider::registry::has_webhook;
use crate::writer::cx::Cx;
use crate::writer::op::{Op, OpError, Priority};

/// Letters of a key's id that the gateway chooses.
const ID_LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 12;
/// Shortest secret an operator may bring, in characters.
const BROUGHT_MIN: usize = 32;
const ROLES_MAX: usize = 4;
/// The code in the leaf of a connection or key that got a new secret.
const SECRET_ROTATED: &str = "SECRET_ROTATED";

/// Gives a key without an id a random one.
pub(super) fn name(cx: &mut Cx<'_>, key: &mut ApiKey) -> Result<(), OpError> {
    while key.id.is_empty() {
        let letter = |_| ID_LETTERS[cx.env.entropy.below(36) as usize] as char;
        let id: String = (0..ID_LENGTH).map(letter).collect();
        if cx.object("api_key", &id)?.is_none() {
            key.id = id;
        }
    }
    Ok(())
}

pub(super) fn check(
    cx: &mut Cx<'_>,
    problems: &mut Problems,
    key: &ApiKey,
    old: Option<&ApiKey>,
) -> Result<(), OpError> {
    let id = (1..=32).contains(&key.id.len()) && key.id.bytes().all(|b| b.is_ascii_alphanumeric());
    problems.demand(id, "id", "must be 1 to 32 letters and digits");
    problems.demand((1..=ROLES_MAX).contains(&key.roles.len()), "roles", "must be 1 to 4");
    for (n, role) in key.roles.iter().enumerate() {
        let twice = key.roles[..n].contains(role);
        problems.demand(!twice, &format!("roles[{n}]"), "stands there twice");
    }
    for (n, brand) in key.brands.iter().enumerate() {
        let found = cx.brand(brand.as_str())?.is_some();
        problems.demand(found, &format!("brands[{n}]"), "does not exist");
    }
    let moved = old.is_none_or(|old| old.expires_at != key.expires_at);
    let ahead = key.expires_at.is_none_or(|end| end > cx.now);
    problems.demand(!moved || ahead, "expires_at", "must lie ahead");
    let revived = old.is_some_and(|old| old.revoked_at.is_some() && key.revoked_at.is_none());
    problems.demand(!revived, "revoked_at", "cannot be undone: make a new key");
    let born_dead = old.is_none() && key.revoked_at.is_some();
    problems.demand(!born_dead, "revoked_at", "must not be set on a new key");
    Ok(())
}

/// Takes over what callers do not write: hashes, the time of making, the time of the first revocation.
pub(super) fn inherit(new: &mut Object, old: &Object) {
    match (new, old) {
        (Object::Connection(new), Object::Connection(old)) => new.token_sha256 = old.token_sha256,
        (Object::ApiKey(new), Object::ApiKey(old)) => {
            new.secret_sha256 = old.secret_sha256.clone();
            new.created_at = old.created_at;
            new.revoked_at = new.revoked_at.map(|at| old.revoked_at.unwrap_or(at));
        }
        _ => {}
    }
}

/// The secret of a new object that has one.
pub(super) fn make(
    cx: &Cx<'_>,
    object: &mut Object,
    brought: Option<SecretString>,
) -> Result<Option<SecretString>, OpError> {
    demand_strong(&brought)?;
    match object {
        // Whoever calls nobody back has no path to guard.
        Object::Connection(connection) if !has_webhook(&connection.provider) => {
            connection.token_sha256 = [0; 32];
            Ok(None)
        }
        Object::Connection(connection) => {
            let token = brought.unwrap_or_else(|| new_token(cx));
            connection.token_sha256 = auth::hash_of(token.expose_secret());
            Ok(Some(token))
        }
        Object::ApiKey(key) => {
            let secret = brought.unwrap_or_else(|| new_secret(cx));
            key.secret_sha256 = vec![auth::hash_of(secret.expose_secret())];
            key.created_at = cx.now;
            Ok(Some(bearer(key, &secret)))
        }
        _ => Ok(None),
    }
}

/// Another token for a connection that is there.
pub(super) fn bring(
    object: &mut Object,
    brought: Option<SecretString>,
) -> Result<Option<SecretString>, OpError> {
    demand_strong(&brought)?;
    match (object, brought) {
        (Object::Connection(connection), Some(token)) => {
            connection.token_sha256 = auth::hash_of(token.expose_secret());
            Ok(Some(token))
        }
        _ => Ok(None),
    }
}

fn demand_strong(brought: &Option<SecretString>) -> Result<(), OpError> {
    let mut problems = Problems::default();
    let strong = brought.as_ref().is_none_or(|s| is_strong(s.expose_secret()));
    problems.demand(strong, "secret", "must be at least 32 letters, digits and hyphens");
    problems.done()
}

fn is_strong(secret: &str) -> bool {
    secret.len() >= BROUGHT_MIN && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// 128 random bits: some providers sign nothing, and then the path is all there is to know.
fn new_token(cx: &Cx<'_>) -> SecretString {
    SecretString::from(hex::encode(cx.env.entropy.bytes::<16>()))
}

fn new_secret(cx: &Cx<'_>) -> SecretString {
    SecretString::from(auth::new_secret(&*cx.env.entropy))
}

fn bearer(key: &ApiKey, secret: &SecretString) -> SecretString {
    SecretString::from(auth::token(&key.id, secret.expose_secret()))
}

/// Which secret is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The token of a connection's webhook path; the old one dies at once.
    Connection,
    /// A key's secret; the old one may live until the next rotation.
    ApiKey { keep_old: bool },
}

/// Gives a connection or key a new secret.
#[derive(Debug, Clone)]
pub struct RotateSecret {
    pub what: Rotated,
    pub id: String,
    pub reason: String,
    pub actor: String,
}

impl Op for RotateSecret {
    type Answer = Put;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Put, OpError> {
        let (object, secret) = match self.what {
            Rotated::Connection => {
                let known = cx.connection(&self.id)?.map(|held| Connection::clone(&held));
                let mut connection = known.ok_or(OpError::NotFound { what: "connection", id: self.id })?;
                let token = new_token(cx);
                connection.token_sha256 = auth::hash_of(token.expose_secret());
                (Object::Connection(connection), token)
            }
            Rotated::ApiKey { keep_old } => {
                let known = cx.api_key(&self.id)?.map(|held| ApiKey::clone(&held));
                let mut key = known.ok_or(OpError::NotFound { what: "API key", id: self.id })?;
                if key.revoked_at.is_some() {
                    let why = "a revoked key gets no new secret: make a new key";
                    return Err(OpError::Precondition(why.to_owned()));
                }
                let secret = new_secret(cx);
                key.secret_sha256.truncate(usize::from(keep_old));
                key.secret_sha256.insert(0, auth::hash_of(secret.expose_secret()));
                let shown = bearer(&key, &secret);
                (Object::ApiKey(key), shown)
            }
        };
        let row = write(cx, object, self.reason, vec![SECRET_ROTATED.to_owned()], self.actor)?;
        Ok(Put { row, secret: Some(secret) })
    }
}
