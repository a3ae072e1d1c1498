//! `consentry recover`: what is wrong with a data folder, and the ways on. Without an option it only looks.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::failure::Failure;
use super::offline::{Folder, not_opened};
use super::output::Output;
use crate::disk::{RealDisk, SharedDisk};
use crate::entropy::SystemEntropy;
use crate::gateway::offline::{Offline, lock};
use crate::ledger::body::EpochBody;
use crate::ledger::checkpoint::Origin;
use crate::ledger::entry::{Kind, Leaf};
use crate::ledger::segment::End;
use crate::store::embedded::DataDir;
use crate::store::maintain::recover::{
    Begun, Found, HeadState, RecoverError, begin_epoch, look, restore, trim_tail,
};
use crate::writer::ops::epoch::{BeginEpoch, CancelOverdue};

/// Who the ledger says did it.
const ACTOR: &str = "operator";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Cut off a batch that was never acknowledged, as every start does. Refused when anything acknowledged is damaged.
    #[arg(long, env = "CONSENTRY_TRIM_TAIL", conflicts_with_all = ["from", "new_epoch"])]
    trim_tail: bool,
    /// Take the ledger of this backup, which must have everything that was signed for.
    #[arg(long, env = "CONSENTRY_RECOVER_FROM", conflicts_with = "new_epoch")]
    from: Option<PathBuf>,
    /// Give this history up from the damage on and go on under a new name of the log. What still reads is carried over.
    #[arg(long, env = "CONSENTRY_NEW_EPOCH", requires = "reason")]
    new_epoch: bool,
    /// Why the history was given up, 1 to 512 characters; kept in the ledger.
    #[arg(long, env = "CONSENTRY_REASON")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Report {
    data_dir: String,
    log: String,
    sound: bool,
    entries: u64,
    signed: Option<u64>,
    found: Vec<String>,
    done: Vec<String>,
    next: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.data_dir, if self.sound { "SOUND" } else { "DAMAGED" })?;
        for (title, lines) in [("Found", &self.found), ("Done", &self.done), ("Next", &self.next)] {
            if !lines.is_empty() {
                writeln!(f, "\n{title}:")?;
                lines.iter().try_for_each(|line| writeln!(f, "  - {line}"))?;
            }
        }
        Ok(())
    }
}

impl Report {
    fn of(dir: &DataDir, found: &Found) -> Report {
        let signed = match found.head {
            HeadState::Covers { signed }
            | HeadState::Shorter { signed }
            | HeadState::OtherHistory { signed } => Some(signed),
            HeadState::Fresh | HeadState::Unreadable { .. } => None,
        };
        Report {
            data_dir: dir.0.display().to_string(),
            log: found.origin.to_string(),
            sound: found.is_sound(),
            entries: found.entries,
            signed,
            found: told(found),
            done: Vec::new(),
            next: ways(found),
        }
    }
}

/// What was found, in words.
fn told(found: &Found) -> Vec<String> {
    let entries = found.entries;
    let mut lines = vec![match &found.end {
        End::Whole => format!("{entries} entries read from the first to the last"),
        End::Torn { bytes } => {
            format!("{entries} entries read; {bytes} bytes of a batch that was never acknowledged follow")
        }
        End::Damaged { file, offset, why } => format!(
            "{entries} entries read; then {} is damaged at byte {offset}: {why}. What lies behind it was acknowledged",
            file.display()
        ),
    }];
    lines.push(match &found.head {
        HeadState::Fresh => "no HEAD: nothing was ever signed".to_owned(),
        HeadState::Covers { signed } => {
            format!("HEAD covers {signed} entries, and they are those that were signed")
        }
        HeadState::Shorter { signed } => {
            format!("HEAD covers {signed} entries: {} of them are gone", signed - entries)
        }
        HeadState::OtherHistory { signed } => {
            format!("HEAD covers {signed} entries, and those here are others: this is another history")
        }
        HeadState::Unreadable { why } => format!("HEAD vouches for nothing: {why}"),
    });
    lines.push(match &found.keys {
        Ok(chains) => match found.master {
            Some(master) => format!("keys/ knows {chains} chains; master key {master} opens it"),
            None => format!("keys/ knows {chains} chains"),
        },
        Err(why) => format!("keys/ does not read: {why}"),
    });
    lines
}

/// The ways on, best first.
fn ways(found: &Found) -> Vec<String> {
    if found.is_sound() {
        return match found.end {
            End::Torn { .. } => {
                vec![
                    "nothing to do: the next start cuts the torn batch off (--trim-tail does it now)"
                        .to_owned(),
                ]
            }
            _ => Vec::new(),
        };
    }
    let mut ways = Vec::new();
    if found.keys.is_err() {
        ways.push("put keys/ back from a backup at least as new as the ledger".to_owned());
    }
    if let HeadState::Unreadable { .. } = &found.head {
        ways.push("put HEAD and log.key back from where they are kept".to_owned());
    }
    ways.push("put back what is missing: `consentry recover --from BACKUP`".to_owned());
    ways.push(
        "or give this history up from here on: `consentry recover --new-epoch --reason TEXT`. What was acknowledged \
         behind the damage is lost, opt-outs among it: sending stays paused until the providers were asked what was \
         missed, and messages that may have left are cancelled"
            .to_owned(),
    );
    ways
}

