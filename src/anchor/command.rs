//! A program of the operator's: gets the checkpoint on standard input; what it prints is the receipt.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{Anchor, AnchorError, Taken};
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::tree::TreeReader;

/// The longest receipt.
const OUTPUT_BYTES_MAX: u64 = 16 << 10;
/// What of an error's words is kept.
const WORDS_MAX: usize = 300;
/// Variables it gets. Not the others: the gateway's keys may be among them.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR"];

/// A program and its arguments.
pub struct Program {
    program: String,
    arguments: Vec<String>,
    deadline: Duration,
}

impl Program {
    /// `program` is looked up on the path unless it names a folder.
    pub fn new(program: String, arguments: Vec<String>, deadline: Duration) -> Program {
        Program { program, arguments, deadline }
    }

    async fn run(&self, checkpoint: &str) -> Result<Vec<u8>, AnchorError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let started = command.spawn();
        let mut child =
            started.map_err(|e| AnchorError::Refused(format!("{} does not start: {e}", self.program)))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let give = async {
            if let Some(mut stdin) = stdin {
                // It need not read it; whether it is content is its exit code's matter.
                let _ = stdin.write_all(checkpoint.as_bytes()).await;
            }
        };
        let ((), said, complained, ended) = tokio::join!(give, read(stdout), read(stderr), child.wait());
        let broken = |e: std::io::Error| AnchorError::Refused(format!("{}: {e}", self.program));
        let (said, complained, ended) =
            (said.map_err(broken)?, complained.map_err(broken)?, ended.map_err(broken)?);
        self.judge(said, &complained, ended)
    }

    fn judge(&self, said: Vec<u8>, complained: &[u8], ended: ExitStatus) -> Result<Vec<u8>, AnchorError> {
        if !ended.success() {
            let words = String::from_utf8_lossy(complained);
            let words: String =
                words.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect();
            return Err(AnchorError::Refused(format!("{} ended with {ended}: {words}", self.program)));
        }
        if said.len() as u64 > OUTPUT_BYTES_MAX {
            return Err(AnchorError::Answer(format!("it has more than {OUTPUT_BYTES_MAX} bytes")));
        }
        Ok(said)
    }
}

/// Reads to the end and keeps no more than the longest receipt and a byte, so that too much is noticed and not stored.
async fn read(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let (mut kept, Some(mut from)) = (Vec::new(), from) else { return Ok(Vec::new()) };
    (&mut from).take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(kept)
}

impl Anchor for Program {
    fn kind(&self) -> Kind {
        Kind::Command
    }

    fn submit<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        _: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>> {
        Box::pin(async move {
            // Dropped at the deadline, the child is killed.
            let run = tokio::time::timeout(self.deadline, self.run(checkpoint.note())).await;
            let proof = run.map_err(|_| AnchorError::Deadline(self.deadline))??;
            Ok(Taken { checkpoint: checkpoint.note().to_owned(), proof })
        })
    }
}
