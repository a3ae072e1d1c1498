//! `consentry verify F --key K`: the check by somebody who trusts nobody. Needs no gateway.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::failure::Failure;
use super::output::Output;
use crate::anchor::load_roots;
use crate::config::{Config, process_env};
use crate::disk::{RealDisk, SharedDisk};
use crate::export::verify::{Trust, bundle_trusting, directory_trusting, tlog_proof};
use crate::ledger::checkpoint::VerifierKey;
use crate::ledger::keys::MasterKey;
use crate::ledger::tlog_policy::TlogPolicy;
use crate::ledger::tlog_proof::{BYTES_MAX, FIRST_LINE};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A bundle, a data folder, or a tlog-proof file.
    file: PathBuf,
    /// Public key of the log, `<origin>+<id>+<base64>`, or a file that holds it: from a source you trust, not from the
    /// bundle. May be given more than once while a key is rotated.
    #[arg(long = "key", env = "CONSENTRY_VERIFIER_KEY", required_unless_present = "policy")]
    keys: Vec<String>,
    /// Public key of a witness you believe, `<name>+<id>+<base64>`, or a file that holds it: then its cosignatures prove by
    /// when entries were recorded, and that no other history was signed. May be given more than once.
    #[arg(long = "witness", env = "CONSENTRY_WITNESS_KEY")]
    witnesses: Vec<String>,
    /// PEM file with certificates that vouch for a time-stamping authority you believe: then its time stamps prove by when
    /// entries were recorded. May be given more than once.
    #[arg(long = "tsa-roots", env = "CONSENTRY_TSA_ROOTS")]
    tsa_roots: Vec<PathBuf>,
    /// A C2SP tlog-policy file: its logs are taken as --key, its witnesses as --witness, and its quorum must be met.
    #[arg(long, env = "CONSENTRY_TLOG_POLICY")]
    policy: Option<PathBuf>,
    /// A file with a checkpoint you kept: the log must extend it.
    #[arg(long, env = "CONSENTRY_SINCE")]
    since: Option<PathBuf>,
    /// Data folders: open every seal, too, with the master key this configuration names. The gateway must not run.
    #[arg(long, env = "CONSENTRY_CONFIG")]
    config: Option<PathBuf>,
}

/// Exit code 0 valid, 1 invalid, 2 unreadable.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let mut keys = args.keys.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>()?;
    let trust = trust(args, &mut keys)?;
    let since = args.since.as_deref().map(read).transpose()?;
    let report = if args.file.is_dir() {
        let [key] = keys.as_slice() else {
            return Err(Failure::unusable("a data folder is checked with one key: that of its log"));
        };
        let disk: SharedDisk = Arc::new(RealDisk);
        let master = args.config.as_deref().map(master).transpose()?;
        directory_trusting(&disk, &args.file, key, master, since.as_deref(), &trust)
    } else if let Some(text) = proof(&args.file)? {
        tlog_proof(&text, &keys, &trust)
    } else {
        let file = File::open(&args.file)
            .map_err(|e| Failure::unusable(format!("{} cannot be read: {e}", args.file.display())))?;
        bundle_trusting(BufReader::with_capacity(256 << 10, file), &keys, since.as_deref(), &trust)
    };
    output.answer(&report)?;
    Ok(ExitCode::from(report.outcome.exit_code()))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|e| Failure::unusable(format!("{} cannot be read: {e}", path.display())))
}

/// The text of a tlog-proof file; none when the file is something else.
fn proof(path: &Path) -> Result<Option<String>, Failure> {
    let unreadable = |e| Failure::unusable(format!("{} cannot be read: {e}", path.display()));
    let mut begin = Vec::new();
    let first = FIRST_LINE.as_bytes();
    let mut file = File::open(path).map_err(unreadable)?;
    (&mut file).take(first.len() as u64).read_to_end(&mut begin).map_err(unreadable)?;
    if begin != first {
        return Ok(None);
    }
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut begin).map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&begin).into_owned()))
}

/// Whose word counts besides the log's; the logs of a policy join the keys.
fn trust(args: &Args, keys: &mut Vec<VerifierKey>) -> Result<Trust, Failure> {
    let mut trust = Trust::default();
    for text in &args.witnesses {
        let key = text_or_file(text)?.parse();
        trust.witnesses.push(key.map_err(|e| Failure::unusable(format!("--witness: {e}")))?);
    }
    for path in &args.tsa_roots {
        let roots = load_roots(path).map_err(|e| Failure::unusable(format!("--tsa-roots: {e}")))?;
        trust.roots.extend(roots);
    }
    if let Some(path) = &args.policy {
        let policy = TlogPolicy::parse(&read(path)?);
        let policy = policy.map_err(|e| Failure::unusable(format!("--policy: {}: {e}", path.display())))?;
        keys.extend(policy.logs().iter().cloned());
        trust.set_policy(policy);
    }
    match keys.is_empty() {
        true => Err(Failure::unusable("the policy names no log: give the log's key with --key")),
        false => Ok(trust),
    }
}

fn text_or_file(text: &str) -> Result<String, Failure> {
    match Path::new(text).is_file() {
        true => read(Path::new(text)),
        false => Ok(text.to_owned()),
    }
}

fn key(text: &str) -> Result<VerifierKey, Failure> {
    text_or_file(text)?.parse().map_err(|e| {
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
