//! One connection's ear: its path token, its secrets, how its provider signs, what its provider says.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::event::InboundEvent;
use super::form::Form;
use super::signature::{TwilioAlgorithm, is_twilio, is_twilio_body, names_pinned_key};
use super::twilio;
use crate::model::registry::Connection;
use crate::model::{ConnectionId, Instant};
use crate::provider::sandbox::webhook as sandbox;

/// Setting of a Twilio connection that pins it to shared keys: their ids, separated by spaces.
const KEY_IDS: &str = "webhook_key_ids";

/// A request as it reached the path of a connection.
#[derive(Clone)]
pub struct Webhook {
    pub method: http::Method,
    /// Path and query, still encoded.
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Webhook {
    /// The query, without `?`; empty when there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok();
        // Two signatures: whoever wrote the second wants us to look at the first.
        if values.next().is_some() { None } else { first }
    }

    pub(super) fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    fn is_json(&self) -> bool {
        self.content_type().starts_with("application/json")
    }

    /// Parameters of a form body; of a GET or a JSON body none, because they stand in the URL or nowhere.
    fn form(&self) -> Form {
        if self.is_json() { Form::parse(b"") } else { Form::parse(&self.body) }
    }
}

/// What became of the question whether a request is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentic {
    Yes,
    No,
    /// The secrets cannot be read: nobody can tell, and the request may be a STOP.
    Unknown,
}

enum Scheme {
    Twilio { algorithm: TwilioAlgorithm, key_ids: Vec<String>, account: Option<String> },
    Sandbox,
}

/// Why a connection cannot hear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No adapter reads what such a provider delivers.
    #[error("connection {0}: this release has no webhooks for provider '{1}'")]
    Provider(ConnectionId, String),
}

/// One connection's ear.
pub struct Endpoint {
    connection: ConnectionId,
    token_sha256: [u8; 32],
    origin: String,
    scheme: Scheme,
    /// The newest first; none: they could not be read.
    secrets: Vec<SecretString>,
}

impl Endpoint {
    /// The ear of a connection. `secret` resolves its secrets by name; those it cannot resolve leave the ear unable to
    /// tell, never open.
    pub fn new(
        connection: &Connection,
        secret: impl Fn(&str) -> Option<SecretString>,
    ) -> Result<Endpoint, EndpointError> {
        let setting =
            |name: &str| connection.settings.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let key_ids: Vec<String> =
            setting(KEY_IDS).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let (scheme, names) = match connection.provider.as_str() {
            "sandbox" => (Scheme::Sandbox, ["webhook", "webhook_next"]),
            "twilio" => {
                let pinned = !key_ids.is_empty();
                let algorithm = if pinned { TwilioAlgorithm::Sha256 } else { TwilioAlgorithm::Sha1 };
                let names = if pinned {
                    ["webhook_key", "webhook_key_next"]
                } else {
                    ["auth_token", "auth_token_next"]
                };
                (Scheme::Twilio { algorithm, key_ids, account: setting("account_sid") }, names)
            }
            other => return Err(EndpointError::Provider(connection.id.clone(), other.to_owned())),
        };
        Ok(Endpoint {
            connection: connection.id.clone(),
            token_sha256: connection.token_sha256,
            origin: connection.public_url.trim_end_matches('/').to_owned(),
            scheme,
            secrets: names.iter().filter_map(|name| secret(name)).collect(),
        })
    }

    /// Which connection it is.
    pub fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// Whether the path's token is this connection's. Whoever lacks it is not worth reading.
    pub fn knows(&self, token: &str) -> bool {
        bool::from(Sha256::digest(token.as_bytes()).as_slice().ct_eq(&self.token_sha256))
    }

    /// Whether the provider sent it, judged on the bytes as they came.
    pub fn authenticate(&self, webhook: &Webhook, now: Instant) -> Authentic {
        if self.secrets.is_empty() {
            return Authentic::Unknown;
        }
        let yes = match &self.scheme {
            Scheme::Sandbox => sandbox::verify(&webhook.headers, &webhook.body, &self.secrets, now).is_ok(),
            Scheme::Twilio { algorithm, key_ids, account } => {
                self.is_twilio(webhook, *algorithm, key_ids) && is_account(webhook, account.as_deref())
            }
        };
        if yes { Authentic::Yes } else { Authentic::No }
    }

    fn is_twilio(&self, webhook: &Webhook, algorithm: TwilioAlgorithm, key_ids: &[String]) -> bool {
        let Some(signature) = webhook.header("x-twilio-signature") else { return false };
        if algorithm == TwilioAlgorithm::Sha256 {
            let named = webhook.header("x-twilio-webhooks-signature-settings");
            if !named.is_some_and(|header| names_pinned_key(header, key_ids)) {
                return false;
            }
        }
        if webhook.is_json() && !is_twilio_body(webhook.query(), &webhook.body) {
            return false;
        }
        let url = format!("{}{}", self.origin, webhook.path_and_query);
        let secrets: Vec<&[u8]> = self.secrets.iter().map(|s| s.expose_secret().as_bytes()).collect();
        is_twilio(&url, &webhook.form(), signature, &secrets, algorithm)
    }

    /// What an authentic request says.
    pub fn read(&self, webhook: &Webhook, now: Instant) -> Vec<InboundEvent> {
        match &self.scheme {
            Scheme::Sandbox => sandbox::parse(&webhook.body),
            Scheme::Twilio { .. } => twilio::parse(&parameters(webhook), webhook.query(), &webhook.body, now),
        }
    }

    /// Content type and body of the answer the provider wants once everything is durable.
    pub fn answer(&self) -> (&'static str, &'static str) {
        match self.scheme {
            Scheme::Sandbox => ("application/json", "{}"),
            Scheme::Twilio { .. } => twilio::ANSWER,
        }
    }
}

/// Where Twilio puts its parameters: in the body of a POST, in the query of a GET.
fn parameters(webhook: &Webhook) -> Form {
    match webhook.method {
        http::Method::GET => Form::parse(webhook.query().as_bytes()),
        _ => webhook.form(),
    }
}

/// Sub-accounts sign with tokens of their own, but a parent's token opens all of them: the account must be ours.
fn is_account(webhook: &Webhook, account: Option<&str>) -> bool {
    match (account, twilio::account(&parameters(webhook))) {
        (Some(ours), Some(named)) => ours == named,
        _ => true,
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
    use crate::model::registry::{Reconcile, Validity};

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
            assert_eq!(is_account(&webhook("/h", &[FORM], named), Some(account)), ours, "{account} {named}");
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
