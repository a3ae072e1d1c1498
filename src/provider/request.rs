//! What requests to vendors have in common: spelling numbers, credentials, deadlines.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::Serializer;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Dispatch;
use super::http::Outgoing;
use crate::model::subject::Address;
use crate::model::{Instant, MessageId};

/// The digits of whom a message goes to, without `+`; none when it is no telephone number.
pub fn digits(dispatch: &Dispatch) -> Option<&str> {
    match dispatch.to() {
        Address::Phone(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits)
        }
        _ => None,
    }
}

/// The same in E.164, with `+`.
pub fn e164(dispatch: &Dispatch) -> Option<String> {
    digits(dispatch).map(|d| format!("+{d}"))
}

/// A sender without its `+`, for vendors that want digits; letters stay.
pub fn bare(sender: &str) -> &str {
    sender.strip_prefix('+').unwrap_or(sender)
}

/// Seconds the carrier may try, within what the vendor takes; rounded down, so that it never delivers later than
/// permitted. None: the message has no deadline.
pub fn seconds_left(dispatch: &Dispatch, now: Instant, min: i64, max: i64) -> Option<i64> {
    dispatch.deliver_by().map(|by| by.since(now).as_seconds().clamp(min, max))
}

/// A header that carries a credential, marked as sensitive; none when it cannot stand in a header.
pub fn credential(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Basic` credentials (RFC 7617).
pub fn basic(user: &str, password: &SecretString) -> HeaderValue {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
    let text = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
    credential(&text).expect("Base64 is visible ASCII")
}

/// A token behind its scheme, as in `Bearer` (RFC 6750); none when it is not visible ASCII.
pub fn token(scheme: &str, secret: &SecretString) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {}", secret.expose_secret()));
    credential(&text)
}

/// A JSON request.
pub fn post_json(url: &str, authorization: &HeaderValue, body: &impl Serialize) -> Option<Outgoing> {
    let body = serde_json::to_vec(body).ok()?;
    Some(Outgoing::post(uri(url)?, "application/json", body).header(AUTHORIZATION, authorization.clone()))
}

/// A form.
pub fn post_form(url: &str, authorization: &HeaderValue, fields: &[(&str, &str)]) -> Option<Outgoing> {
    let form = Serializer::new(String::new()).extend_pairs(fields).finish();
    let post = Outgoing::post(uri(url)?, "application/x-www-form-urlencoded", form);
    Some(post.header(AUTHORIZATION, authorization.clone()))
}

/// A question with these parameters.
pub fn get(url: &str, authorization: &HeaderValue, query: &[(&str, &str)]) -> Option<Outgoing> {
    let query = Serializer::new(String::new()).extend_pairs(query).finish();
    let url = if query.is_empty() { url.to_owned() } else { format!("{url}?{query}") };
    Some(Outgoing::get(uri(&url)?).header(AUTHORIZATION, authorization.clone()))
}

/// An address, or none.
pub fn uri(url: &str) -> Option<Uri> {
    url.parse().ok()
}

/// Where a vendor tells us what becomes of a message: `<public url>/webhooks/<connection>/<path token>`. It holds the
/// path's token, so it is as secret as one.
#[derive(Debug)]
pub struct Callback(pub(super) SecretString);

/// Query parameter of the callback that carries our message id, for vendors that echo nothing else.
pub const REFERENCE: &str = "ref";

impl Callback {
    /// The callback of one message.
    pub fn of(&self, message: MessageId) -> String {
        format!("{}?{REFERENCE}={message}", self.0.expose_secret())
    }
}
