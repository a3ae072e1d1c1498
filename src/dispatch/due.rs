//! What is due: told by the entries that make it so, looked for in the index, taken into the schedule.

use super::rest::{ends_at, rests};
use super::route::{Health, way_of};
use super::schedule::{Schedule, Waiting};
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::{Entry, Kind};
use crate::ledger::rows::{DueRow, keys};
use crate::ledger::state::{State, StateError};
use crate::model::outgoing::Message;
use crate::model::registry::ThrottleGroup;
use crate::model::{ConnectionId, Instant, MessageId, Span};
use crate::writer::ops::outcome::{Due, due};

/// Due rows looked at in one go, how often in one look, and in one sweep.
const SCAN: usize = 1_000;
const PAGES: usize = 5;
const SWEEP: usize = 5_000;
/// Most messages told to be due that wait to be taken up; what is told beyond is found by a sweep.
const TOLD_MAX: usize = 1 << 16;

/// With what a look at the due messages is taken.
pub struct Look<'h> {
    pub now: Instant,
    /// The engine in force, as verdicts name it.
    pub engine: [u8; 32],
    pub health: &'h dyn Fn(&ConnectionId) -> Health,
}

/// A message told to be due.
#[derive(Debug, Clone, Copy)]
struct Told {
    message: MessageId,
    /// Since when.
    at: Instant,
    /// The person said STOP: it is judged, whatever it rests for.
    stopped: bool,
}

/// What entries told since the last look.
#[derive(Debug, Default)]
pub struct News {
    told: Vec<Told>,
    /// A sender or the rules changed: everything due is looked at again.
    anew: bool,
}

impl News {
    /// Takes durable entries in, in their order. Answers whether a look is worth it.
    pub fn hear(&mut self, entries: &[Entry], now: Instant) -> bool {
        let mut news = false;
        for entry in entries {
            news |= entry.leaf.kind == Kind::Heard;
            match &entry.body {
                Body::OptOut(body) => {
                    let dying = body.cancelled.iter();
                    dying.for_each(|message| self.tell(Told { message: *message, at: now, stopped: true }));
                    news |= !body.cancelled.is_empty();
                }
                Body::Engine(_) => (self.anew, news) = (true, true),
                Body::Registry(body) if matches!(body.object, Object::Sender(_)) => {
                    (self.anew, news) = (true, true);
                }
                body => {
                    let Some((at, message)) = made_due(body) else { continue };
                    news = true;
                    if at <= now {
                        self.tell(Told { message, at, stopped: false });
                    }
                }
            }
        }
        news
    }

    /// Adds what has to be told again.
    pub fn join(&mut self, later: News) {
        later.told.into_iter().for_each(|told| self.tell(told));
    }

    fn tell(&mut self, told: Told) {
        if self.told.len() < TOLD_MAX {
            self.told.push(told);
        }
    }
}

/// The message an entry made due, and when.
fn made_due(body: &Body) -> Option<(Instant, MessageId)> {
    let (state, due, message) = match body {
        Body::Decision(body) => (body.state, body.due, body.message.id),
        Body::Redecision(body) => (body.state, body.due, body.message),
        Body::Outcome(body) => (body.state, body.due, body.message),
        _ => return None,
    };
    due.filter(|_| state.is_waiting()).map(|due| (due, message))
}

/// Takes what was told into the schedule, where it still waits. Answers what has to be told again: messages whose
/// hand-over is not over yet, as of one that just moved from an installation to a phone.
pub fn take_told(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    news: News,
    look: &Look<'_>,
) -> Result<News, StateError> {
    if news.anew {
        schedule.begin_anew();
    }
    let mut later = News::default();
    for told in news.told {
        if schedule.is_in_hand(&told.message) {
            later.told.push(told);
            continue;
        }
        let row = state.get::<Message>(&keys::message(&told.message))?;
        let due = row.filter(|row| row.state.is_waiting()).and_then(|row| row.due);
        if due.is_some_and(|due| due <= look.now) && !schedule.knows(&told.message) {
            take(state, schedule, &told.message, told.at, told.stopped, look)?;
        }
    }
    Ok(later)
}

