//! Web Push: a message to the browser's own push service (RFC 8030), encrypted for the browser alone (RFC 8291), signed with
//! the shop's key (RFC 8292, VAPID).
//!
//! The endpoint comes from a browser, which is to say from anybody: only push services named here or in the connection are
//! spoken to, by https, and never a private address.

mod encryption;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, Uri};
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use serde::Serialize;
use zeroize::Zeroizing;

use super::account::{Page, Vendor};
use super::http::{Answer, Outgoing};
use super::jws::SigningKey;
use super::push::{self, AppData};
use super::registry::{BuildError, Given};
use super::request::{credential, uri};
use super::{Dispatch, Failure, Handover, ReconcileError, reply};
use crate::model::Instant;
use crate::model::device::{Destination, PushPlatform};
use crate::model::outgoing::ErrorClass;

/// Push services of the browsers there are; a leading dot stands for every host below.
const HOSTS: [&str; 4] =
    ["fcm.googleapis.com", "updates.push.services.mozilla.com", ".push.apple.com", ".notify.windows.com"];
/// A token of ours is made for a part of the day and lives at most 18 hours; 24 are allowed (RFC 8292, section 2).
const TOKEN_SLOT_SECONDS: i64 = 6 * 3_600;
const TOKEN_LIFE_SECONDS: i64 = 18 * 3_600;
/// Origins a token is kept for.
const ORIGINS_MAX: usize = 64;
/// Longest time a message may wait, in seconds: four weeks, which every service takes.
const TTL_MAX: i64 = 2_419_200;

/// One shop's key, and whom it speaks to.
pub struct WebPush {
    key: SigningKey,
    /// Who answers for it: `mailto:` or `https:`.
    subject: String,
    /// Those the operator named.
    hosts: Vec<String>,
    /// By origin: the slot a token is for, and the header.
    tokens: Mutex<HashMap<String, (i64, HeaderValue)>>,
}

impl WebPush {
    /// A key from a connection: `subject`, `public_key`, `private_key`; also `push_hosts`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let subject = given.setting("subject")?;
        let named = subject.strip_prefix("mailto:").is_some_and(|mail| mail.contains('@'))
            || subject.starts_with("https://") && uri(subject).is_some();
        if !named {
            return Err(BuildError::Setting(
                "subject",
                "must be mailto: or https:, as in mailto:ops@shop.example",
            ));
        }
        let point = BASE64_URL_SAFE_NO_PAD.decode(given.setting("public_key")?.trim_end_matches('='));
        let point = point.ok().filter(|point| point.len() == 65).ok_or(BuildError::Setting(
            "public_key",
            "must be the applicationServerKey of the subscriptions: 65 bytes in base64url",
        ))?;
        let private = given.secret("private_key")?;
        let text = private.expose_secret().trim();
        let raw = || {
            let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?);
            SigningKey::es256_raw(&bytes, &point)
        };
        let key = SigningKey::es256(text).or_else(raw).filter(|key| key.public_point() == point);
        let why = "must be the private key to settings.public_key: PKCS #8 in PEM, or 32 bytes in base64url";
        Ok(Self {
            key: key.ok_or(BuildError::Secret("private_key", why))?,
            subject: subject.to_owned(),
            hosts: named_hosts(given.optional(PUSH_HOSTS).unwrap_or_default()),
            tokens: Mutex::new(HashMap::new()),
        })
    }

    /// The `vapid` credential for an origin.
    fn authorization(&self, endpoint: &Uri, now: Instant) -> Option<HeaderValue> {
        #[derive(Serialize)]
        struct Claims<'a> {
            aud: &'a str,
            exp: i64,
            sub: &'a str,
        }
        let origin = origin(endpoint)?;
        let slot = now.as_seconds().div_euclid(TOKEN_SLOT_SECONDS);
        let mut kept = self.tokens.lock();
        if let Some((_, value)) = kept.get(&origin).filter(|(of, _)| *of == slot) {
            return Some(value.clone());
        }
        let exp = slot * TOKEN_SLOT_SECONDS + TOKEN_LIFE_SECONDS;
        let token = Zeroizing::new(self.key.token(None, &Claims { aud: &origin, exp, sub: &self.subject })?);
        let point = BASE64_URL_SAFE_NO_PAD.encode(self.key.public_point());
        let value = credential(&format!("vapid t={},k={point}", *token))?;
        if kept.len() >= ORIGINS_MAX {
            kept.clear();
        }
        kept.insert(origin, (slot, value.clone()));
        Some(value)
    }
}

/// The setting that names further push services.
pub const PUSH_HOSTS: &str = "push_hosts";

/// Hosts in that setting: with commas in between.
pub fn named_hosts(setting: &str) -> Vec<String> {
    let hosts = setting.split(',').map(|host| host.trim().to_ascii_lowercase());
    hosts.filter(|host| !host.is_empty()).collect()
}

