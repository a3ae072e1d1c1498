//! Which data folder a verb works on while no gateway runs on it, and the keys that open it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use super::parts;
use crate::clock::SystemClock;
use crate::config::{Config, process_env};
use crate::decide::Engine;
use crate::disk::{RealDisk, SharedDisk};
use crate::entropy::SystemEntropy;
use crate::gateway::{Parts, Secrets, StartError};
use crate::ledger::checkpoint::Origin;
use crate::ledger::keys::MasterKey;
use crate::model::Zones;
use crate::store::embedded::{DataDir, EmbeddedOptions, OpenError};
use crate::store::{Engine as Index, KvOptions};
use crate::writer::{Policies, QueueLimits};

/// Where a sandbox keeps its own secrets: 96 bytes in hexadecimal digits, master key, pepper and coupon key.
pub const SANDBOX_SECRETS: &str = "sandbox.secrets";

#[derive(Debug, clap::Args)]
pub struct Folder {
    /// The data folder. Default: the one of the configuration.
    #[arg(env = "CONSENTRY_DATA_DIR")]
    dir: Option<PathBuf>,
    /// Configuration that names the folder's keys. The folder of a sandbox needs none.
    #[arg(long, env = "CONSENTRY_CONFIG")]
    config: Option<PathBuf>,
}

impl Folder {
    /// The folder a verb with other arguments in front was told of.
    pub fn of(dir: Option<PathBuf>, config: Option<PathBuf>) -> Folder {
        Folder { dir, config }
    }

    /// The same as words of a command line, for another program.
    pub fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.dir.iter().map(OsString::from).collect();
        if let Some(config) = &self.config {
            words.extend(["--config".into(), config.into()]);
        }
        words
    }

    /// The folder.
    pub fn dir(&self) -> Result<DataDir, Failure> {
        if let Some(dir) = &self.dir {
            return Ok(DataDir(dir.clone()));
        }
        Ok(DataDir(self.config()?.data_dir))
    }

    /// Everything to open it with.
    pub fn parts(&self) -> Result<Parts, Failure> {
        match (&self.dir, &self.config) {
            (Some(dir), None) if dir.join(SANDBOX_SECRETS).is_file() => sandbox(dir),
            (Some(dir), None) => {
                Err(Failure::unusable(format!("the keys of {} are not known", dir.display()))
                    .hint("name the configuration with --config; only a sandbox's folder holds its own keys"))
            }
            (dir, _) => {
                let mut parts = parts::parts(&self.config()?, &process_env)?;
                if let Some(dir) = dir {
                    parts.data_dir.clone_from(dir);
                }
                Ok(parts)
            }
        }
    }

    /// Whether it belongs to a sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.config.is_none()
    }

    /// The log it should hold: the configuration's, or the one its `HEAD` names.
    pub fn origin(&self) -> Result<Origin, Failure> {
        if self.config.is_none() {
            return origin_of(&(Arc::new(RealDisk) as SharedDisk), &self.dir()?);
        }
        let seller = self.config()?.seller;
        Origin::new(&seller.host, &seller.id, seller.epoch).map_err(Failure::unusable)
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        let Some(file) = &self.config else {
            return Err(Failure::unusable("no data folder is named").hint("name one, or --config FILE"));
        };
        let loaded = Config::load(file, &process_env).map_err(|e| {
            Failure::unusable(e)
                .hint("`consentry check-config FILE` lists the same without starting anything")
        })?;
        Ok(loaded.config)
    }
}

/// The folder of a sandbox: its secrets lie in it, its log is named in its `HEAD`.
fn sandbox(dir: &Path) -> Result<Parts, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let (data, secrets) = (DataDir(dir.to_owned()), dir.join(SANDBOX_SECRETS));
    let unreadable = |what: &Path| Failure::unusable(format!("{} is not whole", what.display()));
    let text = disk.read_whole(&secrets, 256).map_err(Failure::unusable)?.unwrap_or_default();
    let bytes = hex::decode(text.trim_ascii()).map_err(|_| unreadable(&secrets))?;
    let part = |n: usize| -> Option<[u8; 32]> { bytes.get(n * 32..(n + 1) * 32)?.try_into().ok() };
    let (Some(master), Some(pepper), Some(coupons)) = (part(0), part(1), part(2)) else {
        return Err(unreadable(&secrets));
    };
    let origin = origin_of(&disk, &data)?;
    let policy = crate::policy::embedded::load().map_err(|problems| {
        Failure::unusable(format!("the built-in packs have {} problems", problems.len()))
    })?;
    let engine = Engine::new(Arc::new(policy), Zones::bundled())
        .map_err(|zones| Failure::unusable(format!("the zone data lacks {zones:?}")))?;
    Ok(Parts {
        seller: origin.seller().parse().map_err(Failure::unusable)?,
        origin,
        disk,
        erasures: None,
        data_dir: dir.to_owned(),
        index: Index::Fjall,
        index_options: KvOptions { cache_bytes: 32 << 20, memtable_bytes: 16 << 20, ..KvOptions::default() },
        embedded: EmbeddedOptions { reserve: false, ..EmbeddedOptions::default() },
        secrets: Secrets { master: MasterKey::from_bytes(master), pepper, coupons },
        policies: Policies::new(engine),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        queues: QueueLimits::default(),
        drain: Duration::ZERO,
    })
}

/// The log a folder says it holds: the first line of its `HEAD`. Nothing vouches for it yet; opening does.
pub fn origin_of(disk: &SharedDisk, dir: &DataDir) -> Result<Origin, Failure> {
    let head = disk.read_whole(&dir.head(), 100_000).map_err(Failure::unusable)?;
    let head = head.ok_or_else(|| {
        Failure::unusable(format!("{} has no HEAD: it is no data folder, or lost its head", dir.0.display()))
    })?;
    let text = String::from_utf8_lossy(&head);
    text.lines().next().unwrap_or_default().parse().map_err(Failure::unusable)
}

/// Why a folder did not open, with what to try.
pub fn not_opened(error: StartError) -> Failure {
    let in_use = matches!(error, StartError::Open(OpenError::InUse { .. }));
    let failure = Failure::unusable(error);
    match in_use {
        true => {
            failure.hint("stop the gateway first, or work on a copy that `consentry backup` makes beside it")
        }
        false => failure,
    }
}