/// Takes due messages into the schedule; answers those whose hand-over is overdue.
pub fn take_up(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    look: &Look<'_>,
) -> Result<Vec<MessageId>, StateError> {
    let mut overdue = Vec::new();
    let mut from = schedule.look_from();
    for _ in 0..PAGES {
        let new = due(state, from.as_deref(), look.now, SCAN)?;
        let more = new.len() == SCAN;
        from = new.last().map(|last| last.key.clone()).or(from);
        take_all(state, schedule, new, look, &mut overdue)?;
        if !more {
            break;
        }
    }
    schedule.looked(from);
    if let Some(from) = schedule.sweep_from(look.now) {
        let all = due(state, from.as_deref(), look.now, SWEEP)?;
        let on = all.last().filter(|_| all.len() == SWEEP).map(|last| last.key.clone());
        schedule.swept(on, look.now);
        take_all(state, schedule, all, look, &mut overdue)?;
    }
    Ok(overdue)
}

fn take_all(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    found: Vec<Due>,
    look: &Look<'_>,
    overdue: &mut Vec<MessageId>,
) -> Result<(), StateError> {
    for Due { at, message, row, .. } in found {
        match row {
            DueRow::Resolve => overdue.push(message),
            DueRow::Wake if schedule.knows(&message) => {}
            DueRow::Wake => take(state, schedule, &message, at, false, look)?,
        }
    }
    Ok(())
}

/// Takes one message in, unless it rests or its lane has no room: what is left out is found by a later sweep.
fn take(
    state: &mut State<'_>,
    schedule: &mut Schedule,
    id: &MessageId,
    due: Instant,
    stopped: bool,
    look: &Look<'_>,
) -> Result<(), StateError> {
    let Some(message) = state.get::<Message>(&keys::message(id))? else { return Ok(()) };
    let spec = &message.spec;
    let way = way_of(state, &message, look.health)?;
    if !stopped && way.as_ref().is_some_and(|way| rests(&message, way, &look.engine, look.now)) {
        return Ok(());
    }
    let has_others = way.as_ref().is_some_and(|way| way.has_others);
    let stands_in = way.as_ref().filter(|way| way.stands_in).map(|way| way.sender.id.clone());
    // One whose sender is gone goes to a lane of its own: its second decision says what is wrong.
    let sender = way.map(|way| way.sender);
    let nowhere = || ThrottleGroup {
        id: String::new(),
        milli_parts_per_second: 1_000,
        parts_per_day: None,
        reset_zone: "UTC".to_owned(),
    };
    let waiting = Waiting {
        message: *id,
        program: spec.program.clone(),
        connection: sender.as_ref().map(|s| s.connection.clone()).unwrap_or_else(no_connection),
        cap: sender.as_ref().and_then(|s| s.tax_id_cap.clone()),
        group: sender.map_or_else(nowhere, |s| s.throttle),
        stands_in,
        has_others,
        parts: spec.parts,
        deadline: ends_at(&message).filter(|end| *end > due).unwrap_or(due + Span::days(1)),
    };
    if schedule.has_room(&waiting.group) {
        schedule.add(waiting, look.now);
    }
    Ok(())
}

/// The connection of messages without a sender.
pub fn no_connection() -> ConnectionId {
    "none".parse().expect("a slug")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kv, KvOptions, kv};

    fn put(kv: &dyn Kv, at: Instant, n: u16) {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        let mut state = State::over(kv);
        state.put(keys::due(at, &MessageId(id)), DueRow::Resolve);
        let mut batch = crate::store::Batch::new();
        for (key, value) in state.into_changes() {
            batch.put(key, value.expect("written"));
        }
        kv.commit(batch).expect("memory");
    }

    /// A backlog longer than one look hid everything behind it for ever: each look began at the first row.
    #[test]
    fn a_long_backlog_hides_nothing() {
        let kv = kv::memory::open(&KvOptions::default());
        let at = Instant::from_seconds;
        let count = (PAGES * SCAN + SWEEP + 500) as u16;
        (0..count).for_each(|n| put(&kv, at(100) + Span::micros(i64::from(n)), n));
        let mut schedule = Schedule::default();
        let mut seen = std::collections::HashSet::new();
        for second in 0..4 {
            let look = Look { now: at(200 + second), engine: [0; 32], health: &|_| Health::Open };
            let found = take_up(&mut State::over(&kv), &mut schedule, &look);
            seen.extend(found.expect("reads"));
        }
        assert_eq!(seen.len(), usize::from(count));
        // Due long ago, written just now: as after a restart of the clock, or a hand-over that never was.
        put(&kv, at(50), count);
        let again: Vec<_> = (0..4)
            .flat_map(|n| {
                let look = Look { now: at(210 + n), engine: [0; 32], health: &|_| Health::Open };
                take_up(&mut State::over(&kv), &mut schedule, &look).expect("reads")
            })
            .collect();
        assert!(again.iter().any(|id| id.0[..2] == count.to_be_bytes()), "the sweep finds it");
    }
}
