//! What can go wrong before a verdict exists, and the only map from there to a gRPC status.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

use crate::model::Reason;
use crate::writer::CallError;

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "consentry";

/// Details travel base64-encoded in a trailer, and clients cap headers at 8 KiB: what is longer would be lost whole.
const DETAIL_BYTES_MAX: usize = 4_096;

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path from the request, as in `locations[1].country`.
    pub field: String,
    /// What it must be, and what it is.
    pub description: String,
}

/// Why a call has no normal answer. Anything about the person, the number, the content or the time is a verdict instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApiError {
    /// The request is malformed; every violation is listed.
    #[error("{}", summary(.0))]
    Invalid(Vec<Violation>),
    /// No such thing at this key's seller (other sellers' things look the same).
    #[error("there is no {kind} {name:?}")]
    NotFound {
        /// What was looked for, as in `program`.
        kind: &'static str,
        /// The name asked for; never an address.
        name: String,
    },
    /// The id is in use with other content.
    #[error("{kind} {name:?} exists already with other content")]
    AlreadyExists {
        /// What was to be made.
        kind: &'static str,
        /// Its id.
        name: String,
    },
    /// The idempotency key named another request before.
    #[error("this idempotency key was used for another request; one key names one attempt, so use a new one")]
    KeyReused,
    /// The state of things does not allow it; each reason is listed.
    #[error("{message}")]
    Precondition {
        /// One sentence for the developer.
        message: String,
        /// Code and detail of every reason.
        reasons: Vec<(String, String)>,
    },
    /// The record of this person is full; nothing was written. Sends turn it into a verdict.
    #[error("too much is open for this person: {0}")]
    SubjectBusy(&'static str),
    /// Too much at once; nothing was written.
    #[error("busy; try again in {} ms", retry.as_millis())]
    Overloaded {
        /// How long to wait.
        retry: Duration,
    },
    /// The data volume is nearly full; nothing was written.
    #[error("{}", CallError::NoRoom)]
    NoRoom {
        /// How long to wait.
        retry: Duration,
    },
    /// The store is away or not ready; whether something was written is not known unless said.
    #[error("{message}")]
    Unavailable {
        /// What is away.
        message: String,
        /// How long to wait.
        retry: Duration,
    },
    /// A position older or newer than what is kept.
    #[error("{message}")]
    OutOfRange {
        /// What is out of range.
        message: String,
        /// The oldest position that can be asked for, where there is one.
        oldest: Option<String>,
    },
    /// No key, or not a good one. Says nothing about which part is wrong.
    #[error("send `authorization: Bearer csk_…` with a key that is known, not expired and not revoked")]
    Unauthenticated,
    /// The key lacks the role.
    #[error("this key may not do that; it needs the role {needed}")]
    Forbidden {
        /// Roles of which one is needed.
        needed: String,
    },
    /// The caller's deadline, or the server's cap on it, passed.
    #[error(
        "the deadline passed; a write may still happen: repeat with the same idempotency key to learn of it"
    )]
    DeadlineExceeded,
    /// A fault of ours. The log knows more under this reference.
    #[error("internal fault, reference {reference}")]
    Internal {
        /// Found in the log beside the cause.
        reference: String,
    },
}

