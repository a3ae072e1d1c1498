//! Twilio's webhooks: texts, status callbacks, error codes.

use secrecy::ExposeSecret;

use super::endpoint::Settings;
use super::event::{InboundEvent, Receipt, Unreadable};
use super::form::Form;
use super::signature::{TwilioAlgorithm, is_twilio, is_twilio_body, names_pinned_key};
use super::spoken::Spoken;
use super::voice::{Proof, Voice, Webhook, hash};
use crate::model::outgoing::{ErrorClass, ProviderError};
use crate::model::{Instant, MessageState, Span};
use crate::provider::reply::masked;
use crate::provider::request::REFERENCE;

/// Setting that pins a connection to shared keys: their ids, separated by spaces.
pub const KEY_IDS: &str = "webhook_key_ids";
/// What Twilio wants as the answer to an inbound text: nothing to say.
pub const ANSWER: (&str, &str) = ("text/xml", "<Response/>");

/// One Twilio account's webhooks.
pub struct Twilio {
    /// Pinned to shared keys of these ids; empty: signed with the auth token.
    key_ids: Vec<String>,
    account: Option<String>,
}

impl Twilio {
    /// As a connection's settings pin it.
    pub fn new(settings: &Settings<'_>) -> Twilio {
        let ids = settings.get(KEY_IDS).unwrap_or_default();
        Twilio {
            key_ids: ids.split_whitespace().map(str::to_owned).collect(),
            account: settings.get("account_sid").map(str::to_owned),
        }
    }

    /// Sub-accounts sign with tokens of their own, but a parent's token opens all of them: the account must be ours.
    pub(super) fn is_account(&self, webhook: &Webhook) -> bool {
        match (&self.account, account(&webhook.parameters())) {
            (Some(ours), Some(named)) => ours == named,
            _ => true,
        }
    }
}

impl Voice for Twilio {
    fn secrets(&self) -> &'static [&'static str] {
        match self.key_ids.is_empty() {
            true => &["auth_token", "auth_token_next"],
            false => &["webhook_key", "webhook_key_next"],
        }
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let Some(signature) = webhook.header("x-twilio-signature") else { return false };
        let algorithm = match self.key_ids.is_empty() {
            true => TwilioAlgorithm::Sha1,
            false => TwilioAlgorithm::Sha256,
        };
        if algorithm == TwilioAlgorithm::Sha256 {
            let named = webhook.header("x-twilio-webhooks-signature-settings");
            if !named.is_some_and(|header| names_pinned_key(header, &self.key_ids)) {
                return false;
            }
        }
        if webhook.is_json() && !is_twilio_body(webhook.query(), &webhook.body) {
            return false;
        }
        let secrets: Vec<&[u8]> = proof.secrets.iter().map(|s| s.expose_secret().as_bytes()).collect();
        is_twilio(proof.url, &webhook.form(), signature, &secrets, algorithm) && self.is_account(webhook)
    }

    fn read(&self, webhook: &Webhook, now: Instant) -> Vec<InboundEvent> {
        parse(&webhook.parameters(), webhook.query(), &webhook.body, now)
    }

    fn answer(&self) -> (&'static str, &'static str) {
        ANSWER
    }
}

/// Reads one callback; `query` is the URL's. A callback holds one event.
pub fn parse(form: &Form, query: &str, raw: &[u8], now: Instant) -> Vec<InboundEvent> {
    let status = form.filled("MessageStatus").or_else(|| form.filled("SmsStatus"));
    match status {
        None | Some("received" | "receiving") => vec![text(form, raw)],
        Some(status) => receipt(form, query, status, raw, now).into_iter().collect(),
    }
}

/// The account a callback says it is for.
pub fn account(form: &Form) -> Option<&str> {
    form.filled("AccountSid")
}

fn id_of(form: &Form) -> Option<String> {
    form.filled("MessageSid").or_else(|| form.filled("SmsSid")).map(str::to_owned)
}

