//! `consentry import`: lists of another system, from a file. The whole file is looked at before anything is sent, so that a
//! wrong column or a bad date costs nothing; what each column means stands in `docs/import.md`.

mod report;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tonic::Request;

use super::call::Server;
use super::failure::Failure;
use super::output::Output;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use report::{Report, Results};
use rows::{Defaults, Kind, Read};
use table::Table;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Opt-ins with their evidence. The opt-outs of the same source come first.
    Consents {
        #[command(flatten)]
        list: List,
        /// The system it comes from, as in klaviyo: the name its opt-outs were imported under.
        #[arg(long, env = "CONSENTRY_SOURCE")]
        source: String,
        /// Brand of rows that name none.
        #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
        brand: String,
        /// Program of rows that name none. May be given more than once.
        #[arg(long = "program", env = "CONSENTRY_PROGRAM")]
        programs: Vec<String>,
        /// Wording of rows that name none, as in checkout-box or checkout-box@7.
        #[arg(long, env = "CONSENTRY_DISCLOSURE")]
        disclosure: Option<String>,
        /// Who vouches for rows of grade ATTESTED.
        #[arg(long, env = "CONSENTRY_ATTESTED_BY")]
        attested_by: Option<String>,
    },
    /// Opt-outs and blocked numbers, to their end: then the consents of the same source may come.
    Suppressions {
        #[command(flatten)]
        list: List,
        /// The system it comes from, as in klaviyo.
        #[arg(long, env = "CONSENTRY_SOURCE")]
        source: String,
        /// More rows of this source follow in another file: do not end it.
        #[arg(long)]
        more_follows: bool,
    },
    /// What registries and carriers said about numbers.
    NumberChecks {
        #[command(flatten)]
        list: List,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    server: Server,
    /// The file: CSV with a header line, or one JSON object a line when it ends in .jsonl.
    file: PathBuf,
    /// Names the import: a file sent again under the same name is not written twice. Default: made from the file's bytes.
    #[arg(long, env = "CONSENTRY_IMPORT_ID")]
    import_id: Option<String>,
    /// Look at every row and send none.
    #[arg(long)]
    dry_run: bool,
    /// Leave out rows that cannot be read, instead of stopping before the first. Opt-outs then do not end their source.
    #[arg(long)]
    skip_bad_rows: bool,
    /// Write what became of each row to this file, as CSV.
    #[arg(long)]
    results: Option<PathBuf>,
}

/// Exit code 0 when every row was written or known, 1 when one was not taken.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let (list, kind, defaults, ends) = match args.what {
        What::Consents { list, source, brand, programs, disclosure, attested_by } => {
            let attested_by = attested_by.unwrap_or_default();
            let disclosure = disclosure.unwrap_or_default();
            let defaults = Defaults { source, brand, programs, disclosure, attested_by };
            (list, Kind::Consents, defaults, false)
        }
        What::Suppressions { list, source, more_follows } => {
            (list, Kind::Suppressions, Defaults { source, ..Defaults::default() }, !more_follows)
        }
        What::NumberChecks { list } => (list, Kind::NumberChecks, Defaults::default(), false),
    };
    let table = Table::open(&list.file, kind)?;
    let import_id = list.import_id.clone().unwrap_or_else(|| table.name(kind));
    let mut report = Report::new(&list.file, &import_id, list.dry_run);
    for record in table.records()? {
        report.rows += 1;
        if let Err(bad) = record.and_then(|record| rows::check(kind, &record, &defaults)) {
            report.unreadable(bad);
        }
    }
    if list.dry_run || report.invalid > 0 && !list.skip_bad_rows {
        report.stopped = !list.dry_run;
        output.answer(&report)?;
        return Ok(report.exit_code());
    }
    let ends = ends && report.invalid == 0;
    let results = list.results.as_deref().map(Results::create).transpose()?;
    let job = Job { import_id, defaults, ends, table, report: Arc::new(Mutex::new((report, results))) };
    let report = job.send(kind, &list.server)?;
    output.answer(&report)?;
    Ok(report.exit_code())
}

/// A list that was looked at and is to be sent.
struct Job {
    import_id: String,
    defaults: Defaults,
    /// The source ends with this list.
    ends: bool,
    table: Table,
    report: Arc<Mutex<(Report, Option<Results>)>>,
}

impl Job {
    fn send(self, kind: Kind, server: &Server) -> Result<Report, Failure> {
        let bar = progress(self.report.lock().0.rows);
        let sent = server.run(self.stream(kind, server, &bar));
        bar.finish_and_clear();
        let (report, results) = &mut *self.report.lock();
        if let Some(results) = results.take() {
            results.finish()?;
        }
        match sent {
            Ok(()) => Ok(report.clone()),
            // Not one row was looked at: the answer says what is missing, and sending again would not help.
            Err(failure) if report.answered() == report.unread() => Err(failure),
            Err(failure) => {
                let done = report.answered();
                let hint = "run the same command again: rows that were written are not written twice";
                Err(Failure { error: format!("after {done} rows: {}", failure.error), ..failure }.hint(hint))
            }
        }
    }

    /// Sends while it reads, and takes answers as they come.
    async fn stream(&self, kind: Kind, server: &Server, bar: &ProgressBar) -> Result<(), Failure> {
        let mut client = ConsentServiceClient::new(server.service().await?);
        let (import_id, defaults) = (self.import_id.clone(), self.defaults.clone());
        // What cannot be read was told of before the first row was sent.
        let readable = self.table.records()?.filter_map(Result::ok);
        let answers = match kind {
            Kind::Consents => {
                let rows = readable.filter_map(move |r| rows::consent(&r, &import_id, &defaults).ok());
                client.import_consents(Request::new(tokio_stream::iter(rows))).await
            }
            Kind::Suppressions => {
                let end = self.ends.then(|| pb::ImportSuppressionsRequest {
                    import_id: import_id.clone(),
                    row: self.report.lock().0.rows + 1,
                    source: defaults.source.clone(),
                    opt_out: None,
                    last: true,
                });
                let rows = readable.filter_map(move |r| rows::suppression(&r, &import_id, &defaults).ok());
                client.import_suppressions(Request::new(tokio_stream::iter(rows.chain(end)))).await
            }
            Kind::NumberChecks => {
                let rows = readable.filter_map(move |r| rows::number_check(&r, &import_id).ok());
                client.import_number_checks(Request::new(tokio_stream::iter(rows))).await
            }
        };
        let mut answers = answers.map_err(|status| server.refused(&status))?.into_inner();
        while let Some(answer) = answers.message().await.map_err(|status| server.refused(&status))? {
            self.take(kind, answer)?;
            bar.inc(1);
        }
        let (report, _) = &*self.report.lock();
        match report.answered() == report.rows && (report.ended || !self.ends) {
            true => Ok(()),
            false => Err(Failure::unserved("the gateway stopped before the end")),
        }
    }

    fn take(&self, kind: Kind, answer: pb::ImportRowResult) -> Result<(), Failure> {
        let (report, results) = &mut *self.report.lock();
        if answer.row > report.rows {
            report.end(&answer);
            return Ok(());
        }
        let read = Read { line: self.table.line_of(answer.row), answer: &answer, kind };
        if let Some(results) = results {
            results.write(&read)?;
        }
        report.take(&read);
        Ok(())
    }
}

/// On standard error, and only where somebody looks.
fn progress(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{elapsed} {wide_bar} {pos}/{len} rows, {per_sec}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
