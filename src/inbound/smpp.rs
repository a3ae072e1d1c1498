//! What an SMSC says over its binds: texts, their parts, and receipts in all their dialects (SMPP 3.4, sections 4.6, 5.2.12 and
//! appendix B).

use super::event::{InboundEvent, InboundText, Receipt, TextPart};
use super::form::Form;
use super::line::{AGAIN, ID};
use super::voice::{Proof, Voice, Webhook, provider_error, unreadable};
use crate::model::outgoing::{ErrorClass, ProviderError};
use crate::model::registry::Connection;
use crate::model::{Instant, MessageState};
use crate::provider::registry::{BuildError, Given};
use crate::provider::smpp::alphabet::{Alphabet, decoded};
use crate::provider::smpp::ids::IdFormat;
use crate::provider::smpp::settings;
use crate::provider::smpp::status::OptedOut;
use crate::provider::smpp::wire::{Delivered, Frame, Malformed, tag};

/// `esm_class`: what kind of message it is, and whether a header stands in front of the text.
const KIND: u8 = 0x3c;
const RECEIPT: u8 = 0x04;
const INTERMEDIATE: u8 = 0x20;
const WITH_HEADER: u8 = 0x40;

/// One SMSC's voice. What it says is authentic because it comes over a bind; over HTTP nobody speaks for it.
pub struct Smpp {
    alphabet: Alphabet,
    ids: IdFormat,
    opted_out: OptedOut,
}

impl Smpp {
    /// As its connection describes it.
    pub fn new(connection: &Connection) -> Result<Smpp, BuildError> {
        let given = Given { connection, secret: &|_| None };
        Ok(Smpp {
            alphabet: settings::alphabet(&given)?,
            ids: settings::id_format(&given)?,
            opted_out: OptedOut::read(&given)?,
        })
    }

    fn event(&self, said: Delivered, id: String, again: bool) -> Option<InboundEvent> {
        let (place, octets) = part_of(&said);
        let text = decoded(octets, said.data_coding, self.alphabet);
        let kind = said.esm_class & KIND;
        if kind == INTERMEDIATE {
            return None;
        }
        let words = text.as_deref().unwrap_or_default();
        let told = Told::read(words);
        let state = said.parameter(tag::MESSAGE_STATE).and_then(|value| value.first().copied());
        let named = said.parameter(tag::RECEIPTED_MESSAGE_ID).is_some();
        // Some send receipts as if they were texts.
        let disguised =
            (named && state.is_some()) || (told.id.is_some() && told.stat.is_some() && told.is_first);
        if kind == RECEIPT || disguised {
            return Some(self.receipt(&said, &told, state, id));
        }
        let (from, to) = (said.source.spelt(), said.destination.spelt());
        let Some(text) = text else {
            return Some(unreadable(
                id,
                Some(from),
                Some(to),
                "the text is binary or in an unknown alphabet",
            ));
        };
        let text = InboundText {
            provider_id: id,
            from,
            to,
            text,
            provider_flag: None,
            received_at: None,
            // It may be the SMSC's repetition of what was acted on already, and the person may have said something since.
            weak: again,
        };
        Some(match place {
            Some(place) => InboundEvent::Part(text, place),
            None => InboundEvent::Text(text),
        })
    }

    fn receipt(&self, said: &Delivered, told: &Told<'_>, state: Option<u8>, name: String) -> InboundEvent {
        let parameter = said.parameter(tag::RECEIPTED_MESSAGE_ID).map(latin1);
        let parameter =
            parameter.as_deref().map(|id| id.trim_end_matches('\0').trim()).filter(|id| !id.is_empty());
        let Some(id) = self.ids.of_receipt(parameter, told.id) else {
            return unreadable(name, None, None, "a receipt without an id");
        };
        let Some(state) = state.and_then(by_number).or_else(|| told.stat.and_then(by_name)) else {
            return unreadable(name, None, None, "a receipt with an unknown state");
        };
        let error = self.error(said, told, state);
        let stopped = error.as_ref().is_some_and(|e| e.class == ErrorClass::OptedOut);
        InboundEvent::Receipt(Receipt {
            message: None,
            provider_id: id,
            state: if stopped { MessageState::Rejected } else { state },
            error,
            // Its dates are in the SMSC's own time, which nobody names.
            carrier_at: None,
        })
    }

    fn error(&self, said: &Delivered, told: &Told<'_>, state: MessageState) -> Option<ProviderError> {
        let network = said.parameter(tag::NETWORK_ERROR_CODE).and_then(|value| match value {
            [_, high, low] => Some(u16::from_be_bytes([*high, *low]).to_string()),
            _ => None,
        });
        let in_text = told.err.filter(|err| err.bytes().any(|b| b != b'0'));
        let code = in_text.map(str::to_owned).or(network).unwrap_or_default();
        let good = matches!(state, MessageState::Sent | MessageState::Delivered);
        if good || (code.is_empty() && told.stat.is_none()) {
            return None;
        }
        let class = match state {
            _ if self.opted_out.is_error(&code) => ErrorClass::OptedOut,
            MessageState::Rejected | MessageState::Failed => ErrorClass::PermanentContent,
            MessageState::Unknown => ErrorClass::Ambiguous,
            _ => ErrorClass::Retryable,
        };
        Some(provider_error(class, code, told.stat.unwrap_or_default()))
    }
}

