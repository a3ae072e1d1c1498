//! Closing a person's record until it is erased.

use std::sync::Arc;

use crate::erasure::retention;
use crate::ledger::body::{Body, Ground, RestrictionBody};
use crate::ledger::entry::Public;
use crate::ledger::rows::{RestrictedRow, keys};
use crate::model::subject::Subject;
use crate::model::{Instant, OptOutScope, OptOutSource, SubjectId};
use crate::writer::ops::Target;
use crate::writer::ops::opt_out::{Stop, stop};
use crate::writer::{Cx, Op, OpError, Priority};

/// A restriction as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Restricted {
    pub erase_after: Instant,
    pub grounds: Vec<Ground>,
}

/// Opts a person out of everything, closes the record to normal reads and sets when it is erased. Asking again answers the
/// same.
pub struct Restrict {
    pub target: Target,
    pub reason: String,
    pub actor: String,
}

impl Op for Restrict {
    type Answer = Restricted;
    const PRIORITY: Priority = Priority::Inbound;

    fn run(self, cx: &mut Cx<'_>) -> Result<Restricted, OpError> {
        let people = cx.subjects_of(&self.target)?;
        if people.is_empty() {
            return Err(OpError::NotFound { what: "person", id: "as named".to_owned() });
        }
        let mut answer = Restricted { erase_after: cx.now, grounds: Vec::new() };
        let mut fresh: Vec<Arc<Subject>> = Vec::new();
        for person in people {
            match cx.get::<RestrictedRow>(&keys::restricted(&person.id))? {
                Some(row) => {
                    let ground = kept(cx, &person, row.since);
                    answer.keep(Ground { until: Some(row.erase_after), ..ground });
                }
                None => fresh.push(person),
            }
        }
        if !fresh.is_empty() {
            self.restrict(cx, &fresh, &mut answer)?;
        }
        for person in &fresh {
            answer.grounds.extend(cx.holds_on(person)?);
        }
        answer.grounds.extend(retention::what_stays(
            cx.env.backups_until(answer.erase_after),
            cx.env.erasures().is_some(),
        ));
        Ok(answer)
    }
}

impl Restrict {
    fn restrict(
        self,
        cx: &mut Cx<'_>,
        people: &[Arc<Subject>],
        answer: &mut Restricted,
    ) -> Result<(), OpError> {
        let ids: Vec<SubjectId> = people.iter().map(|p| p.id).collect();
        stop_all(cx, &ids, &self.reason, &self.actor)?;
        for person in people {
            // Proof is needed for as long after the last message as after the request, whichever is later.
            let last = person.touches.iter().map(|touch| touch.at).fold(cx.now, Instant::max);
            let ground = kept(cx, person, last);
            let erase_after = ground.until.unwrap_or(last);
            answer.keep(ground.clone());
            let body = RestrictionBody {
                erase_after,
                grounds: vec![ground],
                reason: self.reason.clone(),
                actor: self.actor.clone(),
            };
            let public = Public { outcome: "RESTRICTED".to_owned(), ..Public::default() };
            cx.emit(person.id, None, public, Body::Restriction(body))?;
        }
        Ok(())
    }
}

/// Why proof about a person stays, by the policy set in force.
fn kept(cx: &Cx<'_>, person: &Subject, from: Instant) -> Ground {
    let policy = cx.policies.engine.policy();
    let number = cx.number(&person.address);
    let period = retention::period(policy, number.as_ref(), &person.hints, cx.now);
    retention::ground(policy, period, from)
}

impl Restricted {
    fn keep(&mut self, ground: Ground) {
        self.erase_after = ground.until.map_or(self.erase_after, |until| until.max(self.erase_after));
        if !self.grounds.contains(&ground) {
            self.grounds.push(ground);
        }
    }
}

/// Opts people out of everything because their record is closed.
pub(super) fn stop_all(
    cx: &mut Cx<'_>,
    people: &[SubjectId],
    reason: &str,
    actor: &str,
) -> Result<(), OpError> {
    let wish = Stop {
        brand: None,
        scope: OptOutScope::All,
        scope_named: false,
        source: OptOutSource::Operator,
        text: reason.to_owned(),
        received_at: cx.now,
        sender: None,
        customer: None,
        operation: None,
        actor: actor.to_owned(),
    };
    stop(cx, people, wish).map(|_| ())
}
