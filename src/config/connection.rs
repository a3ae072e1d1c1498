//! Provider accounts in the configuration: what each adapter needs, and whether it is there.

use std::path::Path;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::read::{Reader, each_by_id};
use super::secret::{SecretError, SecretRef};
use crate::model::registry::{Connection, Price, Reconcile, Validity};
use crate::model::{ConnectionId, Country, Phone};
use crate::provider::registry::{PATH_TOKEN, has_webhook};
use crate::provider::smpp::settings::{VALIDITY_TAKEN, reconcile_of};

/// Numbers that a test message may go to.
const TEST_NUMBERS_MAX: usize = 16;

/// What an adapter wants to be told.
#[derive(Debug, Clone, Copy)]
pub struct ProviderShape {
    /// Its name in `provider`.
    pub name: &'static str,
    /// Settings it cannot do without.
    pub settings: &'static [&'static str],
    /// Settings it can.
    pub optional_settings: &'static [&'static str],
    /// Secrets it cannot do without.
    pub secrets: &'static [&'static str],
    /// Secrets it can, such as the second of two during a rotation.
    pub optional_secrets: &'static [&'static str],
    /// Whether it takes a deadline with a message, and within which bounds.
    pub validity: Validity,
    /// How a gap in hearing is closed.
    pub reconcile: Reconcile,
}

