//! `consentry rebuild`: index and tree hashes anew from the ledger. They are views: nothing is lost with them.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::failure::Failure;
use super::offline::{Folder, not_opened};
use super::output::Output;
use crate::gateway::offline::Offline;
use crate::writer::EntrySource;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Serialize)]
struct Rebuilt {
    data_dir: String,
    entries: u64,
    hashed: u64,
    cut_bytes: u64,
    index: String,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} entries folded into a new {} index, ", self.data_dir, self.entries, self.index)?;
        write!(f, "{} hashed", self.hashed)?;
        match self.cut_bytes {
            0 => Ok(()),
            n => write!(f, "\n{n} bytes of a batch that was never acknowledged were cut off"),
        }
    }
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let parts = args.folder.parts()?;
    let (data_dir, index) = (parts.data_dir.display().to_string(), parts.index.to_string());
    let offline = Offline::rebuild(parts).map_err(not_opened)?;
    let rebuilt = Rebuilt {
        data_dir,
        index,
        entries: offline.books.size(),
        hashed: offline.opened.rehashed,
        cut_bytes: offline.opened.recovery.cut_bytes,
    };
    offline.close().map_err(Failure::unusable)?;
    output.answer(&rebuilt)?;
    Ok(ExitCode::SUCCESS)
}
