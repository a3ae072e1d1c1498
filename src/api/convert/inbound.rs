//! Texts that came in, on the wire.

use crate::api::convert::{subject, timestamp};
use crate::ledger::body::{InboundBody, ReviewBody};
use crate::model::subject::Address;
use crate::pb::consentry::v1 as wire;

/// Where the review of a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Nobody has to look.
    NotNeeded,
    /// Waits for an officer.
    Open,
    /// An officer looked.
    Resolved,
}

/// A text; `index` is the place of its entry in the log.
pub fn inbound(index: u64, body: &InboundBody, from: &Address, review: Review) -> wire::InboundMessage {
    let meaning = match body.class.as_str() {
        "OPT_OUT" => wire::InboundMeaning::OptOut,
        "OPT_IN" => wire::InboundMeaning::OptIn,
        "HELP" => wire::InboundMeaning::Help,
        "YES" => wire::InboundMeaning::Yes,
        "WRONG_NUMBER" => wire::InboundMeaning::WrongNumber,
        "UNCERTAIN" => wire::InboundMeaning::Uncertain,
        _ => wire::InboundMeaning::Other,
    };
    let review = match review {
        Review::NotNeeded => wire::ReviewState::NotNeeded,
        Review::Open => wire::ReviewState::Open,
        Review::Resolved => wire::ReviewState::Resolved,
    };
    wire::InboundMessage {
        id: index.to_string(),
        received_at: Some(timestamp(body.received_at)),
        from: Some(subject::subject(from)),
        sender: body.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
        connection: body.connection.to_string(),
        text: body.text.clone(),
        meaning: meaning.into(),
        matched_rule: body.rule.clone(),
        provider_flag: body.provider_flag.clone().unwrap_or_default(),
        provider_message_id: body.provider_id.clone(),
        review: review.into(),
        resolution: wire::InboundResolution::Unspecified.into(),
        resolution_reason: String::new(),
    }
}

/// A text an officer decided about.
pub fn resolved(shown: wire::InboundMessage, decision: &ReviewBody) -> wire::InboundMessage {
    let resolution = match decision.decision.as_str() {
        "OPT_OUT" => wire::InboundResolution::OptOut,
        "NOT_OPT_OUT" => wire::InboundResolution::NotOptOut,
        "WRONG_NUMBER" => wire::InboundResolution::WrongNumber,
        _ => wire::InboundResolution::Unspecified,
    };
    wire::InboundMessage {
        review: wire::ReviewState::Resolved.into(),
        resolution: resolution.into(),
        resolution_reason: decision.reason.clone(),
        ..shown
    }
}
