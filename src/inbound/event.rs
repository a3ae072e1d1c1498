//! What providers tell us, in one normal form whatever the vendor: texts from people and receipts for messages.

use std::mem;

use crate::ledger::body::kept_id;
use crate::model::outgoing::ProviderError;
use crate::model::{Instant, MessageId, MessageState};

/// Characters kept of a provider's own words about a failure.
const ERROR_TEXT_MAX: usize = 1_024;

/// One thing a provider told us.
#[derive(Debug, Clone, PartialEq)]
pub enum InboundEvent {
    /// A person wrote.
    Text(InboundText),
    /// A person wrote at length, and this is a part of it.
    Part(InboundText, TextPart),
    /// Something became of a message of ours.
    Receipt(Receipt),
    /// Authentic, and not understood: its sender may have said STOP.
    Unreadable(Unreadable),
}

impl InboundEvent {
    /// Whether a person speaks, or may speak: those go before everything else.
    pub fn is_from_person(&self) -> bool {
        !matches!(self, InboundEvent::Receipt(_))
    }

    /// Cuts what a provider may write at any length to what an entry keeps; the same of two that are the same.
    pub fn bounded(mut self) -> InboundEvent {
        match &mut self {
            InboundEvent::Text(text) => text.provider_id = kept_id(mem::take(&mut text.provider_id)),
            InboundEvent::Part(text, part) => {
                text.provider_id = kept_id(mem::take(&mut text.provider_id));
                part.reference = kept_id(mem::take(&mut part.reference));
            }
            InboundEvent::Receipt(receipt) => {
                receipt.provider_id = kept_id(mem::take(&mut receipt.provider_id));
                if let Some(error) = &mut receipt.error {
                    error.code = kept_id(mem::take(&mut error.code));
                    error.text = error.text.chars().take(ERROR_TEXT_MAX).collect();
                }
            }
            InboundEvent::Unreadable(event) => {
                event.provider_id = kept_id(mem::take(&mut event.provider_id));
                event.reason = event.reason.chars().take(ERROR_TEXT_MAX).collect();
            }
        }
        self
    }
}

/// A text from a person.
#[derive(Clone, PartialEq)]
pub struct InboundText {
    /// The provider's id of it; a redelivery has the same.
    pub provider_id: String,
    /// As received: digits, with or without `+`.
    pub from: String,
    /// Our number or code, as received.
    pub to: String,
    pub text: String,
    /// What the provider itself made of it: `STOP`, `START`, `HELP`.
    pub provider_flag: Option<String>,
    /// When the provider got it, where it says so.
    pub received_at: Option<Instant>,
    /// Its proof covers neither words nor sender: it may stop, never start.
    pub weak: bool,
}

impl std::fmt::Debug for InboundText {
    /// Neither number nor words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InboundText({})", self.provider_id)
    }
}

/// Which part of a long text something is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TextPart {
    /// What the parts of one text share, as the handset numbered it; soon used again.
    pub reference: String,
    /// Parts of the whole, 2 to 255.
    pub total: u8,
    /// Which of them, from 1.
    pub number: u8,
}

/// A delivery receipt, or an entry of the provider's list that says the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Our own reference, where the provider echoes it.
    pub message: Option<MessageId>,
    pub provider_id: String,
    /// `SENT`, `DELIVERED`, `UNDELIVERED`, `FAILED`, `REJECTED`, `EXPIRED` or `UNKNOWN`.
    pub state: MessageState,
    pub error: Option<ProviderError>,
    /// The carrier's own time.
    pub carrier_at: Option<Instant>,
}

/// An event that does not parse although its sender is authentic.
#[derive(Clone, PartialEq)]
pub struct Unreadable {
    /// Names it: the provider's id where one was found, else a hash of the bytes.
    pub provider_id: String,
    /// The person, where one was found.
    pub from: Option<String>,
    /// Our side, where it was found.
    pub to: String,
    /// What was wrong with it, without its contents.
    pub reason: String,
}

impl std::fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unreadable({}: {})", self.provider_id, self.reason)
    }
}
