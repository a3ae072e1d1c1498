//! What an entry seals: the whole fact, as JSON with the kind's name as its one key.
//!
//! Fields are added with `#[serde(default)]` and never renamed: a body written today must open for ever.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entry::{BODY_BYTES_MAX, EntryError, Kind};
use super::rows::keys;
use crate::inbound::event::TextPart;
use crate::model::cart::{Cart, Click, Coupon, CouponPool, Link};
use crate::model::consent::{Channel, Consent, OptOut};
use crate::model::evidence::Evidence;
use crate::model::facts::Inputs;
use crate::model::location::LocationHint;
use crate::model::message::MessageState;
use crate::model::outgoing::{MessageSpec, ProviderError};
use crate::model::registry::{ApiKey, Brand, Connection, Disclosure, Program, Seller, Sender, Template};
use crate::model::spend::Cost;
use crate::model::subject::{Address, Preferences};
use crate::model::verdict::Verdict;
use crate::model::{
    BrandId, CartId, ConnectionId, CustomerId, EntryHash, Instant, LinkCode, MessageId, ProgramId, SenderId,
    SubjectId,
};

mod decided;
mod device;
mod erasure;
mod intake;

pub use decided::*;
pub use device::*;
pub use erasure::*;
pub use intake::*;

/// A request whose repeat must get the first answer: where that answer is found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// SHA-256(seller, method, idempotency key)[..16].
    pub id: MessageId,
    /// SHA-256 of the request without its key.
    pub request_sha256: [u8; 32],
}

/// Who did it: an API key's id, `operator` at the command line, `gateway` for what follows by rule.
pub type Actor = String;

macro_rules! bodies {
    ($($(#[$doc:meta])* $kind:ident($body:ty),)*) => {
        /// The sealed part of an entry, one variant a kind.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Body {
            $($(#[$doc])* $kind($body),)*
        }
        impl Body {
            /// The kind that the leaf of this body carries.
            pub fn kind(&self) -> Kind {
                match self { $(Body::$kind(_) => Kind::$kind,)* }
            }
        }
    };
}

bodies! {
    Engine(EngineBody),
    Registry(RegistryBody),
    Subject(SubjectBody),
    Consent(ConsentBody),
    OptOut(OptOutBody),
    OptOutLifted(OptOutLiftedBody),
    Decision(Box<DecisionBody>),
    Intent(Box<IntentBody>),
    Redecision(Box<RedecisionBody>),
    Outcome(OutcomeBody),
    Receipt(ReceiptBody),
    Inbound(InboundBody),
    Click(ClickBody),
    Cart(CartBody),
    Link(LinkBody),
    CouponPool(CouponPoolBody),
    Coupon(CouponBody),
    Preferences(PreferencesBody),
    ExternalSend(ExternalSendBody),
    Cancelled(CancelledBody),
    Heard(HeardBody),
    Review(ReviewBody),
    Raw(RawBody),
    Erasure(ErasureBody),
    Epoch(EpochBody),
    Heads(HeadsBody),
    LegalHold(LegalHoldBody),
    Restriction(RestrictionBody),
    Forgotten(Box<ForgottenBody>),
    Suppression(SuppressionBody),
    Device(Box<DeviceBody>),
    NumberCheck(NumberCheckBody),
    Import(ImportBody),
    Access(AccessBody),
}

impl Body {
    /// The plaintext to seal.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        // A decision takes kilobytes, nothing else one: growing step by step would copy it five times.
        let expected = if self.decided().is_some() { 8 << 10 } else { 512 };
        let mut bytes = Vec::with_capacity(expected);
        serde_json::to_writer(&mut bytes, self).map_err(|e| EntryError::Body(e.to_string()))?;
        if bytes.len() > BODY_BYTES_MAX { Err(EntryError::BodyTooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// Reads an opened plaintext; `kind` is what the leaf says it must be.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Body, EntryError> {
        let body: Body = serde_json::from_str(text(bytes)?).map_err(|e| EntryError::Body(e.to_string()))?;
        if body.kind() == kind {
            Ok(body)
        } else {
            Err(EntryError::Body(format!("leaf says {kind:?}, body is {:?}", body.kind())))
        }
    }
}

/// A plaintext as text, looked at whole: faster than string by string.
fn text(bytes: &[u8]) -> Result<&str, EntryError> {
    std::str::from_utf8(bytes).map_err(|e| EntryError::Body(e.to_string()))
}

/// What writes the entries that follow; its hash stands in each of their leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineBody {
    pub release: String,
    /// Version of the decision rules' code.
    pub rules: String,
    pub policy_version: String,
    pub policy_sha256: String,
    pub time_zones: String,
    pub phone_numbers: String,
    /// Version of what reads replies: its code and a hash of its lists.
    pub replies: String,
}

/// Something an operator sets up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Object {
    Seller(Seller),
    Brand(Brand),
    Program(Program),
    Disclosure(Box<Disclosure>),
    Sender(Sender),
    Connection(Connection),
    Template(Template),
    ApiKey(ApiKey),
}

/// An object created or replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistryBody {
    pub object: Object,
    /// Why it was changed; empty when it was created.
    #[serde(default)]
    pub reason: String,
    pub actor: Actor,
}

/// The first entry of a chain: commits to the address behind the id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectBody {
    pub address: Address,
}

