//! A time-stamp token: CMS `SignedData` over a `TSTInfo` (RFC 3161, section 2.4.2).

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, OctetString};
use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Any, Decode, Encode, Sequence, Tag, Tagged};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::{Accuracy, MessageImprint, TspVersion};

use super::{SHA_256, TOKEN_BYTES_MAX, TimestampError, TsaRoots};
use crate::model::{Instant, Span};

const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// RFC 2634, section 5.4: the certificate by its SHA-1.
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// RFC 5035, section 3: by a hash that is named.
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// The same in DER, without tag and length.
const TIME_STAMPING_DER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// `TSTInfo`. Its time is read here and not by `der`, which knows no fractions of seconds.
#[derive(Sequence)]
struct TstInfo {
    version: TspVersion,
    policy: ObjectIdentifier,
    message_imprint: MessageImprint,
    serial_number: Int,
    gen_time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    tsa: Option<GeneralName>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

/// `SigningCertificate`: the first one named is the signer's.
#[derive(Sequence)]
struct SigningCertificate {
    certs: Vec<EssCertId>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

#[derive(Sequence)]
struct EssCertId {
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

#[derive(Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

#[derive(Sequence)]
struct EssCertIdV2 {
    /// SHA-256 when left out.
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

/// A token whose imprint and signature fit. Whether its signer is to be believed is not known yet.
#[derive(Debug, Clone)]
pub struct Token {
    at: Instant,
    accuracy: Span,
    authority: String,
    nonce: Option<Vec<u8>>,
    /// The signer's certificate, then the others that came with it.
    certificates: Vec<CertificateDer<'static>>,
}

impl Token {
    /// Reads a token over `message` and checks what needs no trust.
    pub fn read(token: &[u8], message: &[u8]) -> Result<Token, TimestampError> {
        let form = TimestampError::Form("token");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(form);
        }
        let content = ContentInfo::from_der(token).map_err(|_| form.clone())?;
        if content.content_type != SIGNED_DATA {
            return Err(form);
        }
        let signed: SignedData = content.content.decode_as().map_err(|_| form.clone())?;
        let inner = &signed.encap_content_info;
        let stated =
            inner.econtent.as_ref().filter(|_| inner.econtent_type == TST_INFO).ok_or(form.clone())?;
        let info = TstInfo::from_der(stated.value()).map_err(|_| form.clone())?;
        if info.message_imprint.hash_algorithm.oid != SHA_256
            || info.message_imprint.hashed_message.as_bytes() != Sha256::digest(message).as_slice()
        {
            return Err(TimestampError::Imprint);
        }
        let [signer] = signed.signer_infos.0.as_slice() else { return Err(form) };
        let known = certificates(&signed)?;
        let certificate = signer_of(signer, stated.value(), &known)?;
        let authority = certificate.tbs_certificate.subject.to_string();
        let own = der_of(certificate)?;
        let mut chain = vec![own.clone()];
        for other in &known {
            chain.extend(Some(der_of(other)?).filter(|other| *other != own));
        }
        Ok(Token {
            at: time(&info.gen_time).ok_or(form)?,
            accuracy: accuracy(info.accuracy.as_ref()),
            authority: authority.chars().filter(|c| !c.is_control()).take(200).collect(),
            nonce: info.nonce.map(|nonce| nonce.as_bytes().to_vec()),
            certificates: chain,
        })
    }

    /// When the authority says it was shown the message, at the latest: its time and what it may be wrong by.
    pub fn not_after(&self) -> Instant {
        self.at + self.accuracy
    }
    /// The authority as its certificate names it. Only with [`Token::check_chain`] more than a claim.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it answers the request with this nonce.
    pub fn check_nonce(&self, nonce: &[u8]) -> Result<(), TimestampError> {
        if self.nonce.as_deref() == Some(nonce) { Ok(()) } else { Err(TimestampError::Nonce) }
    }

    /// Whether one of `roots` vouches, at the time stated, for a certificate that may do nothing but stamp
    /// (RFC 3161, section 2.3).
    pub fn check_chain(&self, roots: &TsaRoots) -> Result<(), TimestampError> {
        let untrusted = |why: String| TimestampError::Untrusted(why);
        let (own, others) = self.certificates.split_first().expect("a token is read with its signer's");
        stamps_only(own).map_err(|why| untrusted(why.to_owned()))?;
        let certificate = EndEntityCert::try_from(own).map_err(|e| untrusted(e.to_string()))?;
        let seconds = u64::try_from(self.at.as_seconds()).map_err(|_| untrusted("its time".to_owned()))?;
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let usage = KeyUsage::required(TIME_STAMPING_DER);
        let path =
            certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &roots.0, others, time, usage, None, None);
        path.map(drop).map_err(|e| untrusted(e.to_string()))
    }
}

fn certificates(signed: &SignedData) -> Result<Vec<Certificate>, TimestampError> {
    let found = signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate.clone()),
        CertificateChoices::Other(_) => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        Err(TimestampError::Form("token: its certificate is not in it"))
    } else {
        Ok(found)
    }
}

fn der_of(certificate: &Certificate) -> Result<CertificateDer<'static>, TimestampError> {
    certificate.to_der().map(CertificateDer::from).map_err(|_| TimestampError::Form("token"))
}

