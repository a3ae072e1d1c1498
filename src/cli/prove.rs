//! `consentry prove --entry N`: a C2SP `tlog-proof` file that the entry is in the log.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::output::Output;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// The entry: its place in the log, from 0.
    #[arg(long, env = "CONSENTRY_ENTRY")]
    entry: u64,
    /// File to write; without it, the proof is printed.
    #[arg(long, short, env = "CONSENTRY_OUTPUT")]
    output: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Proved {
    entry: u64,
    file: Option<String>,
    tlog_proof: String,
}

impl fmt::Display for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => {
                write!(f, "{file}: entry {}; check it with `consentry verify {file} --key …`", self.entry)
            }
            None => f.write_str(self.tlog_proof.trim_end()),
        }
    }
}

/// Exit code 0: the proof was made.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let request = pb::GetInclusionProofRequest { index: args.entry, tree_size: 0 };
    let answer = args
        .server
        .call(async |channel| AuditServiceClient::new(channel).get_inclusion_proof(request).await)?;
    if let Some(path) = &args.output {
        std::fs::write(path, &answer.tlog_proof)
            .map_err(|e| Failure::unusable(format!("{} cannot be written: {e}", path.display())))?;
    }
    let file = args.output.map(|path| path.display().to_string());
    output.answer(&Proved { entry: args.entry, file, tlog_proof: answer.tlog_proof })?;
    Ok(ExitCode::SUCCESS)
}
