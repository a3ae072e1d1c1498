//! `consentry key`: who may call. Secrets are shown once, when they are made.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use prost_types::FieldMask;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::message::timestamp;
use super::offline::not_opened;
use super::output::Output;
use super::parts::parts;
use super::view::{instant, name};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, process_env};
use crate::gateway::offline::Offline;
use crate::ledger::body::Object;
use crate::model::Instant;
use crate::model::registry::{self, ApiKey};
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::writer::ops::registry::PutObject;

#[cfg(test)]
pub(super) mod tests;

/// Who the ledger says made a key while no gateway ran.
const OPERATOR: &str = "operator";
/// Keys asked for in one call.
const PAGE: i32 = 500;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a key; prints its secret once. The first one of a new gateway: with --offline, before it is started.
    Create(Create),
    /// List keys; never their secrets.
    List(List),
    /// Give a key a new secret; prints it once.
    Rotate(Rotate),
    /// Refuse a key from now on, for good.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Create {
    #[command(flatten)]
    server: Server,
    /// What the key is for, as in "shop backend"; 1 to 128 characters.
    #[arg(long, env = "CONSENTRY_KEY_NAME")]
    name: String,
    /// What it may do; may be given more than once. `admin` does not include the others.
    #[arg(long = "role", env = "CONSENTRY_KEY_ROLE", value_enum, required = true)]
    roles: Vec<Role>,
    /// Brand it is narrowed to; may be given more than once. Default: all.
    #[arg(long = "brand", env = "CONSENTRY_KEY_BRAND")]
    brands: Vec<String>,
    /// Its id, 1 to 32 letters and digits. Default: a random one.
    #[arg(long, env = "CONSENTRY_KEY_ID", default_value = "")]
    id: String,
    /// From when on it is refused, RFC 3339. Default: never.
    #[arg(long, env = "CONSENTRY_KEY_EXPIRES_AT", value_parser = Instant::parse)]
    expires_at: Option<Instant>,
    /// Write it into the ledger of a gateway that does not run: how the first key comes into being.
    #[arg(long, env = "CONSENTRY_OFFLINE", requires = "config")]
    offline: bool,
    /// With --offline: the gateway's configuration.
    #[arg(long, env = "CONSENTRY_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    server: Server,
    /// Also those that are revoked or expired.
    #[arg(long, env = "CONSENTRY_KEY_ALL")]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    #[command(flatten)]
    server: Server,
    /// The key's id.
    id: String,
    /// Let the old secret live until the next rotation. Without it, it dies at once.
    #[arg(long, env = "CONSENTRY_KEEP_OLD")]
    keep_old: bool,
    /// Why; kept in the ledger.
    #[arg(long, env = "CONSENTRY_REASON")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    #[command(flatten)]
    server: Server,
    /// The key's id.
    id: String,
    /// Why; kept in the ledger.
    #[arg(long, env = "CONSENTRY_REASON")]
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Send, carts, links, coupons; read consent.
    Sender,
    /// Record consent and opt-outs.
    ConsentWriter,
    /// Read everything, export.
    Auditor,
    /// Change what sellers, brands, programs, senders and keys are.
    Admin,
}

impl Role {
    fn recorded(self) -> registry::Role {
        match self {
            Role::Sender => registry::Role::Sender,
            Role::ConsentWriter => registry::Role::ConsentWriter,
            Role::Auditor => registry::Role::Auditor,
            Role::Admin => registry::Role::Admin,
        }
    }

    fn wire(self) -> pb::Role {
        match self {
            Role::Sender => pb::Role::Sender,
            Role::ConsentWriter => pb::Role::ConsentWriter,
            Role::Auditor => pb::Role::Auditor,
            Role::Admin => pb::Role::Admin,
        }
    }
}

/// A key as shown.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    display_name: String,
    roles: Vec<String>,
    brands: Vec<String>,
    created_at: Option<Instant>,
    expires_at: Option<Instant>,
    revoked_at: Option<Instant>,
    /// Secrets taken.
    secrets: u32,
}

impl From<pb::ApiKey> for Shown {
    fn from(key: pb::ApiKey) -> Shown {
        Shown {
            roles: key.roles().map(|role| name(role.as_str_name(), "ROLE_").to_owned()).collect(),
            created_at: instant(key.created_at.as_ref()),
            expires_at: instant(key.expires_at.as_ref()),
            revoked_at: instant(key.revoked_at.as_ref()),
            id: key.id,
            display_name: key.display_name,
            brands: key.brands,
            secrets: key.secrets,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.id, self.roles.join(" "), self.display_name)?;
        if !self.brands.is_empty() {
            write!(f, "  brands {}", self.brands.join(" "))?;
        }
        if self.secrets > 1 {
            write!(f, "  (old secret still taken)")?;
        }
        for (what, at) in [("expires", self.expires_at), ("REVOKED", self.revoked_at)] {
            if let Some(at) = at {
                write!(f, "  {what} {at}")?;
            }
        }
        Ok(())
    }
}