/// Exit code 0 when the folder is sound now, 1 when it is not.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let (dir, origin) = (args.folder.dir()?, args.folder.origin()?);
    if !dir.0.is_dir() {
        return Err(Failure::unusable(format!("{} is no folder", dir.0.display())));
    }
    let held = lock(&disk, &dir).map_err(|e| not_opened(e.into()))?;
    let found = look(&disk, &dir, &origin).map_err(Failure::unusable)?;
    if args.new_epoch {
        let reason = args.reason.as_deref().unwrap_or_default().trim();
        if reason.is_empty() || reason.chars().count() > 512 {
            return Err(Failure::unusable("--reason: must have 1 to 512 characters"));
        }
        return new_epoch(args, &disk, (held, &dir), &origin, reason, output);
    }
    let mut done = Vec::new();
    if args.trim_tail {
        let cut = trim_tail(&disk, &dir, &found).map_err(|e| refused(&e, &found))?;
        done.push(format!("{cut} bytes of a batch that was never acknowledged were cut off"));
    }
    if let Some(from) = &args.from {
        let entries =
            restore(&disk, &dir, &DataDir(from.clone()), &found).map_err(|e| refused(&e, &found))?;
        done.push(format!("the ledger of {} was taken over: {entries} entries", from.display()));
        done.push("the damaged one stays beside it as ledger.damaged".to_owned());
    }
    let found =
        if done.is_empty() { found } else { look(&disk, &dir, &origin).map_err(Failure::unusable)? };
    let report = Report { done, ..Report::of(&dir, &found) };
    output.answer(&report)?;
    Ok(if report.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// It was looked at, and the answer is no.
fn refused(error: &RecoverError, found: &Found) -> Failure {
    let code = if matches!(error, RecoverError::Refused(_)) { 1 } else { 2 };
    let failure = Failure { code, ..Failure::unusable(error) };
    match ways(found).first() {
        Some(way) => failure.hint(way),
        None => failure,
    }
}

fn new_epoch(
    args: &Args,
    disk: &SharedDisk,
    held: (Box<dyn crate::disk::DirLock>, &DataDir),
    old: &Origin,
    reason: &str,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let (held, dir) = held;
    let mut parts = args.folder.parts()?;
    if args.folder.is_sandbox() {
        return Err(Failure::unusable("a sandbox has one epoch only")
            .hint("its people are invented: delete the folder and start again"));
    }
    let epoch = old.epoch() + 1;
    let new = old.in_epoch(epoch).map_err(Failure::unusable)?;
    let begun = begin_epoch(disk, dir, old, &new, &SystemEntropy).map_err(Failure::unusable)?;
    drop(held);
    parts.origin = new.clone();
    let mut offline = Offline::rebuild(parts).map_err(not_opened)?;
    let recorded = record(&mut offline, old, &begun, epoch, reason);
    let (verifier, entries) = (offline.verifier_key.clone(), offline.books.stored().len());
    let erased_again = offline.erased_again;
    offline.close().map_err(Failure::unusable)?;
    let cancelled = recorded?;
    let lost = begun.signed.map(|signed| signed.saturating_sub(begun.carried));
    let lost = match lost {
        Some(0) => "no entry that was signed for is lost".to_owned(),
        Some(n) => format!("{n} entries that were signed for are lost"),
        None => "how many are lost nobody can tell: the old HEAD does not read".to_owned(),
    };
    output.answer(&Report {
        data_dir: dir.0.display().to_string(),
        log: new.to_string(),
        sound: true,
        entries,
        signed: Some(entries),
        found: Vec::new(),
        done: [
            format!("{} entries were carried over into {new}; {lost}", begun.carried),
            format!("{cancelled} messages that may have left already were cancelled"),
            format!("checkpoints verify with {verifier} from now on"),
            format!("the old ledger, HEAD and log.key stay as *.e{}", old.epoch()),
        ]
        .into_iter()
        .chain(
            (erased_again > 0)
                .then(|| format!("{erased_again} people whom the list of erasures names were erased again")),
        )
        .collect(),
        next: vec![
            format!("set epoch = {epoch} in [seller] of the configuration, then start the gateway"),
            "sending stays paused until each provider was asked what was missed, or an operator vouches"
                .to_owned(),
        ],
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the epoch down, unless a run before this one did, and cancels what may have left. Answers how many that were.
fn record(
    offline: &mut Offline,
    old: &Origin,
    begun: &Begun,
    epoch: u32,
    reason: &str,
) -> Result<usize, Failure> {
    let mut epochs = 0;
    for stored in offline.books.stored().entries(0) {
        let leaf = Leaf::decode(&stored.map_err(Failure::unusable)?.leaf).map_err(Failure::unusable)?;
        epochs += u32::from(leaf.kind == Kind::Epoch);
    }
    if epochs + 1 >= epoch && begun.was_there {
        return Err(Failure::unusable(format!("the folder is in epoch {epoch} already"))
            .hint(format!("set epoch = {epoch} in [seller] of the configuration")));
    }
    let body = EpochBody {
        before: old.to_string(),
        carried: begun.carried,
        signed: begun.signed,
        checkpoint: begun.checkpoint.clone(),
        reason: reason.to_owned(),
        actor: ACTOR.to_owned(),
    };
    offline.run(BeginEpoch(body)).map_err(Failure::unusable)?;
    let mut cancelled = 0;
    loop {
        match offline.run(CancelOverdue { actor: ACTOR.to_owned() }).map_err(Failure::unusable)? {
            0 => return Ok(cancelled),
            n => cancelled += n,
        }
    }
}

#[cfg(test)]
pub mod tests;
