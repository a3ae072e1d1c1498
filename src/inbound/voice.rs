//! How one provider speaks to us: what proves that it is the provider, and what its words mean.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::event::{InboundEvent, Unreadable};
use super::form::Form;
use crate::model::outgoing::{ErrorClass, ProviderError};
use crate::model::{Instant, MessageId, Span};
use crate::provider::BoxFuture;
use crate::provider::reply::masked;
use crate::provider::request::REFERENCE;

/// A request as it reached the path of a connection.
#[derive(Clone)]
pub struct Webhook {
    pub method: http::Method,
    /// Path and query, still encoded.
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Webhook {
    /// The query, without `?`; empty when there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header that stands there once: whoever wrote a second signature wants us to look at the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok();
        if values.next().is_some() { None } else { first }
    }

    /// As the sender names it; empty when absent.
    pub fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    /// Whether the body says it is JSON.
    pub fn is_json(&self) -> bool {
        self.content_type().starts_with("application/json")
    }

    /// Parameters of a form body; of a GET or a JSON body none, because they stand in the URL or nowhere.
    pub fn form(&self) -> Form {
        if self.is_json() { Form::parse(b"") } else { Form::parse(&self.body) }
    }

    /// Parameters wherever the method puts them: in the body of a POST, in the query of a GET.
    pub fn parameters(&self) -> Form {
        match self.method {
            http::Method::GET => Form::parse(self.query().as_bytes()),
            _ => self.form(),
        }
    }

    /// Parameters wherever they stand: in a query, a form or a JSON object, whose values become text.
    pub fn fields(&self) -> Vec<(String, String)> {
        if self.method == http::Method::GET || !self.is_json() {
            return self.parameters().pairs().to_vec();
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(&self.body) else { return Vec::new() };
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        object.into_iter().map(|(name, value)| (name, text(value))).collect()
    }

    /// Our message id, where the provider was told to call back with it.
    pub fn reference(&self) -> Option<MessageId> {
        Form::parse(self.query().as_bytes()).get(REFERENCE).and_then(|id| id.parse().ok())
    }

    /// Names an event that has no id of its own.
    pub fn hash(&self) -> String {
        let query = if self.body.is_empty() { self.query().as_bytes() } else { self.body.as_slice() };
        hash(query)
    }
}

/// The proofs an ear accepts and where it listens.
pub struct Proof<'a> {
    /// The URL as the provider was given it, with the request's query.
    pub url: &'a str,
    /// Live secrets, the newest first; empty only where none is needed.
    pub secrets: &'a [SecretString],
    pub now: Instant,
}

/// What became of the question whether a request is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Yes,
    No,
    /// What proves it cannot be read: nobody can tell, and the request may be a STOP.
    Unknown,
    /// It bears no proof at all, as its provider says may happen now and then; asked to come again, it comes with one.
    Unsigned,
}

impl From<bool> for Judged {
    fn from(yes: bool) -> Judged {
        if yes { Judged::Yes } else { Judged::No }
    }
}

/// One provider's way to speak. Pure but for what it must remember against replays.
pub trait Voice: Send + Sync {
    /// Names of the secrets that prove it, the newest first; empty: it needs none of ours.
    fn secrets(&self) -> &'static [&'static str];

    /// Whether the provider sent it, judged on the bytes as they came.
    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool;

    /// What is wrong with one of its secrets, where its form can be told.
    fn fault_of(&self, _: &str) -> Option<&'static str> {
        None
    }

    /// Fetches what a judgement needs and is not here yet. May wait, some seconds at most.
    fn prepare<'a>(&'a self, _: &'a Webhook) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The same as [`Voice::is_authentic`], where the answer may also be that nobody can tell.
    fn judge(&self, webhook: &Webhook, proof: &Proof<'_>) -> Judged {
        Judged::from(self.is_authentic(webhook, proof))
    }

    /// Whether an authentic request says that no more will come: we are about to go deaf.
    fn falls_silent(&self, _: &Webhook) -> bool {
        false
    }

    /// What an authentic request asks us to do at the provider. False: it could not be done, and should come again.
    fn follow_up<'a>(&'a self, _: &'a Webhook) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }

    /// What an authentic request says.
    fn read(&self, webhook: &Webhook, now: Instant) -> Vec<InboundEvent>;

    /// Content type and body of the answer it wants once everything is durable.
    fn answer(&self) -> (&'static str, &'static str) {
        ("application/json", "{}")
    }
}

/// How far a signed time may lie from ours, either way, where the provider documents 300 seconds or nothing.
pub const TOLERANCE: Span = Span::seconds(300);

