//! What came of an import.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::rows::Read;
use super::table::Bad;
use crate::cli::failure::Failure;
use crate::cli::view::name;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::import_row_result::Outcome;

/// Rows told of one by one; more are counted.
const NAMED_MAX: usize = 100;

/// One row that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: u64,
    /// Name of the column; empty: the whole line.
    pub column: String,
    pub code: String,
    pub detail: String,
}

/// The whole import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub file: String,
    pub import_id: String,
    pub dry_run: bool,
    pub rows: u64,
    pub written: u64,
    pub unchanged: u64,
    pub refused: u64,
    pub invalid: u64,
    /// How often each reason was given.
    pub reasons: BTreeMap<String, u64>,
    pub problems: Vec<Problem>,
    /// Problems beyond the first hundred.
    pub problems_left_out: u64,
    /// Suppressions: every opt-out of the source is there, so that its consents may come.
    pub ended: bool,
    /// Nothing was sent, because rows cannot be read.
    pub stopped: bool,
    /// Rows that could not be read and were left out.
    #[serde(skip)]
    skipped: u64,
}

impl Report {
    pub fn new(file: &Path, import_id: &str, dry_run: bool) -> Report {
        Report {
            file: file.display().to_string(),
            import_id: import_id.to_owned(),
            dry_run,
            rows: 0,
            written: 0,
            unchanged: 0,
            refused: 0,
            invalid: 0,
            reasons: BTreeMap::new(),
            problems: Vec::new(),
            problems_left_out: 0,
            ended: false,
            stopped: false,
            skipped: 0,
        }
    }

    /// A row that cannot be read.
    pub fn unreadable(&mut self, bad: Bad) {
        self.invalid += 1;
        self.skipped += 1;
        self.name(Problem {
            line: bad.line,
            column: bad.column,
            code: "UNREADABLE".into(),
            detail: bad.detail,
        });
    }

    /// What the gateway made of a row.
    pub fn take(&mut self, read: &Read<'_>) {
        match read.answer.outcome() {
            Outcome::Written => self.written += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Invalid | Outcome::Unspecified => self.invalid += 1,
        }
        for reason in &read.answer.reasons {
            *self.reasons.entry(reason.code.clone()).or_default() += 1;
        }
        if matches!(read.answer.outcome(), Outcome::Refused | Outcome::Invalid) {
            read.answer.reasons.iter().for_each(|reason| self.name(problem(read, reason)));
        }
    }

    /// The row after the last: whether the source ended with it.
    pub fn end(&mut self, answer: &pb::ImportRowResult) {
        self.ended = answer.reasons.is_empty();
    }

    /// Rows done with: answered, or known to be unreadable.
    pub fn answered(&self) -> u64 {
        self.written + self.unchanged + self.refused + self.invalid
    }

    /// Rows that could not be read, and were not sent.
    pub fn unread(&self) -> u64 {
        self.skipped
    }

    /// 0 when every row was written or known, 1 otherwise.
    pub fn exit_code(&self) -> ExitCode {
        if self.refused + self.invalid == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn name(&mut self, problem: Problem) {
        if self.problems.len() < NAMED_MAX {
            self.problems.push(problem);
        } else {
            self.problems_left_out += 1;
        }
    }
}

fn problem(read: &Read<'_>, reason: &pb::Reason) -> Problem {
    Problem {
        line: read.line,
        column: read.kind.column_of(&reason.rule).to_owned(),
        code: reason.code.clone(),
        detail: reason.detail.clone(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Problem { line, column, code, detail } in &self.problems {
            match column.as_str() {
                "" => writeln!(f, "{}, line {line}: {code}: {detail}", self.file)?,
                column => writeln!(f, "{}, line {line}, column {column}: {code}: {detail}", self.file)?,
            }
        }
        if self.problems_left_out > 0 {
            writeln!(f, "… and {} more", self.problems_left_out)?;
        }
        if self.dry_run {
            let good = self.rows - self.invalid;
            return write!(f, "{} rows, {good} can be read; nothing was sent", self.rows);
        }
        if self.stopped {
            return write!(
                f,
                "{} of {} rows cannot be read, so nothing was sent; mend them, or leave them out with --skip-bad-rows",
                self.invalid, self.rows
            );
        }
        writeln!(f, "{} rows: {} written, {} known already", self.rows, self.written, self.unchanged)?;
        if self.refused > 0 {
            writeln!(f, "{} recorded as refused", self.refused)?;
        }
        if self.invalid > 0 {
            writeln!(f, "{} not taken", self.invalid)?;
        }
        let refusals = self.reasons.iter().map(|(code, times)| format!("{code} {times}"));
        let refusals: Vec<String> = refusals.collect();
        if !refusals.is_empty() {
            writeln!(f, "reasons: {}", refusals.join(", "))?;
        }
        if self.ended {
            writeln!(f, "the source's opt-outs are complete: its consents may be imported")?;
        }
        write!(f, "import {}", self.import_id)
    }
}

/// What became of each row, as CSV.
pub struct Results(csv::Writer<File>);

impl Results {
    pub fn create(path: &Path) -> Result<Results, Failure> {
        let unwritable = |e| Failure::unusable(format!("{}: {e}", path.display()));
        let file = File::create(path).map_err(unwritable)?;
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(["line", "outcome", "column", "code", "detail"]).map_err(Failure::unusable)?;
        Ok(Results(csv))
    }

    /// One line a row; several reasons make several.
    pub fn write(&mut self, read: &Read<'_>) -> Result<(), Failure> {
        let line = read.line.to_string();
        let outcome = name(read.answer.outcome().as_str_name(), "OUTCOME_");
        let reasons: Vec<Problem> = read.answer.reasons.iter().map(|reason| problem(read, reason)).collect();
        if reasons.is_empty() {
            self.0.write_record([line.as_str(), outcome, "", "", ""]).map_err(Failure::unusable)?;
        }
        for Problem { column, code, detail, .. } in &reasons {
            let row = [line.as_str(), outcome, column, code, detail];
            self.0.write_record(row).map_err(Failure::unusable)?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(Failure::unusable)
    }
}
