//! Consent as a caller or the person changes it: recorded, confirmed, opted in to by keyword.

mod confirm;
mod keyword;
mod night;
mod record;
pub mod renewal;

pub use confirm::ConfirmOptIn;
pub(super) use confirm::confirm_by_text;
pub(super) use keyword::{ask_again, opt_in_by_keyword};
pub use record::RecordOptIn;
pub(super) use renewal::notice_is;

use crate::ledger::body::{Body, ConsentBody, ConsentChange};
use crate::ledger::entry::{Entry, Public};
use crate::model::subject::{Subject, bounds};
use crate::model::{BrandId, Channel, Code, Consent, ConsentState, EntryHash, Instant, ProgramId, SubjectId};
use crate::writer::{Cx, OpError};

/// One consent as it was recorded, and what speaks against it or is still missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub consent: Consent,
    /// Sorted; empty where granted. See [`crate::consent::reason`] for what to show.
    pub reasons: Vec<Code>,
}

/// What came of an opt-in: the same for every repeat of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct OptInAnswer {
    pub subject: SubjectId,
    /// One a program and channel, in the order asked.
    pub consents: Vec<Recorded>,
    /// Place of the entry in the log, and its leaf hash.
    pub entry: u64,
    pub entry_hash: EntryHash,
    /// The key was used before for the same request.
    pub repeated: bool,
}

impl OptInAnswer {
    /// Reads the answer back from the entry that recorded it.
    fn of(entry: &Entry, repeated: bool) -> Result<OptInAnswer, OpError> {
        let Body::Consent(body) = &entry.body else {
            return Err(OpError::Fatal("an opt-in's key names an entry of another kind".to_owned()));
        };
        let read = |change: &ConsentChange| Recorded {
            consent: change.consent.clone(),
            reasons: change.reasons.iter().map(|code| Code::from(code.as_str())).collect(),
        };
        Ok(OptInAnswer {
            subject: entry.leaf.subject,
            consents: body.changes.iter().map(read).collect(),
            entry: entry.index,
            entry_hash: entry.hash,
            repeated,
        })
    }
}

/// Writes a change of consent down and answers it.
fn write(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    brand: &BrandId,
    body: ConsentBody,
) -> Result<OptInAnswer, OpError> {
    let public = public_of(&body.changes);
    let index = cx.emit(subject, Some(brand), public, Body::Consent(body))?;
    let entry = cx.entry(index)?.ok_or_else(|| OpError::Fatal("an entry just made is gone".to_owned()))?;
    OptInAnswer::of(&entry, false)
}

/// What the leaf may say: the program and channel where there is one of each, the first state, every code.
pub(super) fn public_of(changes: &[ConsentChange]) -> Public {
    let Some(first) = changes.first().map(|c| &c.consent) else { return Public::default() };
    let one_program = changes.iter().all(|c| c.consent.program == first.program);
    let one_channel = changes.iter().all(|c| c.consent.channel == first.channel);
    let mut codes: Vec<String> = changes.iter().flat_map(|c| c.reasons.iter().cloned()).collect();
    codes.sort();
    codes.dedup();
    Public {
        program: if one_program { first.program.to_string() } else { String::new() },
        channel: if one_channel {
            super::send::channel_name(first.channel).to_owned()
        } else {
            String::new()
        },
        outcome: state_name(first.state).to_owned(),
        codes,
        ..Public::default()
    }
}

/// The state as it stands in the contract.
pub fn state_name(state: ConsentState) -> &'static str {
    match state {
        ConsentState::Granted => "GRANTED",
        ConsentState::PendingConfirmation => "PENDING_CONFIRMATION",
        ConsentState::Refused => "REFUSED",
        ConsentState::Revoked => "REVOKED",
        ConsentState::Expired => "EXPIRED",
    }
}

/// Refuses what would make a person's record outgrow its bound.
fn demand_room(subject: Option<&Subject>, changes: &[ConsentChange]) -> Result<(), OpError> {
    let Some(subject) = subject else { return Ok(()) };
    let same = |c: &Consent, n: &Consent| c.program == n.program && c.channel == n.channel;
    // A pending consent may stand beside the grant it is to replace: it needs a place of its own.
    let needs_place = |n: &&ConsentChange| {
        let beside = n.consent.state == ConsentState::PendingConfirmation;
        !subject.consents.iter().any(|c| same(c, &n.consent) && !(beside && c.state == ConsentState::Granted))
    };
    let new = changes.iter().filter(needs_place).count();
    if subject.consents.len() + new > bounds::CONSENTS {
        return Err(OpError::SubjectBusy("32 consents are kept for them already"));
    }
    Ok(())
}

/// The grant of a program on a channel that is in force but for opt-outs.
pub(super) fn grant_of<'a>(
    subject: &'a Subject,
    program: &ProgramId,
    channel: Channel,
    now: Instant,
) -> Option<&'a Consent> {
    subject.consents.iter().find(|c| {
        c.state == ConsentState::Granted
            && c.program == *program
            && c.channel == channel
            && c.expires_at.is_none_or(|end| now < end)
    })
}

/// The attempt that waits for the person's own confirmation.
fn pending_of<'a>(subject: &'a Subject, program: &ProgramId, channel: Channel) -> Option<&'a Consent> {
    subject.consents.iter().find(|c| {
        c.state == ConsentState::PendingConfirmation && c.program == *program && c.channel == channel
    })
}

#[cfg(test)]
mod tests;
