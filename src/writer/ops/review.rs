//! `ResolveInbound`: an officer says what an unclear text meant.

use super::number::number_changed;
use super::opt_out::{OptOutAnswer, Stop, stop};
use crate::ledger::body::{Body, InboundBody, ReviewBody};
use crate::ledger::entry::{Entry, Public};
use crate::ledger::rows::{InboundTextRow, keys};
use crate::model::{OptOutSource, SubjectId};
use crate::writer::{Cx, Op, OpError, Priority};

/// What an officer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It was a wish to stop: an opt-out from everything, received when the text was.
    OptOut,
    /// It was not: the suspension ends.
    NotOptOut,
    /// It came from a stranger: an opt-out, and the end of every grant on the number.
    WrongNumber,
}

impl Resolution {
    /// As it stands in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Resolution::OptOut => "OPT_OUT",
            Resolution::NotOptOut => "NOT_OPT_OUT",
            Resolution::WrongNumber => "WRONG_NUMBER",
        }
    }
}

/// Decides about a text that waits. Deciding again is refused, unless it is the same decision.
pub struct ResolveInbound {
    /// Index of the inbound entry.
    pub inbound: u64,
    pub resolution: Resolution,
    pub reason: String,
    pub officer: String,
    /// API key or `operator`.
    pub actor: String,
}

/// A text and what was decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    pub subject: SubjectId,
    pub text: InboundBody,
    pub decision: ReviewBody,
    /// The opt-out it led to now; none for a repeat, or when it led to none.
    pub opt_out: Option<OptOutAnswer>,
}

impl Op for ResolveInbound {
    type Answer = Resolved;
    const PRIORITY: Priority = Priority::Inbound;

    fn run(self, cx: &mut Cx<'_>) -> Result<Resolved, OpError> {
        let missing = || OpError::NotFound { what: "inbound text", id: self.inbound.to_string() };
        let row = cx.get::<InboundTextRow>(&keys::inbound_text(self.inbound))?.ok_or_else(missing)?;
        let text = inbound_of(cx.entry(self.inbound)?).ok_or_else(missing)?;
        if let Some(decided) = row.resolved {
            return self.again(cx, row.subject, text, decided);
        }
        if !row.review {
            return Err(OpError::Precondition("this text waits for nobody".to_owned()));
        }
        let decision = ReviewBody {
            inbound: self.inbound,
            decision: self.resolution.name().to_owned(),
            reason: self.reason,
            actor: format!("{} ({})", self.officer, self.actor),
        };
        let public = Public { outcome: decision.decision.clone(), ..Public::default() };
        cx.emit(row.subject, None, public, Body::Review(decision.clone()))?;
        let mut opt_out = None;
        if self.resolution != Resolution::NotOptOut {
            let wish =
                Stop::by_text(&text.text, text.received_at, text.sender.clone(), OptOutSource::SmsReply);
            opt_out = Some(stop(cx, &[row.subject], wish)?);
        }
        if self.resolution == Resolution::WrongNumber {
            number_changed(cx, &row.subject, &text.text, text.received_at)?;
        }
        Ok(Resolved { subject: row.subject, text, decision, opt_out })
    }
}

impl ResolveInbound {
    fn again(
        &self,
        cx: &mut Cx<'_>,
        subject: SubjectId,
        text: InboundBody,
        decided: u64,
    ) -> Result<Resolved, OpError> {
        let entry = cx.entry(decided)?;
        let Some(Body::Review(decision)) = entry.map(|e| e.body) else {
            return Err(OpError::Fatal("a review's entry is of another kind".to_owned()));
        };
        if decision.decision == self.resolution.name() {
            Ok(Resolved { subject, text, decision, opt_out: None })
        } else {
            Err(OpError::Precondition(format!("an officer decided already: {}", decision.decision)))
        }
    }
}

fn inbound_of(entry: Option<Entry>) -> Option<InboundBody> {
    match entry?.body {
        Body::Inbound(body) => Some(body),
        _ => None,
    }
}
