//! Whether a webhook comes from Twilio: signatures over the raw bytes, checked before anything is believed.
//!
//! Comparisons take the same time whatever differs; every active secret is tried; the request chooses neither key nor
//! algorithm (Twilio, "Webhooks security").

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::form::Form;

/// The algorithm a Twilio endpoint is pinned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwilioAlgorithm {
    /// HMAC-SHA1 under the account's auth token.
    Sha1,
    /// HMAC-SHA256 under a shared key.
    Sha256,
}

/// What a Twilio signature covers: the URL as Twilio was given it, without fragment, then each parameter name in byte
/// order with each of its distinct values in byte order, nothing between.
pub fn twilio_canonical(url: &str, form: &Form) -> String {
    let mut pairs: Vec<(&str, &str)> = form.pairs().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    // A name stands before each of its values.
    let mut text = url.split('#').next().unwrap_or_default().to_owned();
    for (name, value) in pairs {
        text.push_str(name);
        text.push_str(value);
    }
    text
}

/// Whether `signature` (Base64) is Twilio's for this URL and these parameters under one of the secrets. The default port
/// may stand in the URL or not: the sender is not consistent.
pub fn is_twilio(
    url: &str,
    form: &Form,
    signature: &str,
    secrets: &[&[u8]],
    algorithm: TwilioAlgorithm,
) -> bool {
    use base64::Engine as _;
    let Ok(given) = base64::engine::general_purpose::STANDARD.decode(signature.trim()) else { return false };
    let mut right = false;
    for form_of_url in with_and_without_port(url) {
        let text = twilio_canonical(&form_of_url, form);
        for secret in secrets {
            let expected = match algorithm {
                TwilioAlgorithm::Sha1 => mac::<Hmac<Sha1>>(secret, &[text.as_bytes()]),
                TwilioAlgorithm::Sha256 => mac::<Hmac<Sha256>>(secret, &[text.as_bytes()]),
            };
            right |= bool::from(expected.as_slice().ct_eq(&given));
        }
    }
    right
}

/// Whether a JSON body is the one a signed URL names: `bodySHA256` in the query, lower-case hexadecimal. A body without
/// it is covered by nothing.
pub fn is_twilio_body(query: &str, body: &[u8]) -> bool {
    let Some(named) = Form::parse(query.as_bytes()).get("bodySHA256").map(str::to_owned) else {
        return false;
    };
    bool::from(hex::encode(Sha256::digest(body)).as_bytes().ct_eq(named.as_bytes()))
}

/// Whether the settings header names what the endpoint is pinned to. It is not signed, so it only ever refuses.
pub fn names_pinned_key(header: &str, key_ids: &[String]) -> bool {
    let field = |name: &str| {
        header.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::trim)
    };
    field("algorithm") == Some("HMAC_SHA256")
        && field("key").is_some_and(|id| key_ids.iter().any(|k| k == id))
}

fn mac<M: Mac + hmac::digest::KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(secret).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// The URL as it is, and with its scheme's default port added or taken away.
fn with_and_without_port(url: &str) -> Vec<String> {
    let mut forms = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return forms };
    let port = if scheme == "http" { ":80" } else { ":443" };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    match authority.strip_suffix(port) {
        Some(host) => forms.push(format!("{scheme}://{host}{tail}")),
        None => {
            let bare = authority.rsplit_once(':').is_none_or(|(_, p)| p.ends_with(']'));
            if bare {
                forms.push(format!("{scheme}://{authority}{port}{tail}"));
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests;
