//! RFC 3161 time stamps: what is asked of an authority, and what its token proves.
//!
//! A token states that a hash was shown to the authority at a time. [`Token::read`] checks everything that needs no trust:
//! form, imprint, nonce, the signature by the certificate inside. Whether that certificate is to be believed is a
//! question of [`TsaRoots`], asked apart, because whoever checks years later brings other roots than the gateway had.

#[cfg(test)]
pub mod testing;
mod token;

use cms::content_info::ContentInfo;
use der::asn1::{Int, Null, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Decode, Encode};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sha2::{Digest, Sha256};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion};

pub use token::Token;

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// The largest token or answer read, in bytes; real ones have 3,000 to 10,000.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;

/// Why a time stamp was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not the ASN.1 of RFC 3161.
    #[error("it is no RFC 3161 {0}")]
    Form(&'static str),
    /// The authority answered that it will not.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// It stamps other bytes.
    #[error("it stamps something else: the message imprint is not the SHA-256 of this checkpoint")]
    Imprint,
    /// It answers another request.
    #[error("it answers another request: the nonce is not the one that was sent")]
    Nonce,
    /// The signature, or what it binds, does not fit.
    #[error("its signature is wrong: {0}")]
    Signature(&'static str),
    /// No root vouches for the certificate.
    #[error("no root that was given vouches for its certificate: {0}")]
    Untrusted(String),
    /// The roots cannot be read.
    #[error("{0}")]
    Roots(String),
}

/// A request to stamp `message`, with the authority's certificate asked for. `nonce` is made positive.
pub fn request(message: &[u8], mut nonce: [u8; 8]) -> (Vec<u8>, [u8; 8]) {
    // A positive number in its shortest form, so that it comes back byte for byte.
    nonce[0] = nonce[0] & 0x3f | 0x40;
    let parameters = Any::encode_from(&Null).expect("NULL always encodes");
    let asked = TimeStampReq {
        version: TspVersion::V1,
        message_imprint: MessageImprint {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA_256, parameters: Some(parameters) },
            hashed_message: OctetString::new(Sha256::digest(message).to_vec()).expect("32 bytes"),
        },
        req_policy: None,
        nonce: Some(Int::new(&nonce).expect("8 bytes in shortest form")),
        cert_req: true,
        extensions: None,
    };
    (asked.to_der().expect("a request always encodes"), nonce)
}

/// The token in an authority's answer.
pub fn token_of(answer: &[u8]) -> Result<Vec<u8>, TimestampError> {
    let answer = TimeStampResp::from_der(answer).map_err(|_| TimestampError::Form("answer"))?;
    // `accepted` and `grantedWithMods`; everything above is a refusal (RFC 3161, section 2.4.2).
    if answer.status.status as u8 > 1 {
        let words = answer.status.status_string.iter().flatten().map(|text| text.as_str());
        let words: String = words.flat_map(str::chars).filter(|c| !c.is_control()).take(200).collect();
        return Err(TimestampError::Refused(
            format!("{:?} {words}", answer.status.status).trim_end().to_owned(),
        ));
    }
    let token: ContentInfo =
        answer.time_stamp_token.ok_or(TimestampError::Form("answer: it holds no token"))?;
    token.to_der().map_err(|_| TimestampError::Form("token"))
}

/// Certificates of authorities, or of those that issued theirs, which somebody decided to believe.
#[derive(Clone, Default)]
pub struct TsaRoots(Vec<TrustAnchor<'static>>);

impl TsaRoots {
    /// Reads PEM; `what` names its source in errors.
    pub fn from_pem(pem: &[u8], what: &str) -> Result<TsaRoots, TimestampError> {
        let unreadable = |why: String| TimestampError::Roots(format!("{what}: {why}"));
        let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let read = read.map_err(|e| unreadable(e.to_string()))?;
        if read.is_empty() {
            return Err(unreadable("holds no certificate in PEM".to_owned()));
        }
        let anchor = |cert: &CertificateDer<'_>| {
            webpki::anchor_from_trusted_cert(cert).map(|anchor| anchor.to_owned())
        };
        let anchors = read.iter().map(anchor).collect::<Result<Vec<_>, _>>();
        anchors.map(TsaRoots).map_err(|e| unreadable(format!("a certificate cannot be used: {e}")))
    }

    /// Adds others.
    pub fn extend(&mut self, others: TsaRoots) {
        self.0.extend(others.0);
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for TsaRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TsaRoots({})", self.0.len())
    }
}
