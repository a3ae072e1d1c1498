//! What waits for each lane and when it is due, so that acceptance knows when a message will get its turn: everybody held
//! until the same 09:00 counts, not only what is due already.
//!
//! The fold counts waiting parts by sender and by the quarter of an hour in which they are due ([`WaitingParts`]): that is
//! as wide as the spread of what waits for a window, so whoever waits for one 09:00 stands in one quarter. This keeps those
//! rows in memory. A hold looks seven days ahead, so a sender has some 700 of them at most.

use std::collections::{BTreeMap, HashMap};

use parking_lot::RwLock;

use crate::ledger::body::Object;
use crate::ledger::fold::{quarter_begins, quarter_of};
use crate::ledger::rows::{RegistryRow, WaitingParts, keys};
use crate::ledger::state::{Change, Row, State, StateError, decode_row};
use crate::model::registry::ThrottleGroup;
use crate::model::{Instant, SenderId};
use crate::store::KvRead;

/// One sender: its lane, and the parts that wait for it by quarter.
#[derive(Default)]
struct Waits {
    lane: Option<ThrottleGroup>,
    paused: bool,
    parts: BTreeMap<i64, u64>,
}

#[derive(Default)]
struct Lanes {
    senders: HashMap<SenderId, Waits>,
    /// Senders of each throttle group.
    groups: HashMap<String, Vec<SenderId>>,
}

/// What waits, by lane.
#[derive(Default)]
pub struct Backlog(RwLock<Lanes>);

impl Backlog {
    /// Begins with what the index holds.
    pub fn load(&self, rows: &dyn KvRead) -> Result<(), StateError> {
        /// More than there are.
        const ALL: usize = usize::MAX >> 1;
        let mut state = State::over(rows);
        let mut lanes = Lanes::default();
        for (_, row) in state.scan::<RegistryRow>(&keys::registry("sender", ""), None, ALL)? {
            lanes.know(&row);
        }
        for (key, row) in state.scan::<WaitingParts>(&keys::all_waiting_parts(), None, ALL)? {
            lanes.set(&key, row.parts);
        }
        *self.0.write() = lanes;
        Ok(())
    }

    /// Takes over what a commit changes.
    pub(super) fn learn(&self, changes: &[Change]) -> Result<(), StateError> {
        let senders = keys::registry("sender", "");
        let counts = |key: &[u8]| key.first() == Some(&WaitingParts::TABLE);
        let ours = |key: &[u8]| counts(key) || key.starts_with(&senders);
        let mut changed = changes.iter().filter(|(key, _)| ours(key)).peekable();
        if changed.peek().is_none() {
            return Ok(());
        }
        let mut lanes = self.0.write();
        for (key, value) in changed {
            match value {
                Some(value) if counts(key) => lanes.set(key, decode_row::<WaitingParts>(value)?.parts),
                Some(value) => lanes.know(&decode_row::<RegistryRow>(value)?),
                None => lanes.set(key, 0),
            }
        }
        Ok(())
    }

    /// When a message for that sender that is due at `due` gets its turn, at the contracted rate: when everything that is
    /// due before the end of its quarter and still waits in the sender's lane has left. None: as soon as it is due.
    pub fn free_at(&self, sender: &SenderId, due: Instant, now: Instant) -> Option<Instant> {
        let lanes = self.0.read();
        let lane = lanes.senders.get(sender)?.lane.as_ref()?;
        let due = due.max(now);
        let mut ahead: BTreeMap<i64, u64> = BTreeMap::new();
        for id in lanes.groups.get(&lane.id)? {
            // What rests behind another sender that is paused takes no turn.
            let Some(waits) = lanes.senders.get(id).filter(|waits| !waits.paused || id == sender) else {
                continue;
            };
            for (quarter, parts) in waits.parts.range(..=quarter_of(due)) {
                *ahead.entry(*quarter).or_default() += parts;
            }
        }
        let drain = |busy: Instant, (quarter, parts): (&i64, &u64)| {
            busy.max(quarter_begins(*quarter)) + lane.drain_time(*parts)
        };
        let free = ahead.iter().fold(now, drain);
        (free > due).then_some(free)
    }
}

impl Lanes {
    fn know(&mut self, row: &RegistryRow) {
        let Object::Sender(sender) = &row.object else { return };
        let waits = self.senders.entry(sender.id.clone()).or_default();
        waits.paused = sender.paused;
        let before = waits.lane.replace(sender.throttle.clone()).map(|lane| lane.id);
        if before.as_ref() == Some(&sender.throttle.id) {
            return;
        }
        if let Some(others) = before.and_then(|group| self.groups.get_mut(&group)) {
            others.retain(|id| *id != sender.id);
        }
        self.groups.entry(sender.throttle.id.clone()).or_default().push(sender.id.clone());
    }

    fn set(&mut self, key: &[u8], parts: u64) {
        let Some((sender, quarter)) = keys::read_waiting_parts(key) else { return };
        let waits = &mut self.senders.entry(sender).or_default().parts;
        match parts {
            0 => drop(waits.remove(&quarter)),
            parts => drop(waits.insert(quarter, parts)),
        }
    }
}

#[cfg(test)]
mod tests;
