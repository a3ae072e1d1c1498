//! What followed a STOP: computed from entries in the order of the log, and from nothing else, so that whoever holds the
//! entries computes it again.
//!
//! A hand-over after a STOP that covers it, and that nobody lifted before, is a violation, but for the three answers a
//! person may get (`decide/opt_out`). What was committed before the STOP was recorded is not: it is counted, with the
//! longest time, as what was already on its way.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ledger::body::{Body, ConsentBody, ConsentCause, IntentBody, OptOutBody};
use crate::ledger::entry::{Kind, Leaf, SELLER_CHAIN};
use crate::ledger::fold::{lift_named, put_opt_out, reopen};
use crate::model::facts::{AutomaticKind, Inputs};
use crate::model::{ConsentState, Instant, MessageId, OptOut, OptOutScope, Span, SubjectId};

#[cfg(test)]
mod tests;

/// Violations listed; the count tells of all.
const LISTED_MAX: usize = 100;
/// Hand-overs of one person remembered, to be counted when a STOP turns out to have been received before them.
const RECENT_MAX: usize = 4;
/// Hand-overs of one person without an outcome yet.
const UNDER_WAY_MAX: usize = 16;

/// `statement.json`: what followed each STOP among the entries shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Opt-outs shown.
    pub stops: u64,
    /// Ids with one.
    pub people: u64,
    /// When the first and the last of them were recorded.
    pub first_stop: Option<Instant>,
    pub last_stop: Option<Instant>,
    /// Index and instant of the last entry looked at: the statement reaches so far.
    pub through: Option<u64>,
    pub until: Option<Instant>,
    /// Hand-overs committed after a STOP that covers them.
    pub violations: u64,
    /// The first 100 of them.
    pub listed: Vec<AfterStop>,
    /// Texts the person may get after a STOP: its confirmation, answers to HELP, the question after a new act of theirs.
    pub answers: u64,
    /// Hand-overs after a STOP of the person that it does not cover, or that came after it was lifted.
    pub not_covered: u64,
    /// Messages that had left, without a final word, when a STOP was recorded; the entry of the STOP names them.
    pub in_flight: u64,
    /// Hand-overs committed between the receipt of a person's first STOP (from everything, or all marketing) and its entry, at
    /// most four each, and the longest such time from the receipt, in seconds.
    pub before_recorded: u64,
    pub before_recorded_seconds: i64,
    /// Requests to a provider that were committed before a STOP was recorded and written to the wire after it, and the
    /// longest such time from the STOP's entry, in milliseconds. The gateway allows 2,000.
    pub written_after: u64,
    pub written_after_milliseconds: i64,
    /// Hand-overs after a STOP that cannot be told, because they or what lies between are sealed here or hold no inputs.
    pub unknown: u64,
    /// Opt-outs whose reach is sealed here.
    pub sealed_stops: u64,
}

/// A hand-over after a STOP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterStop {
    /// Whose.
    pub subject: String,
    /// Entry of the STOP, where it is known.
    pub stop_entry: Option<u64>,
    /// When the STOP was recorded.
    pub stop_at: Instant,
    /// Entry of the hand-over.
    pub intent_entry: u64,
    /// When it was committed.
    pub intent_at: Instant,
    /// The message.
    pub message: String,
}

/// Makes a statement, entry by entry. Memory: a few hundred bytes a person with a hand-over or a STOP.
#[derive(Debug, Default)]
pub struct StatementMaker {
    /// These ids are one person: a STOP at one of them is a STOP at all.
    together: Vec<SubjectId>,
    people: HashMap<SubjectId, Person>,
    said: Statement,
}

#[derive(Debug, Default)]
struct Person {
    stopped: bool,
    opt_outs: Vec<OptOut>,
    /// Entry of each opt-out, by the instant that names it.
    entries: Vec<(Instant, u64)>,
    /// A STOP from everything, or all marketing, whose entry is sealed here.
    sealed: Option<Instant>,
    /// A lift is sealed here: what holds since is not known.
    lifted_unseen: bool,
    recent: Vec<Instant>,
    under_way: Vec<(MessageId, Instant)>,
    /// When the newest opt-out was recorded.
    newest_stop: Option<Instant>,
}

/// What a hand-over was, as far as opt-outs ask.
#[derive(Clone, Copy)]
struct What<'a>(&'a Inputs);

impl StatementMaker {
    /// A statement in which the ids asked for are one person; none asked for: each id stands for itself.
    pub fn new(together: &[SubjectId]) -> StatementMaker {
        StatementMaker { together: together.to_vec(), ..StatementMaker::default() }
    }

