//! One connection's ear: its path token, its secrets, and the voice it knows its provider by.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::aws::Aws;
use super::basic::Basic;
use super::bird::Bird;
use super::event::InboundEvent;
use super::messagebird::MessageBird;
use super::plivo::Plivo;
use super::sinch::Sinch;
use super::telnyx::Telnyx;
use super::twilio::Twilio;
pub use super::voice::{Judged as Authentic, Webhook};
use super::voice::{Proof, Voice, same};
use super::{bandwidth, infobip};
use crate::model::registry::Connection;
use crate::model::{ConnectionId, Instant};
use crate::provider::registry::BuildError;
use crate::provider::sandbox::webhook::Sandbox;

/// Why a connection cannot hear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No adapter reads what such a provider delivers.
    #[error("connection {0}: this release has no webhooks for provider '{1}'")]
    Provider(ConnectionId, String),
    /// A setting of its webhooks is missing or wrong.
    #[error("connection {0}: settings.{1}: {2}")]
    Setting(ConnectionId, &'static str, &'static str),
}

/// The plain settings of a connection, for its voice.
pub struct Settings<'a>(&'a Connection);

impl<'a> Settings<'a> {
    /// A setting that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.settings.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// One that must be.
    pub fn needed(&self, name: &'static str) -> Result<&'a str, EndpointError> {
        self.get(name).ok_or_else(|| self.wrong(name, "is required by this provider's webhooks"))
    }

    /// A complaint about one.
    pub fn wrong(&self, name: &'static str, why: &'static str) -> EndpointError {
        EndpointError::Setting(self.0.id.clone(), name, why)
    }
}

/// The voice of a connection's provider.
fn voice_of(connection: &Connection) -> Result<Box<dyn Voice>, EndpointError> {
    let settings = Settings(connection);
    Ok(match connection.provider.as_str() {
        "aws" => Box::new(Aws::new(&settings)?),
        "bandwidth" => Box::new(Basic::new(&settings, bandwidth::read)?),
        "bird" => Box::new(Bird),
        "infobip" => Box::new(Basic::new(&settings, infobip::read)?),
        "messagebird" => Box::new(MessageBird),
        "plivo" => Box::new(Plivo::new(&settings)?),
        "sandbox" => Box::new(Sandbox),
        "sinch" => Box::new(Sinch::new(&settings)?),
        "smpp" => Box::new(super::smpp::Smpp::new(connection).map_err(|e| match e {
            BuildError::Setting(name, why) | BuildError::Secret(name, why) => settings.wrong(name, why),
            BuildError::Provider(name) => EndpointError::Provider(connection.id.clone(), name),
        })?),
        "telnyx" => Box::new(Telnyx),
        "twilio" => Box::new(Twilio::new(&settings)),
        "vonage" => super::vonage::voice(&settings)?,
        other => return Err(EndpointError::Provider(connection.id.clone(), other.to_owned())),
    })
}

/// One connection's ear.
pub struct Endpoint {
    connection: ConnectionId,
    token_sha256: [u8; 32],
    origin: String,
    voice: Box<dyn Voice>,
    /// The newest first; none: they could not be read.
    secrets: Vec<SecretString>,
    /// Names of the secrets, one each.
    names: Vec<&'static str>,
}

impl Endpoint {
    /// The ear of a connection. `secret` resolves its secrets by name; those it cannot resolve leave the ear unable to
    /// tell, never open.
    pub fn new(
        connection: &Connection,
        secret: impl Fn(&str) -> Option<SecretString>,
    ) -> Result<Endpoint, EndpointError> {
        let voice = voice_of(connection)?;
        let (names, secrets): (Vec<&'static str>, Vec<SecretString>) =
            voice.secrets().iter().filter_map(|name| Some((*name, secret(name)?))).unzip();
        Ok(Endpoint {
            connection: connection.id.clone(),
            token_sha256: connection.token_sha256,
            origin: connection.public_url.trim_end_matches('/').to_owned(),
            secrets,
            names,
            voice,
        })
    }

    /// Secrets that cannot be what they are meant to be, by name.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let all = self.names.iter().zip(&self.secrets);
        all.filter_map(|(name, s)| Some((*name, self.voice.fault_of(s.expose_secret())?))).collect()
    }

    /// Which connection it is.
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// Whether the path's token is this connection's. Whoever lacks it is not worth reading.
    pub fn knows(&self, token: &str) -> bool {
        same(Sha256::digest(token.as_bytes()).as_slice(), &self.token_sha256)
    }

    /// Fetches what a judgement needs and is not here yet, such as a certificate.
    pub async fn prepare(&self, webhook: &Webhook) {
        self.voice.prepare(webhook).await;
    }

    /// Does what an authentic request asks for at the provider; false: it should come again.
    pub async fn follow_up(&self, webhook: &Webhook) -> bool {
        self.voice.follow_up(webhook).await
    }

    /// Whether the provider sent it, judged on the bytes as they came.
    pub fn authenticate(&self, webhook: &Webhook, now: Instant) -> Authentic {
        if self.secrets.is_empty() && !self.voice.secrets().is_empty() {
            return Authentic::Unknown;
        }
        let url = format!("{}{}", self.origin, webhook.path_and_query);
        let proof = Proof { url: &url, secrets: &self.secrets, now };
        self.voice.judge(webhook, &proof)
    }

    /// Whether an authentic request says that no more will come.
    pub fn falls_silent(&self, webhook: &Webhook) -> bool {
        self.voice.falls_silent(webhook)
    }

    /// What an authentic request says.
    pub fn read(&self, webhook: &Webhook, now: Instant) -> Vec<InboundEvent> {
        self.voice.read(webhook, now)
    }

