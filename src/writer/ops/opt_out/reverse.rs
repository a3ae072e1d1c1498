//! `ReverseOptOut`: an officer takes back an opt-out recorded in error. Never automatic, always with a reason.

use crate::ledger::body::{Body, OptOutLiftedBody};
use crate::ledger::entry::Public;
use crate::model::consent::OptOut;
use crate::model::{EntryHash, Instant, SubjectId};
use crate::writer::ops::Target;
use crate::writer::ops::person::is_same_wish;
use crate::writer::{Cx, Op, OpError, Priority};

/// Lifts one opt-out wholly, on every address it was written to.
pub struct ReverseOptOut {
    pub target: Target,
    /// Its `recorded_at`.
    pub opt_out: Instant,
    pub reason: String,
    pub officer: String,
    /// API key or `operator`.
    pub actor: String,
}

/// The opt-out as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Reversed {
    pub subject: SubjectId,
    pub opt_out: OptOut,
    /// The entry that lifted it; none: it was lifted already.
    pub entry: Option<(u64, EntryHash)>,
}

impl Op for ReverseOptOut {
    type Answer = Reversed;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Reversed, OpError> {
        let named = |o: &OptOut| o.recorded_at == self.opt_out;
        let subjects = cx.subjects_of(&self.target)?;
        let Some((owner, opt_out)) = subjects
            .iter()
            .find_map(|s| s.opt_outs.iter().find(|o| named(o)).map(|o| (s.clone(), o.clone())))
        else {
            return Err(OpError::NotFound { what: "opt-out", id: self.opt_out.as_micros().to_string() });
        };
        if opt_out.lifted_at.is_some() {
            return Ok(Reversed { subject: owner.id, opt_out, entry: None });
        }
        let mut holders = vec![owner.id];
        for subject in &subjects {
            for member in cx.reach(subject)? {
                let twin = member.opt_outs.iter().any(|o| named(o) && is_same_wish(&opt_out, o));
                if twin && !holders.contains(&member.id) {
                    holders.push(member.id);
                }
            }
        }
        let body = OptOutLiftedBody {
            recorded_at: vec![self.opt_out],
            programs: Vec::new(),
            channel: None,
            cause: "REVERSED".to_owned(),
            text: format!("{}: {}", self.officer, self.reason),
            operation: None,
            actor: self.actor,
        };
        let mut entry = None;
        for id in holders {
            let public = Public { outcome: "REVERSED".to_owned(), ..Public::default() };
            let index = cx.emit(id, None, public, Body::OptOutLifted(body.clone()))?;
            if entry.is_none() {
                entry = cx.entry(index)?.map(|e| (e.index, e.hash));
            }
        }
        let after = cx.subject(&owner.id)?.opt_outs.iter().find(|o| named(o)).cloned();
        Ok(Reversed { subject: owner.id, opt_out: after.unwrap_or(opt_out), entry })
    }
}