/// The certificate that signed `stated`, checked by the attributes that RFC 3161 wants signed.
fn signer_of<'c>(
    signer: &SignerInfo,
    stated: &[u8],
    known: &'c [Certificate],
) -> Result<&'c Certificate, TimestampError> {
    let wrong = TimestampError::Signature;
    let attributes = signer.signed_attrs.as_ref().ok_or(wrong("nothing says what is signed"))?;
    let value = |oid: ObjectIdentifier| {
        let found = attributes.iter().find(|attribute| attribute.oid == oid)?;
        if found.values.len() == 1 { found.values.get(0) } else { None }
    };
    let kind = value(CONTENT_TYPE).and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    if kind != Some(TST_INFO) {
        return Err(wrong("it is over another kind of content"));
    }
    let digest = value(MESSAGE_DIGEST).and_then(|any| any.decode_as::<OctetString>().ok());
    let made =
        digest_of(signer.digest_alg.oid, stated).ok_or(wrong("its digest is not SHA-256, 384 or 512"))?;
    if digest.map(|digest| digest.as_bytes() == made) != Some(true) {
        return Err(wrong("what it states was changed"));
    }
    let named = |certificate: &&Certificate| {
        let der = certificate.to_der().unwrap_or_default();
        names(value(SIGNING_CERTIFICATE_V2), value(SIGNING_CERTIFICATE), &der)
            && identifies(&signer.sid, certificate)
    };
    let certificate =
        known.iter().find(named).ok_or(wrong("it does not name a certificate that came with it"))?;
    let der = der_of(certificate)?;
    let key = EndEntityCert::try_from(&der).map_err(|_| wrong("its certificate cannot be used"))?;
    let signed = attributes.to_der().map_err(|_| wrong("its attributes"))?;
    let signature = signer.signature.as_bytes();
    // Which algorithm is the key's matter; each of these is sound.
    let fits = ALL_VERIFICATION_ALGS
        .iter()
        .any(|algorithm| key.verify_signature(*algorithm, &signed, signature).is_ok());
    if fits { Ok(certificate) } else { Err(wrong("it was changed, or made with another key")) }
}

fn digest_of(algorithm: ObjectIdentifier, bytes: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        SHA_256 => Some(Sha256::digest(bytes).to_vec()),
        SHA_384 => Some(Sha384::digest(bytes).to_vec()),
        SHA_512 => Some(Sha512::digest(bytes).to_vec()),
        _ => None,
    }
}

/// Whether the signed attributes name this certificate: the newer form where it is there, else the older.
fn names(newer: Option<&Any>, older: Option<&Any>, certificate: &[u8]) -> bool {
    if let Some(newer) = newer {
        let read = newer.decode_as::<SigningCertificateV2>().ok();
        let first = read.as_ref().and_then(|read| read.certs.first());
        return first.is_some_and(|id| {
            let algorithm = id.hash_algorithm.as_ref().map_or(SHA_256, |named| named.oid);
            digest_of(algorithm, certificate).is_some_and(|hash| hash == id.cert_hash.as_bytes())
        });
    }
    let read = older.and_then(|older| older.decode_as::<SigningCertificate>().ok());
    let first = read.as_ref().and_then(|read| read.certs.first());
    first.is_some_and(|id| Sha1::digest(certificate).as_slice() == id.cert_hash.as_bytes())
}

fn identifies(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            let own = &certificate.tbs_certificate;
            id.issuer == own.issuer && id.serial_number == own.serial_number
        }
        // The signed attributes name the certificate by hash; a key's name adds nothing.
        SignerIdentifier::SubjectKeyIdentifier(_) => true,
    }
}

fn stamps_only(certificate: &CertificateDer<'_>) -> Result<(), &'static str> {
    let read = Certificate::from_der(certificate).map_err(|_| "it cannot be read")?;
    let mut extensions = read.tbs_certificate.extensions.iter().flatten();
    let usage = extensions.find(|extension| extension.extn_id == ExtendedKeyUsage::OID);
    let usage = usage.ok_or("it is not meant for time stamps")?;
    let uses =
        ExtendedKeyUsage::from_der(usage.extn_value.as_bytes()).map_err(|_| "its uses cannot be read")?;
    match usage.critical && uses.0 == [TIME_STAMPING] {
        true => Ok(()),
        false => Err("it is not meant for time stamps alone"),
    }
}

/// `GeneralizedTime` in UTC, with or without a fraction (RFC 3161, section 2.4.2).
fn time(stated: &Any) -> Option<Instant> {
    let text = std::str::from_utf8(stated.value()).ok().filter(|_| stated.tag() == Tag::GeneralizedTime)?;
    let digits = text.strip_suffix('Z')?;
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    if whole.len() != 14 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = match fraction {
        None => String::new(),
        Some(f) if (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()) => format!(".{f}"),
        Some(_) => return None,
    };
    let (date, clock) = whole.split_at(8);
    let (year, day) = (&date[..4], (&date[4..6], &date[6..]));
    let text =
        format!("{year}-{}-{}T{}:{}:{}{fraction}Z", day.0, day.1, &clock[..2], &clock[2..4], &clock[4..]);
    Instant::parse(&text).ok()
}

fn accuracy(stated: Option<&Accuracy>) -> Span {
    let Some(stated) = stated else { return Span::ZERO };
    let seconds = i64::try_from(stated.seconds.unwrap_or_default()).unwrap_or(i64::MAX).min(86_400);
    let (millis, micros) =
        (i64::from(stated.millis.unwrap_or_default()), i64::from(stated.micros.unwrap_or_default()));
    Span::micros(seconds * 1_000_000 + millis.max(0) * 1_000 + micros.max(0))
}

#[cfg(test)]
mod tests;
