//! What became of a hand-over, written down as soon as the provider has answered, or has not.

use crate::ledger::body::{Body, OutcomeBody, kept_id};
use crate::ledger::rows::{DueRow, keys};
use crate::model::outgoing::{ErrorClass, Message, ProviderError};
use crate::model::{Channel, Instant, MessageId, MessageState, Span};
use crate::provider::account::ACCOUNT_SECONDS;
use crate::provider::{Failure, Handover};
use crate::writer::ops::send::{channel_name, route};
use crate::writer::{Cx, Op, OpError, Priority, about_message};

/// Intents that may come to nothing before a message is given up.
const ATTEMPTS_MAX: u32 = 20;
/// How soon another provider is tried.
const ELSEWHERE_AFTER: Span = Span::seconds(1);
/// The code of a failure for want of an adapter.
pub const NO_CONNECTION: &str = "NO_CONNECTION";
/// Characters kept of a provider's own words.
const TEXT_MAX: usize = 200;

/// Records what a provider said to a hand-over.
pub struct RecordOutcome {
    pub message: MessageId,
    pub handover: Handover,
    /// When the request was written, where it was.
    pub handed_over_at: Option<Instant>,
}

impl Op for RecordOutcome {
    type Answer = MessageState;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<MessageState, OpError> {
        let Some(message) = cx.get::<Message>(&keys::message(&self.message))? else {
            return Err(OpError::NotFound { what: "message", id: self.message.to_string() });
        };
        if message.state != MessageState::Sending {
            // A receipt was faster: it knows more than this answer, except for the ids.
            return Ok(message.state);
        }
        let not_taken = matches!(self.handover, Handover::NotTaken { .. } | Handover::Rejected(_));
        let elsewhere = not_taken && route::has_untried(&mut cx.state, &message)?;
        let (state, ids, error, due) = read(cx.now, &message, self.handover, elsewhere);
        let spec = &message.spec;
        let public =
            about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), state_name(state));
        let body = OutcomeBody {
            message: self.message,
            state,
            provider_ids: ids.into_iter().map(kept_id).collect(),
            error,
            handed_over_at: self.handed_over_at,
            due,
            cost: message.cost.clone().filter(|_| state == MessageState::Sent),
            connection: message.connection().cloned().filter(|_| self.handed_over_at.is_some()),
        };
        let error = body.error.clone();
        cx.emit(spec.subject, Some(&spec.brand), public, Body::Outcome(body))?;
        let left_at = self.handed_over_at.unwrap_or(cx.now);
        super::consent::notice_is(cx, &message, state, left_at)?;
        // A carrier's blocklist is the person's word, and a dead number is nobody's: both belong into this commit.
        super::webhook::person_said(cx, &message, error.as_ref())?;
        super::webhook::settle_parked(cx, &self.message)?;
        Ok(state)
    }
}

type Reading = (MessageState, Vec<String>, Option<ProviderError>, Option<Instant>);

/// What a provider's answer means for the message. `elsewhere`: somebody else was not tried yet, and may be, because this
/// one certainly did not take it.
fn read(now: Instant, message: &Message, handover: Handover, elsewhere: bool) -> Reading {
    let error = |failure: Failure| {
        let text = failure.text.chars().take(TEXT_MAX).collect();
        Some(ProviderError { class: failure.class, code: failure.code, text })
    };
    match handover {
        Handover::Accepted { ids } => (MessageState::Sent, ids, None, None),
        Handover::Rejected(failure) if elsewhere && failure.class == ErrorClass::PermanentSender => {
            again(message, error(failure), now + ELSEWHERE_AFTER)
        }
        // The token is dead, so nothing was shown: where there may be somewhere else to go, its next decision looks.
        Handover::Rejected(failure)
            if failure.class == ErrorClass::PermanentRecipient && may_move(message) =>
        {
            again(message, error(failure), now + ELSEWHERE_AFTER)
        }
        Handover::Rejected(failure) => (MessageState::Rejected, Vec::new(), error(failure), None),
        Handover::Unclear(failure) => (MessageState::Sending, Vec::new(), error(failure), message.due),
        Handover::Void => again(message, None, now + Span::seconds(1)),
        Handover::NotTaken { failure, after_seconds } => {
            let own = if failure.class == ErrorClass::PermanentAccount {
                ACCOUNT_SECONDS
            } else {
                2u32.saturating_pow(message.voided_intents.min(8))
            };
            let wait = i64::from(after_seconds.unwrap_or(own));
            let wait = Span::seconds(wait.clamp(1, 3_600));
            // Only at the first failure: where everybody fails, nobody is asked every second.
            let first = elsewhere && message.voided_intents == 0;
            again(message, error(failure), now + if first { ELSEWHERE_AFTER } else { wait })
        }
    }
}