/// Every adapter of this release.
const SHAPES: &[ProviderShape] = &[
    // Push services keep a message up to four weeks; a week is the most this gateway asks of any provider.
    ProviderShape {
        name: "apns",
        settings: &["key_id", "team_id"],
        optional_settings: &["category", "environment", "topic", "url"],
        secrets: &["private_key"],
        optional_secrets: &[],
        validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
        reconcile: Reconcile::Nothing,
    },
    // AWS End User Messaging SMS v2: TimeToLive 5 to 259,200 seconds; DescribeOptedOutNumbers lists opt-outs.
    ProviderShape {
        name: "aws",
        settings: &["access_key_id", "configuration_set", "region", "topic_arns"],
        optional_settings: &["message_type", "opt_out_lists", "url"],
        secrets: &["secret_access_key"],
        optional_secrets: &["session_token"],
        validity: Validity::Native { min_seconds: 5, max_seconds: 259_200 },
        reconcile: Reconcile::List,
    },
    // Bandwidth, createMessage: expiration is an instant without documented bounds, narrowed here to a day; the list
    // names texts that came in, without their words.
    ProviderShape {
        name: "bandwidth",
        settings: &["account_id", "api_user", "application_id", "webhook_user"],
        optional_settings: &["url"],
        secrets: &["api_password", "webhook_password"],
        optional_secrets: &["webhook_password_next"],
        validity: Validity::Native { min_seconds: 60, max_seconds: 86_400 },
        reconcile: Reconcile::List,
    },
    // Bird platform: a validity is a preview that ordinary accounts are refused; how long it queues is not documented.
    ProviderShape {
        name: "bird",
        settings: &[],
        optional_settings: &["category", "url"],
        secrets: &["api_key", "webhook_secret"],
        optional_secrets: &["webhook_secret_next"],
        validity: Validity::None { queue_seconds: 3_600 },
        reconcile: Reconcile::List,
    },
    // See apns.
    ProviderShape {
        name: "fcm",
        settings: &[],
        optional_settings: &["android_channel", "token_url", "url"],
        secrets: &["service_account"],
        optional_secrets: &[],
        validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
        reconcile: Reconcile::Nothing,
    },
    // Infobip, sms/3: a validity of at most 48 hours; the log and the inbox are listed.
    ProviderShape {
        name: "infobip",
        settings: &["url", "webhook_user"],
        optional_settings: &[],
        secrets: &["api_key", "webhook_password"],
        optional_secrets: &["webhook_password_next"],
        validity: Validity::Native { min_seconds: 60, max_seconds: 172_800 },
        reconcile: Reconcile::List,
    },
    // MessageBird REST, Bird's older API: validity in seconds; texts that came in are listed.
    ProviderShape {
        name: "messagebird",
        settings: &[],
        optional_settings: &["url"],
        secrets: &["access_key", "signing_key"],
        optional_secrets: &["signing_key_next"],
        validity: Validity::Native { min_seconds: 60, max_seconds: 172_800 },
        reconcile: Reconcile::List,
    },
    // Plivo, api/message: message_expiry 5 to 10,800 seconds; the list names texts that came in, without their words.
    ProviderShape {
        name: "plivo",
        settings: &["auth_id"],
        optional_settings: &["signature", "url"],
        secrets: &["auth_token"],
        optional_secrets: &["auth_token_next"],
        validity: Validity::Native { min_seconds: 5, max_seconds: 10_800 },
        reconcile: Reconcile::List,
    },
    ProviderShape {
        name: "sandbox",
        settings: &["url"],
        optional_settings: &[],
        secrets: &["token", "webhook"],
        optional_secrets: &["webhook_next"],
        validity: Validity::Native { min_seconds: 1, max_seconds: 172_800 },
        reconcile: Reconcile::List,
    },
    // Sinch, batches: expire_at at most 3 days ahead; texts and delivery reports are listed.
    ProviderShape {
        name: "sinch",
        settings: &["service_plan_id"],
        optional_settings: &["region", "url", "webhook_auth", "webhook_user"],
        secrets: &["api_token", "webhook_secret"],
        optional_secrets: &["webhook_secret_next"],
        validity: Validity::Native { min_seconds: 1, max_seconds: 259_200 },
        reconcile: Reconcile::List,
    },
    // SMPP 3.4 and 5.0: how an SMSC keeps what people write is by agreement.
    ProviderShape {
        name: "smpp",
        settings: &["system_id", "url"],
        optional_settings: &[
            "addr_npi",
            "addr_ton",
            "address_range",
            "bind",
            "binds",
            "default_alphabet",
            "enquire_link_seconds",
            "interface_version",
            "long_messages",
            "message_id_format",
            "mo_while_unbound",
            "opted_out_codes",
            "opted_out_errors",
            "parts_per_second",
            "response_seconds",
            "service_type",
            "short_code_npi",
            "short_code_ton",
            "system_type",
            "user_message_reference",
            "validity_format",
            "window",
        ],
        secrets: &["password"],
        optional_secrets: &["ca"],
        validity: VALIDITY_TAKEN,
        reconcile: Reconcile::Operator,
    },
    // No validity field; a message is dropped after four hours in the queue (rate-limiting page). Opt-outs are listed.
    ProviderShape {
        name: "telnyx",
        settings: &[],
        optional_settings: &["messaging_profile_id", "url"],
        secrets: &["api_key", "public_key"],
        optional_secrets: &["public_key_next"],
        validity: Validity::None { queue_seconds: 14_400 },
        reconcile: Reconcile::List,
    },
    // Twilio, api/messaging: ValidityPeriod 1 to 36,000 seconds; Messages.json lists what came in.
    ProviderShape {
        name: "twilio",
        settings: &["account_sid"],
        optional_settings: &["messaging_service_sid", "api_key_sid", "url", "webhook_key_ids"],
        secrets: &["auth_token"],
        optional_secrets: &["auth_token_next", "api_key_secret", "webhook_key", "webhook_key_next"],
        validity: Validity::Native { min_seconds: 1, max_seconds: 36_000 },
        reconcile: Reconcile::List,
    },
    // Vonage, SMS and Messages API: ttl of 20 seconds to 7 days; there is no list of texts or opt-outs.
    ProviderShape {
        name: "vonage",
        settings: &["api_key"],
        optional_settings: &["api", "signature_method", "url"],
        secrets: &["api_secret", "signature_secret"],
        optional_secrets: &["signature_secret_next"],
        validity: Validity::Native { min_seconds: 20, max_seconds: 604_800 },
        reconcile: Reconcile::Operator,
    },
    // See apns.
    ProviderShape {
        name: "web_push",
        settings: &["public_key", "subject"],
        optional_settings: &["push_hosts"],
        secrets: &["private_key"],
        optional_secrets: &[],
        validity: Validity::Native { min_seconds: 0, max_seconds: 604_800 },
        reconcile: Reconcile::Nothing,
    },
];