/// A key and its secret, shown once.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    key: Shown,
    secret: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n  {}\n\nKeep it now: it is not shown again.", self.key, self.secret)
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    keys: Vec<Shown>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return write!(f, "no keys");
        }
        self.keys.iter().try_for_each(|key| writeln!(f, "{key}"))
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::Create(args) if args.offline => output.answer(&create_offline(args)?)?,
        Verb::Create(args) => output.answer(&create(args)?)?,
        Verb::List(args) => output.answer(&list(&args)?)?,
        Verb::Rotate(args) => {
            let request =
                pb::RotateApiKeyRequest { id: args.id, keep_old: args.keep_old, reason: args.reason };
            let answer = args
                .server
                .call(async |channel| AdminServiceClient::new(channel).rotate_api_key(request).await)?;
            output.answer(&made(answer.api_key, answer.secret))?;
        }
        Verb::Revoke(args) => {
            // Any instant means now.
            let revoked_at = Some(timestamp(SystemClock.now()));
            let request = pb::UpdateApiKeyRequest {
                api_key: Some(pb::ApiKey { id: args.id, revoked_at, ..pb::ApiKey::default() }),
                update_mask: Some(FieldMask { paths: vec!["revoked_at".to_owned()] }),
                reason: args.reason,
            };
            let answer = args
                .server
                .call(async |channel| AdminServiceClient::new(channel).update_api_key(request).await)?;
            output.answer(&Shown::from(answer))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn made(key: Option<pb::ApiKey>, secret: Option<pb::SecretValue>) -> Made {
    Made { key: key.unwrap_or_default().into(), secret: secret.unwrap_or_default().value }
}

fn create(args: Create) -> Result<Made, Failure> {
    let key = pb::ApiKey {
        id: args.id,
        display_name: args.name,
        roles: args.roles.iter().map(|role| role.wire().into()).collect(),
        brands: args.brands,
        expires_at: args.expires_at.map(timestamp),
        ..pb::ApiKey::default()
    };
    let request = pb::CreateApiKeyRequest { api_key: Some(key) };
    let answer =
        args.server.call(async |channel| AdminServiceClient::new(channel).create_api_key(request).await)?;
    Ok(made(answer.api_key, answer.secret))
}

/// Through the same reading and the same operation as over the wire; only the gateway is not there.
fn create_offline(args: Create) -> Result<Made, Failure> {
    let file = args.config.ok_or_else(|| Failure::unusable("--offline needs --config FILE"))?;
    let config = Config::load(&file, &process_env).map_err(Failure::unusable)?.config;
    let label = args.name.trim().to_owned();
    if label.is_empty() || label.chars().count() > 128 || label.chars().any(char::is_control) {
        return Err(Failure::unusable("--name: must have 1 to 128 characters in one line"));
    }
    let brands =
        args.brands.iter().map(|b| b.parse().map_err(|e| Failure::unusable(format!("--brand: {e}"))));
    let key = ApiKey {
        id: args.id,
        label,
        secret_sha256: Vec::new(),
        roles: args.roles.iter().map(|role| role.recorded()).collect(),
        brands: brands.collect::<Result<_, _>>()?,
        created_at: SystemClock.now(),
        expires_at: args.expires_at,
        revoked_at: None,
    };
    let mut offline = Offline::open(parts(&config, &process_env)?).map_err(not_opened)?;
    let put = offline.run(PutObject::create(Object::ApiKey(key), OPERATOR));
    // The ledger is closed in order whatever came of it.
    let closed = offline.close().map_err(Failure::unusable);
    let put = put.map_err(Failure::unusable)?;
    closed?;
    let secret = put.secret.ok_or_else(|| {
        Failure::unusable("a key with this id is there already, and its secret is not shown again")
            .hint("choose another --id, or leave it out")
    })?;
    let Object::ApiKey(key) = &put.row.object else {
        return Err(Failure::unusable("the ledger answered with something that is no key"));
    };
    let roles = args.roles.iter().map(|role| name(role.wire().as_str_name(), "ROLE_").to_owned());
    let shown = Shown {
        id: key.id.clone(),
        display_name: key.label.clone(),
        roles: roles.collect(),
        brands: key.brands.iter().map(ToString::to_string).collect(),
        created_at: Some(key.created_at),
        expires_at: key.expires_at,
        revoked_at: None,
        secrets: 1,
    };
    Ok(Made { key: shown, secret: secret.expose_secret().to_owned() })
}

fn list(args: &List) -> Result<Listed, Failure> {
    args.server.run(async {
        let mut client = AdminServiceClient::new(args.server.service().await?);
        let mut keys = Vec::new();
        let mut request =
            pb::ListApiKeysRequest { page_size: PAGE, include_dead: args.all, ..Default::default() };
        loop {
            let page = client.list_api_keys(request.clone()).await;
            let page = page.map_err(|status| args.server.refused(&status))?.into_inner();
            keys.extend(page.api_keys.into_iter().map(Shown::from));
            if page.next_page_token.is_empty() {
                return Ok(Listed { keys });
            }
            request.page_token = page.next_page_token;
        }
    })
}
