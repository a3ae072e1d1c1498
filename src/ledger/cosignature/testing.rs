//! A witness's hand, for tests of those who read what it signs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use signed_note::key_id;

use super::{COSIGNATURE_V1, WitnessKey, message};

/// Signs as a witness does.
pub struct Hand {
    name: String,
    key: SigningKey,
}

impl Hand {
    /// A witness of this name with a key made of `seed`.
    pub fn new(name: &str, seed: u8) -> Hand {
        Hand { name: name.to_owned(), key: SigningKey::from_bytes(&[seed; 32]) }
    }

    fn material(&self) -> Vec<u8> {
        [&[COSIGNATURE_V1], self.key.verifying_key().as_bytes().as_slice()].concat()
    }

    /// Its public key.
    pub fn key(&self) -> WitnessKey {
        let id = key_id(&self.name, &self.material());
        let text = format!("{}+{id:08x}+{}", self.name, BASE64_STANDARD.encode(self.material()));
        text.parse().expect("a key just encoded parses")
    }

    /// A signature line over a checkpoint's text at `seconds`.
    pub fn line(&self, text: &str, seconds: u64) -> String {
        let signature = self.key.sign(&message(seconds, text.as_bytes())).to_bytes();
        let id = key_id(&self.name, &self.material());
        let blob = [id.to_be_bytes().as_slice(), &seconds.to_be_bytes(), &signature].concat();
        format!("— {} {}\n", self.name, BASE64_STANDARD.encode(blob))
    }
}