    /// Takes note of the next entry; `body` is what is inside where it is open.
    pub fn see(&mut self, index: u64, leaf: &Leaf, body: Option<&Body>) {
        // Declarations of engines may stand before the period.
        (self.said.through, self.said.until) = (Some(index), Some(leaf.instant));
        if leaf.subject == SELLER_CHAIN {
            return;
        }
        let one = self.together.contains(&leaf.subject).then(|| self.together[0]);
        let id = one.unwrap_or(leaf.subject);
        let said = &mut self.said;
        match (leaf.kind, body) {
            (Kind::OptOut, body) => {
                let person = self.people.entry(id).or_default();
                match body {
                    Some(Body::OptOut(body)) => person.stop(index, leaf, body, said),
                    _ => person.sealed_stop(leaf, said),
                }
            }
            (Kind::Intent, body) => {
                let person = self.people.entry(id).or_default();
                match body {
                    Some(Body::Intent(body)) => person.intent(index, leaf, body, said),
                    _ => said.unknown += u64::from(person.stopped),
                }
            }
            (kind, body) => {
                if let Some(person) = self.people.get_mut(&id) {
                    person.other(kind, leaf, body, said);
                }
            }
        }
    }

    /// The statement.
    pub fn finish(self) -> Statement {
        self.said
    }
}

impl Person {
    fn stopped(&mut self, leaf: &Leaf, said: &mut Statement) {
        said.people += u64::from(!self.stopped);
        said.stops += 1;
        self.stopped = true;
        self.newest_stop = Some(leaf.instant);
        said.first_stop = said.first_stop.or(Some(leaf.instant));
        said.last_stop = Some(leaf.instant);
    }

    fn stop(&mut self, index: u64, leaf: &Leaf, body: &OptOutBody, said: &mut Statement) {
        self.stopped(leaf, said);
        said.in_flight += body.in_flight.len() as u64;
        let new = &body.opt_out;
        let wide = matches!(new.scope, OptOutScope::All | OptOutScope::Marketing);
        for at in self.recent.drain(..).filter(|at| wide && *at >= new.received_at) {
            said.before_recorded += 1;
            let after = at.since(new.received_at).as_seconds();
            said.before_recorded_seconds = said.before_recorded_seconds.max(after);
        }
        put_opt_out(&mut self.opt_outs, new.clone());
        self.entries.retain(|(name, _)| self.opt_outs.iter().any(|o| o.recorded_at == *name));
        self.entries.push((new.recorded_at, index));
    }

    /// Of a sealed STOP the leaf tells the reach where it needs no name.
    fn sealed_stop(&mut self, leaf: &Leaf, said: &mut Statement) {
        self.stopped(leaf, said);
        match leaf.public.outcome.as_str() {
            "ALL" => self.sealed = self.sealed.or(Some(leaf.instant)),
            _ => said.sealed_stops += 1,
        }
    }

    fn intent(&mut self, index: u64, leaf: &Leaf, body: &IntentBody, said: &mut Statement) {
        let at = leaf.instant;
        if self.under_way.len() == UNDER_WAY_MAX {
            self.under_way.remove(0);
        }
        self.under_way.push((body.message, at));
        let what = body.inputs.as_deref().map(What);
        if !self.stopped {
            if self.recent.len() == RECENT_MAX {
                self.recent.remove(0);
            }
            self.recent.push(at);
            return;
        }
        let Some(what) = what else {
            said.unknown += 1;
            return;
        };
        let covering = self.opt_outs.iter().find(|o| o.holds_at(at) && what.is_covered_by(o));
        let (stop_at, stop_entry) = match (covering, self.sealed) {
            _ if self.lifted_unseen => {
                said.unknown += 1;
                return;
            }
            (Some(opt_out), _) if what.answers(opt_out, at) => {
                said.answers += 1;
                return;
            }
            (Some(opt_out), _) => {
                let entry = self.entries.iter().find(|(name, _)| *name == opt_out.recorded_at);
                (opt_out.recorded_at, entry.map(|(_, index)| *index))
            }
            // Whether it was an answer to the sealed STOP cannot be told.
            (None, Some(_)) if what.0.request.automatic.is_some() => {
                said.unknown += 1;
                return;
            }
            (None, Some(stop_at)) => (stop_at, None),
            (None, None) => {
                said.not_covered += 1;
                return;
            }
        };
        said.violations += 1;
        if said.listed.len() < LISTED_MAX {
            said.listed.push(AfterStop {
                subject: leaf.subject.to_string(),
                stop_entry,
                stop_at,
                intent_entry: index,
                intent_at: at,
                message: body.message.to_string(),
            });
        }
    }

    fn other(&mut self, kind: Kind, leaf: &Leaf, body: Option<&Body>, said: &mut Statement) {
        match (kind, body) {
            (Kind::OptOutLifted, Some(Body::OptOutLifted(body))) => {
                lift_named(&mut self.opt_outs, body, leaf.instant);
                // What a sealed STOP was called is not known, so neither is whether this lifts it.
                self.lifted_unseen |= self.sealed.is_some();
            }
            (Kind::Consent, Some(Body::Consent(body))) => self.consent(leaf, body),
            (Kind::OptOutLifted | Kind::Consent, _) => self.lifted_unseen |= self.stopped,
            (Kind::Outcome, Some(Body::Outcome(body))) => {
                let committed = self.under_way.iter().position(|(id, _)| *id == body.message);
                let committed = committed.map(|n| self.under_way.remove(n).1);
                if let (Some(committed), Some(written), Some(stop)) =
                    (committed, body.handed_over_at, self.newest_stop)
                    && committed <= stop
                    && written > stop
                {
                    said.written_after += 1;
                    let late = written.since(stop).as_micros() / 1_000;
                    said.written_after_milliseconds = said.written_after_milliseconds.max(late);
                }
            }
            _ => {}
        }
    }

