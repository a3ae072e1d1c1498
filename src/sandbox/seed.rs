//! What a sandbox starts with: one shop with two programs, two senders, a coupon pool, and six people.
//!
//! Every step looks first whether it was done: seeding again changes nothing, and a crash in between is made up for.

pub mod ids;
mod objects;
mod people;

use secrecy::{ExposeSecret, SecretString};

use super::carrier::book::Phone;
use crate::api::auth;
use crate::ledger::body::Object;
use crate::model::registry::{ApiKey, Keyword, Program, Role};
use crate::model::{Instant, OptOutSource};
use crate::writer::ops::coupon::pool_of;
use crate::writer::ops::disclosure::RegisterDisclosure;
use crate::writer::ops::registry::{PutObject, RotateSecret, Rotated};
use crate::writer::{CallError, Op, OpError, Reader, WriterHandle};

/// Who the ledger says did it.
const ACTOR: &str = "sandbox";
/// Names the key that a sandbox makes for itself.
const KEY_LABEL: &str = "sandbox";

/// Where the sandbox is, and what it must know of its carrier.
#[derive(Debug, Clone)]
pub struct SeedSettings {
    /// Names the log, as in `gw.acme.localhost`; fixed once seeded.
    pub host: String,
    /// Where short links lead to: the HTTP listener, as in `go.acme.localhost:8080`.
    pub short_domain: String,
    /// Host of the page, as in `localhost`: links may lead there.
    pub checkout_host: String,
    /// Plain settings of the carrier's connection, by name.
    pub carrier_settings: Vec<(String, String)>,
    /// Its secrets by reference (`env:NAME`, `file:/PATH`), by name.
    pub carrier_secrets: Vec<(String, String)>,
    /// URL of the connection's webhook without its token, as the carrier is given it; may be empty.
    pub public_url: String,
    /// A fixed API key, `csk_<id>_<secret>`; none: a new one at every start.
    pub api_key: Option<SecretString>,
}

/// What the sandbox hands out.
#[derive(Debug)]
pub struct Seeded {
    /// Bearer token of a key with every role.
    pub api_key: SecretString,
    /// Token of the connection's webhook path; a new one at every start, the old one is dead.
    pub webhook_token: SecretString,
    /// The virtual phones.
    pub phones: Vec<Phone>,
}

/// Why a sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The writer or the ledger said no.
    #[error("the sandbox's {what} could not be set up: {reason}")]
    Step { what: &'static str, reason: String },
    /// Not `csk_<id>_<secret>`, or not the secret that is known.
    #[error("the fixed API key must be csk_<id>_<secret> with a secret of 32 or more letters and digits")]
    KeyShape,
    /// The id is taken.
    #[error("API key {id} exists with another secret; fix that one or choose another id")]
    KeyKnown { id: String },
}

struct Seeder<'a> {
    writer: &'a WriterHandle,
    reader: &'a Reader,
}

/// Sets the sandbox up, or finds it set up. Where listeners have moved since, brand and connection follow them.
pub async fn seed(
    writer: &WriterHandle,
    reader: &Reader,
    settings: SeedSettings,
) -> Result<Seeded, SeedError> {
    let seeder = Seeder { writer, reader };
    let seller = objects::seller(&reader.env().seller, &settings.host);
    seeder.put("seller", Object::Seller(seller), false).await?;
    seeder.put("brand", Object::Brand(objects::brand(&settings)), true).await?;
    let webhook_token = seeder.connection(&settings).await?;
    for sender in objects::senders() {
        seeder.put("sender", Object::Sender(sender), false).await?;
    }
    for program in objects::programs() {
        seeder.put("program", Object::Program(program), false).await?;
    }
    for disclosure in objects::disclosures() {
        let op = RegisterDisclosure { disclosure, actor: ACTOR.to_owned() };
        seeder.run("disclosure", op).await?;
    }
    seeder.keyword().await?;
    seeder.pool().await?;
    for person in people::PEOPLE {
        seeder.person(person).await?;
    }
    let api_key = match &settings.api_key {
        Some(token) => seeder.fixed_key(token).await?,
        None => seeder.own_key().await?,
    };
    Ok(Seeded { api_key, webhook_token, phones: phones() })
}

/// The virtual phones, as the carrier takes them.
pub fn phones() -> Vec<Phone> {
    people::PEOPLE.iter().map(people::Person::phone).collect()
}

