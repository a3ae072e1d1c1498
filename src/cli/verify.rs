//! `consentry verify F --key K`: the check by somebody who trusts nobody. Needs no gateway.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::failure::Failure;
use super::output::Output;
use crate::config::{Config, process_env};
use crate::disk::{RealDisk, SharedDisk};
use crate::export::verify::{bundle, directory};
use crate::ledger::checkpoint::VerifierKey;
use crate::ledger::keys::MasterKey;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A bundle, or a data folder.
    file: PathBuf,
    /// Public key of the log, `<origin>+<id>+<base64>`, or a file that holds it: from a source you trust, not from the
    /// bundle. May be given more than once while a key is rotated.
    #[arg(long = "key", env = "CONSENTRY_VERIFIER_KEY", required = true)]
    keys: Vec<String>,
    /// A file with a checkpoint you kept: the log must extend it.
    #[arg(long, env = "CONSENTRY_SINCE")]
    since: Option<PathBuf>,
    /// Data folders: open every seal, too, with the master key this configuration names. The gateway must not run.
    #[arg(long, env = "CONSENTRY_CONFIG")]
    config: Option<PathBuf>,
}

/// Exit code 0 valid, 1 invalid, 2 unreadable.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let keys = args.keys.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>()?;
    let since = args.since.as_deref().map(read).transpose()?;
    let report = if args.file.is_dir() {
        let [key] = keys.as_slice() else {
            return Err(Failure::unusable("a data folder is checked with one key: that of its log"));
        };
        let disk: SharedDisk = Arc::new(RealDisk);
        let master = args.config.as_deref().map(master).transpose()?;
        directory(&disk, &args.file, key, master, since.as_deref())
    } else {
        let file = File::open(&args.file)
            .map_err(|e| Failure::unusable(format!("{} cannot be read: {e}", args.file.display())))?;
        bundle(BufReader::with_capacity(256 << 10, file), &keys, since.as_deref())
    };
    output.answer(&report)?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|e| Failure::unusable(format!("{} cannot be read: {e}", path.display())))
}

fn key(text: &str) -> Result<VerifierKey, Failure> {
    let text = match Path::new(text).is_file() {
        true => read(Path::new(text))?,
        false => text.to_owned(),
    };
    text.parse().map_err(|e| {
        Failure::unusable(format!("--key: {e}"))
            .hint("`consentry serve` and `consentry sandbox` print the key when they start")
    })
}

fn master(config: &Path) -> Result<MasterKey, Failure> {
    use secrecy::ExposeSecret;
    let config = Config::load(config, &process_env).map_err(Failure::unusable)?.config;
    let key = config.keys.master.resolve_key(&process_env);
    let key = key.map_err(|e| Failure::unusable(format!("keys.master: {e}")))?;
    Ok(MasterKey::from_bytes(*key.expose_secret()))
}
