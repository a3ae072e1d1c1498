//! A message on its way out: what was asked, what was decided, what became of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::consent::{Category, Channel};
use super::facts::{AutomaticText, Encoding, OnHold};
use super::ids::{
    BrandId, CartId, ConnectionId, LinkCode, MessageId, PoolId, ProgramId, SenderId, SubjectId, TemplateId,
};
use super::instant::Instant;
use super::message::MessageState;
use super::notification::PushSpec;
use super::spend::Cost;
use super::subject::Address;
use super::verdict::Verdict;

/// What a caller asked to be sent, resolved: defaults filled in, text rendered. It does not change any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageSpec {
    pub id: MessageId,
    pub brand: BrandId,
    pub program: ProgramId,
    pub category: Category,
    pub channel: Channel,
    pub subject: SubjectId,
    pub to: Address,
    /// None: no sender of the program fits; the decision says so.
    pub sender: Option<SenderId>,
    pub connection: Option<ConnectionId>,
    pub cart: Option<CartId>,
    /// Text with `{{coupon}}` and `{{coupon_expires}}` still open: both are known at dispatch.
    pub text: String,
    /// The same with both filled in as they stood at acceptance: what the caller was shown.
    pub preview: String,
    pub encoding: Encoding,
    pub parts: u32,
    pub template: Option<TemplateId>,
    pub language: String,
    pub link: Option<MessageLink>,
    pub coupon: Option<MessageCoupon>,
    /// When it loses its purpose: as the caller said, else a day after it could first lawfully leave. None: refused
    /// without one, an automatic text, or accepted by a release that set no default.
    pub expires_at: Option<Instant>,
    pub on_hold: OnHold,
    pub automatic: Option<AutomaticText>,
    pub subject_matter: String,
    /// Sorted by name; never sent anywhere.
    pub labels: Vec<(String, String)>,
    /// API key that asked, or `gateway`.
    pub actor: String,
    /// What it shows, for push.
    #[serde(default)]
    pub push: Option<Box<PushSpec>>,
}

/// The short link in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageLink {
    pub code: LinkCode,
    pub target: String,
    pub expires_at: Instant,
    /// Leads to the opt-out page instead.
    pub opt_out: bool,
}

/// The coupon in a message, reserved with its decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageCoupon {
    pub pool: PoolId,
    /// None: the pool had none left, and the decision says so.
    pub code: Option<String>,
}

/// What a provider answered when it did not simply take a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderError {
    pub class: ErrorClass,
    /// The provider's own code.
    pub code: String,
    /// The provider's own words, at most 200 characters, numbers masked.
    pub text: String,
}

/// What a provider's error means for us (`facts/providers.md` section 0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorClass {
    /// The person opted out there: recorded as an opt-out of ours.
    OptedOut,
    /// The address is dead or cannot take texts.
    PermanentRecipient,
    /// The sender may not send.
    PermanentSender,
    /// The content is not carried.
    PermanentContent,
    /// The account is refused.
    PermanentAccount,
    /// Certainly not taken; may be tried again.
    Retryable,
    /// May have been sent.
    Ambiguous,
}

/// A way out that an intent named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub sender: SenderId,
    pub connection: ConnectionId,
}

/// A message as it stands now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Shared with the entry that accepted it.
    pub spec: Arc<MessageSpec>,
    /// SHA-256 of the request without its key: a repeat must have the same.
    pub request_sha256: [u8; 32],
    pub accepted_at: Instant,
    pub state: MessageState,
    /// When the state last changed.
    pub changed_at: Instant,
    /// The first verdict: the answer to every repeat of the key.
    pub first: Arc<Verdict>,
    /// The newest verdict where there was a second decision.
    pub last: Option<Arc<Verdict>>,
    /// When it wakes, while it is held or queued; when it is given up, while it is sending.
    pub due: Option<Instant>,
    pub intent_at: Option<Instant>,
    /// Nothing may be handed over after it.
    pub not_after: Option<Instant>,
    pub sent_at: Option<Instant>,
    pub delivered_at: Option<Instant>,
    /// The text as it left.
    pub sent_text: String,
    pub provider_ids: Vec<String>,
    /// Provider ids whose part arrived, where receipts come one a part.
    pub parts_delivered: Vec<String>,
    pub error: Option<ProviderError>,
    /// Intents that were void before a hand-over, so that a broken lane cannot spin for ever.
    pub voided_intents: u32,
    /// Ways out that intents named, each once, the newest last; empty: none was named yet.
    pub routes: Vec<Route>,
    /// What the newest intent costs; none: its connection has no price for it.
    pub cost: Option<Cost>,
    /// Index of the entry that accepted it.
    pub entry: u64,
}

impl Message {
    /// The sender it went by, or would go by as accepted.
    pub fn sender(&self) -> Option<&SenderId> {
        self.routes.last().map(|route| &route.sender).or(self.spec.sender.as_ref())
    }

    /// The connection it went through, or would go through as accepted.
    pub fn connection(&self) -> Option<&ConnectionId> {
        self.routes.last().map(|route| &route.connection).or(self.spec.connection.as_ref())
    }

    /// Whether a provider took it, or may have, and so is paid for it.
    pub fn was_taken(&self) -> bool {
        use MessageState::{Delivered, Expired, Failed, Sent, Undelivered, Unknown};
        let state = matches!(self.state, Sent | Delivered | Undelivered | Failed | Unknown | Expired);
        state && self.sent_at.is_some()
    }

    /// Whether it may be known at a connection: an intent named it, or it was to go that way.
    pub fn went_through(&self, connection: &ConnectionId) -> bool {
        self.spec.connection.as_ref() == Some(connection)
            || self.routes.iter().any(|route| route.connection == *connection)
    }
}
