//! What can go wrong between us and a peer, split by the only question that matters: may it have been sent?

use std::time::Duration;

use http::StatusCode;
use hyper_util::client::legacy;

use super::body::Begin;

/// A failed exchange. Shows the host, never path, query, headers or body.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a byte of the request left this process: trying elsewhere is safe.
    #[error("{host}: nothing was sent: {why}")]
    NotSent {
        /// The host that was to be called.
        host: String,
        /// The cause.
        why: NotSent,
    },
    /// The peer may have received and acted on the request: never repeat it blindly.
    #[error("{host}: may have been received: {why}")]
    Unclear {
        /// The host that was called.
        host: String,
        /// The status, when the answer's head still arrived.
        status: Option<StatusCode>,
        /// The cause.
        why: Unclear,
    },
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// Not a request at all.
    #[error("the request is malformed: {0}")]
    Malformed(http::Error),
    /// Neither `http` nor `https`, or no host.
    #[error("the address needs http:// or https:// and a host")]
    Address,
    /// The address is private and the rule refuses those.
    #[error(
        "its address is private or reserved; set allow_private_addresses on the connection if it is meant"
    )]
    PrivateAddress,
    /// No connection: resolution, refusal, TLS.
    #[error("no connection: {0}")]
    Connect(String),
    /// The deadline passed while connecting.
    #[error("no connection within {0:?}")]
    Deadline(Duration),
    /// The caller's condition no longer held when it was this request's turn.
    #[error("its time had passed when it was its turn")]
    Withdrawn,
    /// A pooled connection closed before it took the request.
    #[error("the connection closed before it took the request")]
    Closed,
}

/// Why the fate of a request is unclear.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    /// No complete answer in time.
    #[error("no complete answer within {0:?}")]
    Deadline(Duration),
    /// The connection broke after the request was begun.
    #[error("the connection broke before the answer: {0}")]
    Broken(String),
    /// The answer's body ended early.
    #[error("the answer broke off")]
    AnswerCut,
    /// The answer's body is longer than the cap.
    #[error("the answer is longer than {0} bytes")]
    AnswerTooLong(usize),
}

impl HttpError {
    /// Whether the peer may have received the request.
    pub fn may_have_been_sent(&self) -> bool {
        matches!(self, HttpError::Unclear { .. })
    }
    pub(super) fn unclear(host: &str, status: Option<StatusCode>, why: Unclear) -> Self {
        HttpError::Unclear { host: host.to_owned(), status, why }
    }
}

/// Sorts an error of the client by whether the request had been begun.
pub(super) fn classify(host: &str, begin: &Begin, error: &legacy::Error) -> HttpError {
    if begin.has_begun() {
        return HttpError::unclear(host, None, Unclear::Broken(innermost(error)));
    }
    let why = if super::address::is_refusal(error) {
        NotSent::PrivateAddress
    } else if error.is_connect() {
        NotSent::Connect(innermost(error))
    } else if begin.is_withdrawn() {
        NotSent::Withdrawn
    } else {
        NotSent::Closed
    };
    HttpError::NotSent { host: host.to_owned(), why }
}

/// The last cause in the chain: "connection refused" rather than "client error (Connect)".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