impl Voice for Smpp {
    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    fn is_authentic(&self, _: &Webhook, _: &Proof<'_>) -> bool {
        false
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let query = Form::parse(webhook.query().as_bytes());
        let id = query.filled(ID).map_or_else(|| webhook.hash(), str::to_owned);
        let again = query.get(AGAIN).is_some();
        let Some(frame) = Frame::new(webhook.body.clone().into()) else {
            return vec![unreadable(id, None, None, "it is no PDU")];
        };
        match Delivered::read(&frame) {
            Ok(said) => self.event(said, id, again).into_iter().collect(),
            Err(Malformed { source, destination, why }) => {
                vec![unreadable(id, source.map(|s| s.spelt()), destination.map(|d| d.spelt()), why)]
            }
        }
    }
}

/// Which part of a long text it is, and where its own octets begin.
fn part_of(said: &Delivered) -> (Option<TextPart>, &[u8]) {
    let octets = &said.message[..];
    let header = octets.split_first().filter(|_| said.esm_class & WITH_HEADER != 0);
    if let Some((length, rest)) = header
        && let Some((header, text)) = rest.split_at_checked(usize::from(*length))
    {
        return (in_header(header), text);
    }
    let number =
        |tag: u16| said.parameter(tag).map(|value| value.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)));
    let sar =
        (number(tag::SAR_MSG_REF_NUM), number(tag::SAR_TOTAL_SEGMENTS), number(tag::SAR_SEGMENT_SEQNUM));
    let place = match sar {
        (Some(reference), Some(total), Some(at)) => u8::try_from(total)
            .ok()
            .zip(u8::try_from(at).ok())
            .and_then(|(n, at)| place("sar", reference, n, at)),
        _ => None,
    };
    (place, octets)
}

/// Concatenation with an 8-bit or a 16-bit reference (3GPP TS 23.040, section 9.2.3.24).
fn in_header(mut header: &[u8]) -> Option<TextPart> {
    while let [kind, length, rest @ ..] = header {
        let (value, after) = rest.split_at_checked(usize::from(*length))?;
        match (kind, value) {
            (0x00, [reference, total, at]) => return place("8", u32::from(*reference), *total, *at),
            (0x08, [high, low, total, at]) => {
                return place("16", u32::from(u16::from_be_bytes([*high, *low])), *total, *at);
            }
            _ => header = after,
        }
    }
    None
}

fn place(kind: &str, reference: u32, total: u8, number: u8) -> Option<TextPart> {
    let fits = total > 1 && (1..=total).contains(&number);
    fits.then(|| TextPart { reference: format!("{kind}:{reference}"), total, number })
}

/// What the text of a receipt says, in whatever order and case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told<'a> {
    id: Option<&'a str>,
    stat: Option<&'a str>,
    err: Option<&'a str>,
    /// The id is the very first word.
    is_first: bool,
}

const WORDS: [&str; 8] = ["id:", "sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:", "text:"];

impl<'a> Told<'a> {
    fn read(text: &'a str) -> Told<'a> {
        // ASCII alone, so that places stay where they are.
        let small = text.to_ascii_lowercase();
        let mut found: Vec<(usize, &str)> = Vec::new();
        for word in WORDS {
            let at = small.match_indices(word).map(|(at, _)| at).find(|at| begins_a_word(&small, *at));
            found.extend(at.map(|at| (at, word)));
        }
        found.sort_unstable();
        // What stands behind `text:` are words of ours, whatever they look like.
        if let Some(end) = found.iter().position(|(_, word)| *word == "text:")
            && found[..end].iter().any(|(_, word)| *word == "stat:")
        {
            found.truncate(end + 1);
        }
        let mut told = Told::default();
        for (n, (at, word)) in found.iter().enumerate() {
            let end = found.get(n + 1).map_or(text.len(), |(next, _)| *next);
            let value = Some(text[at + word.len()..end].trim()).filter(|value| !value.is_empty());
            match *word {
                "id:" => {
                    told.id = value.map(|v| v.split_whitespace().next().unwrap_or(v));
                    told.is_first = small[..*at].trim().is_empty();
                }
                "stat:" => told.stat = value,
                "err:" => told.err = value,
                _ => {}
            }
        }
        told
    }
}

fn begins_a_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
}

/// `message_state` (section 5.2.28; 0 and 9 in 5.0).
fn by_number(state: u8) -> Option<MessageState> {
    Some(match state {
        0 | 1 | 6 => MessageState::Sent,
        2 => MessageState::Delivered,
        3 => MessageState::Expired,
        4 | 9 => MessageState::Failed,
        5 => MessageState::Undelivered,
        7 => MessageState::Unknown,
        8 => MessageState::Rejected,
        _ => return None,
    })
}

/// `stat:`, seven letters or the whole word.
fn by_name(stat: &str) -> Option<MessageState> {
    let stat = stat.to_ascii_uppercase();
    let begins = |with: &str| stat.starts_with(with);
    Some(match () {
        () if begins("ENROUTE") || begins("SCHEDUL") || begins("ACCEPT") || begins("BUFFER") => {
            MessageState::Sent
        }
        () if begins("DELIV") => MessageState::Delivered,
        () if begins("EXPIRE") => MessageState::Expired,
        () if begins("DELET") || begins("SKIPPED") || begins("FAIL") => MessageState::Failed,
        () if begins("UNDELIV") => MessageState::Undelivered,
        () if begins("UNKNOWN") => MessageState::Unknown,
        () if begins("REJECT") => MessageState::Rejected,
        () => return None,
    })
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

#[cfg(test)]
mod tests;