/// Whether a push message has a way on from an installation that is gone.
fn may_move(message: &Message) -> bool {
    message.spec.push.as_ref().is_some_and(|push| push.any_installation || push.text_to.is_some())
}

/// Whether a failure lies with the account and says nothing about this message: refused credentials, nobody there, a rest.
fn is_the_accounts(message: &Message, error: &ProviderError) -> bool {
    let nobody = ["resting", "not_bound", "oauth", NO_CONNECTION].contains(&error.code.as_str());
    // The address of a push message comes from the installation, so that nobody there may be its own fault.
    let unreachable = error.code == "not_sent" && message.spec.channel == Channel::Sms;
    error.class == ErrorClass::PermanentAccount || nobody || unreachable
}

/// Certainly not handed over: it waits and is decided afresh, unless that happened too often. For what is wrong with the
/// account it waits as long as the law lets it: its next decision ends it then.
fn again(message: &Message, error: Option<ProviderError>, due: Instant) -> Reading {
    let held = error.as_ref().is_some_and(|error| is_the_accounts(message, error));
    if message.voided_intents >= ATTEMPTS_MAX && !held {
        (MessageState::NotSent, Vec::new(), error, None)
    } else {
        (MessageState::Queued, Vec::new(), error, Some(due))
    }
}

/// Gives up on a hand-over nobody has heard of: its state is unknown, and stays so unless a receipt comes late.
pub struct Resolve {
    pub message: MessageId,
}

impl Op for Resolve {
    type Answer = MessageState;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<MessageState, OpError> {
        let Some(message) = cx.get::<Message>(&keys::message(&self.message))? else {
            return Err(OpError::NotFound { what: "message", id: self.message.to_string() });
        };
        let overdue = message.due.is_some_and(|due| due <= cx.now);
        if message.state != MessageState::Sending || !overdue {
            return Ok(message.state);
        }
        let state = MessageState::Unknown;
        let spec = &message.spec;
        let public =
            about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), state_name(state));
        let body = OutcomeBody {
            message: self.message,
            state,
            provider_ids: Vec::new(),
            error: message.error.clone(),
            handed_over_at: None,
            due: None,
            cost: None,
            connection: None,
        };
        cx.emit(spec.subject, Some(&spec.brand), public, Body::Outcome(body))?;
        Ok(state)
    }
}

/// The state as it stands in the contract.
pub fn state_name(state: MessageState) -> &'static str {
    match state {
        MessageState::Held => "HELD",
        MessageState::Queued => "QUEUED",
        MessageState::Sending => "SENDING",
        MessageState::Sent => "SENT",
        MessageState::Delivered => "DELIVERED",
        MessageState::Undelivered => "UNDELIVERED",
        MessageState::Failed => "FAILED",
        MessageState::Rejected => "REJECTED",
        MessageState::Refused => "REFUSED",
        MessageState::Cancelled => "CANCELLED",
        MessageState::Expired => "EXPIRED",
        MessageState::NotSent => "NOT_SENT",
        MessageState::Unknown => "UNKNOWN",
    }
}

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Where it stands among all that are due.
    pub key: Vec<u8>,
    pub at: Instant,
    pub message: MessageId,
    /// Whether it wakes or is given up.
    pub row: DueRow,
}

/// Messages due at `now`, earliest first, after a key, at most `limit`: what wakes and what is given up.
pub fn due(
    state: &mut crate::ledger::state::State<'_>,
    after: Option<&[u8]>,
    now: Instant,
    limit: usize,
) -> Result<Vec<Due>, crate::ledger::state::StateError> {
    let rows = state.scan::<DueRow>(&keys::dues(), after, limit)?;
    let read = |(key, row): (Vec<u8>, std::sync::Arc<DueRow>)| {
        let (at, message) = keys::read_due(&key)?;
        Some(Due { key, at, message, row: *row })
    };
    Ok(rows.into_iter().filter_map(read).take_while(|due| due.at <= now).collect())
}