/// How consent came to be as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsentCause {
    /// A caller recorded an opt-in.
    OptIn,
    /// YES to the request, or another confirmation by the person.
    Confirmation,
    /// A keyword texted to a sender.
    Keyword,
    /// The number belongs to another person now.
    NumberChanged,
    /// The notice left by which the law renews it, or it did not arrive after all.
    Renewal,
    /// A caller recorded the separate consent to messages at night; the evidence is that act's alone.
    Night,
}

/// One consent after the change, and why it is not granted where it is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsentChange {
    pub consent: Consent,
    /// Codes, sorted; empty where granted.
    pub reasons: Vec<String>,
}

/// Consent of one person changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsentBody {
    pub cause: ConsentCause,
    pub changes: Vec<ConsentChange>,
    pub customer: Option<CustomerId>,
    pub hints: Vec<LocationHint>,
    pub evidence: Evidence,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// An opt-out took effect at the entry's instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptOutBody {
    pub opt_out: OptOut,
    /// What the person wrote or said.
    pub text: String,
    /// Customer the opt-out was recorded for, when it named one.
    pub customer: Option<CustomerId>,
    /// Messages that wait and will die at their second decision.
    pub cancelled: Vec<MessageId>,
    /// Messages already handed over.
    pub in_flight: Vec<MessageId>,
    /// Coupons voided with it, by brand and code.
    pub voided: Vec<(BrandId, String)>,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// An opt-out was lifted, wholly or for some programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptOutLiftedBody {
    /// Instants at which the lifted opt-outs had been recorded: they name them within the subject.
    pub recorded_at: Vec<Instant>,
    /// Programs it is lifted for; empty: wholly.
    pub programs: Vec<ProgramId>,
    /// The channel those programs are reopened on; none: every channel.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// `START`, `REVERSED`.
    pub cause: String,
    /// The person's text, or the officer's reason.
    pub text: String,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// State of one member of the reach before the decision: proves that a replay folded the same facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateHash {
    pub subject: SubjectId,
    pub sha256: [u8; 32],
}

/// A message decided at acceptance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionBody {
    pub message: Arc<MessageSpec>,
    pub request_sha256: [u8; 32],
    pub hints: Vec<LocationHint>,
    pub state_hashes: Vec<StateHash>,
    /// When the lane would have been free: the one input that the fold does not hold.
    pub lane_free_at: Option<Instant>,
    pub verdict: Arc<Verdict>,
    /// The verdict ends the message, holds it or queues it.
    pub state: MessageState,
    /// When it wakes.
    pub due: Option<Instant>,
    /// What it was judged from; absent in entries of releases that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Box<Inputs>>,
    /// It came from another address of the person, where nothing could show it: how it had been accepted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
}

