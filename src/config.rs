//! The gateway's one configuration file: typed, with every problem reported together.

mod anchor;
mod check;
mod connection;
mod problem;
mod read;
mod secret;
mod sections;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::model::SellerId;
use crate::policy::Staleness;
use crate::store::Engine;
use crate::telemetry::LogSettings;
use crate::tls::TlsFiles;

pub use anchor::{AnchorConfig, AnchorTarget};
pub use check::beside_data;
pub use connection::{ConnectionConfig, ProviderShape, shape_of};
pub use problem::{ConfigError, Problem, Severity};
pub use secret::{SecretError, SecretRef, process_env};
pub use webhook::WebhookConfig;

/// Everything the gateway is told at start. Secrets are references; `Debug` shows no value of theirs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where ledger, keys, index and the signed head live.
    pub data_dir: PathBuf,
    /// A zoneinfo folder that replaces the bundled time-zone data.
    pub time_zones: Option<PathBuf>,
    /// Addresses.
    pub listen: Listen,
    /// Certificates of the gRPC and HTTP listeners; none serves plain text.
    pub tls: Option<TlsFiles>,
    /// Whose gateway this is.
    pub seller: SellerConfig,
    /// The index.
    pub store: StoreConfig,
    /// The gateway's own keys.
    pub keys: KeyRefs,
    /// Rule packs.
    pub policy: PolicyConfig,
    /// What of the ledger strangers may see.
    pub ledger: LedgerConfig,
    /// Logs and spans.
    pub log: LogSettings,
    /// Bounds.
    pub limits: Limits,
    /// How long raw material is kept.
    pub retention: Retention,
    /// Where checkpoints are made known; none: a folder beside the data.
    pub anchors: Vec<AnchorConfig>,
    /// Provider accounts known from the first start on.
    pub connections: Vec<ConnectionConfig>,
    /// The shop's own servers that are told what happens.
    pub webhooks: Vec<WebhookConfig>,
}

/// Where the gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// gRPC.
    pub grpc: SocketAddr,
    /// Short links, webhooks, opt-out pages, public log.
    pub http: SocketAddr,
    /// Health and metrics; always plain text.
    pub admin: SocketAddr,
    /// Listeners (`grpc`, `http`, `admin`) that may speak plain text off loopback, as behind a proxy.
    pub allow_plaintext_off_loopback: Vec<String>,
}

/// The legal entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerConfig {
    /// Its id, part of the log's origin.
    pub id: SellerId,
    /// As registered.
    pub legal_name: String,
    /// Host that names the log, as in `gw.shop.example`.
    pub host: String,
    /// Postal address; Canada's CASL wants it in messages.
    pub postal_address: String,
    /// The log's epoch, from 1; raised when a damaged log had to be opened anew.
    pub epoch: u32,
}

/// The index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreConfig {
    /// Which engine.
    pub engine: Engine,
    /// Its cache in MiB, 16 to 65,536.
    pub cache_mib: u64,
}

/// The gateway's own keys, each 32 bytes. The key that signs checkpoints is made by the log and lies with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRefs {
    /// Wraps the data key of each subject. Lost: sealed evidence is unreadable; the tree still verifies.
    pub master: SecretRef,
    /// Hides addresses in keyed hashes. Lost: suppressions are unreadable, so sending must stop.
    pub pepper: SecretRef,
    /// Makes generated coupon codes. Lost: codes already sent still redeem, new ones differ on a repeat.
    pub coupons: SecretRef,
    /// Allows the master key to lie on the volume of the data it protects.
    pub allow_beside_data: bool,
}

/// Rule packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    /// Folders, read together; empty uses the packs built into this release.
    pub dirs: Vec<PathBuf>,
    /// What a rule past its review date does, in place of what `pack.toml` says.
    pub staleness: Staleness,
}

/// What of the ledger strangers may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerConfig {
    /// Checkpoint and hash tiles are for everybody; they tell how much is written and when (`docs/ledger.md`). Leaves
    /// always need an `AUDITOR` key.
    pub public_tiles: bool,
}

/// Bounds, all with defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest gRPC message in bytes.
    pub grpc_message_bytes: usize,
    /// Largest webhook or form body in bytes.
    pub http_body_bytes: usize,
    /// gRPC calls under way per connection.
    pub calls_per_connection: u32,
    /// Connections per listener.
    pub connections: usize,
    /// Operations in one commit.
    pub batch: usize,
    /// Inbound texts and opt-outs that wait for the writer.
    pub queue_inbound: usize,
    /// Outcomes and receipts that wait.
    pub queue_outcome: usize,
    /// Dispatch intents that wait.
    pub queue_intent: usize,
    /// API writes that wait.
    pub queue_api: usize,
    /// Seconds that calls and hand-overs under way may take after SIGTERM.
    pub drain_seconds: u64,
}

/// How long raw material is kept, and what outlives a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Days of raw webhook bodies, 1 to 365.
    pub raw_inbound_days: u64,
    /// Days a backup of the data folder lives, up to 3,650; 0: not said.
    pub backup_days: u64,
    /// A file off the data's volume that names who was erased, so that a restore from an older backup brings nobody back.
    pub erasures: Option<PathBuf>,
}

/// A configuration that can be used, with what is worth a look.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks a file: its form, how its parts fit, and whether the files, folders and variables it names
    /// exist. Answers every problem at once.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigError> {
        let file = path.display().to_string();
        let unreadable = |what: String| ConfigError {
            file: file.clone(),
            problems: vec![Problem { severity: Severity::Error, key: String::new(), line: None, what }],
        };
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        let base = base_of(path).map_err(|e| unreadable(format!("has no folder: {e}")))?;
        let (config, findings) = sections::read(&text, &base);
        let mut problems = findings.problems;
        if let Some(config) = &config {
            problems.extend(located(check::surroundings(config, env), &findings.lines));
        }
        let problems = problem::in_order(problems);
        let broken = problems.iter().any(|p| p.severity == Severity::Error);
        match config {
            Some(config) if !broken => Ok(Loaded { config, warnings: problems }),
            _ => Err(ConfigError { file, problems }),
        }
    }
}

/// The folder that the paths in a configuration file count from.
pub fn base_of(file: &Path) -> std::io::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    Ok(file.parent().map(Path::to_owned).unwrap_or_default())
}

/// Gives problems found outside the file the line of the key that named what is wrong.
fn located(problems: Vec<Problem>, lines: &BTreeMap<String, usize>) -> Vec<Problem> {
    let at = |p: Problem| Problem { line: p.line.or_else(|| lines.get(&p.key).copied()), ..p };
    problems.into_iter().map(at).collect()
}
