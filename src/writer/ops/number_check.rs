//! `RecordNumberCheck`: what a registry or carrier says about a number, kept with who was asked, when, about which day
//! and on which data (47 CFR 64.1200(m) asks for all four).

use super::number::number_checked;
use super::{Idempotency, Target};
use crate::ledger::body::{Body, NumberCheckBody};
use crate::ledger::entry::Public;
use crate::model::SubjectId;
use crate::model::facts::{CheckAnswer, CheckKind, NumberCheck};
use crate::model::subject::Address;
use crate::writer::{Cx, Op, OpError, Priority};

/// Records one answer. A number that changed hands or died loses every grant given before the question; its opt-outs stay.
pub struct RecordNumberCheck {
    /// A number.
    pub target: Target,
    pub check: NumberCheck,
    pub idempotency: Idempotency,
    pub actor: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub subject: SubjectId,
    /// The answer as it is kept.
    pub check: NumberCheck,
    /// False: the very same answer was known already, and nothing was written.
    pub written: bool,
}

impl Op for RecordNumberCheck {
    type Answer = Checked;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Checked, OpError> {
        let operation = self.idempotency.operation(&cx.env.seller);
        if let Some(entry) = cx.repeat_of(operation.as_ref())? {
            let Body::NumberCheck(body) = entry.body else {
                return Err(OpError::Fatal("a number check's key names an entry of another kind".to_owned()));
            };
            return Ok(Checked { subject: entry.leaf.subject, check: body.check, written: true });
        }
        let address = cx.address_of(&self.target)?;
        if !matches!(address, Address::Phone(_)) {
            let rule = "must be a phone: registries know numbers".to_owned();
            return Err(OpError::Invalid { field: "check.subject", rule });
        }
        if let (Some(known), _) = cx.find_subject(&address)?
            && known.checks.contains(&self.check)
        {
            return Ok(Checked { subject: known.id, check: self.check, written: false });
        }
        let subject = cx.subject_for(&address)?;
        let check = self.check;
        let public = Public { outcome: kind_name(check.kind).to_owned(), ..Public::default() };
        let body = NumberCheckBody { check: check.clone(), operation, actor: self.actor };
        cx.emit(subject, None, public, Body::NumberCheck(body))?;
        let ends = matches!(check.kind, CheckKind::Reassigned | CheckKind::Deactivated);
        if ends && check.answer == CheckAnswer::Yes {
            let said = format!("{} says: {}", check.source, kind_name(check.kind));
            number_checked(cx, &subject, &said, check.asked_at)?;
        }
        Ok(Checked { subject, check, written: true })
    }
}

/// The kind as it stands in the contract.
pub fn kind_name(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Reassigned => "REASSIGNED",
        CheckKind::Deactivated => "DEACTIVATED",
        CheckKind::DoNotCall => "NATIONAL_DNC",
        CheckKind::LineType => "LINE_TYPE",
        CheckKind::Registry => "REGISTRY",
        CheckKind::Litigator => "LITIGATOR",
    }
}

#[cfg(test)]
mod tests;
