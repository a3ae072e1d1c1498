//! What an SMPP connection is told: where the SMSC is, how to bind, and what this peer makes of the specification's choices.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::ConfigBuilderExt;
use rusmpp_core::types::owned::COctetString;
use rusmpp_core::values::InterfaceVersion;
use rusmpp_core::values::owned::ServiceType;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use secrecy::{ExposeSecret, SecretString};

use super::alphabet::Alphabet;
use super::ids::IdFormat;
use super::status::OptedOut;
use crate::model::registry::{Reconcile, Validity};
use crate::provider::registry::{BuildError, Given};

/// What one TCP connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Transceiver,
    Transmitter,
    Receiver,
}

impl Role {
    pub fn transmits(self) -> bool {
        self != Role::Receiver
    }
    pub fn receives(self) -> bool {
        self != Role::Transmitter
    }
    /// As it stands in the log.
    pub fn name(self) -> &'static str {
        match self {
            Role::Transceiver => "transceiver",
            Role::Transmitter => "transmitter",
            Role::Receiver => "receiver",
        }
    }
}

/// How a text of several parts is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongStyle {
    /// A header in each part with an 8-bit reference (3GPP TS 23.040, section 9.2.3.24.1).
    Udh8,
    /// The same with a 16-bit reference.
    Udh16,
    /// `sar_*` parameters; the SMSC makes the headers.
    Sar,
    /// Whole, in `message_payload`; the SMSC cuts it.
    Payload,
}

/// Where the SMSC listens.
#[derive(Clone)]
pub struct Place {
    pub host: String,
    pub port: u16,
    /// None: in clear.
    pub tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
}

/// How a bind is asked for.
#[derive(Clone)]
pub struct Credentials {
    pub system_id: COctetString<1, 16>,
    password: SecretString,
    pub system_type: COctetString<1, 13>,
    pub version: InterfaceVersion,
    pub addr_ton: u8,
    pub addr_npi: u8,
    pub address_range: COctetString<1, 41>,
}

impl Credentials {
    /// The password as it is written.
    pub fn password(&self) -> COctetString<1, 9> {
        COctetString::from_str(self.password.expose_secret()).expect("checked when it was read")
    }
}

/// How a text is submitted.
#[derive(Clone)]
pub struct Submission {
    pub service_type: ServiceType,
    pub alphabet: Alphabet,
    pub long: LongStyle,
    /// An instant, rather than how long.
    pub absolute_validity: bool,
    /// Type of number and numbering plan of short codes.
    pub short_code: (u8, u8),
    /// Whether `user_message_reference` is told.
    pub references: bool,
}

/// Waits of a session.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// To connect, TLS included, and again to bind.
    pub connect: Duration,
    /// For the response to a submit; after it the message may have been taken.
    pub response: Duration,
    /// After so much silence the peer is asked whether it lives.
    pub enquire: Duration,
    /// For its answer; after two without one the line is dropped.
    pub enquire_answer: Duration,
    /// For one PDU to be written, and for the answer to an unbind.
    pub write: Duration,
    /// The first wait before a bind is tried again, and the longest.
    pub again: (Duration, Duration),
    /// Silence after which everything the SMSC kept has come.
    pub quiet: Duration,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            enquire: Duration::from_secs(30),
            enquire_answer: Duration::from_secs(10),
            write: Duration::from_secs(5),
            again: (Duration::from_secs(1), Duration::from_secs(60)),
            quiet: Duration::from_secs(3),
        }
    }
}

/// Everything.
#[derive(Clone)]
pub struct Settings {
    pub place: Place,
    pub credentials: Credentials,
    pub submission: Submission,
    pub waits: Waits,
    pub roles: Vec<Role>,
    /// Submits without an answer, a bind.
    pub window: usize,
    /// Parts a second, a bind; none: as fast as the lanes go.
    pub parts_per_second: Option<u32>,
    pub ids: IdFormat,
    pub opted_out: OptedOut,
    /// The operator says that the SMSC keeps what people write while no bind is up.
    pub keeps: bool,
}

