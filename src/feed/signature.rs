//! Signatures of Standard Webhooks: `v1`, HMAC-SHA256 under a shared secret, and `v1a`, Ed25519.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::inbound::voice::hmac_sha256;

/// Bytes of a shared secret (specification, "Symmetric": 24 to 64).
const SHARED: std::ops::RangeInclusive<usize> = 24..=64;

/// A key that webhooks are signed with. It has no `Debug`: nobody should see it.
pub enum Key {
    /// `whsec_…`: the receiver has the same.
    Shared(Zeroizing<Vec<u8>>),
    /// `whsk_…`: the receiver has the public one, `whpk_…`.
    Signing(Box<SigningKey>),
}

/// Not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and Base64 of 24 to 64 bytes, or whsk_ and Base64 of an Ed25519 key of 32 bytes")]
pub struct KeyError;

impl Key {
    /// Reads a key as the specification writes it.
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        let bytes = |text: &str| BASE64_STANDARD.decode(text).map(Zeroizing::new).map_err(|_| KeyError);
        let text = text.trim();
        if let Some(shared) = text.strip_prefix("whsec_") {
            let shared = bytes(shared)?;
            return if SHARED.contains(&shared.len()) { Ok(Key::Shared(shared)) } else { Err(KeyError) };
        }
        let seed = bytes(text.strip_prefix("whsk_").ok_or(KeyError)?)?;
        // Some tools write the public key behind the private one.
        let seed: [u8; 32] = match seed.len() {
            32 | 64 => seed[..32].try_into().map_err(|_| KeyError)?,
            _ => return Err(KeyError),
        };
        Ok(Key::Signing(Box::new(SigningKey::from_bytes(&seed))))
    }

    /// What a receiver checks `v1a` signatures with; none: the key is a shared one.
    pub fn public(&self) -> Option<String> {
        match self {
            Key::Shared(_) => None,
            Key::Signing(key) => {
                Some(format!("whpk_{}", BASE64_STANDARD.encode(key.verifying_key().as_bytes())))
            }
        }
    }

    fn sign(&self, id: &str, at: i64, body: &[u8]) -> String {
        let at = at.to_string();
        let parts = [id.as_bytes(), b".", at.as_bytes(), b".", body];
        match self {
            Key::Shared(key) => format!("v1,{}", BASE64_STANDARD.encode(hmac_sha256(key, &parts))),
            Key::Signing(key) => {
                format!("v1a,{}", BASE64_STANDARD.encode(key.sign(&parts.concat()).to_bytes()))
            }
        }
    }
}

/// The value of `webhook-signature`: a signature by every key, so that a receiver may take up a new one at its leisure.
pub fn header(keys: &[Key], id: &str, at: i64, body: &[u8]) -> String {
    keys.iter().map(|key| key.sign(id, at, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification's own example (standard-webhooks, spec/standard-webhooks.md and its libraries' tests).
    #[test]
    fn signs_the_published_vector() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let body = br#"{"test": 2432232314}"#;
        let signed = header(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_asymmetric_signature_opens_with_the_public_key() {
        use ed25519_dalek::{Signature, Verifier, VerifyingKey};
        let seed = BASE64_STANDARD.encode([7; 32]);
        let key = Key::parse(&format!("whsk_{seed}")).expect("a key");
        let public = key.public().expect("a public one");
        let signed = header(&[key], "evt_1", 1_780_000_000, b"{}");
        let public =
            BASE64_STANDARD.decode(public.strip_prefix("whpk_").expect("its prefix")).expect("Base64");
        let public = VerifyingKey::from_bytes(&public.try_into().expect("32 bytes")).expect("a key");
        let signature = BASE64_STANDARD.decode(signed.strip_prefix("v1a,").expect("v1a")).expect("Base64");
        let signature = Signature::from_slice(&signature).expect("64 bytes");
        public.verify(b"evt_1.1780000000.{}", &signature).expect("it is ours");
        public.verify(b"evt_1.1780000001.{}", &signature).expect_err("another time");
    }

    #[test]
    fn keys_of_another_form_are_refused() {
        let base64 = |n: usize| BASE64_STANDARD.encode(vec![1; n]);
        let table = [
            (format!("whsec_{}", base64(24)), true),
            (format!(" whsec_{}\n", base64(64)), true),
            (format!("whsk_{}", base64(64)), true),
            (format!("whsec_{}", base64(23)), false),
            (format!("whsec_{}", base64(65)), false),
            (format!("whsk_{}", base64(31)), false),
            (base64(32), false),
            ("whsec_*".to_owned(), false),
            (String::new(), false),
        ];
        for (text, good) in table {
            assert_eq!(Key::parse(&text).is_ok(), good, "{text}");
        }
    }
}
