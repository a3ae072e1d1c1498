//! `consentry shadow FILE`: another sender's message log, judged as this gateway would have judged it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;

use super::failure::Failure;
use super::output::Output;
use crate::audit::shadow::{Audit, Columns, Options, Preset, ShadowError};
use crate::decide::Engine;
use crate::model::phone::Country;
use crate::model::{Category, Zones};
use crate::policy::{embedded, reload};
use crate::store::{self, Engine as Index, KvOptions};

/// Memory of the scratch index.
const CACHE_BYTES: u64 = 32 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The message log, CSV with a header; `docs/shadow.md` lists the columns.
    file: PathBuf,
    /// Whose columns the log has.
    #[arg(long, env = "CONSENTRY_PRESET", value_enum, default_value = "consentry")]
    preset: Columning,
    /// What some columns are called in it, as in `to=Recipient,sent_at=Time`.
    #[arg(long, env = "CONSENTRY_COLUMNS", default_value = "")]
    columns: String,
    /// Opt-outs, CSV: `phone`, `at`.
    #[arg(long, env = "CONSENTRY_OPT_OUTS")]
    opt_outs: Option<PathBuf>,
    /// Consents, CSV: `phone`, `at`, and `basis`, `double_opt_in`, `expires_at` where known. With it, a message to a number
    /// without consent is a violation.
    #[arg(long, env = "CONSENTRY_CONSENTS")]
    consents: Option<PathBuf>,
    /// The name shoppers know the sender by: then texts that do not name it are violations.
    #[arg(long, env = "CONSENTRY_BRAND_NAME")]
    brand_name: Option<String>,
    /// A domain the sender's links lead to: then others are violations. May be repeated.
    #[arg(long = "domain", env = "CONSENTRY_DOMAIN", value_delimiter = ',')]
    domains: Vec<String>,
    /// What messages are for that do not say.
    #[arg(long, env = "CONSENTRY_CATEGORY", value_enum, default_value = "marketing")]
    category: For,
    /// Zone of instants written without an offset, as America/New_York.
    #[arg(long, env = "CONSENTRY_TIME_ZONE", value_parser = zone)]
    time_zone: Option<jiff::tz::TimeZone>,
    /// Country of numbers written without one, two letters.
    #[arg(long, env = "CONSENTRY_COUNTRY")]
    country: Option<Country>,
    /// Rule packs to judge by; none: those built in. May be repeated.
    #[arg(long, env = "CONSENTRY_POLICY_DIR", value_delimiter = ',')]
    policy: Vec<PathBuf>,
    /// A file for every message that should not have left then, as JSON lines.
    #[arg(long, env = "CONSENTRY_VIOLATIONS")]
    violations: Option<PathBuf>,
    /// Where the rows are sorted; it holds telephone numbers and is removed at the end. None: the system's folder for temporary files.
    #[arg(long, env = "CONSENTRY_SCRATCH")]
    scratch: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Columning {
    Consentry,
    Twilio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum For {
    Marketing,
    Transactional,
    Conversational,
}

fn zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    let name: crate::model::ZoneName = name.parse().map_err(|_| "write a zone as America/New_York")?;
    Zones::bundled().get(&name).cloned().ok_or_else(|| format!("there is no zone {name}"))
}

/// A folder that goes when the audit ends, however it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn below(dir: &Path) -> Result<Scratch, Failure> {
        let path = dir.join(format!("consentry-shadow-{}", std::process::id()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&path)
            .map_err(|e| Failure::unusable(format!("{} cannot be made: {e}", path.display())))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is named, because it holds numbers.
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} cannot be removed: {e}", self.0.display());
        }
    }
}

/// Exit code 0 when nothing is against law or carrier rules and every row could be read, 1 otherwise.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let engine = engine(&args.policy)?;
    let preset = match args.preset {
        Columning::Consentry => Preset::Consentry,
        Columning::Twilio => Preset::Twilio,
    };
    let columns = Columns::new(preset, &args.columns).map_err(Failure::unusable)?;
    let scratch = Scratch::below(&args.scratch.clone().unwrap_or_else(std::env::temp_dir))?;
    let options = KvOptions { cache_bytes: CACHE_BYTES, memtable_bytes: 16 << 20, ..KvOptions::default() };
    let kv = store::open(Index::Fjall, &scratch.0.join("index"), &options).map_err(Failure::unusable)?;
    let mut audit = Audit::new(&engine, args.options(), kv);
    audit.messages(open(&args.file)?, &columns).map_err(|e| failed(&e))?;
    if let Some(path) = &args.opt_outs {
        audit.opt_outs(open(path)?).map_err(|e| failed(&e))?;
    }
    if let Some(path) = &args.consents {
        audit.consents(open(path)?).map_err(|e| failed(&e))?;
    }
    let mut sink = args.violations.as_deref().map(create).transpose()?;
    let report = audit.judge(|violation| {
        let Some(sink) = &mut sink else { return Ok(()) };
        serde_json::to_writer(&mut *sink, violation)?;
        sink.write_all(b"\n")
    });
    let report = report.map_err(|e| failed(&e))?;
    if let Some(mut sink) = sink {
        sink.flush().map_err(Failure::unusable)?;
    }
    output.answer(&report)?;
    let clean = report.violations == 0 && report.wrong == 0;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    fn options(&self) -> Options {
        let category = match self.category {
            For::Marketing => Category::Marketing,
            For::Transactional => Category::Transactional,
            For::Conversational => Category::Conversational,
        };
        Options {
            brand: self.brand_name.clone(),
            domains: self.domains.iter().map(|d| d.to_lowercase()).collect(),
            category: Some(category),
            sender_kind: None,
            time_zone: self.time_zone.clone(),
            country: self.country,
            rows_max: None,
        }
    }
}

fn engine(folders: &[PathBuf]) -> Result<Engine, Failure> {
    let set = match folders {
        [] => embedded::load()
            .map_err(|p| Failure::unusable(format!("the built-in packs have {} problems", p.len())))?,
        folders => reload::load_folders(folders).map_err(|e| Failure::unusable(format!("--policy: {e}")))?,
    };
    Engine::new(Arc::new(set), Zones::bundled())
        .map_err(|lacking| Failure::unusable(format!("the zone data lacks {lacking:?}")))
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let file = File::open(path);
    file.map(|file| BufReader::with_capacity(256 << 10, file))
        .map_err(|e| Failure::unusable(format!("{} cannot be read: {e}", path.display())))
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path);
    file.map(BufWriter::new)
        .map_err(|e| Failure::unusable(format!("{} cannot be written: {e}", path.display())))
}

fn failed(error: &ShadowError) -> Failure {
    let failure = Failure::unusable(error);
    match error {
        ShadowError::Table(_) => failure
            .hint("docs/shadow.md lists the columns; --columns names them where they are called otherwise"),
        _ => failure,
    }
}
