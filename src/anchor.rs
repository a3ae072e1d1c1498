//! Makes checkpoints known outside this process, so that the log cannot be rewritten in silence: one file an anchor.
//!
//! | kind | file | to whom |
//! |---|---|---|
//! | witness | [`witness`] | a C2SP `tlog-witness`: checks that the log only grew, and signs that |
//! | timestamp | [`timestamp`] | an RFC 3161 authority: signs the time |
//! | file | [`mod@file`] | a folder, best on a medium that is written once |
//! | command | [`command`] | a program that gets the checkpoint on its input |
//!
//! [`keeper`] asks each in its turn and keeps what comes back. `docs/anchors.md` tells it for people.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::config::{AnchorConfig, AnchorTarget};
use crate::disk::{DiskError, SharedDisk};
use crate::entropy::SharedEntropy;
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::cosignature::CosignatureError;
use crate::ledger::timestamp::{TimestampError, TsaRoots};
use crate::ledger::tree::TreeReader;
use crate::provider::http::{AddressRule, HttpClient, HttpError, HttpLimits};
use crate::store::embedded::Books;

pub mod command;
pub mod file;
pub mod keeper;
#[cfg(test)]
mod tests;
pub mod timestamp;
pub mod witness;

/// The largest answer read from a witness or an authority.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why an anchor has not taken a checkpoint. Trying again later is always safe.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// No answer, or only a part of one.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It answered that it will not.
    #[error("{0}")]
    Refused(String),
    /// It has seen another history of this log, or a longer one. Somebody must look.
    #[error("ALARM: {0}")]
    OtherHistory(String),
    /// Its answer proves nothing.
    #[error("its answer cannot be used: {0}")]
    Answer(String),
    /// What it stamped does not hold.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// What it signed does not hold.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// A file could not be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Our own log could not be read.
    #[error("the ledger could not be read: {0}")]
    Ledger(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
}

/// What an anchor gave for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The checkpoint as it was shown, with signatures added by who took it.
    pub checkpoint: String,
    /// What proves it, as in [`crate::ledger::anchor::Receipt`].
    pub proof: Vec<u8>,
}

/// Somewhere outside that remembers checkpoints.
pub trait Anchor: Send + Sync {
    /// Which sort.
    fn kind(&self) -> Kind;
    /// Shows it a checkpoint and checks what comes back. `tree` gives proofs that the log only grew.
    fn submit<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        tree: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>>;
}

/// An anchor and how often it is asked.
pub struct Configured {
    pub name: String,
    /// Least time between two checkpoints.
    pub every: Duration,
    /// Longest wait for one.
    pub deadline: Duration,
    pub anchor: Box<dyn Anchor>,
}

/// What anchors are built with.
pub struct Surroundings {
    pub disk: SharedDisk,
    pub entropy: SharedEntropy,
}

/// Builds what the configuration describes.
///
/// # Errors
/// Roots that cannot be read, named by the anchor.
pub fn build(configs: &[AnchorConfig], around: &Surroundings) -> Result<Vec<Configured>, String> {
    configs
        .iter()
        .map(|config| one(config, around).map_err(|e| format!("anchor {}: {e}", config.name)))
        .collect()
}

fn one(config: &AnchorConfig, around: &Surroundings) -> Result<Configured, TimestampError> {
    let client = |private: bool| {
        let addresses = if private { AddressRule::Any } else { AddressRule::PublicOnly };
        HttpClient::new(HttpLimits {
            answer: config.deadline,
            answer_max: ANSWER_BYTES_MAX,
            idle_per_host: 1,
            addresses,
            ..HttpLimits::default()
        })
    };
    let anchor: Box<dyn Anchor> = match &config.target {
        AnchorTarget::Witness { url, key, private } => {
            Box::new(witness::Witness::new(client(*private), url.clone(), key.clone(), config.deadline))
        }
        AnchorTarget::Timestamp { url, roots, private } => {
            let roots = load_roots(roots)?;
            let client = client(*private);
            Box::new(timestamp::Authority::new(
                client,
                url.clone(),
                roots,
                around.entropy.clone(),
                config.deadline,
            ))
        }
        AnchorTarget::File { dir } => Box::new(file::Folder::new(around.disk.clone(), dir.clone())),
        AnchorTarget::Command { program, arguments } => {
            Box::new(command::Program::new(program.clone(), arguments.clone(), config.deadline))
        }
    };
    Ok(Configured { name: config.name.clone(), every: config.every, deadline: config.deadline, anchor })
}

/// Reads certificates from a PEM file.
pub fn load_roots(path: &Path) -> Result<TsaRoots, TimestampError> {
    let what = path.display().to_string();
    let pem =
        std::fs::read(path).map_err(|e| TimestampError::Roots(format!("{what} cannot be read: {e}")))?;
    TsaRoots::from_pem(&pem, &what)
}

/// A proof from the disk, off the runtime's workers.
async fn consistency(tree: &TreeReader, old: u64, size: u64) -> Result<Vec<[u8; 32]>, AnchorError> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let tree = tree.clone();
    let proof = tokio::task::spawn_blocking(move || tree.consistency(old, size)).await;
    let proof = proof.map_err(|e| AnchorError::Ledger(e.to_string()))?;
    proof.map(|proof| proof.hashes).map_err(|e| AnchorError::Ledger(e.to_string()))
}

/// The newest checkpoint that a witness has cosigned and that covers entry `index`: its size and the cosigned note.
pub fn cosigned(books: &Books, index: u64) -> Option<(u64, String)> {
    let mut newest = books.anchors().newest();
    newest.sort_by_key(|filed| std::cmp::Reverse(filed.size));
    let covering = newest.iter().filter(|filed| filed.size > index);
    let read = covering.filter_map(|filed| Some((filed.size, books.anchors().read(filed).ok()?)));
    read.filter(|(_, receipt)| receipt.kind == Kind::Witness)
        .map(|(size, receipt)| (size, receipt.checkpoint))
        .next()
}

/// The file anchor that exists when nothing is configured.
pub fn default_file(dir: &Path, disk: &SharedDisk) -> Configured {
    Configured {
        name: DEFAULT_NAME.to_owned(),
        every: Duration::from_secs(3_600),
        deadline: Duration::from_secs(30),
        anchor: Box::new(file::Folder::new(Arc::clone(disk), dir.to_owned())),
    }
}

/// What the anchor is called that is on by default.
pub const DEFAULT_NAME: &str = "file";
