//! A message's life and the touches a person felt, whoever caused them.
//!
//! Stored rows keep variants by position: new variants go to the end, none is removed.

use serde::{Deserialize, Serialize};

use super::consent::{Category, Channel};
use super::ids::{BrandId, CartId, MessageId, ProgramId};
use super::instant::Instant;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageState {
    /// Lawful later; waits for its instant.
    Held,
    /// Lawful now; waits for its lane.
    Queued,
    /// An intent is committed; handed over or about to be.
    Sending,
    /// The provider took it.
    Sent,
    /// The carrier says it arrived.
    Delivered,
    /// The carrier says it did not arrive.
    Undelivered,
    /// The provider took it and could not carry it.
    Failed,
    /// The provider said no.
    Rejected,
    /// Judged unlawful; final.
    Refused,
    /// Withdrawn by the caller, or by an opt-out or a closed cart.
    Cancelled,
    /// Its time ran out before it was lawful or its turn came.
    Expired,
    /// An intent that was never handed over.
    NotSent,
    /// Handed over; nobody can say what became of it.
    Unknown,
}

impl MessageState {
    /// Whether the person may have been reached, so that caps and gaps count it.
    pub const fn reached_out(self) -> bool {
        use MessageState::*;
        matches!(self, Sending | Sent | Delivered | Undelivered | Unknown)
    }
    /// Whether it waits and will count once it leaves; counted at acceptance as a reservation.
    pub const fn is_waiting(self) -> bool {
        matches!(self, MessageState::Held | MessageState::Queued)
    }
    /// Whether nothing can change it any more.
    pub const fn is_final(self) -> bool {
        use MessageState::*;
        !matches!(self, Held | Queued | Sending | Sent)
    }
}

/// What a person was reached by, including what this gateway does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// A text message.
    Sms,
    /// A push notification.
    Push,
    /// An e-mail.
    Email,
    /// A retargeting advertisement.
    Ad,
    /// A phone call.
    Call,
    /// Anything else.
    Other,
}

impl From<Channel> for Medium {
    fn from(channel: Channel) -> Medium {
        match channel {
            Channel::Sms => Medium::Sms,
            Channel::Push => Medium::Push,
        }
    }
}

/// One time a person was, or is about to be, reached. Automatic texts and refused attempts are no touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// Our message; unset for what other tools sent.
    pub message: Option<MessageId>,
    /// The intent's instant; for what waits, the instant it is due; for other tools, what they reported.
    pub at: Instant,
    /// What it was.
    pub medium: Medium,
    /// The brand it came from.
    pub brand: BrandId,
    /// The program; unset when another tool did not say.
    pub program: Option<ProgramId>,
    /// What it was for.
    pub category: Category,
    /// The cart it was about.
    pub cart: Option<CartId>,
    /// The matter it was about, where caps count by matter; unset counts as every matter.
    pub subject_matter: Option<String>,
    /// Message parts billed and counted, at least 1.
    pub parts: u32,
    /// Where it stands; a send another tool only announces is `Queued`, one it made is `Sent`.
    pub state: MessageState,
    /// Another tool's send, told to us with `RecordExternalSend`.
    pub external: bool,
}
