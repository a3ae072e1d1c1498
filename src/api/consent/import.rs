//! The three imports: rows in, one result a row out, in order, while rows still come.
//!
//! A row that cannot be taken is answered so and the stream goes on; what makes every further row doubtful (another import
//! or source, numbers that do not rise) ends it. At most [`UNANSWERED_MAX`] rows are at work; nothing more is read then.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tonic::{Status, Streaming};

use super::{Consents, Rows};
use crate::api::auth::Caller;
use crate::api::field::{Fields, Lines};
use crate::api::status::{ApiError, Violation};
use crate::model::Instant;
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::import::is_complete;

mod row;
#[cfg(test)]
mod tests;

/// Rows of one stream that may be unanswered.
const UNANSWERED_MAX: usize = 64;
/// How long a row waits for a busy writer, a tenth of a second at a time, before its stream is told to come back.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// What every row of an import says about itself.
pub(super) trait Row: Clone + Send + 'static {
    /// The import, the number of the row, the system it comes from (empty where rows name their own).
    fn place(&self) -> (&str, u64, &str);
    /// Whether rows name the system.
    const NAMES_SOURCE: bool;
    /// Whether the system's opt-outs must be here before.
    const AFTER_SUPPRESSIONS: bool = false;
    /// Nothing follows it.
    fn is_last(&self) -> bool {
        false
    }
}

/// How far a stream has come.
#[derive(Default)]
struct Head {
    import_id: String,
    source: String,
    row: u64,
    ended: bool,
}

impl Head {
    /// Demands that a row continues its stream. Answers whether it is the first.
    fn take<R: Row>(&mut self, row: &R, now: Instant) -> Result<bool, ApiError> {
        let (import_id, number, source) = row.place();
        let mut f = Fields::new(now);
        let first = self.row == 0;
        if first {
            f.text("import_id", import_id.to_owned(), 1..=128, Lines::One);
            if R::NAMES_SOURCE {
                f.text("source", source.to_owned(), 1..=64, Lines::One);
            }
            (self.import_id, self.source) = (import_id.to_owned(), source.to_owned());
        }
        if import_id != self.import_id {
            f.bad("import_id", "must be the same in every row of a stream");
        }
        if source != self.source {
            f.bad("source", "must be the same in every row of a stream");
        }
        if number <= self.row {
            f.bad("row", format!("must rise from 1 on; {number} came after {}", self.row));
        }
        if self.ended {
            f.bad("last", "a row follows the last one");
        }
        f.finish(Some(()))?;
        (self.row, self.ended) = (number, row.is_last());
        Ok(first)
    }
}

/// What became of a row.
struct Became {
    outcome: wire::import_row_result::Outcome,
    reasons: Vec<wire::Reason>,
}

impl Became {
    fn plain(outcome: wire::import_row_result::Outcome) -> Became {
        Became { outcome, reasons: Vec::new() }
    }

    /// The row cannot be taken; an error that is not the row's comes back as it is.
    fn of_error(error: ApiError) -> Result<Became, ApiError> {
        let reasons = match &error {
            ApiError::Invalid(violations) => violations.iter().map(violated).collect(),
            ApiError::NotFound { kind, .. } => vec![untaken(&error, named_by(kind))],
            ApiError::KeyReused | ApiError::SubjectBusy(_) | ApiError::Precondition { .. } => {
                vec![untaken(&error, "")]
            }
            _ => return Err(error),
        };
        Ok(Became { outcome: wire::import_row_result::Outcome::Invalid, reasons })
    }
}

fn violated(violation: &Violation) -> wire::Reason {
    wire::Reason {
        code: "INVALID_ARGUMENT".to_owned(),
        rule: violation.field.clone(),
        detail: violation.description.clone(),
        effect: wire::reason::Effect::Refuse.into(),
        ..wire::Reason::default()
    }
}

fn untaken(error: &ApiError, field: &str) -> wire::Reason {
    wire::Reason {
        code: error.reason().to_owned(),
        rule: field.to_owned(),
        detail: error.to_string(),
        effect: wire::reason::Effect::Refuse.into(),
        ..wire::Reason::default()
    }
}

/// The field that named what does not exist.
fn named_by(kind: &str) -> &'static str {
    match kind {
        "brand" => "brand",
        "program" => "program",
        "program of this brand" => "programs",
        "disclosure" => "evidence.disclosure",
        _ => "subject",
    }
}

