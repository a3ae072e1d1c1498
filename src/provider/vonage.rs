//! Vonage: the SMS API (developer.vonage.com/api/sms) and the Messages API v1 (developer.vonage.com/api/messages-olympus).
//! The setting `api` says which one the account's numbers use. Neither knows repeats; both echo our reference.

mod messages;
mod sms;
#[cfg(test)]
mod tests;

use http::HeaderValue;

use super::account::{Page, Vendor, no_list};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, Callback, basic};
use super::{Dispatch, Failure, Handover, ReconcileError, reply};
use crate::model::Instant;

pub use messages::class_of as messages_class;
pub use sms::{class_of as sms_class, receipt_class};

/// Values of the setting `api`; the first is the default.
pub const APIS: [&str; 2] = ["sms", "messages"];
/// Bounds of a validity in both APIs, seconds.
const VALIDITY: (i64, i64) = (20, 604_800);
const NO_LIST: &str =
    "Vonage lists neither texts nor opt-outs: after a gap an operator vouches for the connection";

/// One Vonage account.
pub struct Vonage {
    messages: bool,
    base: String,
    authorization: HeaderValue,
    callback: Option<Callback>,
}

impl Vonage {
    /// An account from a connection: `api_key`, `api_secret`; also `api`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let messages = given.choice("api", &APIS)? == "messages";
        let usual = if messages { "https://api.nexmo.com" } else { "https://rest.nexmo.com" };
        Ok(Self {
            messages,
            base: given.base(usual)?,
            authorization: basic(given.setting("api_key")?, &given.secret("api_secret")?),
            callback: given.callback(),
        })
    }
}

impl Vendor for Vonage {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        request::digits(dispatch).ok_or_else(reply::unaddressable)?;
        let built = if self.messages {
            messages::submit(self, dispatch, now)
        } else {
            sms::submit(self, dispatch, now)
        };
        built.ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        if self.messages { messages::submitted(said) } else { sms::submitted(said) }
    }

    /// The SMS API throttles within an answer of 200.
    fn throttles(&self, said: &Answer, failure: &Failure) -> bool {
        said.status == http::StatusCode::TOO_MANY_REQUESTS
            || matches!(failure.code.as_str(), "1" | "10" | "1000")
    }

    fn lists(&self, _: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        no_list(NO_LIST)
    }

    fn page(&self, _: &Outgoing, _: Instant, _: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        no_list(NO_LIST)
    }
}