/// What an SMSC takes as a validity: 3.4 sets no bounds, and a week is the most this gateway asks of any provider.
pub const VALIDITY_TAKEN: Validity = Validity::Native { min_seconds: 60, max_seconds: 604_800 };

/// How a gap is closed, by the plain settings of a connection.
pub fn reconcile_of(settings: &[(String, String)]) -> Reconcile {
    let kept = settings.iter().any(|(name, value)| name == UNBOUND && value == KEEPS[1]);
    if kept { Reconcile::List } else { Reconcile::Operator }
}

/// Values of the settings with a choice; the first is the default.
const BINDS: [&str; 3] = ["transceiver", "pair", "receiver"];
const VERSIONS: [&str; 2] = ["3.4", "5.0"];
const ALPHABETS: [&str; 2] = ["gsm", "latin1"];
const LONG: [&str; 4] = ["udh8", "udh16", "sar", "payload"];
const ID_FORMATS: [&str; 3] = ["raw", "hex", "dec"];
const VALIDITIES: [&str; 2] = ["relative", "absolute"];
const NO_YES: [&str; 2] = ["no", "yes"];
/// Whether the SMSC keeps what people write while no bind is up.
const UNBOUND: &str = "mo_while_unbound";
const KEEPS: [&str; 2] = ["unknown", "kept"];

/// Ports registered with IANA, and by custom.
const PORT: u16 = 2775;
const PORT_TLS: u16 = 3550;
const URL_RULE: &str = "must be smpp://HOST:PORT or smpps://HOST:PORT";

impl Settings {
    /// Reads them all; nothing is looked up or called.
    pub fn read(given: &Given<'_>) -> Result<Settings, BuildError> {
        let kind = given.choice("bind", &BINDS)?;
        let roles: &[Role] = match kind {
            "pair" => &[Role::Transmitter, Role::Receiver],
            "receiver" => &[Role::Receiver],
            _ => &[Role::Transceiver],
        };
        let times = number(given, "binds", 1..=16, 1)? as usize;
        let waits = Waits {
            response: seconds(given, "response_seconds", 5..=120, 30)?,
            enquire: seconds(given, "enquire_link_seconds", 5..=300, 30)?,
            ..Waits::default()
        };
        Ok(Settings {
            place: place(given)?,
            credentials: credentials(given)?,
            submission: submission(given)?,
            waits,
            roles: roles.iter().copied().cycle().take(roles.len() * times).collect(),
            window: number(given, "window", 1..=1_000, 10)? as usize,
            parts_per_second: match number(given, "parts_per_second", 0..=10_000, 0)? {
                0 => None,
                rate => Some(rate),
            },
            ids: id_format(given)?,
            opted_out: OptedOut::read(given)?,
            keeps: given.choice(UNBOUND, &KEEPS)? == KEEPS[1],
        })
    }
}

/// How message ids are written; also the receipts' reader has to know.
pub fn id_format(given: &Given<'_>) -> Result<IdFormat, BuildError> {
    Ok(match given.choice("message_id_format", &ID_FORMATS)? {
        "hex" => IdFormat::Hex,
        "dec" => IdFormat::Dec,
        _ => IdFormat::Raw,
    })
}

/// What `data_coding` 0 means; also the reader of texts has to know.
pub fn alphabet(given: &Given<'_>) -> Result<Alphabet, BuildError> {
    Ok(match given.choice("default_alphabet", &ALPHABETS)? {
        "latin1" => Alphabet::Latin1,
        _ => Alphabet::Gsm,
    })
}

fn number(
    given: &Given<'_>,
    name: &'static str,
    within: RangeInclusive<u32>,
    usual: u32,
) -> Result<u32, BuildError> {
    let Some(text) = given.optional(name) else { return Ok(usual) };
    let found = text.parse().ok().filter(|n| within.contains(n));
    found.ok_or(BuildError::Setting(name, "must be a whole number within the bounds docs/providers.md lists"))
}

