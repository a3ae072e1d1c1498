//! Signed tokens in compact form (RFC 7515, 7518): what push services ask for in place of a password. The signatures are
//! ring's; here stand the three parts and the reading of keys.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

/// A key that signs.
pub enum SigningKey {
    /// ECDSA on P-256 with SHA-256; the signature is `r ‖ s`, 64 bytes.
    Es256(Box<EcdsaKeyPair>),
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256(Box<RsaKeyPair>),
}

impl SigningKey {
    /// An elliptic key from PKCS #8 in PEM, as Apple's `.p8` files hold it; none for anything else.
    pub fn es256(pem: &str) -> Option<SigningKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            der.secret_pkcs8_der(),
            &SystemRandom::new(),
        );
        Some(SigningKey::Es256(Box::new(key.ok()?)))
    }

    /// The same from the bare 32 bytes and the public point of 65; none when they are no pair.
    pub fn es256_raw(private: &[u8], public: &[u8]) -> Option<SigningKey> {
        let key = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            private,
            public,
            &SystemRandom::new(),
        );
        Some(SigningKey::Es256(Box::new(key.ok()?)))
    }

    /// An RSA key of at least 2,048 bits from PKCS #8 in PEM; none for anything else.
    pub fn rs256(pem: &str) -> Option<SigningKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        Some(SigningKey::Rs256(Box::new(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?)))
    }

    /// The public point of an elliptic key; empty for RSA.
    pub fn public_point(&self) -> &[u8] {
        match self {
            SigningKey::Es256(key) => key.public_key().as_ref(),
            SigningKey::Rs256(_) => &[],
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            SigningKey::Es256(_) => "ES256",
            SigningKey::Rs256(_) => "RS256",
        }
    }

    fn sign(&self, input: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            SigningKey::Es256(key) => Some(key.sign(&random, input).ok()?.as_ref().to_vec()),
            SigningKey::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).ok()?;
                Some(signature)
            }
        }
    }

    /// A token with these claims; `kid` names the key, where the reader wants that. None: the system has no randomness.
    pub fn token(&self, kid: Option<&str>, claims: &impl Serialize) -> Option<String> {
        #[derive(Serialize)]
        struct Header<'a> {
            typ: &'static str,
            alg: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            kid: Option<&'a str>,
        }
        let header = serde_json::to_vec(&Header { typ: "JWT", alg: self.algorithm(), kid }).ok()?;
        let claims = serde_json::to_vec(claims).ok()?;
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = self.sign(input.as_bytes())?;
        Some(format!("{input}.{}", part(&signature)))
    }
}
