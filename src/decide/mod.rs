//! Judges one message at one instant: pure, total, every reason at once.
//!
//! `decide` is the same function at acceptance, at dispatch, in a dry run, in replay and in simulation. It looks at
//! its arguments and nothing else. One rule a file; what the rules say in numbers and words is data under `policies/`.
//!
//! Reasons name their rule: `us/fl/quiet_hours` is a file of the policy set, `core/…` is a duty no policy can change,
//! `brand/…` and `person/…` are limits the brand or the person set.

mod automatic;
mod ban;
mod boundaries;
mod caps;
mod cart_age;
mod cart_cap;
mod cart_spacing;
mod cart_state;
mod case;
mod category;
mod consent;
mod consent_use;
mod content;
mod coupon;
mod deadline;
mod engine;
mod expiry;
mod explain;
mod findings;
mod number;
mod number_check;
mod opt_out;
mod place;
mod preference;
mod prohibited;
mod push;
mod quiet_hours;
mod schedule;
mod segments;
mod sender;
mod sender_name;
mod situation;
mod stale;
mod suppression;
mod touch_spacing;
mod touches;
mod vectors;
mod waiver;
mod windows;
mod wording;

#[cfg(test)]
mod tests;

pub use boundaries::{Boundaries, YEARS, ZoneFiles, boundaries};
pub use consent::{Renewal, since as counted_from};
pub use deadline::missed_deadline;
pub use engine::{Engine, RULES_VERSION};
pub use explain::{Explanation, Question, RuleLine};
pub use situation::{Expect, Situation, SituationError};
pub use vectors::{VectorResult, run_case, run_vectors, situations};

use crate::model::{Facts, Instant, Request, Verdict};
use case::Case;
use findings::Findings;

/// One rule: looks at the case, says what it finds.
type Check = fn(&Case<'_>, &mut Findings);

/// Every rule, in no particular order: verdicts sort their reasons.
const CHECKS: &[Check] = &[
    suppression::check,
    opt_out::check,
    consent::check,
    consent_use::check,
    number::check,
    number_check::check,
    push::check,
    place::check,
    ban::check,
    category::check,
    sender::check,
    sender_name::check,
    content::check,
    wording::check,
    waiver::check,
    prohibited::check,
    segments::check,
    cart_state::check,
    cart_age::check,
    cart_cap::check,
    cart_spacing::check,
    touch_spacing::check,
    caps::check,
    preference::check,
    coupon::check,
    expiry::check,
    automatic::check,
    stale::check,
];

/// Judges a message at that instant. Equal arguments give equal verdicts, on every machine that runs this release.
pub fn decide(engine: &Engine, facts: &Facts, req: &Request, at: Instant) -> Verdict {
    let case = Case::new(engine, facts, req, at);
    let mut findings = Findings::default();
    for check in CHECKS {
        check(&case, &mut findings);
    }
    schedule::conclude(&case, findings)
}
