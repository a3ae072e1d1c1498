//! Another sender's message log, judged row by row as this gateway would have judged it: a first audit on the first day.
//!
//! | file | owns |
//! |---|---|
//! | [`table`] | rows of CSV: columns, presets, what is wrong with a row and where |
//! | `sorted` | events in the order of number and time, in an index on disk, so that memory stays flat |
//! | `person` | one number's events, one after another, and the facts they give |
//! | [`exposure`] | what a statute provides for each message |
//! | [`report`] | what was found, for people and as JSON |
//!
//! What a log does not tell counts as in order (a registered sender, a consent where no list of consents is given, a
//! number that was checked), and the report names it: nothing is called unlawful because it is unknown.

use std::io::Read;

use crate::decide::Engine;
use crate::model::Category;
use crate::model::facts::SenderKind;
use crate::store::SharedKv;

pub mod exposure;
mod person;
pub mod report;
mod sorted;
pub mod table;
#[cfg(test)]
mod tests;

use exposure::Exposures;
pub use report::Report;
use report::Violation;
use sorted::Sorted;
pub use table::{Columns, Preset};

/// Why an audit could not go on. A wrong row is none: it is listed.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// A file could not be read, or is no such table.
    #[error("{0}")]
    Table(#[from] table::TableError),
    /// The scratch index failed.
    #[error("the scratch index failed: {0}")]
    Kv(#[from] crate::store::KvError),
    /// More rows than this place takes.
    #[error("more than {0} rows; `consentry shadow` takes any number")]
    TooMany(u64),
    /// Whoever takes the violations went away.
    #[error("violations cannot be written: {0}")]
    Sink(#[from] std::io::Error),
}

/// What the log does not say itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The name shoppers know the sender by; none: whether texts name it is not judged.
    pub brand: Option<String>,
    /// Domains links may lead to; empty: links are not judged.
    pub domains: Vec<String>,
    /// What messages without a category of their own are for; none: marketing.
    pub category: Option<Category>,
    /// The kind of sender; none: told from each row's `from`.
    pub sender_kind: Option<SenderKind>,
    /// Zone of instants written without an offset; none: such rows are wrong.
    pub time_zone: Option<jiff::tz::TimeZone>,
    /// Country of numbers written without one; none: such rows are wrong.
    pub country: Option<crate::model::phone::Country>,
    /// Most rows taken; none: any number.
    pub rows_max: Option<u64>,
}

/// An audit on its way: tables go in, then everything is judged.
pub struct Audit<'a> {
    engine: &'a Engine,
    options: Options,
    sorted: Sorted,
    report: Report,
}

impl<'a> Audit<'a> {
    /// An audit by this engine over an empty scratch index.
    pub fn new(engine: &'a Engine, options: Options, scratch: SharedKv) -> Audit<'a> {
        let report = Report::new(engine, &options);
        Audit { engine, options, sorted: Sorted::new(scratch), report }
    }

    /// Takes the message log.
    pub fn messages(&mut self, from: impl Read, columns: &Columns) -> Result<(), ShadowError> {
        self.take("messages", from, |row, options| table::message(row, columns, options), Some(columns))
    }

    /// Takes opt-outs: `phone`, `at`.
    pub fn opt_outs(&mut self, from: impl Read) -> Result<(), ShadowError> {
        self.report.has_opt_outs = true;
        self.take("opt-outs", from, table::opt_out, None)
    }

    /// Takes consents: `phone`, `at`, and what else is known. From then on a message to a number without one is a violation.
    pub fn consents(&mut self, from: impl Read) -> Result<(), ShadowError> {
        self.report.has_consents = true;
        self.take("consents", from, table::consent, None)
    }

    fn take(
        &mut self,
        name: &'static str,
        from: impl Read,
        read: impl Fn(&table::Row<'_>, &Options) -> Result<table::Taken, table::Wrong>,
        columns: Option<&Columns>,
    ) -> Result<(), ShadowError> {
        let Audit { options, sorted, report, .. } = self;
        table::rows(name, from, columns, |row| {
            report.rows += 1;
            if options.rows_max.is_some_and(|most| report.rows > most) {
                return Err(ShadowError::TooMany(report.rows - 1));
            }
            match read(row, options) {
                Ok(table::Taken::Event(number, event)) => sorted.add(&number, row.line(), event)?,
                Ok(table::Taken::NotSent) => report.not_sent += 1,
                Ok(table::Taken::Heard) => report.heard += 1,
                Err(wrong) => report.wrong(name, row.line(), wrong),
            }
            Ok(())
        })?;
        sorted.settle()?;
        Ok(())
    }

    /// Judges everything, number by number, in the order of time; shows each violation to `see`.
    pub fn judge(
        mut self,
        mut see: impl FnMut(&Violation<'_>) -> std::io::Result<()>,
    ) -> Result<Report, ShadowError> {
        let mut exposures = Exposures::default();
        let consents_known = self.report.has_consents;
        let mut person = None::<person::Person>;
        let (engine, options, report) = (self.engine, &self.options, &mut self.report);
        self.sorted.each(|number, event| {
            if person.as_ref().is_none_or(|p| p.number() != number) {
                exposures.next_person();
                report.people += 1;
                person = Some(person::Person::new(number, consents_known));
            }
            let Some(person) = person.as_mut() else { return Ok(()) };
            match person.next(event, engine, options) {
                None => report.heard += 1,
                Some(judged) => {
                    let violation = report.note(engine, &judged);
                    if let Some(violation) = violation {
                        exposures.note(&violation);
                        see(&violation)?;
                    }
                }
            }
            Ok(())
        })?;
        self.report.exposures = exposures.finish();
        Ok(self.report.finish())
    }
}