impl Seeder<'_> {
    async fn run<O: Op>(&self, what: &'static str, op: O) -> Result<O::Answer, SeedError> {
        let done = self.writer.call(op).await;
        done.map(|d| d.answer).map_err(|e| SeedError::Step { what, reason: e.to_string() })
    }

    fn look<T>(
        &self,
        what: &'static str,
        look: impl FnOnce(&mut crate::writer::Cx<'_>) -> Result<T, OpError>,
    ) -> Result<T, SeedError> {
        self.reader.look(look).map_err(|e| SeedError::Step { what, reason: e.to_string() })
    }

    /// Creates what is missing; changes what differs only where that `follows` the listeners.
    async fn put(
        &self,
        what: &'static str,
        object: Object,
        follows: bool,
    ) -> Result<Option<SecretString>, SeedError> {
        let (kind, id) = object.name();
        let op = match self.look(what, |cx| cx.object(kind, &id))? {
            None => PutObject::create(object, ACTOR),
            Some(_) if follows => PutObject::update(object, "the sandbox listens elsewhere now", ACTOR),
            Some(_) => return Ok(None),
        };
        Ok(self.run(what, op).await?.secret)
    }

    async fn connection(&self, settings: &SeedSettings) -> Result<SecretString, SeedError> {
        let connection = objects::connection(settings);
        let id = connection.id.to_string();
        if let Some(token) = self.put("connection", Object::Connection(connection), true).await? {
            return Ok(token);
        }
        // Only its hash is kept, and the carrier lives in this process: it is told a new one.
        self.rotate("connection", Rotated::Connection, id).await
    }

    async fn rotate(
        &self,
        what: &'static str,
        rotated: Rotated,
        id: String,
    ) -> Result<SecretString, SeedError> {
        let reason = "the sandbox started again".to_owned();
        let op = RotateSecret { what: rotated, id, reason, actor: ACTOR.to_owned() };
        let secret = self.run(what, op).await?.secret;
        secret.ok_or_else(|| SeedError::Step { what, reason: "it got no secret".to_owned() })
    }

    /// DEALS, which names a wording and so comes after it.
    async fn keyword(&self) -> Result<(), SeedError> {
        let known = self.look("program", |cx| cx.program(ids::reminders().as_str()))?;
        let Some(program) = known.filter(|p| p.keywords.is_empty()) else { return Ok(()) };
        let (mut program, disclosure) = (Program::clone(&program), ids::keyword_disclosure());
        program.keywords = vec![Keyword { word: "DEALS".to_owned(), disclosure }];
        let op = PutObject::update(Object::Program(program), "its keyword's wording is registered", ACTOR);
        self.run("keyword", op).await.map(|_| ())
    }

    async fn pool(&self) -> Result<(), SeedError> {
        let known = self.look("coupon pool", |cx| pool_of(cx, &ids::brand(), &ids::pool()))?;
        if known.is_some() {
            return Ok(());
        }
        self.run("coupon pool", objects::pool()).await.map(|_| ())
    }

    async fn person(&self, person: &people::Person) -> Result<(), SeedError> {
        if person.history == people::History::Unknown {
            return Ok(());
        }
        let now = self.reader.env().clock.now();
        let opt_in = self.writer.call(person.opt_in(now)).await;
        match opt_in {
            // Erased since: they stay forgotten.
            Err(CallError::Refused(OpError::Precondition(_))) => return Ok(()),
            Err(e) => return Err(SeedError::Step { what: "people", reason: e.to_string() }),
            Ok(_) => {}
        }
        self.run("people", person.confirmation()).await?;
        if person.history == people::History::OptedOut {
            self.run("people", person.opt_out(now, OptOutSource::SmsReply)).await?;
        }
        Ok(())
    }

    async fn fixed_key(&self, token: &SecretString) -> Result<SecretString, SeedError> {
        let (id, secret) = auth::split(token.expose_secret()).ok_or(SeedError::KeyShape)?;
        match self.look("API key", |cx| cx.api_key(id))? {
            Some(known) if known.secret_sha256.contains(&auth::hash_of(secret)) => Ok(token.clone()),
            Some(_) => Err(SeedError::KeyKnown { id: id.to_owned() }),
            None => {
                let op = PutObject {
                    secret: Some(SecretString::from(secret)),
                    ..PutObject::create(Object::ApiKey(new_key(id, "fixed")), ACTOR)
                };
                self.run("API key", op).await.map(|_| token.clone())
            }
        }
    }

    async fn own_key(&self) -> Result<SecretString, SeedError> {
        let known = self.look("API key", |cx| cx.api_keys(1_000))?;
        let own = known.into_iter().find(|k| k.label == KEY_LABEL && k.revoked_at.is_none());
        if let Some(key) = own {
            return self.rotate("API key", Rotated::ApiKey { keep_old: false }, key.id.clone()).await;
        }
        let made = self.put("API key", Object::ApiKey(new_key("sandbox", KEY_LABEL)), false).await?;
        made.ok_or_else(|| SeedError::KeyKnown { id: "sandbox".to_owned() })
    }
}

fn new_key(id: &str, label: &str) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        label: label.to_owned(),
        secret_sha256: Vec::new(),
        roles: vec![Role::Sender, Role::ConsentWriter, Role::Auditor, Role::Admin],
        brands: Vec::new(),
        created_at: Instant::EPOCH,
        expires_at: None,
        revoked_at: None,
    }
}

#[cfg(test)]
mod tests;
