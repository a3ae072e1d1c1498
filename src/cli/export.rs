//! `consentry export`: an audit export into a file, whole or not at all.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::message::{phone, timestamp};
use super::output::Output;
use crate::audit::statement::Statement;
use crate::export::verify;
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;

mod receive;
mod sink;
#[cfg(test)]
mod tests;

use sink::Sink;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// Brand whose records are wanted.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// Only this person's, by number.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true, conflicts_with = "customer")]
    phone: Option<String>,
    /// Only this person's, by the shop's own id of the customer.
    #[arg(long, env = "CONSENTRY_CUSTOMER_ID")]
    customer: Option<String>,
    /// Only this person's, by id of the ledger (32 hexadecimal digits): also of somebody erased.
    #[arg(long, env = "CONSENTRY_SUBJECT_ID", conflicts_with_all = ["phone", "customer"])]
    subject_id: Option<String>,
    /// Only of whom this legal hold covers, by its id.
    #[arg(long, env = "CONSENTRY_LEGAL_HOLD_ID", conflicts_with_all = ["phone", "customer", "subject_id"])]
    legal_hold: Option<String>,
    /// Bundles: a file with a checkpoint you kept; the bundle then proves that the log extends it.
    #[arg(long, env = "CONSENTRY_SINCE")]
    since: Option<PathBuf>,
    /// Only from this instant on, RFC 3339.
    #[arg(long, env = "CONSENTRY_FROM", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// Only up to this instant, exclusive, RFC 3339.
    #[arg(long, env = "CONSENTRY_TO", value_parser = Instant::parse)]
    to: Option<Instant>,
    /// A bundle proves itself (`consentry verify`); csv and jsonl are one table; tiles are the whole log, of all brands, as C2SP
    /// tlog-tiles in a tar file.
    #[arg(long, env = "CONSENTRY_FORMAT", value_enum, default_value = "bundle")]
    format: Format,
    /// Bundles: tell, when it is whole, what followed each STOP in it. The bundle is checked with the key in it, so this is for
    /// reading; who doubts runs `consentry verify` with a key from elsewhere and gets the same words.
    #[arg(long, env = "CONSENTRY_STATEMENT")]
    statement: bool,
    /// The file to write; `-` is standard output. An older file is replaced when the new one is whole.
    #[arg(long, short, env = "CONSENTRY_OUTPUT")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Bundle,
    Csv,
    Jsonl,
    Tiles,
}

/// What was received.
#[derive(Debug, Serialize)]
struct Exported {
    file: String,
    bytes: u64,
    sha256: String,
    rows: u64,
    /// Entries of the log it was made under.
    tree_size: u64,
    origin: String,
    /// How often the stream broke and was taken up again.
    resumed: u32,
    /// What followed each STOP.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<Statement>,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} rows, {} bytes", self.file, self.rows, self.bytes)?;
        writeln!(f, "  sha256  {}", self.sha256)?;
        write!(f, "  log     {}, {} entries", self.origin, self.tree_size)?;
        match self.resumed {
            0 => Ok(()),
            1 => write!(f, "\n  the stream broke once and was taken up again"),
            n => write!(f, "\n  the stream broke {n} times and was taken up again"),
        }?;
        match &self.statement {
            Some(statement) => write!(f, "\n\n{statement}"),
            None => Ok(()),
        }
    }
}

impl Args {
    fn request(&self) -> Result<pb::ExportAuditRequest, Failure> {
        let customer = self
            .customer
            .clone()
            .map(|id| pb::Subject { address: Some(pb::subject::Address::CustomerId(id)) });
        let period = (self.from.is_some() || self.to.is_some())
            .then(|| pb::TimeRange { start: self.from.map(timestamp), end: self.to.map(timestamp) });
        let format = match self.format {
            Format::Bundle => pb::ExportFormat::Bundle,
            Format::Csv => pb::ExportFormat::Csv,
            Format::Jsonl => pb::ExportFormat::Jsonl,
            Format::Tiles => pb::ExportFormat::Tiles,
        };
        Ok(pb::ExportAuditRequest {
            brand: self.brand.clone(),
            subject: self.phone.clone().map(phone).or(customer),
            period,
            format: format.into(),
            export_id: String::new(),
            offset: 0,
            subject_id: self.subject_id.clone().unwrap_or_default(),
            legal_hold_id: self.legal_hold.clone().unwrap_or_default(),
            since_size: self.since.as_deref().map(size_of).transpose()?.unwrap_or(0),
        })
    }
}

/// How many entries a kept checkpoint covers. `verify` checks its signature, with the key.
fn size_of(checkpoint: &Path) -> Result<u64, Failure> {
    let named = |what: String| Failure::unusable(format!("--since {}: {what}", checkpoint.display()));
    let text = std::fs::read_to_string(checkpoint).map_err(|e| named(e.to_string()))?;
    let size = text.lines().nth(1).and_then(|line| line.parse().ok());
    size.ok_or_else(|| named("it is no checkpoint: its second line is not a number of entries".to_owned()))
}

/// Exit code 0 when the file is whole and its SHA-256 is the gateway's.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let stdout = args.output == Path::new("-");
    if args.statement && (stdout || args.format != Format::Bundle) {
        return Err(Failure::unusable("--statement goes with --format bundle and a file"));
    }
    let request = args.request()?;
    let mut sink = if stdout { Sink::stdout() } else { Sink::beside(&args.output)? };
    let received = args.server.run(receive::receive(&args.server, request, &mut sink))?;
    sink.finish()?;
    let statement = args.statement.then(|| statement_of(&args.output)).transpose()?;
    let exported = Exported {
        file: args.output.display().to_string(),
        bytes: received.bytes,
        sha256: hex::encode(received.sha256),
        rows: received.rows,
        tree_size: received.checkpoint.size,
        origin: received.checkpoint.origin,
        resumed: received.resumed,
        statement,
    };
    match stdout {
        // Standard output belongs to the export.
        true => eprintln!("{exported}"),
        false => output.answer(&exported)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the statement of a bundle that was just written, computed again from its entries.
fn statement_of(bundle: &Path) -> Result<Statement, Failure> {
    let unreadable = |e: &dyn fmt::Display| Failure::unusable(format!("{}: {e}", bundle.display()));
    let open = || File::open(bundle).map_err(|e| unreadable(&e));
    let key = verify::key_within(BufReader::new(open()?)).map_err(|e| unreadable(&e))?;
    let report = verify::bundle(BufReader::with_capacity(256 << 10, open()?), &[key], None);
    match report.statement {
        Some(statement) if report.outcome == verify::Outcome::Valid => Ok(statement),
        _ => Err(unreadable(&report)),
    }
}
