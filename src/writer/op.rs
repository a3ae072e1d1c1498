//! An operation: what a caller wants changed, and how its answer finds the way back.

use tokio::sync::oneshot;

use super::cx::Cx;
use crate::ledger::entry::EntryError;
use crate::ledger::fold::FoldError;
use crate::ledger::state::StateError;
use crate::model::Span;

/// Which queue an operation waits in. Lower ones go first and are shed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What people and carriers tell us: inbound texts and opt-outs.
    Inbound = 0,
    /// Outcomes and receipts.
    Outcome = 1,
    /// Dispatch intents.
    Intent = 2,
    /// What callers of the API ask for.
    Api = 3,
}

impl Priority {
    /// In the order of their numbers.
    pub const ALL: [Priority; 4] = [Priority::Inbound, Priority::Outcome, Priority::Intent, Priority::Api];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Priority::Inbound => "inbound",
            Priority::Outcome => "outcome",
            Priority::Intent => "intent",
            Priority::Api => "api",
        }
    }
}

/// Why an operation was not carried out. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// A field that only state can judge.
    #[error("{field}: {rule}")]
    Invalid { field: &'static str, rule: String },
    /// Several fields that only state can judge, all of them named.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    /// No such thing, or it is another seller's.
    #[error("{what} '{id}' does not exist")]
    NotFound { what: &'static str, id: String },
    /// The idempotency key was used for another request.
    #[error("this idempotency_key was used before for another request; one key names one attempt")]
    KeyReused,
    /// Creating what exists with other content.
    #[error("{what} '{id}' exists already")]
    Exists { what: &'static str, id: String },
    /// The state of things forbids it.
    #[error("{0}")]
    Precondition(String),
    /// Too much is open for this person.
    #[error("too much is open for this person: {0}")]
    SubjectBusy(&'static str),
    /// Not now; ask again after.
    #[error("{what}; try again in {} s", retry_after.as_seconds())]
    Unavailable { what: &'static str, retry_after: Span },
    /// The index or the ledger failed: the writer stops.
    #[error("the store failed: {0}")]
    Fatal(String),
}

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path within the request, as in `keywords[1].word`.
    pub field: String,
    /// What it must be, and what it is.
    pub rule: String,
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.field, p.rule)).collect();
    lines.join("; ")
}

impl From<StateError> for OpError {
    fn from(e: StateError) -> Self {
        OpError::Fatal(e.to_string())
    }
}
impl From<FoldError> for OpError {
    fn from(e: FoldError) -> Self {
        OpError::Fatal(e.to_string())
    }
}
impl From<EntryError> for OpError {
    /// An entry over its bounds is a request over its bounds that validation let through.
    fn from(e: EntryError) -> Self {
        OpError::Precondition(format!("the request is too large to record: {e}"))
    }
}

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The operation itself said no; nothing was written.
    #[error(transparent)]
    Refused(OpError),
    /// Its queue is full: try again in a moment.
    #[error("the gateway is overloaded; try again in a moment")]
    Overloaded,
    /// The data volume is nearly full: what is left is kept for opt-outs, receipts and outcomes.
    #[error(
        "the data volume is nearly full; until an operator makes room, only what people and carriers say is recorded"
    )]
    NoRoom,
    /// The gateway is stopping, or its store has failed.
    #[error("the gateway is not taking changes: {0}")]
    Unavailable(String),
}

/// A change, as one value. `run` sees the state as the batch left it so far and changes it by [`Cx::emit`] alone.
///
/// `run` checks everything before its first `emit`: an error after one would leave half an operation, so the writer
/// treats it as fatal.
pub trait Op: Send + 'static {
    /// What the caller gets once the change is durable.
    type Answer: Send + 'static;
    /// Which queue it waits in.
    const PRIORITY: Priority;
    /// Carries it out.
    fn run(self, cx: &mut Cx<'_>) -> Result<Self::Answer, OpError>;
}

/// Proof that the ledger is durable up to a size. Only the writer makes one, and only after the fsync.
#[derive(Debug, Clone, Copy)]
pub struct CommitProof {
    through: u64,
}

impl CommitProof {
    pub(super) fn new(through: u64) -> CommitProof {
        CommitProof { through }
    }
    /// Stands in for a commit where an adapter is tried without a writer.
    #[cfg(test)]
    pub(crate) fn pretend(through: u64) -> CommitProof {
        CommitProof { through }
    }
    /// Entries with a lower index are durable.
    pub fn covers(&self, index: u64) -> bool {
        index < self.through
    }
}

/// An answer and the proof that what it speaks of is durable.
#[derive(Debug)]
pub struct Durable<T> {
    pub answer: T,
    pub proof: CommitProof,
}

/// How an operation in a queue answers, once its batch is durable or has failed.
pub type Reply = Box<dyn FnOnce(Result<CommitProof, CallError>) + Send>;

type Runner = Box<dyn FnOnce(Step<'_, '_>) -> (Reply, Option<String>) + Send>;

/// What happens to a queued operation.
enum Step<'s, 'a> {
    Run(&'s mut Cx<'a>),
    Refuse(CallError),
}

/// An operation in a queue, its type forgotten.
pub struct QueuedOp {
    runner: Runner,
    pub(super) priority: Priority,
}

impl QueuedOp {
    /// Wraps an operation; the receiver gets its answer.
    pub fn new<O: Op>(op: O) -> (QueuedOp, oneshot::Receiver<Result<Durable<O::Answer>, CallError>>) {
        let (tell, told) = oneshot::channel();
        let runner: Runner = Box::new(move |step: Step<'_, '_>| {
            let (result, fatal) = match step {
                Step::Run(cx) => carry_out(op, cx),
                Step::Refuse(e) => (Err(e), None),
            };
            let reply: Reply = Box::new(move |commit: Result<CommitProof, CallError>| {
                let answer = match (commit, result) {
                    (Ok(proof), Ok(answer)) => Ok(Durable { answer, proof }),
                    (Ok(_), Err(e)) => Err(e),
                    (Err(e), _) => Err(e),
                };
                // A caller that went away does not want it any more; the change stands.
                let _ = tell.send(answer);
            });
            (reply, fatal)
        });
        (QueuedOp { runner, priority: O::PRIORITY }, told)
    }

    /// Carries it out. Answers how to tell its caller, and what makes going on impossible.
    pub(super) fn run(self, cx: &mut Cx<'_>) -> (Reply, Option<String>) {
        (self.runner)(Step::Run(cx))
    }

    /// Tells its caller that it will not be carried out.
    pub(super) fn refuse(self, why: CallError) {
        let (reply, _) = (self.runner)(Step::Refuse(why));
        reply(Ok(CommitProof::new(0)));
    }
}

/// Runs an operation; an error after its first entry, or a failed store, ends the writer.
fn carry_out<O: Op>(op: O, cx: &mut Cx<'_>) -> (Result<O::Answer, CallError>, Option<String>) {
    let before = cx.entries_made();
    let result = op.run(cx);
    let fatal = match &result {
        Err(OpError::Fatal(reason)) => Some(reason.clone()),
        Err(e) if cx.entries_made() != before => Some(format!("an operation failed half way: {e}")),
        _ => None,
    };
    (result.map_err(CallError::Refused), fatal)
}