/// Whether a signed Unix time is recent.
pub fn is_recent(seconds: &str, now: Instant, tolerance: Span) -> bool {
    let plain = (1..=12).contains(&seconds.len()) && seconds.bytes().all(|b| b.is_ascii_digit());
    let signed = seconds.parse::<i64>().ok().filter(|_| plain);
    signed.is_some_and(|at| at.abs_diff(now.as_seconds()) <= tolerance.as_seconds().unsigned_abs())
}

/// The bytes of a Base64 text.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text.trim()).ok()
}

/// Equal, in a time that does not tell where they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    bool::from(a.ct_eq(b))
}

/// HMAC-SHA256 over parts in a row.
pub fn hmac_sha256(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    mac::<Hmac<Sha256>>(secret, parts)
}

/// A keyed hash over parts in a row.
pub fn mac<M: Mac + hmac::digest::KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(secret).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Whether any live secret makes `given`.
pub fn any_secret(secrets: &[SecretString], given: &[u8], make: impl Fn(&[u8]) -> Vec<u8>) -> bool {
    // Every secret is tried, so that the time does not tell which one it was.
    secrets.iter().fold(false, |yes, s| same(&make(s.expose_secret().as_bytes()), given) | yes)
}

/// Whether the request carries `Basic` credentials of `user` with one of the passwords (RFC 7617).
pub fn is_basic(webhook: &Webhook, user: &str, passwords: &[SecretString]) -> bool {
    let given = webhook.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let Some(given) = given.and_then(base64) else { return false };
    any_secret(passwords, &given, |password| [user.as_bytes(), b":", password].concat())
}

/// HMAC algorithms of a signed token that an ear may accept (RFC 7518).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
}

/// The claims of a JSON Web Token signed by one of the secrets with one of these algorithms. Times are the caller's.
pub fn jwt(token: &str, secrets: &[SecretString], allowed: &[Algorithm]) -> Option<Value> {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL;
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL.decode(header).ok()?).ok()?;
    let algorithm = match header.get("alg")?.as_str()? {
        "HS256" => Algorithm::Hs256,
        "HS384" => Algorithm::Hs384,
        "HS512" => Algorithm::Hs512,
        _ => return None,
    };
    let given = URL.decode(signature).ok()?;
    let right = any_secret(secrets, &given, |secret| match algorithm {
        Algorithm::Hs256 => mac::<Hmac<Sha256>>(secret, &[signed.as_bytes()]),
        Algorithm::Hs384 => mac::<Hmac<Sha384>>(secret, &[signed.as_bytes()]),
        Algorithm::Hs512 => mac::<Hmac<Sha512>>(secret, &[signed.as_bytes()]),
    });
    if !right || !allowed.contains(&algorithm) {
        return None;
    }
    serde_json::from_slice(&URL.decode(claims).ok()?).ok()
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Names an event that has no id of its own.
pub fn hash(raw: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(raw))
}

/// A text at a JSON pointer; numbers become text.
pub fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The same where it is not empty.
pub fn filled_at(value: &Value, pointer: &str) -> Option<String> {
    text_at(value, pointer).filter(|text| !text.is_empty())
}

/// An RFC 3339 time at a JSON pointer.
pub fn instant_at(value: &Value, pointer: &str) -> Option<Instant> {
    instant(&text_at(value, pointer)?)
}

/// RFC 3339, or the same with an offset without colon as in `+0100`.
pub fn instant(text: &str) -> Option<Instant> {
    Instant::parse(text.trim()).ok().or_else(|| {
        let at = text.len().checked_sub(5).filter(|at| text.is_char_boundary(*at))?;
        let (head, offset) = text.split_at(at);
        let signed = offset.starts_with(['+', '-']) && offset[1..].bytes().all(|b| b.is_ascii_digit());
        signed.then(|| Instant::parse(&format!("{head}{}:{}", &offset[..3], &offset[3..])).ok())?
    })
}

/// A provider's error with its words masked.
pub fn provider_error(class: ErrorClass, code: impl ToString, text: &str) -> ProviderError {
    ProviderError { class, code: code.to_string().chars().take(64).collect(), text: masked(text) }
}

/// An authentic event that cannot be understood: `from` is a person, or none when it speaks of our own message.
pub fn unreadable(id: String, from: Option<String>, to: Option<String>, reason: &str) -> InboundEvent {
    InboundEvent::Unreadable(Unreadable {
        provider_id: id,
        from,
        to: to.unwrap_or_default(),
        reason: reason.to_owned(),
    })
}