/// The adapter of a name.
pub fn shape_of(provider: &str) -> Option<&'static ProviderShape> {
    SHAPES.iter().find(|s| s.name == provider)
}

/// One provider account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Its id, part of the webhook path.
    pub id: ConnectionId,
    /// Which adapter.
    pub provider: String,
    /// Plain settings, sorted by name.
    pub settings: Vec<(String, String)>,
    /// Secrets by reference, sorted by name.
    pub secrets: Vec<(String, SecretRef)>,
    /// Scheme, host and port under which the provider reaches us; the path is ours to add. Empty where it calls nobody back.
    pub public_url: String,
    /// The unguessable part of the webhook path; none where there is no webhook: push services, and SMPP.
    pub path_token: Option<SecretRef>,
    /// Whether the provider takes a deadline.
    pub validity: Validity,
    /// How a gap in hearing is closed.
    pub reconcile: Reconcile,
    /// Messages in hand-over at once, 1 to 4,096.
    pub slots: u32,
    /// Allows the provider's address to be a private one.
    pub allow_private_addresses: bool,
    /// What a segment costs, by country; sorted.
    pub prices: Vec<Price>,
    /// Numbers that `consentry provider test` may text.
    pub test_numbers: Vec<Phone>,
}

impl ConnectionConfig {
    /// The registry's record of it. Reads the path token; the other secrets stay references.
    pub fn to_registry(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Connection, SecretError> {
        let token = self.path_token.as_ref().map(|token| token.resolve(env)).transpose()?;
        let mut secrets: Vec<(String, String)> =
            self.secrets.iter().map(|(name, at)| (name.clone(), at.to_string())).collect();
        // Adapters tell providers where to call back, and the path is part of that.
        secrets.extend(self.path_token.as_ref().map(|token| (PATH_TOKEN.to_owned(), token.to_string())));
        secrets.sort();
        Ok(Connection {
            id: self.id.clone(),
            provider: self.provider.clone(),
            settings: self.settings.clone(),
            secrets,
            public_url: self.public_url.clone(),
            // Without a webhook there is no token, and no text has this hash.
            token_sha256: token.map_or([0; 32], |t| Sha256::digest(t.expose_secret().as_bytes()).into()),
            validity: self.validity,
            reconcile: self.reconcile,
            slots: self.slots,
            prices: self.prices.clone(),
        })
    }
}

/// Reads all connections; ids must differ.
pub(super) fn read_all(items: Vec<Reader<'_, '_>>, base: &Path) -> Vec<ConnectionConfig> {
    each_by_id(items, "connection", |item, id| read(item, id, base))
}

fn read(mut r: Reader<'_, '_>, id: Option<ConnectionId>, base: &Path) -> Option<ConnectionConfig> {
    let line = r.line_of("provider");
    let provider: Option<String> = r.required("provider");
    let shape = provider.as_deref().and_then(shape_of);
    if provider.is_some() && shape.is_none() {
        let known: Vec<&str> = SHAPES.iter().map(|s| s.name).collect();
        r.error("provider", line, format!("is not known; this release has {}", known.join(", ")));
    }
    let called = provider.as_deref().is_none_or(has_webhook);
    let (public_url, path_token) = match called {
        true => {
            let token = r.required_parsed("path_token", |t| SecretRef::parse(t, base));
            (r.required_parsed("public_url", public_url), token.map(Some))
        }
        false => (Some(String::new()), Some(None)),
    };
    let slots = r.within("slots", 1..=4_096, 16) as u32;
    let allow_private_addresses = r.or("allow_private_addresses", false);
    let settings = r.section("settings");
    let settings =
        named(settings, shape.map(|s| (s.settings, s.optional_settings)), |t| Ok::<_, String>(t.to_owned()));
    let secrets = r.section("secrets");
    let secrets =
        named(secrets, shape.map(|s| (s.secrets, s.optional_secrets)), |t| SecretRef::parse(t, base));
    let validity = validity(&mut r, shape);
    let prices = prices(r.section("prices"));
    let line = r.line_of("test_numbers");
    let listed: Vec<String> = r.or("test_numbers", Vec::new());
    let (test_numbers, wrong): (Vec<_>, Vec<_>) =
        listed.iter().map(|number| Phone::from_e164(number)).partition(Result::is_ok);
    if !wrong.is_empty() || listed.len() > TEST_NUMBERS_MAX {
        r.error("test_numbers", line, "must be at most 16 numbers in E.164, as in +12125550123");
    }
    r.finish();
    let shape = shape?;
    let reconcile = if shape.name == "smpp" { reconcile_of(&settings) } else { shape.reconcile };
    Some(ConnectionConfig {
        id: id?,
        provider: provider?,
        settings,
        secrets,
        public_url: public_url?,
        path_token: path_token?,
        validity,
        reconcile,
        slots,
        allow_private_addresses,
        prices,
        test_numbers: test_numbers.into_iter().flatten().collect(),
    })
}

/// What a segment costs: `US = "0.0079 USD"`, and `rest` for every country that is not named.
fn prices(r: Reader<'_, '_>) -> Vec<Price> {
    let report = r.reporter();
    let mut found = Vec::new();
    for (name, text, line) in r.texts() {
        let country = if name == "rest" { Some(String::new()) } else { country_of(&name) };
        match (country, Price::parse(&text)) {
            (Some(country), Some((micros_per_part, currency))) => {
                found.push(Price { country, currency, micros_per_part });
            }
            (None, _) => report(&name, line, "is no two-letter country code, nor `rest`".to_owned()),
            (_, None) => report(
                &name,
                line,
                "must be a price and its currency, as in 0.0079 USD, to six decimals".to_owned(),
            ),
        }
    }
    found.sort();
    found
}

fn country_of(name: &str) -> Option<String> {
    name.parse::<Country>().ok().map(|country| country.as_str().to_owned())
}

/// `validity_seconds` narrows what the adapter's provider takes.
fn validity(r: &mut Reader<'_, '_>, shape: Option<&ProviderShape>) -> Validity {
    match shape.map(|s| s.validity) {
        Some(Validity::Native { min_seconds, max_seconds }) => {
            let bounds = u64::from(min_seconds)..=u64::from(max_seconds);
            let max = r.within("validity_seconds", bounds, u64::from(max_seconds)) as u32;
            Validity::Native { min_seconds, max_seconds: max }
        }
        other => {
            let queue = r.within("validity_seconds", 1..=604_800, 36_000) as u32;
            other.unwrap_or(Validity::None { queue_seconds: queue })
        }
    }
}

/// Names and values of a free table: what the adapter needs must be there, what it does not know must not.
fn named<T, E: std::fmt::Display>(
    r: Reader<'_, '_>,
    names: Option<(&[&str], &[&str])>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Vec<(String, T)> {
    let mut found = Vec::new();
    let report = r.reporter();
    for (name, text, line) in r.texts() {
        if let Some((needed, optional)) = names
            && !needed.contains(&name.as_str())
            && !optional.contains(&name.as_str())
        {
            report(
                &name,
                line,
                format!("is unknown here; there are {}", [needed, optional].concat().join(", ")),
            );
            continue;
        }
        match parse(&text) {
            Ok(value) => found.push((name, value)),
            Err(error) => report(&name, line, error.to_string()),
        }
    }
    for name in names.map(|(needed, _)| needed).unwrap_or_default() {
        if !found.iter().any(|(n, _)| n == name) {
            report(name, None, "is required by this provider".to_owned());
        }
    }
    found
}

fn public_url(text: &str) -> Result<String, &'static str> {
    let what = "must be scheme and host only, as in https://gw.shop.example";
    let uri: http::Uri = text.parse().map_err(|_| what)?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    match web && uri.host().is_some() && matches!(uri.path(), "" | "/") && uri.query().is_none() {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(what),
    }
}
