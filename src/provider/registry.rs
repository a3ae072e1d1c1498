//! From a connection to its adapter: the one list of vendors that can be sent through.

use std::time::Duration;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::SharedProvider;
use super::account::{Account, Vendor};
use super::apns::Apns;
use super::aws::Aws;
use super::bandwidth::Bandwidth;
use super::bird::Bird;
use super::fcm::Fcm;
use super::http::{AddressRule, HttpClient, HttpLimits};
use super::infobip::Infobip;
use super::messagebird::MessageBird;
use super::plivo::Plivo;
use super::request::{Callback, token, uri};
use super::sandbox::{SandboxProvider, SettingsError};
use super::sinch::Sinch;
use super::smpp::Smpp;
use super::telnyx::Telnyx;
use super::twilio::Twilio;
use super::vonage::Vonage;
use super::web_push::WebPush;
use crate::clock::SharedClock;
use crate::entropy::SystemEntropy;
use crate::model::registry::Connection;

/// Name under which the token of the webhook path is asked for, as `ConnectionConfig::to_registry` lists it.
pub const PATH_TOKEN: &str = "path_token";

/// Every vendor that can be sent through.
pub const PROVIDERS: &[&str] = &[
    "apns",
    "aws",
    "bandwidth",
    "bird",
    "fcm",
    "infobip",
    "messagebird",
    "plivo",
    "sandbox",
    "sinch",
    "smpp",
    "telnyx",
    "twilio",
    "vonage",
    "web_push",
];

/// Whether a vendor is a push service: nothing comes in from there, so there is no gap in hearing.
pub fn is_push(provider: &str) -> bool {
    matches!(provider, "apns" | "fcm" | "web_push")
}

/// Whether a vendor calls us back over HTTP: push services say nothing, and an SMSC speaks over the line it is bound to.
pub fn has_webhook(provider: &str) -> bool {
    !is_push(provider) && provider != "smpp"
}

/// Push services want a connection kept open for hours, and count opening one for each message as abuse (Apple).
const PUSH_IDLE: Duration = Duration::from_secs(3_600);

/// Why a connection cannot send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No such vendor in this release.
    #[error("provider: no adapter of this release sends through '{0}'")]
    Provider(String),
    /// A plain setting is missing or wrong.
    #[error("settings.{0}: {1}")]
    Setting(&'static str, &'static str),
    /// A secret is missing, unreadable or wrong.
    #[error("secrets.{0}: {1}")]
    Secret(&'static str, &'static str),
}

/// The adapter of a connection. `secret` resolves its secrets by name; `path_token` among them is the token of its
/// webhook path, which some vendors are told with every message. Secrets are read once: a rotated one is taken up by
/// building again. `addresses` is what the operator allows, see `ConnectionConfig::allow_private_addresses`.
pub fn build(
    connection: &Connection,
    secret: &dyn Fn(&str) -> Option<SecretString>,
    clock: SharedClock,
    addresses: AddressRule,
) -> Result<SharedProvider, BuildError> {
    let mut limits = HttpLimits { addresses, answer: Duration::from_secs(10), ..HttpLimits::default() };
    if is_push(&connection.provider) {
        limits.idle = PUSH_IDLE;
    }
    build_over(connection, secret, clock, HttpClient::new(limits))
}

/// The same over a client with other limits or trust.
pub fn build_over(
    connection: &Connection,
    secret: &dyn Fn(&str) -> Option<SecretString>,
    clock: SharedClock,
    http: HttpClient,
) -> Result<SharedProvider, BuildError> {
    fn account(vendor: impl Vendor, http: HttpClient, clock: SharedClock) -> SharedProvider {
        std::sync::Arc::new(Account::new(vendor, http, clock))
    }
    let given = Given { connection, secret };
    Ok(match connection.provider.as_str() {
        "apns" => account(Apns::new(&given)?, http, clock),
        "aws" => account(Aws::new(&given)?, http, clock),
        "bandwidth" => account(Bandwidth::new(&given)?, http, clock),
        "bird" => account(Bird::new(&given)?, http, clock),
        "fcm" => account(Fcm::new(&given)?, http, clock),
        "infobip" => account(Infobip::new(&given)?, http, clock),
        "messagebird" => account(MessageBird::new(&given)?, http, clock),
        "plivo" => account(Plivo::new(&given)?, http, clock),
        "sandbox" => sandbox(&given, http, clock)?,
        "sinch" => account(Sinch::new(&given)?, http, clock),
        "smpp" => {
            let addresses = http.limits().addresses;
            std::sync::Arc::new(Smpp::new(&given, clock, std::sync::Arc::new(SystemEntropy), addresses)?)
        }
        "telnyx" => account(Telnyx::new(&given)?, http, clock),
        "twilio" => account(Twilio::new(&given)?, http, clock),
        "vonage" => account(Vonage::new(&given)?, http, clock),
        "web_push" => account(WebPush::new(&given)?, http, clock),
        other => return Err(BuildError::Provider(other.to_owned())),
    })
}

