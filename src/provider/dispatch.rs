//! The sealed hand-over: the only thing a provider takes, and only a committed intent makes one.

use super::push::PushHandover;
use crate::model::outgoing::ErrorClass;
use crate::model::subject::Address;
use crate::model::{Channel, ConnectionId, Instant, MessageId};
use crate::writer::CommitProof;

/// What an intent's commit lets leave. Made by the writer's intent operation; worth nothing until sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentDraft {
    pub(crate) message: MessageId,
    pub(crate) entry: u64,
    pub(crate) channel: Channel,
    pub(crate) connection: ConnectionId,
    pub(crate) from: String,
    pub(crate) to: Address,
    pub(crate) text: String,
    pub(crate) parts: u32,
    pub(crate) committed_at: Instant,
    pub(crate) not_after: Instant,
    pub(crate) deliver_by: Option<Instant>,
    /// Set for push alone.
    pub(crate) push: Option<Box<PushHandover>>,
}

/// One message that may be handed over now. It has no public constructor and no `Clone`: a hand-over happens once.
///
/// ```compile_fail
/// let forged = consentry::provider::Dispatch { draft: todo!() };
/// ```
#[derive(Debug)]
pub struct Dispatch {
    draft: IntentDraft,
}

/// The intent an attempt rests on is not durable: nothing may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the intent is not durable")]
pub struct NotDurable;

impl Dispatch {
    /// Seals an intent once its commit is durable.
    pub fn seal(draft: IntentDraft, proof: &CommitProof) -> Result<Dispatch, NotDurable> {
        if proof.covers(draft.entry) { Ok(Dispatch { draft }) } else { Err(NotDurable) }
    }

    /// The message: also what is echoed to the provider as our reference.
    pub fn message(&self) -> MessageId {
        self.draft.message
    }
    /// SMS or push.
    pub fn channel(&self) -> Channel {
        self.draft.channel
    }
    /// The account it goes through.
    pub fn connection(&self) -> &ConnectionId {
        &self.draft.connection
    }
    /// The sender's number, code or letters.
    pub fn from(&self) -> &str {
        &self.draft.from
    }
    /// Whom it goes to.
    pub fn to(&self) -> &Address {
        &self.draft.to
    }
    /// The text as it leaves.
    pub fn text(&self) -> &str {
        &self.draft.text
    }
    /// The notification, for push.
    pub fn push(&self) -> Option<&PushHandover> {
        self.draft.push.as_deref()
    }
    /// Parts it is billed as.
    pub fn parts(&self) -> u32 {
        self.draft.parts
    }
    /// When its intent was committed.
    pub fn committed_at(&self) -> Instant {
        self.draft.committed_at
    }
    /// Whether it may still be written to a socket: within two seconds of the commit and within its window.
    pub fn is_valid_at(&self, now: Instant) -> bool {
        now >= self.draft.committed_at && now <= self.draft.not_after
    }
    /// The last instant at which its first byte may be written.
    pub fn not_after(&self) -> Instant {
        self.draft.not_after
    }
    /// Until when the carrier may deliver it, where the provider takes a deadline.
    pub fn deliver_by(&self) -> Option<Instant> {
        self.draft.deliver_by
    }
}

/// What a provider said to a hand-over.
#[derive(Debug, Clone, PartialEq)]
pub enum Handover {
    /// It took the message; its ids, one a part where it gives one a part.
    Accepted { ids: Vec<String> },
    /// It certainly did not take it, and never will.
    Rejected(Failure),
    /// It certainly did not take it; another try may succeed, not before `after_seconds`.
    NotTaken { failure: Failure, after_seconds: Option<u32> },
    /// It may have taken it: never sent again, resolved by receipt or list. The class may say what is true all the same:
    /// that the person opted out.
    Unclear(Failure),
    /// The intent was void before a byte was written.
    Void,
}

/// Why.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub class: ErrorClass,
    /// The provider's own code.
    pub code: String,
    /// Its own words, at most 200 characters, without numbers of people.
    pub text: String,
}