/// What the rows of one stream share.
#[derive(Clone)]
struct Desk {
    consents: Consents,
    caller: Arc<Caller>,
    /// A permit a row at work.
    room: Arc<Semaphore>,
    /// Rows that could not be taken.
    invalid: Arc<AtomicU64>,
}

impl Desk {
    /// Carries out a row: reads it, writes it, waits for a busy writer.
    async fn write<O, A>(
        &self,
        read: impl Fn(&mut Fields) -> Option<O>,
        check: impl Fn(&O, &Caller) -> Result<(), ApiError>,
        tell: impl Fn(A) -> Became,
    ) -> Result<Became, ApiError>
    where
        O: crate::writer::Op<Answer = A>,
        A: Send + 'static,
    {
        let hands = &self.consents.hands;
        let mut patience = PATIENCE;
        let written = loop {
            let mut f = hands.fields();
            let op = read(&mut f);
            let op = match f.finish(op).and_then(|op| check(&op, &self.caller).map(|()| op)) {
                Ok(op) => op,
                Err(error) => break Err(error),
            };
            match hands.write(op).await {
                Err(ApiError::Overloaded { .. }) if patience > 0 => {
                    patience -= 1;
                    tokio::time::sleep(PAUSE).await;
                }
                written => break written,
            }
        };
        let became = match written {
            Ok(answer) => tell(answer),
            Err(error) => Became::of_error(error)?,
        };
        if became.outcome == wire::import_row_result::Outcome::Invalid {
            self.invalid.fetch_add(1, Ordering::Relaxed);
        }
        Ok(became)
    }

    /// Waits until every other row of the stream was answered; answers how many could not be taken. For a row at work.
    async fn all_done(&self) -> u64 {
        // The row itself holds one; the semaphore is never closed.
        let _others = self.room.acquire_many(UNANSWERED_MAX as u32 - 1).await;
        self.invalid.load(Ordering::Relaxed)
    }
}

impl Consents {
    fn import<R, W, F>(&self, caller: Arc<Caller>, stream: Streaming<R>, work: W) -> Rows
    where
        R: Row,
        W: Fn(Desk, R) -> F + Send + 'static,
        F: Future<Output = Result<Became, ApiError>> + Send + 'static,
    {
        let desk = Desk {
            consents: self.clone(),
            caller,
            room: Arc::new(Semaphore::new(UNANSWERED_MAX)),
            invalid: Arc::default(),
        };
        let hands = self.hands.clone();
        let mut head = Head::default();
        let taken = move |item: Result<R, Status>| {
            let row = item.map_err(crate::api::message::malformed)?;
            let first = head.take(&row, hands.now())?;
            Ok((row, first))
        };
        stream
            .take_until(self.hands.stop().clone().cancelled_owned())
            .map(taken)
            .scan(false, until_error)
            .map(move |item| {
                // Never more than there are permits: so many rows are at work at most.
                let permit = Arc::clone(&desk.room).try_acquire_owned();
                let begun = item.and_then(|(row, first)| {
                    if first && R::AFTER_SUPPRESSIONS {
                        desk.demand_suppressions(row.place().2)?;
                    }
                    let (import_id, number, _) = row.place();
                    let place = (import_id.to_owned(), number);
                    Ok((place, work(desk.clone(), row)))
                });
                async move {
                    let ((import_id, row), work) = begun?;
                    let became = work.await?;
                    drop(permit);
                    let outcome = became.outcome.into();
                    Ok(wire::ImportRowResult { import_id, row, outcome, reasons: became.reasons })
                }
            })
            .buffered(UNANSWERED_MAX)
            .scan(false, until_error)
            .boxed()
    }
}

/// Lets everything through up to and including the first error.
fn until_error<T>(
    ended: &mut bool,
    item: Result<T, Status>,
) -> impl Future<Output = Option<Result<T, Status>>> + use<T> {
    let item = (!*ended).then_some(item);
    *ended = !matches!(item, Some(Ok(_)));
    ready(item)
}

impl Desk {
    /// Refuses the consents of a system whose opt-outs are not all here.
    fn demand_suppressions(&self, source: &str) -> Result<(), Status> {
        if self.consents.hands.look(|cx| is_complete(cx, source))? {
            return Ok(());
        }
        let message = format!(
            "no suppressions of {source:?} have been imported to their end: they come first, so that nobody who opted \
             out there is opted in here for an hour"
        );
        Err(ApiError::Precondition { message, reasons: Vec::new() }.into())
    }
}
