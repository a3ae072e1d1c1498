//! One text handed to the carrier, and the answer it gets.

use std::time::Duration;

use serde::Deserialize;

use super::Fault;
use super::record::Record;
use super::webhooks::is_web_address;
use crate::telemetry::Redacted;

/// Longest validity, two days; also the default.
pub const VALIDITY_SECONDS_MAX: u32 = 172_800;

/// The body of `POST /v1/messages`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Number, short code or name of the sender, 1 to 20 characters.
    pub from: String,
    /// The phone, E.164 with its plus.
    pub to: String,
    /// 1 to 1,600 characters.
    pub text: String,
    /// The client's own id, echoed in every event; at most 128 bytes.
    #[serde(default)]
    pub client_ref: Option<String>,
    /// How long the text may wait for its phone, 1 to 172,800.
    #[serde(default = "validity_default")]
    pub validity_seconds: u32,
    /// Where receipts of this text go; the account's webhook when absent.
    #[serde(default)]
    pub status_url: Option<String>,
}

fn validity_default() -> u32 {
    VALIDITY_SECONDS_MAX
}

impl Submission {
    /// Everything wrong with it, as `field: what`.
    pub fn problems(&self) -> Vec<&'static str> {
        let digits = self.to.strip_prefix('+').unwrap_or_default();
        let checks = [
            ((1..=20).contains(&self.from.chars().count()), "from: must have 1 to 20 characters"),
            (
                (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()),
                "to: must be a number in E.164 form, as in +12125550123",
            ),
            ((1..=1_600).contains(&self.text.chars().count()), "text: must have 1 to 1600 characters"),
            (self.client_ref.as_ref().is_none_or(|r| r.len() <= 128), "client_ref: at most 128 bytes"),
            (
                (1..=VALIDITY_SECONDS_MAX).contains(&self.validity_seconds),
                "validity_seconds: must be 1 to 172800",
            ),
            (
                self.status_url.as_ref().is_none_or(|u| is_web_address(u)),
                "status_url: must be an http or https address",
            ),
        ];
        checks.into_iter().filter(|(good, _)| !good).map(|(_, problem)| problem).collect()
    }
}

/// The answer to a submission and how long it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Wait this long first.
    pub wait: Duration,
    /// Then answer this.
    pub answer: Answer,
}

/// What goes back over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 202 with id and parts.
    Accepted {
        /// The carrier's id.
        id: String,
        /// Billed parts.
        parts: u32,
    },
    /// 202 with an id and 4 MiB of padding.
    Oversized {
        /// The carrier's id.
        id: String,
    },
    /// An error with a code.
    Error {
        /// HTTP status.
        status: u16,
        /// One word for machines.
        code: &'static str,
        /// Seconds for `Retry-After`.
        retry_after: Option<u32>,
    },
    /// A page of HTML with status 200.
    Html,
    /// No answer: the connection closes.
    HangUp,
}

/// The answer of a fault that does not take the text.
pub(super) fn refusal(fault: Fault) -> Option<Answer> {
    let error = |status, code| Some(Answer::Error { status, code, retry_after: None });
    match fault {
        Fault::OptedOut => error(422, "opted_out"),
        Fault::UnknownSubscriber => error(422, "unknown_subscriber"),
        Fault::ContentBlocked => error(422, "content_blocked"),
        Fault::SenderUnregistered => error(422, "sender_unregistered"),
        Fault::Throttled { retry_after_seconds } => {
            Some(Answer::Error { status: 429, code: "throttled", retry_after: retry_after_seconds })
        }
        Fault::Unavailable => error(503, "unavailable"),
        Fault::FailsAfterAccept
        | Fault::ResetAfterAccept
        | Fault::SlowAnswer { .. }
        | Fault::BadContentType
        | Fault::OversizedBody => None,
    }
}

/// The answer to a text that was taken, bent by the fault.
pub(super) fn answer(fault: Option<Fault>, wait: Duration, record: &Record) -> Reply {
    let id = record.id.clone();
    let (wait, answer) = match fault {
        Some(Fault::FailsAfterAccept) => {
            (wait, Answer::Error { status: 500, code: "internal", retry_after: None })
        }
        Some(Fault::ResetAfterAccept) => (wait, Answer::HangUp),
        Some(Fault::BadContentType) => (wait, Answer::Html),
        Some(Fault::OversizedBody) => (wait, Answer::Oversized { id }),
        Some(Fault::SlowAnswer { millis }) => {
            (Duration::from_millis(u64::from(millis)), Answer::Accepted { id, parts: record.parts })
        }
        _ => (wait, Answer::Accepted { id, parts: record.parts }),
    };
    Reply { wait, answer }
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hidden = Redacted::new(());
        f.debug_struct("Submission").field("client_ref", &self.client_ref).field("text", &hidden).finish()
    }
}
