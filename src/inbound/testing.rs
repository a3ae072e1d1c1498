//! Webhooks for tests, and whether a voice believes them.

use secrecy::SecretString;

use super::voice::{Proof, Voice, Webhook};
use crate::model::{Instant, Span};

/// The instant of the vectors: 2026-01-01T12:00:00Z.
pub fn now() -> Instant {
    Instant::from_seconds(1_767_268_800)
}

/// A POST with these headers.
pub fn post(path: &str, headers: &[(&'static str, &str)], body: &str) -> Webhook {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().expect("a header"));
    }
    Webhook {
        method: http::Method::POST,
        path_and_query: path.to_owned(),
        headers: map,
        body: body.as_bytes().to_vec(),
    }
}

/// A GET with these headers.
pub fn get(path: &str, headers: &[(&'static str, &str)]) -> Webhook {
    Webhook { method: http::Method::GET, ..post(path, headers, "") }
}

/// Whether a voice believes a webhook at `https://gw.example.com`, so many seconds after [`now`].
pub fn authentic(voice: &dyn Voice, webhook: &Webhook, secrets: &[&str], seconds: i64) -> bool {
    let secrets: Vec<SecretString> = secrets.iter().map(|s| SecretString::from((*s).to_owned())).collect();
    let url = format!("https://gw.example.com{}", webhook.path_and_query);
    let proof = Proof { url: &url, secrets: &secrets, now: now() + Span::seconds(seconds) };
    voice.is_authentic(webhook, &proof)
}
