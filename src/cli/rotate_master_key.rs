//! `consentry rotate-master-key`: the data keys under another master key. Entries stay as they are.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::failure::Failure;
use super::offline::{Folder, not_opened};
use super::output::Output;
use crate::config::{Config, SecretRef, beside_data, process_env};
use crate::disk::{RealDisk, SharedDisk};
use crate::entropy::SystemEntropy;
use crate::gateway::offline::lock;
use crate::ledger::keys::rotation::{Rotated, rotate, wrapped_under};
use crate::ledger::keys::{MasterKey, MasterKeyId};
use crate::store::embedded::DataDir;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Where the next master key is: env:NAME, file:PATH or command:PROGRAM ARGUMENTS. `openssl rand -hex 32` makes one.
    #[arg(long, value_name = "REFERENCE", env = "CONSENTRY_NEXT_MASTER_KEY")]
    next: String,
    /// Where the present one is, if not where the configuration says.
    #[arg(long, value_name = "REFERENCE", env = "CONSENTRY_PRESENT_MASTER_KEY")]
    present: Option<String>,
}

#[derive(Serialize)]
struct Said {
    data_dir: String,
    former_key: String,
    next_key: String,
    wrapped: u64,
    already: u64,
    destroyed: u64,
    next_reference: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { data_dir, next_key, former_key, .. } = self;
        match (self.wrapped, self.already) {
            (0, 0) => {
                writeln!(f, "{data_dir}: there is no key to wrap; it opens with master key {next_key}\n")?
            }
            (0, _) => writeln!(f, "{data_dir}: every key is under master key {next_key} already\n")?,
            _ => writeln!(f, "{data_dir}: every key is under master key {next_key} now\n")?,
        }
        writeln!(f, "  wrapped anew         {}", self.wrapped)?;
        writeln!(f, "  under it already     {}", self.already)?;
        writeln!(f, "  destroyed, stay so   {}", self.destroyed)?;
        writeln!(
            f,
            "\nSet keys.master = \"{}\" in the configuration, then start the gateway.",
            self.next_reference
        )?;
        write!(
            f,
            "The former key {former_key} does not open this folder any more. Keep it for as long as a backup made before now \
             is kept: nothing else opens that one."
        )
    }
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    if args.folder.is_sandbox() {
        return Err(Failure::unusable("the configuration that names the master key is not known")
            .hint("name it with --config; a sandbox keeps its keys to itself"));
    }
    let (dir, config) = (args.folder.dir()?, args.folder.config()?);
    let here = std::env::current_dir().map_err(Failure::unusable)?;
    let next_at = reference("--next", &args.next, &here)?;
    if let Some(why) = beside_data(&next_at, &config) {
        return Err(Failure::unusable(format!("--next: {next_at} {why}")));
    }
    let (name, present_at) = match &args.present {
        Some(text) => ("--present", reference("--present", text, &here)?),
        None => ("keys.master", config.keys.master.clone()),
    };
    let (present, next) = (key(name, &present_at)?, key("--next", &next_at)?);
    if present.id() == next.id() {
        return Err(Failure::unusable(format!("--next is the present master key {}", next.id())).hint(
            "`openssl rand -hex 32` makes another; after a rotation name the former one with --present",
        ));
    }
    if disk.list(&dir.keys()).is_err() {
        return Err(Failure::unusable(format!("{} has no keys/: it is no data folder", dir.0.display())));
    }
    let _lock = lock(&disk, &dir).map_err(|e| not_opened(e.into()))?;
    let done = turn(&disk, &dir, &config, (&present, &next))?;
    output.answer(&Said {
        data_dir: dir.0.display().to_string(),
        former_key: present.id().to_string(),
        next_key: next.id().to_string(),
        wrapped: done.wrapped,
        already: done.already,
        destroyed: done.destroyed,
        next_reference: next_at.to_string(),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn turn(
    disk: &SharedDisk,
    dir: &DataDir,
    config: &Config,
    (present, next): (&MasterKey, &MasterKey),
) -> Result<Rotated, Failure> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} keys, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let seller = config.seller.id.as_str();
    let done = rotate(disk, &dir.keys(), seller, (present, next), &SystemEntropy, &mut progress);
    bar.finish_and_clear();
    done.map_err(|e| Failure::unusable(e).hint(state(disk, dir, (present.id(), next.id()))))
}

/// Which key the folder opens with after a rotation that failed.
fn state(disk: &SharedDisk, dir: &DataDir, (present, next): (MasterKeyId, MasterKeyId)) -> String {
    match wrapped_under(disk, &dir.keys()) {
        Ok(Some(id)) if id == next => {
            format!(
                "the folder opens with the next master key {next}: name it in keys.master; the next start ends the rest"
            )
        }
        Ok(Some(id)) if id == present => {
            format!(
                "the folder opens with the present master key {present}, as before; run this again when the cause is gone"
            )
        }
        Ok(Some(id)) => {
            format!("the folder says that it opens with master key {id}, which is neither of the two given")
        }
        Ok(None) | Err(_) => {
            format!("the folder does not say which key it opens with; try the present one, {present}, first")
        }
    }
}

fn reference(name: &str, text: &str, here: &Path) -> Result<SecretRef, Failure> {
    SecretRef::parse_key(text, here).map_err(|e| Failure::unusable(format!("{name}: {e}")))
}

fn key(name: &str, at: &SecretRef) -> Result<MasterKey, Failure> {
    let key = at.resolve_key(&process_env).map_err(|e| Failure::unusable(format!("{name}: {e}")))?;
    Ok(MasterKey::from_bytes(*key.expose_secret()))
}

#[cfg(test)]
mod tests;
