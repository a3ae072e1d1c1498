//! `consentry serve --config F`: the gateway.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;

use super::failure::Failure;
use super::output::Output;
use super::parts::parts;
use super::stop::stop_signal;
use crate::anchor::{self, Configured, keeper};
use crate::config::{Config, SecretRef, base_of, process_env};
use crate::disk::{RealDisk, SharedDisk};
use crate::feed::{Courier, Doors, Subscription, Wanted};
use crate::gateway::Gateway;
use crate::ledger::body::Object;
use crate::model::registry::{Connection, Seller};
use crate::policy::reload::Watch;
use crate::provider::http::AddressRule;
use crate::provider::registry;
use crate::serve::{Line, Listeners, Plug, Surroundings, packs};
use crate::telemetry::{log, metrics::Exporter};
use crate::tls::Tls;
use crate::web::Bounds;
use crate::writer::ops::registry::PutObject;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; `docs/consentry.sample.toml` explains every key.
    #[arg(long, env = "CONSENTRY_CONFIG")]
    config: PathBuf,
}

/// Who the ledger says did it.
const ACTOR: &str = "configuration";
const CHANGED: &str = "the configuration says otherwise now";

/// What the operator wants to see once it runs.
#[derive(serde::Serialize)]
struct Serving {
    grpc: String,
    http: String,
    admin: String,
    data_dir: String,
    verifier_key: String,
    entries: u64,
}

impl std::fmt::Display for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "Consentry serves.\n")?;
        writeln!(f, "  gRPC                     {}", self.grpc)?;
        writeln!(f, "  links and webhooks       {}", self.http)?;
        writeln!(f, "  health and metrics       {}", self.admin)?;
        writeln!(f, "  data                     {} ({} entries)", self.data_dir, self.entries)?;
        write!(f, "  checkpoints verify with  {}", self.verifier_key)
    }
}

/// Runs until it is told to stop, or until nothing can be made durable any more.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let loaded = Config::load(&args.config, &process_env).map_err(|e| {
        Failure::unusable(e).hint("`consentry check-config FILE` lists the same without starting anything")
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::unusable)?.block_on(async {
        let _telemetry = log::install(&loaded.config.log).map_err(Failure::unusable)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        serve(&loaded.config, &args.config, output).await
    })
}

async fn serve(config: &Config, file: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let bound = |name: &'static str, address| async move {
        let listener = TcpListener::bind(address).await;
        listener
            .map_err(|e| Failure::unusable(format!("listen.{name}: {address} cannot be listened on: {e}")))
    };
    let listeners = Listeners {
        grpc: bound("grpc", config.listen.grpc).await?,
        http: bound("http", config.listen.http).await?,
        admin: bound("admin", config.listen.admin).await?,
    };
    let address = |scheme: &str, listener: &TcpListener| {
        let address = listener.local_addr().map_err(Failure::unusable)?;
        Ok::<_, Failure>(format!("{scheme}://{address}"))
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let tls = match &config.tls {
        Some(files) => Some(Arc::new(Tls::load(files.clone()).map_err(Failure::unusable)?)),
        None => None,
    };
    let gateway = Gateway::start(parts(config, &process_env)?).map_err(Failure::unusable)?;
    let serving = Serving {
        grpc: address(scheme, &listeners.grpc)?,
        http: address(scheme, &listeners.http)?,
        admin: address("http", &listeners.admin)?,
        data_dir: config.data_dir.display().to_string(),
        verifier_key: gateway.verifier_key.clone(),
        entries: gateway.opened.recovery.entries,
    };
    let around = surroundings(config, file, tls)?;
    gateway.env.set_backup_days(config.retention.backup_days);
    let started = match register(config, &gateway).await {
        Ok(()) => match tell(config, &gateway) {
            Ok(()) => crate::serve::start(&gateway, listeners, around).await.map_err(Failure::unusable),
            Err(failure) => Err(failure),
        },
        Err(failure) => Err(failure),
    };
    if let Err(failure) = started {
        // The ledger is closed in order even when nothing could be served.
        let _ = gateway.stop().await;
        return Err(failure);
    }
    match anchors(config, &gateway) {
        Ok(anchors) => keeper::start(&gateway, anchors),
        Err(failure) => {
            let _ = gateway.stop().await;
            return Err(failure);
        }
    }
    if !config.policy.dirs.is_empty() {
        let watch = Watch::new(config.policy.dirs.clone(), config.policy.staleness);
        gateway.run(packs::follow(gateway.env.clone(), watch, packs::EVERY, gateway.stopping()));
    }
    output.answer(&serving)?;
    let told = tokio::select! {
        () = stop_signal() => true,
        () = gateway.ended() => false,
    };
    tracing::info!("draining");
    gateway.stop().await.map_err(Failure::unusable)?;
    match told {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::unusable("the writer ended: nothing can be made durable any more")
            .hint("the log says why; the next start recovers what was acknowledged")),
    }
}

/// The configured anchors; without any, a folder beside the data, so that something is kept from the first day on.
fn anchors(config: &Config, gateway: &Gateway) -> Result<Vec<Configured>, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    if config.anchors.is_empty() {
        return Ok(vec![anchor::default_file(&config.data_dir.join("checkpoints"), &disk)]);
    }
    let around = anchor::Surroundings { disk, entropy: gateway.env.entropy.clone() };
    anchor::build(&config.anchors, &around).map_err(Failure::unusable)
}