/// The address of an endpoint, if a push service may stand there: one of the browsers', or one the operator named.
pub fn endpoint_at(text: &str, named: &[String]) -> Option<Uri> {
    let uri = uri(text)?;
    let host = uri.host()?.to_ascii_lowercase();
    let is = |known: &str| if known.starts_with('.') { host.ends_with(known) } else { known == host };
    let usual = HOSTS.iter().any(|known| is(known));
    if !usual && !named.iter().any(|known| is(known)) {
        return None;
    }
    let safe = uri.scheme_str() == Some("https") && (!usual || uri.port_u16().is_none_or(|port| port == 443));
    // A peer on this machine, which the client's own rule still has to allow.
    let local = uri.scheme_str() == Some("http") && host == "127.0.0.1";
    (safe || local).then_some(uri)
}

/// Scheme and host, and the port where it is not the usual one (RFC 6454, section 6.2).
fn origin(endpoint: &Uri) -> Option<String> {
    let (scheme, host) = (endpoint.scheme_str()?, endpoint.host()?.to_ascii_lowercase());
    let usual = if scheme == "https" { 443 } else { 80 };
    Some(match endpoint.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// What a service worker hands to `showNotification(title, options)`.
#[derive(Serialize)]
struct Payload<'a> {
    title: &'a str,
    options: Options<'a>,
}

#[derive(Serialize)]
struct Options<'a> {
    body: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    image: &'a str,
    tag: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Button<'a>>,
    data: AppData<'a>,
}

#[derive(Serialize)]
struct Button<'a> {
    action: &'a str,
    title: &'a str,
}

impl Vendor for WebPush {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let push = push::handed(dispatch, PushPlatform::WebPush)?;
        let Destination::Subscription { endpoint, p256dh, auth } = &push.destination else {
            return Err(push::unaddressable());
        };
        let Some(endpoint) = endpoint_at(endpoint, &self.hosts) else {
            let why = "the subscription's endpoint is no push service that this connection speaks to";
            return Err(reply::refused(ErrorClass::PermanentSender, "endpoint_not_allowed", why, None));
        };
        let content = &push.content;
        let payload = Payload {
            title: &content.title,
            options: Options {
                body: &content.body,
                image: &content.image_url,
                tag: &push.collapse_id,
                actions: content.actions.iter().map(|a| Button { action: &a.id, title: &a.title }).collect(),
                data: AppData::of(dispatch.message(), push, false),
            },
        };
        let plain = serde_json::to_vec(&payload).map_err(|_| reply::unbuildable())?;
        if plain.len() > encryption::PLAINTEXT_MAX {
            return Err(push::too_large());
        }
        let Some(body) = encryption::encrypt(&plain, p256dh, auth) else {
            let why = "the subscription's key is no point of the curve";
            return Err(reply::refused(ErrorClass::PermanentSender, "bad_subscription", why, None));
        };
        let ttl = dispatch.deliver_by().map_or(0, |by| by.since(now).as_seconds().clamp(0, TTL_MAX));
        let authorization = self.authorization(&endpoint, now).ok_or_else(reply::unbuildable)?;
        let topic = HeaderValue::from_str(&push.collapse_id).map_err(|_| reply::unbuildable())?;
        let urgency = HeaderValue::from_static(if push.urgent { "high" } else { "normal" });
        Ok(Outgoing::post(endpoint, "application/octet-stream", body)
            .header(http::header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"))
            .header(HeaderName::from_static("ttl"), HeaderValue::from(ttl))
            .header(HeaderName::from_static("urgency"), urgency)
            .header(HeaderName::from_static("topic"), topic)
            .header(http::header::AUTHORIZATION, authorization))
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        let words = said.status.canonical_reason().unwrap_or("unknown status");
        let say = |class, after| reply::refused(class, status, words, after);
        match status {
            // The message's own address at the service, where it tells one.
            200..=202 | 204 => {
                let place = said.headers.get(http::header::LOCATION).and_then(|place| place.to_str().ok());
                let id = place.and_then(|place| place.rsplit('/').next()).unwrap_or_default();
                Handover::Accepted {
                    ids: Some(id.to_owned()).filter(|id| !id.is_empty()).into_iter().collect(),
                }
            }
            404 | 410 => say(ErrorClass::PermanentRecipient, None),
            // A subscription made for another key, mostly: it stays, and says nothing about the others.
            401 | 403 => say(ErrorClass::PermanentSender, None),
            429 => say(ErrorClass::Retryable, reply::after_seconds(said).or(Some(60))),
            400 | 405 | 411 | 413 | 415 | 422 => say(ErrorClass::PermanentContent, None),
            _ => reply::by_status(said),
        }
    }

    /// One dead service is no word about the other browsers'.
    fn peer(&self, dispatch: &Dispatch) -> Option<String> {
        match &dispatch.push()?.destination {
            Destination::Subscription { endpoint, .. } => origin(&endpoint_at(endpoint, &self.hosts)?),
            Destination::Token(_) => None,
        }
    }

    /// Each browser's service counts by itself, and mostly by subscription.
    fn throttles(&self, _: &Answer, _: &Failure) -> bool {
        false
    }

    fn lists(&self, _: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        push::no_list()
    }

    fn page(&self, _: &Outgoing, _: Instant, _: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        push::no_list()
    }
}