/// How a message was accepted before it moved on to another address of the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Where it was.
    pub from: SubjectId,
    pub accepted_at: Instant,
    /// The first verdict: the answer to every repeat of the key.
    pub first: Arc<Verdict>,
    /// Index of the entry that accepted it.
    pub entry: u64,
}

/// A message decided again, admitted: it leaves within two seconds or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntentBody {
    pub message: MessageId,
    pub state_hashes: Vec<StateHash>,
    pub verdict: Arc<Verdict>,
    /// The text as it leaves.
    pub text: String,
    pub sender: SenderId,
    pub connection: ConnectionId,
    pub to: Address,
    pub coupon_expires_at: Option<Instant>,
    /// Nothing may be handed over after it.
    pub not_after: Instant,
    /// When it counts as unknown for good.
    pub resolve_by: Instant,
    /// Throttle group and local date its parts count on.
    pub throttle: (String, String),
    /// Tax id whose carriers' daily cap its parts count on, and the local date; none: no such cap is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<(String, String)>,
    /// The sender it was accepted for, where another one stands in; none: it goes by that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in_for: Option<SenderId>,
    /// What it costs if the provider takes it; none: there is no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What it was judged from; absent in entries of releases that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Box<Inputs>>,
}

impl IntentBody {
    /// Everything its parts count on: group, as rows name it, and local date.
    pub fn counts_on(&self) -> Vec<(String, String)> {
        let tax_id = self.tax_id.iter().map(|(id, date)| (keys::tax_id_group(id), date.clone()));
        std::iter::once(self.throttle.clone()).chain(tax_id).collect()
    }
}

/// A message decided again, not admitted now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedecisionBody {
    pub message: MessageId,
    pub state_hashes: Vec<StateHash>,
    pub verdict: Arc<Verdict>,
    pub state: MessageState,
    pub due: Option<Instant>,
    /// What it was judged from; absent in entries of releases that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Box<Inputs>>,
    /// Nothing can show it here: it moves on to another address of the person, where the next entry decides afresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<SubjectId>,
}

/// What became of a hand-over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeBody {
    pub message: MessageId,
    pub state: MessageState,
    /// The provider's ids, one a part where it gives one a part.
    pub provider_ids: Vec<String>,
    pub error: Option<ProviderError>,
    /// When the request was written to the socket.
    pub handed_over_at: Option<Instant>,
    /// When to try again, for what was certainly not handed over.
    pub due: Option<Instant>,
    /// What it cost, where the provider took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The connection it was handed over through, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
}

/// A delivery receipt that changed something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiptBody {
    pub message: Option<MessageId>,
    pub connection: ConnectionId,
    pub provider_id: String,
    pub state: MessageState,
    pub error: Option<ProviderError>,
    /// The carrier's own time, where it tells one.
    pub carrier_at: Option<Instant>,
    /// Delivered after the end of its legal window.
    pub late: bool,
    /// This id's part arrived while others are still out; `state` is the whole message's.
    #[serde(default)]
    pub part_delivered: bool,
    /// What the message cost, where this is the first word that the provider took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// A text or signal from a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundBody {
    pub connection: ConnectionId,
    /// The provider's id of it: a duplicate has the same.
    pub provider_id: String,
    pub sender: Option<SenderId>,
    pub to: String,
    pub text: String,
    /// `OPT_OUT`, `OPT_IN`, `HELP`, `YES`, `WRONG_NUMBER`, `UNCERTAIN`, `OTHER`.
    pub class: String,
    /// The rule that said so, with the classifier's version.
    pub rule: String,
    /// What the provider itself made of it.
    pub provider_flag: Option<String>,
    pub received_at: Instant,
    /// Waits for a person; marketing is suspended until then.
    pub review: bool,
    /// Index of the raw entry.
    pub raw: Option<u64>,
    /// Program of the keyword, or of the pending request it answered.
    #[serde(default)]
    pub program: Option<ProgramId>,
    /// `recorded_at` of the opt-out it led to, which follows in the same commit.
    #[serde(default)]
    pub opt_out: Option<Instant>,
    /// Which part of a long text it is; number 0: the whole, joined from its parts, which stand before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<TextPart>,
}

