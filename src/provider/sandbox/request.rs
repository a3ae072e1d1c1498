//! Requests to the virtual carrier, built from values alone.

use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::model::Instant;
use crate::model::subject::Address;
use crate::provider::Dispatch;
use crate::provider::http::Outgoing;

/// Longest validity the carrier takes.
const VALIDITY_SECONDS_MAX: i64 = 172_800;

#[derive(Serialize)]
struct Submit<'a> {
    from: &'a str,
    to: String,
    text: &'a str,
    client_ref: String,
    validity_seconds: i64,
}

/// The request that hands a message over; none when its address is not a number.
pub fn submit(base: &str, token: &SecretString, dispatch: &Dispatch, now: Instant) -> Option<Outgoing> {
    let to = number(dispatch.to())?;
    let body = serde_json::to_vec(&Submit {
        from: dispatch.from(),
        to,
        text: dispatch.text(),
        client_ref: dispatch.message().to_string(),
        validity_seconds: validity_seconds(dispatch.deliver_by(), now),
    });
    let uri: Uri = format!("{base}/v1/messages").parse().ok()?;
    let post = Outgoing::post(uri, "application/json", body.expect("strings and numbers encode"));
    Some(post.header(AUTHORIZATION, bearer(token)?))
}

/// The request for one page of texts after a position.
pub fn list(base: &str, token: &SecretString, query: &str, after: u64) -> Option<Outgoing> {
    let uri: Uri = format!("{base}/v1/messages?limit=500&after={after}&{query}").parse().ok()?;
    Some(Outgoing::get(uri).header(AUTHORIZATION, bearer(token)?))
}

/// The header that carries the token, marked as sensitive; none when it cannot stand in a header.
pub fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn number(address: &Address) -> Option<String> {
    match address {
        Address::Phone(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(format!("+{digits}")),
        _ => None,
    }
}

/// Seconds the carrier may try; rounded down, so that it never delivers later than permitted.
pub fn validity_seconds(deliver_by: Option<Instant>, now: Instant) -> i64 {
    deliver_by.map_or(VALIDITY_SECONDS_MAX, |by| by.since(now).as_seconds().clamp(1, VALIDITY_SECONDS_MAX))
}
