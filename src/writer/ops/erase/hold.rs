//! Legal holds: set, cleared, and whom they cover.

use crate::ledger::body::{Body, Ground, HoldCleared, HoldTarget, LegalHoldBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{HoldRow, keys};
use crate::ledger::state::Row;
use crate::model::subject::Subject;
use crate::model::{BrandId, MessageId, OptOutScope};
use crate::writer::ops::Target;
use crate::writer::{Cx, Op, OpError, Priority};

/// Holds in force at a time.
const HOLDS_MAX: usize = 1_000;

/// Forbids the erasure of a person, or of everybody known to a brand.
pub struct SetLegalHold {
    /// Exactly one of the two.
    pub target: Option<Target>,
    pub brand: Option<BrandId>,
    pub reason: String,
    pub actor: String,
}

impl Op for SetLegalHold {
    type Answer = LegalHoldBody;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<LegalHoldBody, OpError> {
        let target = match (&self.target, &self.brand) {
            (Some(target), None) => {
                let people: Vec<_> = cx.subjects_of(target)?.iter().map(|s| s.id).collect();
                if people.is_empty() {
                    return Err(OpError::NotFound { what: "person", id: "as named".to_owned() });
                }
                HoldTarget::Subjects(people)
            }
            (None, Some(brand)) => HoldTarget::Brand(cx.known_brand(brand)?.id.clone()),
            _ => return Err(OpError::Invalid { field: "target", rule: "must be one of both".to_owned() }),
        };
        let holds = cx.holds()?;
        if let Some(same) = holds.iter().find(|h| h.target == target && h.reason == self.reason) {
            return Ok(same.clone());
        }
        if holds.len() >= HOLDS_MAX {
            return Err(OpError::Precondition(format!("{HOLDS_MAX} legal holds are in force; clear some")));
        }
        let hold = LegalHoldBody {
            id: MessageId(cx.env.entropy.bytes()),
            target,
            reason: self.reason,
            set_at: cx.now,
            set_by: self.actor,
            cleared: None,
        };
        let public = Public { outcome: "SET".to_owned(), ..Public::default() };
        let brand = self.brand;
        cx.emit(SELLER_CHAIN, brand.as_ref(), public, Body::LegalHold(hold.clone()))?;
        Ok(hold)
    }
}

/// Ends a hold.
pub struct ClearLegalHold {
    pub id: MessageId,
    pub reason: String,
    pub actor: String,
}

impl Op for ClearLegalHold {
    type Answer = LegalHoldBody;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<LegalHoldBody, OpError> {
        let missing = || OpError::NotFound { what: "legal hold", id: self.id.to_string() };
        let row = cx.get::<HoldRow>(&keys::hold(&self.id))?.ok_or_else(missing)?;
        let cleared = HoldCleared { at: cx.now, reason: self.reason, by: self.actor };
        let hold = LegalHoldBody { cleared: Some(cleared), ..row.hold.clone() };
        let brand = match &hold.target {
            HoldTarget::Brand(brand) => Some(brand.clone()),
            HoldTarget::Subjects(_) => None,
        };
        let public = Public { outcome: "CLEARED".to_owned(), ..Public::default() };
        cx.emit(SELLER_CHAIN, brand.as_ref(), public, Body::LegalHold(hold.clone()))?;
        Ok(hold)
    }
}

impl Cx<'_> {
    /// Every hold in force.
    fn holds(&mut self) -> Result<Vec<LegalHoldBody>, OpError> {
        let rows = self.state.scan::<HoldRow>(&[HoldRow::TABLE], None, HOLDS_MAX)?;
        Ok(rows.into_iter().map(|(_, row)| row.hold.clone()).collect())
    }

    /// The holds in force that cover somebody.
    pub fn holds_over(&mut self, person: &Subject) -> Result<Vec<LegalHoldBody>, OpError> {
        let mut holds = self.holds()?;
        holds.retain(|hold| match &hold.target {
            HoldTarget::Subjects(people) => people.contains(&person.id),
            HoldTarget::Brand(brand) => is_known_to(person, brand),
        });
        Ok(holds)
    }

    /// The holds that forbid erasing somebody, as grounds.
    pub(in crate::writer::ops) fn holds_on(&mut self, person: &Subject) -> Result<Vec<Ground>, OpError> {
        let covering = self.holds_over(person)?;
        Ok(covering
            .iter()
            .map(|hold| Ground {
                code: "LEGAL_HOLD".to_owned(),
                rule: format!("hold/{}", hold.id),
                citation: "GDPR art 17(3)(e); Fed. R. Civ. P. 37(e)".to_owned(),
                detail: format!("A legal hold of {} forbids it.", hold.set_at),
                until: None,
            })
            .collect())
    }
}

/// Whether a person has anything to do with a brand. Of whom nothing names a brand may have: proof must not be lost.
fn is_known_to(person: &Subject, brand: &BrandId) -> bool {
    let consents = person.consents.iter().map(|c| &c.brand);
    let touches = person.touches.iter().chain(person.open.iter().map(|o| &o.touch)).map(|t| &t.brand);
    let opt_outs = person.opt_outs.iter().filter_map(|o| match &o.scope {
        OptOutScope::Brand(brand) => Some(brand),
        _ => None,
    });
    let mut named = consents.chain(touches).chain(opt_outs).peekable();
    named.peek().is_none() || named.any(|known| known == brand)
}
