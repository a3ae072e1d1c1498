//! The second model: what was promised to people and callers, kept so simply that it cannot be wrong in the same way.

use std::collections::{BTreeMap, BTreeSet};

use consentry::ledger::body::Body;
use consentry::ledger::entry::Entry;
use consentry::model::subject::Address;
use consentry::model::{Channel, MessageId, Outcome, SubjectId};

/// What the outside world was told.
#[derive(Default)]
pub struct Model {
    /// Messages whose acceptance was answered.
    pub accepted: BTreeSet<MessageId>,
    /// Numbers whose newest acknowledged word is STOP.
    pub stopped: BTreeSet<String>,
    /// How often each number's STOP was acknowledged.
    pub stops: BTreeMap<String, u32>,
    /// Outcomes that were acknowledged: the message can never go back to waiting after SENT.
    pub sent: BTreeSet<MessageId>,
}

/// Reads the whole log with eyes of its own and says what is wrong with it.
pub fn judge_log(entries: &[Entry]) -> Result<(), String> {
    let mut opted_out: BTreeMap<SubjectId, u64> = BTreeMap::new();
    let mut decided: BTreeSet<MessageId> = BTreeSet::new();
    let mut waiting_since_void: BTreeSet<MessageId> = BTreeSet::new();
    let mut intended: BTreeSet<MessageId> = BTreeSet::new();
    for entry in entries {
        let subject = entry.leaf.subject;
        match &entry.body {
            Body::OptOut(_) => {
                opted_out.insert(subject, entry.index);
            }
            Body::Consent(body) if body.changes.iter().any(|c| c.consent.channel == Channel::Sms) => {
                opted_out.remove(&subject);
            }
            Body::Decision(body) => {
                decided.insert(body.message.id);
            }
            Body::Intent(body) => {
                if let Some(stop) = opted_out.get(&subject) {
                    return Err(format!("intent {} commits after the opt-out at {stop}", entry.index));
                }
                if body.verdict.outcome != Outcome::Admit || !decided.contains(&body.message) {
                    return Err(format!("intent {} has no decision that admits it", entry.index));
                }
                if !intended.insert(body.message) && !waiting_since_void.remove(&body.message) {
                    return Err(format!("message {} has two intents", body.message));
                }
            }
            Body::Outcome(body) if body.state == consentry::model::MessageState::Queued => {
                waiting_since_void.insert(body.message);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Numbers by subject, as the log commits to them.
pub fn numbers(entries: &[Entry]) -> BTreeMap<SubjectId, String> {
    let address = |entry: &Entry| match &entry.body {
        Body::Subject(body) => match &body.address {
            Address::Phone(digits) => Some((entry.leaf.subject, format!("+{digits}"))),
            Address::Device { .. } => None,
        },
        _ => None,
    };
    entries.iter().filter_map(address).collect()
}