/// Clicks, in the order they came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClickBody {
    pub code: LinkCode,
    pub clicks: Vec<Click>,
    /// Clicks beyond the bound, counted only: human, raw.
    pub uncounted: (u64, u64),
}

/// A cart as it stands after the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CartBody {
    pub cart: Cart,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// A link created on its own (those of messages stand in the decision).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkBody {
    pub link: Link,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// A pool created, or codes added to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CouponPoolBody {
    pub pool: CouponPool,
    /// Codes added with this entry, at most 1,000.
    pub codes: Vec<String>,
    pub actor: Actor,
}

/// A coupon as it stands after it was redeemed, released or voided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CouponBody {
    pub coupon: Coupon,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// What a person wants for themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreferencesBody {
    pub preferences: Preferences,
    /// The zone the person states, as a hint.
    pub hints: Vec<LocationHint>,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// A touch by another tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalSendBody {
    pub brand: BrandId,
    /// `EMAIL`, `AD`, `SMS`, `PUSH`, `PHONE_CALL`, `LETTER`, `OTHER`.
    pub medium: String,
    pub at: Instant,
    pub cart: Option<CartId>,
    pub tool: String,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// A caller withdrew a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelledBody {
    pub message: MessageId,
    pub reason: String,
    pub actor: Actor,
}

/// We know what a connection heard up to an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeardBody {
    pub connection: ConnectionId,
    pub until: Instant,
    /// `LIST`: the provider's list was pulled. `OPERATOR`: a person vouched. `LISTENING`: no gap.
    pub how: String,
    pub reason: String,
    pub actor: Actor,
}

/// An officer's reading of an unclear text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewBody {
    /// Index of the inbound entry.
    pub inbound: u64,
    /// `OPT_OUT`, `NOT_OPT_OUT`, `WRONG_NUMBER`.
    pub decision: String,
    pub reason: String,
    pub actor: Actor,
}

/// A webhook body as it came, authentic; sealed under the key of its day, which is destroyed after 30 days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawBody {
    pub connection: ConnectionId,
    pub method: String,
    /// Path query as received.
    pub query: String,
    pub content_type: String,
    /// Base64 of the body, at most [`RAW_BYTES_MAX`] before encoding.
    pub body: String,
    /// The listener had been up without a break since the connection was last heard: `heard_until` moves to this entry.
    #[serde(default)]
    pub listening: bool,
}

/// A chain's key is destroyed for good. Durable before the key goes, and carried out again at every start: a folder of
/// keys that was restored from a backup brings nothing back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureBody {
    /// Whose key.
    pub subject: SubjectId,
    /// The day (UTC, in days since 1970-01-01) whose webhook bodies were sealed under it; none: it was a person's.
    #[serde(default)]
    pub raw_day: Option<i64>,
    pub reason: String,
    pub actor: Actor,
}

/// The heads of all chains among the first entries of the log, as one root. The same stands in the leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadsBody {
    /// Entries covered: all before this one's index, or fewer.
    pub covered_size: u64,
    /// Chains among them.
    pub subjects: u64,
    pub root: EntryHash,
}

/// The log goes on under another name and key, after a loss or because a key leaked. The entries before this one were
/// carried over with the leaves they had: the old epoch's checkpoints up to there still prove them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochBody {
    /// Origin of the log before it.
    pub before: String,
    /// Entries carried over.
    pub carried: u64,
    /// Entries that the last checkpoint before it covers; none: it did not read. More than were carried over: some are lost.
    pub signed: Option<u64>,
    /// That checkpoint, as signed.
    pub checkpoint: String,
    pub reason: String,
    pub actor: Actor,
}