fn text(form: &Form, raw: &[u8]) -> InboundEvent {
    let spoken = Spoken {
        id: id_of(form),
        from: form.filled("From").map(str::to_owned),
        to: form.get("To").map(str::to_owned),
        text: form.get("Body").map(str::to_owned),
        flag: form.filled("OptOutType").map(str::to_owned),
        ..Spoken::default()
    };
    spoken.event(|| hash(raw))
}

fn receipt(form: &Form, query: &str, status: &str, raw: &[u8], now: Instant) -> Option<InboundEvent> {
    let code = form.filled("ErrorCode").and_then(|code| code.parse::<u32>().ok());
    let state = match state_of(status, code) {
        Some(Some(state)) => state,
        // Accepted, queued, scheduled, sending: we know already.
        Some(None) => return None,
        None => {
            return Some(InboundEvent::Unreadable(Unreadable {
                provider_id: id_of(form).unwrap_or_else(|| hash(raw)),
                // The one in `From` of a receipt is our own sender: nobody to suspend.
                from: None,
                to: String::new(),
                reason: "unknown MessageStatus".to_owned(),
            }));
        }
    };
    let error = code.map(|code| ProviderError {
        class: error_class(code),
        code: code.to_string(),
        text: masked(form.get("ErrorMessage").unwrap_or_default()),
    });
    Some(InboundEvent::Receipt(Receipt {
        message: Form::parse(query.as_bytes()).get(REFERENCE).and_then(|id| id.parse().ok()),
        provider_id: id_of(form).unwrap_or_default(),
        state,
        error,
        carrier_at: form.filled("RawDlrDoneDate").and_then(|date| done_date(date, now)),
    }))
}

/// The state a status and its error code stand for; `Some(None)`: no news; `None`: unknown.
pub(crate) fn state_of(status: &str, code: Option<u32>) -> Option<Option<MessageState>> {
    Some(match (status, code) {
        ("accepted" | "scheduled" | "queued" | "sending", _) => None,
        ("sent", _) => Some(MessageState::Sent),
        ("delivered" | "read", _) => Some(MessageState::Delivered),
        ("undelivered", Some(30_004 | 30_007 | 30_034)) => Some(MessageState::Rejected),
        ("undelivered", _) => Some(MessageState::Undelivered),
        ("failed", Some(21_610)) => Some(MessageState::Rejected),
        ("failed", Some(30_036)) => Some(MessageState::Expired),
        ("failed" | "canceled", _) => Some(MessageState::Failed),
        ("partially_delivered", _) => Some(MessageState::Unknown),
        _ => return None,
    })
}

/// What a Twilio error code means for us (twilio.com/docs/api/errors). Codes get split over time: an unknown one of the
/// 21xxx family is the request's fault, one of the 30xxx family the carrier's, and neither says anything about consent.
pub fn error_class(code: u32) -> ErrorClass {
    match code {
        21_610 | 63_014 => ErrorClass::OptedOut,
        21_211 | 21_614 | 30_005 | 30_006 => ErrorClass::PermanentRecipient,
        21_606 | 21_612 | 21_659 | 21_660 | 30_032 | 30_034 => ErrorClass::PermanentSender,
        21_617 | 30_004 | 30_007 => ErrorClass::PermanentContent,
        20_003 | 21_408 | 30_002 => ErrorClass::PermanentAccount,
        20_429 | 21_611 | 30_001 | 30_003 | 30_008 | 30_022 | 30_023 | 30_027 | 30_036 => {
            ErrorClass::Retryable
        }
        21_000..=21_999 => ErrorClass::PermanentContent,
        _ => ErrorClass::Ambiguous,
    }
}