fn sandbox(given: &Given<'_>, http: HttpClient, clock: SharedClock) -> Result<SharedProvider, BuildError> {
    let (url, token) = (given.setting("url")?, given.secret("token")?);
    let made = SandboxProvider::new(http, clock, url, token).map_err(|e| match e {
        SettingsError::Url => BuildError::Setting("url", BASE_RULE),
        SettingsError::Token => BuildError::Secret("token", "must be visible ASCII characters"),
    })?;
    Ok(std::sync::Arc::new(made))
}

const BASE_RULE: &str = "must be scheme and host, as in https://api.provider.example, without a query";

/// What a connection gives its adapter.
pub struct Given<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// Its secrets by name.
    pub secret: &'a dyn Fn(&str) -> Option<SecretString>,
}

impl<'a> Given<'a> {
    /// A setting that may be absent; empty counts as absent.
    pub fn optional(&self, name: &str) -> Option<&'a str> {
        let found = self.connection.settings.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A setting that must be there.
    pub fn setting(&self, name: &'static str) -> Result<&'a str, BuildError> {
        self.optional(name).ok_or(BuildError::Setting(name, "is required by this provider"))
    }

    /// A setting that stands in a path: letters, digits, `-`, `_`, `.` and `:`.
    pub fn segment(&self, name: &'static str) -> Result<&'a str, BuildError> {
        let value = self.setting(name)?;
        let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        match value.bytes().all(fine) && !value.starts_with('.') {
            true => Ok(value),
            false => Err(BuildError::Setting(name, "must be letters, digits and - _ . : only")),
        }
    }

    /// A setting with a fixed choice; the first is the default.
    pub fn choice(&self, name: &'static str, from: &[&'static str]) -> Result<&'static str, BuildError> {
        let Some(given) = self.optional(name) else { return Ok(from[0]) };
        let found = from.iter().find(|choice| **choice == given).copied();
        found.ok_or(BuildError::Setting(name, "is none of the choices docs/providers.md lists"))
    }

    /// A secret that must be there.
    pub fn secret(&self, name: &'static str) -> Result<SecretString, BuildError> {
        let found = (self.secret)(name).filter(|secret| !secret.expose_secret().is_empty());
        found.ok_or(BuildError::Secret(name, "is required by this provider and cannot be read"))
    }

    /// The value of `Authorization` under a scheme, from a secret that must be there.
    pub fn authorization(&self, scheme: &str, name: &'static str) -> Result<HeaderValue, BuildError> {
        token(scheme, &self.secret(name)?).ok_or(BuildError::Secret(name, "must be visible ASCII"))
    }

    /// The setting `url`, or the vendor's usual address; without a slash at its end.
    pub fn base(&self, usual: &str) -> Result<String, BuildError> {
        let base = self.optional("url").unwrap_or(usual);
        let wrong = BuildError::Setting("url", BASE_RULE);
        let parsed = uri(base).ok_or(wrong.clone())?;
        let web = matches!(parsed.scheme_str(), Some("http" | "https"));
        match web && parsed.host().is_some() && parsed.query().is_none() {
            true => Ok(base.trim_end_matches('/').to_owned()),
            false => Err(wrong),
        }
    }

    /// Where the vendor tells us what becomes of messages; none when the path's token is not known here.
    pub fn callback(&self) -> Option<Callback> {
        let token = (self.secret)(PATH_TOKEN)?;
        let origin = self.connection.public_url.trim_end_matches('/');
        let id = &self.connection.id;
        let url = format!("{origin}/webhooks/{id}/{}", token.expose_secret());
        (!origin.is_empty()).then(|| Callback(SecretString::from(url)))
    }

    /// The same, for vendors that echo our reference nowhere else.
    pub fn needed_callback(&self) -> Result<Callback, BuildError> {
        let why = "is required: this provider is told our webhook's address with every message";
        self.callback().ok_or(BuildError::Secret(PATH_TOKEN, why))
    }
}