/// What the configuration says about seller and connections becomes part of the ledger, where it differs.
async fn register(config: &Config, gateway: &Gateway) -> Result<(), Failure> {
    let seller = Seller {
        id: config.seller.id.clone(),
        legal_name: config.seller.legal_name.clone(),
        host: config.seller.host.clone(),
        postal_address: config.seller.postal_address.clone(),
    };
    put(gateway, Object::Seller(seller), None).await?;
    for connection in &config.connections {
        let named = |e| Failure::unusable(format!("connection {}: {e}", connection.id));
        let token = connection.path_token.as_ref().map(|token| token.resolve(&process_env));
        let token = token.transpose().map_err(named)?;
        let record = connection.to_registry(&process_env).map_err(named)?;
        put(gateway, Object::Connection(record), token).await?;
    }
    Ok(())
}

async fn put(gateway: &Gateway, object: Object, secret: Option<SecretString>) -> Result<(), Failure> {
    let (kind, id) = object.name();
    let known = gateway.reader.look(|cx| cx.object(kind, &id)).map_err(Failure::unusable)?;
    let op = match known {
        Some(row) if row.object == object => return Ok(()),
        Some(_) => PutObject::update(object, CHANGED, ACTOR),
        None => PutObject::create(object, ACTOR),
    };
    let done = gateway.writer.call(PutObject { secret, ..op }).await;
    done.map(|_| ()).map_err(|e| Failure::unusable(format!("{kind} {id}: {e}")))
}

/// Starts a courier for every webhook of the configuration.
fn tell(config: &Config, gateway: &Gateway) -> Result<(), Failure> {
    let log = format!("{}-e{}", config.seller.id, config.seller.epoch);
    for webhook in &config.webhooks {
        let addresses = match webhook.allow_private_addresses {
            true => AddressRule::Any,
            false => AddressRule::PublicOnly,
        };
        let own = webhook.clone();
        let to = Subscription {
            id: webhook.id.to_string(),
            url: webhook.url.clone(),
            wanted: Wanted {
                brands: webhook.brands.iter().cloned().collect(),
                kinds: webhook.kinds.iter().map(|kind| *kind as i32).collect(),
            },
            keys: Box::new(move || own.keys_now(&process_env)),
            addresses,
            log: log.clone(),
        };
        let doors = Doors {
            reader: gateway.reader.clone(),
            disk: Arc::new(RealDisk),
            data_dir: config.data_dir.clone(),
        };
        let courier = Courier::open(to, doors)
            .map_err(|e| Failure::unusable(format!("webhook {}: {e}", webhook.id)))?;
        let courier = Arc::new(courier);
        gateway.feeds.put(courier.clone());
        gateway.run(courier.run(gateway.watch(), gateway.stopping()));
    }
    Ok(())
}

fn surroundings(config: &Config, file: &Path, tls: Option<Arc<Tls>>) -> Result<Surroundings, Failure> {
    let limits = &config.limits;
    let drain = std::time::Duration::from_secs(limits.drain_seconds);
    let metrics = Exporter::install().map_err(Failure::unusable)?;
    Ok(Surroundings {
        plug: plug(config, file)?,
        tls,
        grpc: crate::api::server::Settings {
            request_bytes_max: limits.grpc_message_bytes,
            streams_per_connection: limits.calls_per_connection,
            drain_max: drain,
            ..Default::default()
        },
        http: Bounds { connections_max: limits.connections, drain, ..Bounds::default() },
        webhook_bytes_max: limits.http_body_bytes,
        extra: axum::Router::new(),
        metrics: Some(metrics),
    })
}

/// Adapters with secrets read from where the connection says, relative to the configuration's folder. Only connections
/// of the configuration may reach private addresses.
fn plug(config: &Config, file: &Path) -> Result<Plug, Failure> {
    let base = base_of(file).map_err(Failure::unusable)?;
    let private: Vec<_> =
        config.connections.iter().filter(|c| c.allow_private_addresses).map(|c| c.id.clone()).collect();
    let clock: crate::clock::SharedClock = Arc::new(crate::clock::SystemClock);
    Ok(Arc::new(move |connection: &Connection| {
        let addresses = match private.contains(&connection.id) {
            true => AddressRule::Any,
            false => AddressRule::PublicOnly,
        };
        let secrets = secrets_of(connection, &base);
        let built = registry::build(connection, &secrets, clock.clone(), addresses);
        let provider = built.map_err(|e| e.to_string())?;
        Ok(Line { provider, secret: Box::new(secrets) })
    }))
}

/// Reads a connection's secrets by name, anew each time: a rotated file takes effect at the next reading.
fn secrets_of(
    connection: &Connection,
    base: &Path,
) -> impl Fn(&str) -> Option<SecretString> + Send + 'static {
    let (id, base, references) = (connection.id.clone(), base.to_owned(), connection.secrets.clone());
    move |name: &str| {
        let (_, reference) = references.iter().find(|(known, _)| known == name)?;
        let read = SecretRef::parse(reference, &base).and_then(|at| at.resolve(&process_env));
        read.inspect_err(
            |error| tracing::error!(connection = %id, secret = name, %error, "a secret cannot be read"),
        )
        .ok()
    }
}
