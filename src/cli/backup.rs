//! `consentry backup DIR --to DIR`: a copy that opens and verifies, made beside a running gateway.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::failure::Failure;
use super::offline::{Folder, SANDBOX_SECRETS};
use super::output::Output;
use crate::disk::{RealDisk, SharedDisk};
use crate::store::embedded::DataDir;
use crate::store::maintain::backup::{BackupError, backup};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Where the copy goes: a new folder, or that of an earlier backup, to which only what is new is added. Keep it for a
    /// short time: it holds the keys of people who may ask to be forgotten.
    #[arg(long, env = "CONSENTRY_BACKUP_TO")]
    to: PathBuf,
    /// Copy the key that signs checkpoints, too: whoever has the copy can then sign for the log.
    #[arg(long, env = "CONSENTRY_WITH_SECRETS")]
    with_secrets: bool,
}

#[derive(Serialize)]
struct Made {
    to: String,
    log: String,
    entries: u64,
    signed: u64,
    chains_with_keys: usize,
    master_key: Option<String>,
    files_copied: usize,
    files_kept: usize,
    bytes_copied: u64,
    with_secrets: bool,
    verifier_key: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} holds {} entries of {}, checked", self.to, self.entries, self.log)?;
        writeln!(f, "  under a checkpoint  {} entries", self.signed)?;
        writeln!(f, "  chains with keys    {}", self.chains_with_keys)?;
        if let Some(master) = &self.master_key {
            writeln!(f, "  opens with          master key {master}, and no other")?;
        }
        writeln!(
            f,
            "  copied              {} files, {} bytes ({} segments were there)",
            self.files_copied, self.bytes_copied, self.files_kept
        )?;
        writeln!(f, "  verifies with       {}", self.verifier_key)?;
        match self.with_secrets {
            true => write!(f, "\nThe key that signs checkpoints is in it. The master key never is."),
            false => {
                write!(f, "\nTo open it, put log.key beside it; the master key comes from the configuration.")
            }
        }
    }
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let absolute = |path: &PathBuf| std::path::absolute(path).map_err(Failure::unusable);
    let from = DataDir(absolute(&args.folder.dir()?.0)?);
    let to = DataDir(absolute(&args.to)?);
    let secrets = match args.with_secrets {
        true => vec![from.log_key(), from.log_key_before(), from.0.join(SANDBOX_SECRETS)],
        false => Vec::new(),
    };
    let made = backup(&disk, &from, &to, &secrets).map_err(|error| {
        let failure = match &error {
            // It was done, and the answer is no.
            BackupError::NotSound { .. } => Failure { code: 1, ..Failure::unusable(&error) },
            _ => Failure::unusable(&error),
        };
        match error {
            BackupError::Occupied { .. } => failure.hint("name a folder that does not exist yet"),
            BackupError::NotSound { .. } => {
                failure.hint("`consentry recover` says what is wrong with the folder")
            }
            _ => failure,
        }
    })?;
    output.answer(&Made {
        to: args.to.display().to_string(),
        log: made.origin.to_string(),
        entries: made.entries,
        signed: made.signed,
        chains_with_keys: made.keys,
        master_key: made.master.map(|master| master.to_string()),
        files_copied: made.copied,
        files_kept: made.kept,
        bytes_copied: made.bytes,
        with_secrets: made.secrets,
        verifier_key: made.verifier.to_string(),
    })?;
    Ok(ExitCode::SUCCESS)
}
