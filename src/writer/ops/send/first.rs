//! The first decision: the one that finds out when a message could leave; with that, when it ends and what waits before it.

use crate::decide::{Engine, decide};
use crate::model::facts::Inputs;
use crate::model::{Instant, Outcome, Span, Verdict};

/// How long a message whose caller set no end has, from the first instant at which it may lawfully leave.
pub const LIFE: Span = Span::hours(24);

/// Judges a message that nobody has judged yet. Two of its facts depend on when it may first lawfully leave: its end, which
/// is [`LIFE`] later where its caller set none, and how long its lane will be `busy` by then. That instant is not known
/// before somebody has judged, so that what has to wait is judged twice; the case is left as it was judged last. A refused
/// message never may leave and gets no end; automatic texts have ends of their own.
pub fn judged(
    engine: &Engine,
    case: &mut Inputs,
    at: Instant,
    busy: impl Fn(Instant) -> Option<Instant>,
) -> Verdict {
    let endless = case.request.expires_at.is_none() && case.request.automatic.is_none();
    let judge = |case: &Inputs| decide(engine, &case.facts, &case.request, at);
    let leaving = |case: &mut Inputs, leaves: Instant| {
        case.facts.drains_at = busy(leaves);
        if endless {
            case.request.expires_at = Some(leaves + LIFE);
        }
        judge(case)
    };
    let now = leaving(case, at);
    let until = match now.outcome {
        Outcome::Admit => None,
        Outcome::Hold => now.hold_until,
        Outcome::Refuse if !endless => None,
        // A day from now may be too short where all is closed for longer: without an end there may be a day.
        Outcome::Refuse => {
            let end = case.request.expires_at.take();
            let ever = judge(case);
            if ever.outcome == Outcome::Refuse {
                return ever;
            }
            case.request.expires_at = end;
            ever.hold_until
        }
    };
    match until {
        Some(until) => leaving(case, until),
        None => now,
    }
}
