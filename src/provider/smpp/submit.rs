//! A message as `submit_sm`s, one a part (SMPP 3.4, section 4.4). Pure.

use std::str::FromStr;

use bytes::Bytes;
use rusmpp_core::pdus::owned::SubmitSm;
use rusmpp_core::tlvs::owned::MessageSubmissionRequestTlvValue as Parameter;
use rusmpp_core::types::owned::{AnyOctetString, COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp_core::values::owned::MessagePayload;
use rusmpp_core::values::{DataCoding, EsmClass, Npi, RegisteredDelivery, Ton, UserMessageReference};

use super::alphabet::coded;
use super::settings::{LongStyle, Submission};
use crate::model::{Instant, Span};
use crate::provider::request::{bare, digits, seconds_left};
use crate::provider::{Dispatch, Handover, reply};

/// Type of number and numbering plan: international in E.164, and letters.
const INTERNATIONAL: (u8, u8) = (1, 1);
const LETTERS: (u8, u8) = (5, 0);
/// `esm_class` with a header in front of the text.
const WITH_HEADER: u8 = 0x40;
/// `esm_class` of a plain text. The library's own default is another, so it is always set.
const PLAIN: u8 = 0;
/// A receipt for the final word, good or bad; nothing in between.
const FINAL_RECEIPT: u8 = 1;
/// Bounds of a validity, seconds; a relative one has two digits of days.
const VALIDITY: (i64, i64) = (1, 7 * 86_400);
/// Parts that a reference can number.
const PARTS_MAX: usize = 255;

/// The PDUs of a message, in order. `reference` is what its parts share; soon used again.
pub fn parts(
    how: &Submission,
    dispatch: &Dispatch,
    now: Instant,
    reference: u16,
) -> Result<Vec<SubmitSm>, Handover> {
    let to = digits(dispatch).ok_or_else(reply::unaddressable)?;
    let header = match how.long {
        LongStyle::Udh8 | LongStyle::Sar => Some(6),
        LongStyle::Udh16 => Some(7),
        LongStyle::Payload => None,
    };
    let text = coded(dispatch.text(), how.alphabet, header);
    let total = text.parts.len();
    if total > PARTS_MAX {
        let class = crate::model::outgoing::ErrorClass::PermanentContent;
        return Err(reply::refused(class, "too_long", "more than 255 parts", None));
    }
    let whole = envelope(how, dispatch, to, now, text.data_coding).ok_or_else(reply::unbuildable)?;
    let numbered = text.parts.into_iter().zip(1u8..);
    let built = numbered.map(|(octets, number)| {
        let mut part = whole.clone();
        let place = (total > 1).then_some((reference, total as u8, number));
        fill(&mut part, how, octets, place)?;
        if how.references {
            part.push_tlv(Parameter::UserMessageReference(UserMessageReference::from(reference)));
        }
        Some(part)
    });
    built.collect::<Option<Vec<SubmitSm>>>().ok_or_else(reply::unbuildable)
}

/// Everything but the text.
fn envelope(
    how: &Submission,
    dispatch: &Dispatch,
    to: &str,
    now: Instant,
    data_coding: u8,
) -> Option<SubmitSm> {
    let from = bare(dispatch.from());
    let (source_ton, source_npi) = match from.bytes().all(|b| b.is_ascii_digit()) {
        true if dispatch.from().starts_with('+') => INTERNATIONAL,
        true => how.short_code,
        false => LETTERS,
    };
    let validity = validity(how, dispatch, now).unwrap_or_default();
    let pdu = SubmitSm::builder()
        .service_type(how.service_type.clone())
        .source_addr_ton(Ton::from(source_ton))
        .source_addr_npi(Npi::from(source_npi))
        .source_addr(COctetString::from_str(from).ok()?)
        .dest_addr_ton(Ton::from(INTERNATIONAL.0))
        .dest_addr_npi(Npi::from(INTERNATIONAL.1))
        .destination_addr(COctetString::from_str(to).ok()?)
        .esm_class(EsmClass::from(PLAIN))
        .validity_period(EmptyOrFullCOctetString::from_str(&validity).ok()?)
        .registered_delivery(RegisteredDelivery::from(FINAL_RECEIPT))
        .data_coding(DataCoding::from(data_coding));
    Some(pdu.build())
}

/// Until when the SMSC may try (section 7.1.1): `YYMMDDhhmmsstnnp` as an instant in UTC or as a time from now, rounded down.
fn validity(how: &Submission, dispatch: &Dispatch, now: Instant) -> Option<String> {
    let seconds = seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1)?;
    if how.absolute_validity {
        let end = (now + Span::seconds(seconds)).to_jiff();
        return Some(end.strftime("%y%m%d%H%M%S000+").to_string());
    }
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    Some(format!("0000{days:02}{hours:02}{minutes:02}{:02}000R", seconds % 60))
}

/// Puts a part's text where this peer wants it; `place`: reference, parts and which of them it is.
fn fill(part: &mut SubmitSm, how: &Submission, octets: Vec<u8>, place: Option<(u16, u8, u8)>) -> Option<()> {
    let short = |octets: Vec<u8>| OctetString::from_vec(octets).ok();
    match (how.long, place) {
        (LongStyle::Payload, _) if octets.len() > if how_wide(part) { 140 } else { 160 } => {
            let payload = MessagePayload::new(AnyOctetString::from_bytes(Bytes::from(octets)));
            part.push_tlv(Parameter::MessagePayload(payload));
        }
        (_, None) | (LongStyle::Payload, _) => part.set_short_message(short(octets)?),
        (LongStyle::Sar, Some((reference, total, number))) => {
            part.push_tlv(Parameter::SarMsgRefNum(reference));
            part.push_tlv(Parameter::SarTotalSegments(total));
            part.push_tlv(Parameter::SarSegmentSeqnum(number));
            part.set_short_message(short(octets)?);
        }
        (style, Some((reference, total, number))) => {
            let [high, low] = reference.to_be_bytes();
            let mut all = match style {
                LongStyle::Udh16 => vec![6, 8, 4, high, low, total, number],
                _ => vec![5, 0, 3, low, total, number],
            };
            all.extend(octets);
            part.esm_class = EsmClass::from(WITH_HEADER);
            part.set_short_message(short(all)?);
        }
    }
    Some(())
}

/// Whether each character takes two octets.
fn how_wide(part: &SubmitSm) -> bool {
    u8::from(part.data_coding) == super::alphabet::UCS2
}

#[cfg(test)]
mod tests;
