//! A secret that a program prints: the way to a key management service.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::{SECRET_BYTES_MAX, SecretError};

/// How long it may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Starts the program and takes what it prints. It has the environment of this process, where a service's client finds who
/// it is; what it complains of goes to this process's standard error.
pub fn ask(words: &[String], deadline: Duration) -> Result<Zeroizing<String>, SecretError> {
    let program = words.first().cloned().unwrap_or_default();
    let failed = |why: String| SecretError::Command { program: program.clone(), why };
    // A thread with a runtime of its own: whoever asks may stand in one already, and must wait either way.
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| format!("cannot be waited for: {e}"))?;
            runtime.block_on(async {
                // Dropped at the deadline, the child is killed.
                let ran = tokio::time::timeout(deadline, run(words)).await;
                ran.unwrap_or_else(|_| Err(format!("did not answer within {deadline:?}")))
            })
        });
        run.join().unwrap_or_else(|_| Err("could not be waited for".to_owned())).map_err(failed)
    })
}

async fn run(words: &[String]) -> Result<Zeroizing<String>, String> {
    let (program, arguments) = words.split_first().ok_or("is missing")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| format!("cannot be started: {e}"))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(4_096));
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).await;
        read.map_err(|e| format!("cannot be read from: {e}"))?;
    }
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("prints more than {SECRET_BYTES_MAX} bytes"));
    }
    let ended = child.wait().await.map_err(|e| format!("cannot be waited for: {e}"))?;
    if !ended.success() {
        return Err(format!("ended with {ended}"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "prints something that is no text".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}
