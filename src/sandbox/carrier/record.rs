//! One text as the carrier keeps it.

use serde::{Deserialize, Serialize};

use crate::model::Instant;
use crate::telemetry::Redacted;

/// Which way a text travels, seen from the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the gateway to a phone.
    Outbound,
    /// Typed on a phone, to the gateway.
    Inbound,
}

/// Where a text stands (the normal form of delivery states: queued, sent, then one final word).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted, not yet handed to the network.
    Queued,
    /// Handed to the network.
    Sent,
    /// On the phone.
    Delivered,
    /// The network or the phone says no.
    Undelivered,
    /// The carrier could not send it.
    Failed,
    /// Refused by policy: filter, opt-out, unregistered sender.
    Rejected,
    /// Its validity ran out first.
    Expired,
    /// No final word will come.
    Unknown,
    /// An inbound text.
    Received,
}

impl Status {
    /// Order of progress: a lower rank never replaces a higher one, whatever arrives when.
    pub fn rank(self) -> u8 {
        match self {
            Status::Queued => 0,
            Status::Sent => 1,
            _ => 2,
        }
    }
    /// Whether the phone's owner sees the text.
    pub fn is_on_phone(self) -> bool {
        matches!(self, Status::Delivered | Status::Received)
    }
}

/// One text in either direction. As JSON it is the answer of `GET /v1/messages/{id}` and the body of events.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Position in the order of arrival; grows by one a text.
    pub seq: u64,
    /// The carrier's id, `sbx_` and 16 hexadecimal digits.
    pub id: String,
    /// Which way it travels.
    pub direction: Direction,
    /// The number or name it comes from.
    pub from: Redacted<String>,
    /// The number it goes to.
    pub to: Redacted<String>,
    /// The whole text.
    pub text: Redacted<String>,
    /// The client's own id, echoed in every event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ref: Option<String>,
    /// Billed parts.
    pub parts: u32,
    /// Where it stands.
    pub status: Status,
    /// Why it ended badly, as in [`super::behaviour::Fault`] and final outcomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it came to the carrier.
    pub created_at: Instant,
    /// When its status last changed.
    pub updated_at: Instant,
    /// Where its receipts go instead of the account's webhook.
    #[serde(skip)]
    pub status_url: Option<Redacted<String>>,
}

impl Record {
    /// The phone's side of the text.
    pub fn phone(&self) -> &str {
        match self.direction {
            Direction::Outbound => self.to.as_str(),
            Direction::Inbound => self.from.as_str(),
        }
    }
    /// The gateway's side of the text.
    pub fn sender(&self) -> &str {
        match self.direction {
            Direction::Outbound => self.from.as_str(),
            Direction::Inbound => self.to.as_str(),
        }
    }
}
