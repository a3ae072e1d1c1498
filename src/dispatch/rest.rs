//! Messages that are due and left alone: judged now, they would wait on, and every judgement is an entry. Pure.

use super::route::Way;
use crate::model::outgoing::Message;
use crate::model::{Code, Effect, Instant, MessageState, Outcome, Reason, Span, Verdict};

/// When whoever waits without a known end is judged again, if nobody tells what it waits for.
const ASK_AGAIN: Span = Span::minutes(5);

/// How long a message that nobody may stand in for waits for its own sender before it is tried again by others.
const TRY_OTHERS_AGAIN: Span = Span::hours(1);

/// Whether a due message rests at `now`: its sender is paused, or its last verdict held it without a known end and what
/// held it still stands under the engine of now, or whoever would stand in for its sender may not. It rests until its own
/// end or that of its window, at the latest.
pub fn rests(message: &Message, way: &Way, engine: &[u8; 32], now: Instant) -> bool {
    let verdict = message.last.as_ref().unwrap_or(&message.first);
    if ends_at(message).is_some_and(|end| now >= end) {
        return false;
    }
    if way.stands_in {
        let may_not = message.state == MessageState::Held && verdict.outcome == Outcome::Admit;
        return may_not && now < verdict.evaluated_at + TRY_OTHERS_AGAIN;
    }
    way.sender.paused || held_open(verdict).any(|reason| still_stands(reason, verdict, engine, now))
}

/// The end of a message or of its window as last judged, whichever comes first.
pub fn ends_at(message: &Message) -> Option<Instant> {
    let verdict = message.last.as_ref().unwrap_or(&message.first);
    [verdict.send_not_after, message.spec.expires_at].into_iter().flatten().min()
}

/// What holds a message of which nobody knows until when.
fn held_open(verdict: &Verdict) -> impl Iterator<Item = &Reason> {
    let open = verdict.outcome == Outcome::Hold && verdict.hold_until.is_none();
    verdict.reasons.iter().filter(move |reason| open && reason.effect == Effect::Hold)
}

fn still_stands(reason: &Reason, verdict: &Verdict, engine: &[u8; 32], now: Instant) -> bool {
    match reason.code {
        // Whether it is paused is known better than from a verdict.
        Code::SenderPaused => false,
        Code::PolicyStale => verdict.engine == *engine,
        _ => now < verdict.evaluated_at + ASK_AGAIN,
    }
}