fn seconds(
    given: &Given<'_>,
    name: &'static str,
    within: RangeInclusive<u32>,
    usual: u32,
) -> Result<Duration, BuildError> {
    Ok(Duration::from_secs(u64::from(number(given, name, within, usual)?)))
}

fn place(given: &Given<'_>) -> Result<Place, BuildError> {
    let wrong = || BuildError::Setting("url", URL_RULE);
    let url: http::Uri = given.setting("url")?.parse().map_err(|_| wrong())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none();
    let named = url.authority().is_some_and(|a| !a.as_str().contains('@'));
    let host = url.host().filter(|host| bare && named && !host.is_empty()).ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let tls = match url.scheme_str() {
        Some("smpp") => None,
        Some("smpps") => {
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
            Some((Arc::new(trust(given)?), name))
        }
        _ => return Err(wrong()),
    };
    let port = url.port_u16().unwrap_or(if tls.is_some() { PORT_TLS } else { PORT });
    Ok(Place { host, port, tls })
}

/// The web's usual authorities, or the connection's own alone.
fn trust(given: &Given<'_>) -> Result<rustls::ClientConfig, BuildError> {
    const WRONG: BuildError = BuildError::Secret("ca", "must be certificates in PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    let Some(ca) = (given.secret)("ca").filter(|ca| !ca.expose_secret().is_empty()) else {
        return Ok(config.with_webpki_roots().with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    for found in CertificateDer::pem_slice_iter(ca.expose_secret().as_bytes()) {
        let added = found.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or(WRONG)?;
    }
    if roots.is_empty() {
        return Err(WRONG);
    }
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// ASCII of bounded length, as the protocol wants it.
fn octets<const MAX: usize>(
    given: &Given<'_>,
    name: &'static str,
    rule: &'static str,
) -> Result<COctetString<1, MAX>, BuildError> {
    let text = given.optional(name).unwrap_or_default();
    COctetString::from_str(text).map_err(|_| BuildError::Setting(name, rule))
}

fn credentials(given: &Given<'_>) -> Result<Credentials, BuildError> {
    given.setting("system_id")?;
    let password = given.secret("password")?;
    if COctetString::<1, 9>::from_str(password.expose_secret()).is_err() {
        return Err(BuildError::Secret(
            "password",
            "must be at most 8 ASCII characters, which is all SMPP carries",
        ));
    }
    Ok(Credentials {
        system_id: octets(given, "system_id", "must be at most 15 ASCII characters")?,
        password,
        system_type: octets(given, "system_type", "must be at most 12 ASCII characters")?,
        version: match given.choice("interface_version", &VERSIONS)? {
            "5.0" => InterfaceVersion::Smpp5_0,
            _ => InterfaceVersion::Smpp3_4,
        },
        addr_ton: number(given, "addr_ton", 0..=255, 0)? as u8,
        addr_npi: number(given, "addr_npi", 0..=255, 0)? as u8,
        address_range: octets(given, "address_range", "must be at most 40 ASCII characters")?,
    })
}

fn submission(given: &Given<'_>) -> Result<Submission, BuildError> {
    Ok(Submission {
        service_type: ServiceType::new(octets(given, "service_type", "must be at most 5 ASCII characters")?),
        alphabet: alphabet(given)?,
        long: match given.choice("long_messages", &LONG)? {
            "udh16" => LongStyle::Udh16,
            "sar" => LongStyle::Sar,
            "payload" => LongStyle::Payload,
            _ => LongStyle::Udh8,
        },
        absolute_validity: given.choice("validity_format", &VALIDITIES)? == "absolute",
        short_code: (
            number(given, "short_code_ton", 0..=255, 3)? as u8,
            number(given, "short_code_npi", 0..=255, 0)? as u8,
        ),
        references: given.choice("user_message_reference", &NO_YES)? == "yes",
    })
}