impl ApiError {
    /// One violation.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> ApiError {
        ApiError::Invalid(vec![Violation { field: field.into(), description: description.into() }])
    }

    /// The reasons of a refused wording or the like.
    pub fn refused(message: impl Into<String>, reasons: &[Reason]) -> ApiError {
        let reasons = reasons.iter().map(|r| (r.code.to_string(), r.detail.clone())).collect();
        ApiError::Precondition { message: message.into(), reasons }
    }

    /// The canonical code.
    pub fn code(&self) -> Code {
        match self {
            ApiError::Invalid(_) => Code::InvalidArgument,
            ApiError::NotFound { .. } => Code::NotFound,
            ApiError::AlreadyExists { .. } | ApiError::KeyReused => Code::AlreadyExists,
            ApiError::Precondition { .. } | ApiError::SubjectBusy(_) => Code::FailedPrecondition,
            ApiError::Overloaded { .. } | ApiError::NoRoom { .. } => Code::ResourceExhausted,
            ApiError::Unavailable { .. } => Code::Unavailable,
            ApiError::OutOfRange { .. } => Code::OutOfRange,
            ApiError::Unauthenticated => Code::Unauthenticated,
            ApiError::Forbidden { .. } => Code::PermissionDenied,
            ApiError::DeadlineExceeded => Code::DeadlineExceeded,
            ApiError::Internal { .. } => Code::Internal,
        }
    }

    /// The stable reason of the `ErrorInfo`.
    pub fn reason(&self) -> &'static str {
        match self {
            ApiError::Invalid(_) => "FIELD_VIOLATIONS",
            ApiError::NotFound { .. } => "NOT_FOUND",
            ApiError::AlreadyExists { .. } => "ID_IN_USE",
            ApiError::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            ApiError::Precondition { .. } => "STATE_FORBIDS",
            ApiError::SubjectBusy(_) => "SUBJECT_BUSY",
            ApiError::Overloaded { .. } => "OVERLOADED",
            ApiError::NoRoom { .. } => "DISK_LOW",
            ApiError::Unavailable { .. } => "STORE_UNAVAILABLE",
            ApiError::OutOfRange { .. } => "POSITION_OUT_OF_RANGE",
            ApiError::Unauthenticated => "KEY_NOT_ACCEPTED",
            ApiError::Forbidden { .. } => "ROLE_MISSING",
            ApiError::DeadlineExceeded => "DEADLINE_EXCEEDED",
            ApiError::Internal { .. } => "INTERNAL",
        }
    }

    fn details(&self) -> ErrorDetails {
        let mut details = ErrorDetails::new();
        let mut facts = HashMap::new();
        match self {
            ApiError::Invalid(violations) => {
                details.set_bad_request(within_budget(violations, |v| {
                    FieldViolation::new(v.field.clone(), v.description.clone())
                }));
            }
            ApiError::Precondition { reasons, .. } => {
                details.set_precondition_failure(within_budget(reasons, |(code, detail)| {
                    PreconditionViolation::new(code.clone(), String::new(), detail.clone())
                }));
            }
            ApiError::Overloaded { retry }
            | ApiError::NoRoom { retry }
            | ApiError::Unavailable { retry, .. } => {
                details.set_retry_info(Some(*retry));
            }
            ApiError::NotFound { kind, name } | ApiError::AlreadyExists { kind, name } => {
                details.set_resource_info(*kind, name.clone(), "", self.to_string());
            }
            ApiError::OutOfRange { oldest: Some(oldest), .. } => {
                facts.insert("oldest_position".to_owned(), oldest.clone());
            }
            ApiError::Forbidden { needed } => {
                facts.insert("needed".to_owned(), needed.clone());
            }
            ApiError::Internal { reference } => {
                facts.insert("reference".to_owned(), reference.clone());
            }
            _ => {}
        }
        details.set_error_info(self.reason(), DOMAIN, facts);
        details
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Status {
        Status::with_error_details(error.code(), error.to_string(), error.details())
    }
}

/// The same status as a message, for one item of a stream.
pub fn to_rpc(error: ApiError) -> tonic_types::Status {
    let status = Status::from(error);
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}

/// All of them as long as the trailer holds them; an honest count of the rest otherwise.
fn within_budget<T, V>(all: &[T], render: impl Fn(&T) -> V) -> Vec<V>
where
    T: Weigh,
{
    let mut bytes = 0;
    let fitting = all.iter().take_while(|item| {
        bytes += item.weight();
        bytes <= DETAIL_BYTES_MAX
    });
    fitting.map(render).collect()
}

trait Weigh {
    /// About how many bytes it takes on the wire.
    fn weight(&self) -> usize;
}
impl Weigh for Violation {
    fn weight(&self) -> usize {
        self.field.len() + self.description.len() + 8
    }
}
impl Weigh for (String, String) {
    fn weight(&self) -> usize {
        self.0.len() + self.1.len() + 8
    }
}

fn summary(violations: &[Violation]) -> String {
    const NAMED: usize = 4;
    let listed = within_budget(violations, |_| ()).len();
    let mut text = match violations {
        [one] => return format!("{}: {}", one.field, one.description),
        many => format!("{} fields are not as they should be: ", many.len()),
    };
    let names: Vec<&str> = violations.iter().take(NAMED).map(|v| v.field.as_str()).collect();
    text.push_str(&names.join(", "));
    if violations.len() > NAMED {
        text.push_str(", …");
    }
    if listed < violations.len() {
        text.push_str(&format!(" (the first {listed} are described; mend them to see the others)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(n: usize) -> Vec<Violation> {
        (0..n)
            .map(|i| Violation {
                field: format!("subjects[{i}].phone"),
                description: "must not be empty".to_owned(),
            })
            .collect()
    }

    #[test]
    fn every_violation_is_in_the_details() {
        let status = Status::from(ApiError::Invalid(violations(40)));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.bad_request().expect("a bad request").field_violations.len(), 40);
        let info = details.error_info().expect("an error info");
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("consentry", "FIELD_VIOLATIONS"));
    }

    #[test]
    fn details_never_outgrow_a_header() {
        let status = Status::from(ApiError::Invalid(violations(100_000)));
        assert!(status.details().len() < 6_000, "{}", status.details().len());
        assert!(status.message().contains("100000 fields"), "{}", status.message());
        assert!(status.message().contains("are described"), "{}", status.message());
    }

    #[test]
    fn overload_says_when_to_come_back() {
        let status = Status::from(ApiError::Overloaded { retry: Duration::from_millis(250) });
        assert_eq!(status.code(), Code::ResourceExhausted);
        let delay = status.get_details_retry_info().expect("retry info").retry_delay;
        assert_eq!(delay, Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_stream_item_carries_what_the_unary_call_would() {
        let item = to_rpc(ApiError::KeyReused);
        assert_eq!(item.code, Code::AlreadyExists as i32);
        assert_eq!(item.details.len(), 1);
        assert!(item.details[0].type_url.ends_with("google.rpc.ErrorInfo"));
    }
}