    fn consent(&mut self, leaf: &Leaf, body: &ConsentBody) {
        let own_act = matches!(body.cause, ConsentCause::Confirmation | ConsentCause::Keyword);
        let granted = body.changes.iter().filter(|c| c.consent.state == ConsentState::Granted);
        for change in granted.filter(|_| own_act) {
            reopen(&mut self.opt_outs, &change.consent, leaf.instant);
            self.lifted_unseen |= self.sealed.is_some();
        }
    }
}

impl What<'_> {
    fn is_covered_by(&self, opt_out: &OptOut) -> bool {
        let (facts, request) = (&self.0.facts, &self.0.request);
        opt_out.covers(&facts.brand.id, &facts.program.id, facts.program.category, request.channel)
    }

    /// The texts a person may get after they said STOP, as `decide` has it; the confirmation not after five minutes.
    fn answers(&self, opt_out: &OptOut, at: Instant) -> bool {
        self.0.request.automatic.as_ref().is_some_and(|automatic| match automatic.kind {
            AutomaticKind::OptOutConfirmation => {
                opt_out.received_at <= automatic.trigger && at <= automatic.trigger + Span::minutes(5)
            }
            AutomaticKind::Help => opt_out.received_at <= automatic.trigger,
            AutomaticKind::OptInRequest => opt_out.received_at < automatic.trigger,
            AutomaticKind::Welcome | AutomaticKind::ConsentRenewal => false,
        })
    }
}

impl Statement {
    /// The sentence it comes to.
    pub fn sentence(&self) -> String {
        let (Some(first), Some(last), Some(until), Some(through)) =
            (self.first_stop, self.last_stop, self.until, self.through)
        else {
            return "No STOP is among the entries shown.".to_owned();
        };
        let stops = match self.stops {
            1 => format!("After the STOP recorded {first}"),
            n => format!("After the {n} STOPs of {} ids recorded {first} to {last}", self.people),
        };
        let sent = match self.violations {
            0 if self.unknown > 0 => format!(
                "nothing was SEEN to be handed over that it covers, but of {} hand-overs it CANNOT BE TOLD",
                self.unknown
            ),
            0 if self.sealed_stops > 0 => format!(
                "nothing was SEEN to be handed over that it covers, but the reach of {} STOPs is sealed here",
                self.sealed_stops
            ),
            0 => "nothing was handed over that it covers".to_owned(),
            1 => "ONE MESSAGE WAS HANDED OVER that it covers".to_owned(),
            n => format!("{n} MESSAGES WERE HANDED OVER that it covers"),
        };
        let sent = if self.stops == 1 { sent } else { sent.replace("it covers", "one of them covers") };
        format!("{stops}, {sent}, up to entry {through}, {until}.")
    }

    /// What else there is to know, one line each; those that say "none" are left out.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |count: u64, line: String| {
            if count > 0 {
                lines.push(line);
            }
        };
        say(
            self.in_flight,
            format!(
                "Already on its way: {} messages had left, without a final word, when a STOP was recorded; the entry of the \
                 STOP names them.",
                self.in_flight
            ),
        );
        say(
            self.before_recorded,
            format!(
                "Before the STOP was known here: {} hand-overs between its receipt and its entry, the last {} s after the \
                 receipt. At most four a person are counted.",
                self.before_recorded, self.before_recorded_seconds
            ),
        );
        say(
            self.written_after,
            format!(
                "Committed before, written after: {} requests reached the wire up to {} ms after the STOP's entry; the \
                 gateway allows 2,000 ms.",
                self.written_after, self.written_after_milliseconds
            ),
        );
        say(self.answers, format!("Answers the person may get after a STOP: {}.", self.answers));
        say(
            self.not_covered,
            format!("Hand-overs after a STOP that did not reach them or was lifted: {}.", self.not_covered),
        );
        say(
            self.unknown,
            format!(
                "Cannot be told, because it is sealed here or has no inputs: {} hand-overs.",
                self.unknown
            ),
        );
        say(self.sealed_stops, format!("STOPs whose reach is sealed here: {}.", self.sealed_stops));
        lines
    }

    /// What a reader must not take from it.
    pub const LIMITS: &'static str = "It speaks of the entries shown and of ids: not of STOPs recorded before the first of \
        them or after the last, of STOPs that never reached this gateway, of texts sent without it, or of the time carriers \
        took. A STOP counts with the reach it was recorded with.";
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence())?;
        self.remarks().iter().try_for_each(|line| writeln!(f, "  - {line}"))?;
        for one in &self.listed {
            let stop =
                one.stop_entry.map(|n| format!("entry {n}")).unwrap_or_else(|| "a sealed entry".to_owned());
            writeln!(
                f,
                "  ! message {} handed over {} (entry {}) after the STOP of {} ({stop})",
                one.message, one.intent_at, one.intent_entry, one.stop_at
            )?;
        }
        write!(f, "  {}", Statement::LIMITS)
    }
}