/// `YYMMDDhhmm` of the carrier. Its zone is not documented: one that could not be UTC is not taken.
fn done_date(date: &str, now: Instant) -> Option<Instant> {
    if date.len() != 10 || !date.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| &date[at..at + 2];
    let text = format!("20{}-{}-{}T{}:{}:00Z", part(0), part(2), part(4), part(6), part(8));
    let at = Instant::parse(&text).ok()?;
    let plausible = at <= now + Span::minutes(5) && now.since(at) <= Span::days(4);
    plausible.then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339")
    }

    fn read(body: &str, query: &str) -> Vec<InboundEvent> {
        parse(&Form::parse(body.as_bytes()), query, body.as_bytes(), now())
    }

    fn one(body: &str) -> InboundEvent {
        let mut events = read(body, "");
        assert_eq!(events.len(), 1, "{body}");
        events.remove(0)
    }

    #[test]
    fn a_text_keeps_its_spaces_and_the_providers_flag() {
        let event = one("MessageSid=SM1&From=%2B12125550123&To=%2B18335550100&Body=STOP+&OptOutType=STOP");
        let InboundEvent::Text(text) = event else { panic!("{event:?}") };
        assert_eq!((text.provider_id.as_str(), text.text.as_str()), ("SM1", "STOP "));
        assert_eq!((text.from.as_str(), text.to.as_str()), ("+12125550123", "+18335550100"));
        assert_eq!(text.provider_flag.as_deref(), Some("STOP"));
    }

    #[test]
    fn what_cannot_be_read_still_names_its_sender() {
        for (body, from) in [
            ("From=%2B12125550123&To=1&Body=STOP", Some("+12125550123")),
            ("MessageSid=SM1&From=%2B12125550123", Some("+12125550123")),
            ("MessageSid=SM1&Body=x", None),
            ("", None),
        ] {
            let event = one(body);
            let InboundEvent::Unreadable(event) = event else { panic!("{body}: {event:?}") };
            assert_eq!(event.from.as_deref(), from, "{body}");
        }
        assert!(matches!(
            one("MessageSid=SM1&MessageStatus=teleported&From=1"),
            InboundEvent::Unreadable(Unreadable { from: None, .. })
        ));
    }

    #[test]
    fn statuses_and_codes_become_states_and_classes() {
        use MessageState::*;
        for (status, code, state, class) in [
            ("sent", "", Sent, None),
            ("delivered", "", Delivered, None),
            ("read", "", Delivered, None),
            ("undelivered", "30003", Undelivered, Some(ErrorClass::Retryable)),
            ("undelivered", "30005", Undelivered, Some(ErrorClass::PermanentRecipient)),
            ("undelivered", "30007", Rejected, Some(ErrorClass::PermanentContent)),
            ("undelivered", "30034", Rejected, Some(ErrorClass::PermanentSender)),
            ("failed", "21610", Rejected, Some(ErrorClass::OptedOut)),
            ("failed", "30036", Expired, Some(ErrorClass::Retryable)),
            ("failed", "30002", Failed, Some(ErrorClass::PermanentAccount)),
            ("canceled", "", Failed, None),
            ("partially_delivered", "", Unknown, None),
        ] {
            let event = one(&format!("MessageSid=SM1&MessageStatus={status}&ErrorCode={code}"));
            let InboundEvent::Receipt(receipt) = event else { panic!("{status}: {event:?}") };
            assert_eq!((receipt.state, receipt.error.map(|e| e.class)), (state, class), "{status} {code}");
        }
        for status in ["accepted", "scheduled", "queued", "sending"] {
            assert_eq!(read(&format!("MessageSid=SM1&MessageStatus={status}"), ""), [], "{status}");
        }
        assert_eq!(error_class(63_014), ErrorClass::OptedOut);
        assert_eq!(error_class(21_999), ErrorClass::PermanentContent);
        assert_eq!(error_class(30_999), ErrorClass::Ambiguous);
    }

    #[test]
    fn our_id_comes_back_in_the_url() {
        let id = "00112233445566778899aabbccddeeff";
        let events =
            read("MessageSid=SM1&MessageStatus=delivered&RawDlrDoneDate=2606011558", &format!("ref={id}"));
        let [InboundEvent::Receipt(receipt)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(receipt.message, id.parse().ok());
        assert_eq!(receipt.carrier_at, Instant::parse("2026-06-01T15:58:00Z").ok());
    }

    #[test]
    fn a_date_that_cannot_be_utc_is_not_taken() {
        for date in ["2606012358", "2505010000", "26060115", "26O6011558", "2699991558"] {
            assert_eq!(done_date(date, now()), None, "{date}");
        }
    }
}
