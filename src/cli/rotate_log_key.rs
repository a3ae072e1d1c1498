//! `consentry rotate-log-key`: a new key for checkpoints; the old one signs beside it for 90 days.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::failure::Failure;
use super::offline::Folder;
use super::output::Output;
use crate::clock::{Clock, SystemClock};
use crate::disk::{RealDisk, SharedDisk};
use crate::entropy::SystemEntropy;
use crate::gateway::offline::lock;
use crate::ledger::checkpoint::Origin;
use crate::ledger::head::rotation::{Rotated, rotate};
use crate::model::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Serialize)]
struct Said {
    log: String,
    verifier_key: String,
    former_key: String,
    both_sign_until: Instant,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} has a new key\n", self.log)?;
        writeln!(f, "  new     {}", self.verifier_key)?;
        writeln!(f, "  former  {}", self.former_key)?;
        writeln!(
            f,
            "\nBoth sign until {}. Publish the new key where the former one was published, and tell",
            self.both_sign_until
        )?;
        writeln!(
            f,
            "auditors and the operators of witnesses: until then either verifies, afterwards the new one alone."
        )?;
        write!(f, "If the former key leaked, this does not help: begin a new epoch with `consentry recover`.")
    }
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let dir = args.folder.dir()?;
    let head = disk.read_whole(&dir.head(), 100_000).map_err(Failure::unusable)?;
    let head = head
        .ok_or_else(|| Failure::unusable(format!("{} has no HEAD: it is no data folder", dir.0.display())))?;
    let origin = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let origin: Origin = origin.parse().map_err(Failure::unusable)?;
    let _lock = lock(&disk, &dir)
        .map_err(|e| Failure::unusable(e).hint("stop the gateway first: it holds the key in memory"))?;
    let files = (dir.log_key(), dir.log_key_before(), dir.head());
    let done = rotate(&disk, (&files.0, &files.1, &files.2), &origin, &SystemEntropy, SystemClock.now());
    let Rotated { before, now, until } = done.map_err(Failure::unusable)?;
    output.answer(&Said {
        log: origin.to_string(),
        verifier_key: now,
        former_key: before,
        both_sign_until: until,
    })?;
    Ok(ExitCode::SUCCESS)
}
