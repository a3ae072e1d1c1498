//! Adds up what the rules found: admit, hold until an instant that is lawful on every ground, or refuse.

use super::case::Case;
use super::findings::{Findings, Ground};
use super::quiet_hours::{Demands, horizon};
use super::windows::Window;
use crate::model::facts::{OnHold, Phase};
use crate::model::verdict::Effect;
use crate::model::{Code, Instant, Jurisdiction, Outcome, Verdict, ZoneName};

const WINDOW: Ground<'_> = Ground {
    id: "core/window",
    citation: "design: a hold looks 7 days ahead and never past the message's end",
};
const BACKLOG: Ground<'_> =
    Ground { id: "core/backlog", citation: "design: what cannot drain in time is told at acceptance" };

/// When it may go, by the rules alone and behind the sender's queue.
struct Slot {
    lawful: Instant,
    window: Window,
    estimated: Instant,
}

impl Slot {
    fn new(lawful: Instant, window: Window) -> Slot {
        Slot { lawful, window, estimated: lawful }
    }
}

pub(super) fn conclude(case: &Case<'_>, mut findings: Findings) -> Verdict {
    let demands = Demands::of(case);
    let until = horizon(case.at, findings.ends);
    let open = demands.open_at(case.at);
    let mut next = None;
    if open.is_none() {
        next = demands.next_open(case.at, until);
        let opens = next.map(|window| window.open);
        let before = findings.reasons.len();
        demands.explain(case.at, opens, &mut findings);
        if findings.reasons.len() == before {
            // Only together do the demands leave nothing open here; the outcome must not depend on who explains it.
            findings.hold(WINDOW, Code::QuietHours, opens, "the permitted hours have no common instant here");
        }
    }
    let slot = match open {
        Some(window) if !findings.any(Effect::Hold) => Some(Slot::new(case.at, window)),
        _ => later(case, &demands, until, next, &mut findings),
    };
    let slot = slot.and_then(|slot| behind_backlog(case, &demands, until, slot, &mut findings));
    verdict(case, findings, slot)
}

fn later(
    case: &Case<'_>,
    demands: &Demands<'_>,
    until: Instant,
    next: Option<Window>,
    findings: &mut Findings,
) -> Option<Slot> {
    let ready = findings.held_until().unwrap_or(case.at).max(case.at);
    let found = match next {
        // The window the hours wait for is the one, unless something else takes longer.
        Some(window) if ready <= window.open => next,
        _ if ready <= until => demands.next_open(ready, until),
        _ => None,
    };
    if found.is_none() && findings.ends.is_none_or(|end| case.at < end) {
        let detail =
            format!("nothing is permitted between {} and {}", case.at.to_second(), until.to_second());
        findings.refuse(WINDOW, Code::NoLegalWindow, detail);
    }
    found.map(|window| Slot::new(window.open.max(ready), window))
}

/// The lane's queue comes on top: where it reaches past the window, the next one counts; where it reaches past the end, nothing does.
fn behind_backlog(
    case: &Case<'_>,
    demands: &Demands<'_>,
    until: Instant,
    slot: Slot,
    findings: &mut Findings,
) -> Option<Slot> {
    let drained = match case.facts.drains_at {
        Some(drained) if drained > slot.lawful && case.req.phase != Phase::Dispatch => drained,
        _ => return Some(slot),
    };
    if drained < slot.window.close && findings.ends.is_none_or(|end| drained < end) {
        return Some(Slot { estimated: drained, ..slot });
    }
    let next = (drained <= until).then(|| demands.next_open(drained, until)).flatten();
    match next {
        Some(window) => {
            findings.note(
                BACKLOG,
                Code::SenderBacklog,
                format!("the sender is busy until {}", drained.to_second()),
            );
            Some(Slot { estimated: window.open.max(drained), ..slot })
        }
        None => {
            let detail =
                format!("the sender is busy until {}, too late for this message", drained.to_second());
            findings.refuse(BACKLOG, Code::SenderBacklog, detail);
            None
        }
    }
}

fn verdict(case: &Case<'_>, mut findings: Findings, slot: Option<Slot>) -> Verdict {
    let mut outcome = findings.outcome();
    // Only what the rules know keeps it: a paused sender or a stale rule says no instant.
    let known = findings.held_until().is_some() || !findings.open_ended();
    if outcome == Outcome::Hold && case.req.on_hold == OnHold::Refuse {
        outcome = Outcome::Refuse;
    }
    let slot = slot.filter(|_| outcome != Outcome::Refuse);
    let close = |s: &Slot| findings.ends.map_or(s.window.close, |end| s.window.close.min(end));
    let hold_until = slot.as_ref().filter(|_| outcome == Outcome::Hold && known).map(|s| s.lawful);
    let send_not_after = slot.as_ref().map(close);
    let estimated_send_at = slot.as_ref().map(|s| s.estimated);
    findings.reasons.sort();
    findings.reasons.dedup();
    let policy = case.engine.policy();
    Verdict {
        outcome,
        hold_until,
        estimated_send_at,
        send_not_after,
        reasons: findings.reasons,
        evaluated_at: case.at,
        engine: case.engine.hash(),
        policy_version: policy.version().to_owned(),
        time_zone_version: case.engine.zones().version().to_owned(),
        zones_considered: zones(case),
        jurisdictions_considered: jurisdictions(case),
    }
}

fn zones(case: &Case<'_>) -> Vec<ZoneName> {
    let mut zones: Vec<ZoneName> = case.clocks.iter().map(|clock| clock.name.as_ref().clone()).collect();
    zones.extend(case.unknown_zones.iter().cloned());
    zones.sort();
    zones
}

fn jurisdictions(case: &Case<'_>) -> Vec<Jurisdiction> {
    let places = case.places.places.iter().chain(&case.places.unsupported);
    let mut all: Vec<Jurisdiction> = Vec::with_capacity(case.places.places.len() + 2);
    for place in places {
        all.extend(place.parent());
        all.push(place.clone());
    }
    all.sort();
    all.dedup();
    all
}