    /// Content type and body of the answer the provider wants once everything is durable.
    pub fn answer(&self) -> (&'static str, &'static str) {
        self.voice.answer()
    }
}

/// The ears of all connections; replaced whole when the configuration changes.
#[derive(Default)]
pub struct Endpoints(ArcSwap<HashMap<ConnectionId, Arc<Endpoint>>>);

impl Endpoints {
    /// The ear of a connection.
    pub fn get(&self, connection: &str) -> Option<Arc<Endpoint>> {
        let id: ConnectionId = connection.parse().ok()?;
        self.0.load().get(&id).cloned()
    }

    /// Adds or replaces one.
    pub fn put(&self, endpoint: Endpoint) {
        let endpoint = Arc::new(endpoint);
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            all.insert(endpoint.connection.clone(), endpoint.clone());
            all
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::twilio::KEY_IDS;
    use crate::model::registry::{Reconcile, Validity};
    use http::HeaderMap;

    fn connection(provider: &str, settings: &[(&str, &str)]) -> Connection {
        Connection {
            id: "main".parse().expect("a slug"),
            provider: provider.to_owned(),
            settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            secrets: Vec::new(),
            public_url: "https://gw.example.com".to_owned(),
            token_sha256: Sha256::digest(b"path-token").into(),
            validity: Validity::Native { min_seconds: 1, max_seconds: 36_000 },
            reconcile: Reconcile::List,
            slots: 4,
            prices: Vec::new(),
        }
    }

    fn webhook(path: &str, headers: &[(&'static str, &str)], body: &str) -> Webhook {
        let mut map = HeaderMap::new();
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

    fn secret(_: &str) -> Option<SecretString> {
        Some(SecretString::from("0123456789abcdef0123456789abcdef"))
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    #[test]
    fn a_duplicated_parameter_vector_passes_the_whole_way() {
        let connection =
            Connection { public_url: "https://gw.example.com/".to_owned(), ..connection("twilio", &[]) };
        let endpoint = Endpoint::new(&connection, secret).expect("known");
        let sign = |value| ("x-twilio-signature", value);
        let good = webhook("/h", &[FORM, sign("D6fye+1lF8auxgH+qLC60mZ4Jpw=")], "a=2&a=1&a=1&B=x");
        assert_eq!(endpoint.authenticate(&good, Instant::EPOCH), Authentic::Yes);
        let cases = [
            webhook("/h?x=1", &[FORM, sign("D6fye+1lF8auxgH+qLC60mZ4Jpw=")], "a=2&a=1&a=1&B=x"),
            webhook("/h", &[FORM, sign("D6fye+1lF8auxgH+qLC60mZ4Jpw=")], "a=2&a=1&a=1&B=y"),
            webhook("/h", &[FORM], "a=2&a=1&a=1&B=x"),
            webhook("/h", &[FORM, sign("D6fye+1lF8auxgH+qLC60mZ4Jpw="), sign("x")], "a=2&a=1&a=1&B=x"),
        ];
        for (number, bad) in cases.iter().enumerate() {
            assert_eq!(endpoint.authenticate(bad, Instant::EPOCH), Authentic::No, "case {number}");
        }
    }

    #[test]
    fn a_pinned_endpoint_takes_no_auth_token() {
        let connection = connection("twilio", &[(KEY_IDS, "webhooks_sharedkey_a")]);
        let endpoint = Endpoint::new(&connection, secret).expect("known");
        let sha1 = ("x-twilio-signature", "D6fye+1lF8auxgH+qLC60mZ4Jpw=");
        let settings =
            ("x-twilio-webhooks-signature-settings", "key=webhooks_sharedkey_a,algorithm=HMAC_SHA256");
        for headers in [vec![FORM, sha1], vec![FORM, sha1, settings]] {
            let bad = webhook("/h", &headers, "a=2&a=1&a=1&B=x");
            assert_eq!(endpoint.authenticate(&bad, Instant::EPOCH), Authentic::No);
        }
    }

    #[test]
    fn a_json_body_needs_its_hash_in_the_url() {
        let endpoint = Endpoint::new(&connection("twilio", &[]), secret).expect("known");
        let hash = "bodySHA256=09ad9fd2fb648cb2f62141215828ea00a62c299db05d20aa9ade2f527a301cc6";
        let path = format!("/hooks/twilio/json?{hash}");
        let headers =
            [("content-type", "application/json"), ("x-twilio-signature", "Tic3IHyemASh3l2BmE5lBpLWPnU=")];
        let good = webhook(&path, &headers, "{\"a\":1,\"b\":\"é\"}");
        assert_eq!(endpoint.authenticate(&good, Instant::EPOCH), Authentic::Yes);
        let bad = webhook(&path, &headers, "{}");
        assert_eq!(endpoint.authenticate(&bad, Instant::EPOCH), Authentic::No);
    }

    #[test]
    fn another_account_is_not_ours() {
        let form = "AccountSid=AC2&Body=x";
        for (account, named, ours) in [("AC2", form, true), ("AC1", form, false), ("AC1", "Body=x", true)] {
            let voice = Twilio::new(&Settings(&connection("twilio", &[("account_sid", account)])));
            assert_eq!(voice.is_account(&webhook("/h", &[FORM], named)), ours, "{account} {named}");
        }
    }

    #[test]
    fn without_secrets_nobody_can_tell() {
        let endpoint = Endpoint::new(&connection("sandbox", &[]), |_| None).expect("known");
        let any = webhook("/h", &[], "{}");
        assert_eq!(endpoint.authenticate(&any, Instant::EPOCH), Authentic::Unknown);
        assert!(endpoint.knows("path-token") && !endpoint.knows("path-tokem") && !endpoint.knows(""));
        assert!(Endpoint::new(&connection("pigeon", &[]), secret).is_err());
    }
}
