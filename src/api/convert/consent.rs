//! Consents, opt-outs and all that is known about a person, on the wire.

use crate::api::convert::verdict::reason;
use crate::api::convert::{check, maybe_timestamp, names, subject, timestamp};
use crate::api::field::Fields;
use crate::ledger::body::ConsentChange;
use crate::model::consent::{Channel, Consent, ConsentState, Night, OptOut, OptOutScope};
use crate::model::message::{Medium, Touch};
use crate::model::subject::{Address, Subject};
use crate::model::{BrandId, Code, Instant, ProgramId, SubjectId};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::consent::OptInAnswer;
use crate::writer::ops::opt_out::OptOutAnswer;

/// Carts one view names.
const CARTS_MAX: usize = 8;

/// A consent as a row has it, at an instant: a grant whose time is over shows as expired.
pub fn consent(consent: &Consent, whose: &Address, at: Instant) -> wire::Consent {
    let granted = consent.state == ConsentState::Granted;
    let over = granted && consent.expires_at.is_some_and(|end| at >= end);
    let state = if over { ConsentState::Expired } else { consent.state };
    wire::Consent {
        brand: consent.brand.to_string(),
        program: consent.program.to_string(),
        channel: names::channel(consent.channel).into(),
        subject: Some(subject::subject(whose)),
        state: names::consent_state(state).into(),
        captured_at: Some(timestamp(consent.captured_at)),
        granted_at: granted.then(|| timestamp(consent.confirmed_at.unwrap_or(consent.recorded_at))),
        confirmed_at: maybe_timestamp(consent.confirmed_at),
        expires_at: maybe_timestamp(consent.expires_at),
        method: names::method(consent.method).into(),
        basis: names::basis(consent.basis).into(),
        grade: names::grade(consent.grade).into(),
        double_opt_in: names::double_opt_in(consent.double_opt_in).into(),
        covers_cart_reminders: consent.covers_cart,
        night: consent.night != Night::No,
        night_captured_at: maybe_timestamp(consent.night_agreed_at()),
        sender: consent.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..wire::Consent::default()
    }
}

/// A consent as it was just changed, with why it does not hold.
pub fn changed(change: &ConsentChange, whose: &Address, at: Instant) -> wire::Consent {
    let reasons = change.reasons.iter().map(|code| because(&Code::from(code.as_str()))).collect();
    wire::Consent { reasons, ..consent(&change.consent, whose, at) }
}

/// The consents of an answer, in the order asked.
pub fn recorded(answer: &OptInAnswer, whose: &Address, at: Instant) -> Vec<wire::Consent> {
    let shown = answer.consents.iter().map(|one| wire::Consent {
        reasons: one.reasons.iter().map(because).collect(),
        entry_hash: answer.entry_hash.0.to_vec(),
        ..consent(&one.consent, whose, at)
    });
    shown.collect()
}

/// A reason of which only the code was kept.
pub fn because(code: &Code) -> wire::Reason {
    reason(&crate::consent::reason(code))
}

/// Reads how far an opt-out goes.
pub fn scope(
    f: &mut Fields,
    raw: i32,
    brand: Option<&BrandId>,
    program: &str,
    channel: i32,
) -> Option<OptOutScope> {
    let scope = f.known::<wire::OptOutScope>("scope", raw);
    let needs_program = scope == Some(wire::OptOutScope::Program);
    let needs_channel = scope == Some(wire::OptOutScope::Channel);
    if !needs_program && !program.is_empty() {
        f.bad("program", "is for scope PROGRAM only");
    }
    if !needs_channel && channel != 0 {
        f.bad("channel", "is for scope CHANNEL only");
    }
    let program: Option<ProgramId> = if needs_program { f.id("program", program) } else { None };
    let channel: Option<Channel> =
        if needs_channel { f.named("channel", channel, names::channel_of) } else { None };
    Some(match scope? {
        wire::OptOutScope::Unspecified | wire::OptOutScope::All => OptOutScope::All,
        wire::OptOutScope::Marketing => OptOutScope::Marketing,
        wire::OptOutScope::Brand => OptOutScope::Brand(brand?.clone()),
        wire::OptOutScope::Program => OptOutScope::Program(program?),
        wire::OptOutScope::Channel => OptOutScope::Channel(channel?),
        wire::OptOutScope::Night => OptOutScope::Night,
    })
}

/// An opt-out as a row has it.
pub fn opt_out(opt_out: &OptOut, whose: &Address) -> wire::OptOut {
    let mut out = wire::OptOut {
        id: opt_out_id(opt_out.recorded_at),
        subject: Some(subject::subject(whose)),
        source: names::opt_out_source(opt_out.source).into(),
        received_at: Some(timestamp(opt_out.received_at)),
        effective_at: Some(timestamp(opt_out.recorded_at)),
        lifted_at: maybe_timestamp(opt_out.lifted_at),
        ..wire::OptOut::default()
    };
    let scope = match &opt_out.scope {
        OptOutScope::All => wire::OptOutScope::All,
        OptOutScope::Marketing => wire::OptOutScope::Marketing,
        OptOutScope::Brand(brand) => {
            out.brand = brand.to_string();
            wire::OptOutScope::Brand
        }
        OptOutScope::Program(program) => {
            out.program = program.to_string();
            wire::OptOutScope::Program
        }
        OptOutScope::Channel(channel) => {
            out.channel = names::channel(*channel).into();
            wire::OptOutScope::Channel
        }
        OptOutScope::Night => wire::OptOutScope::Night,
    };
    out.scope = scope.into();
    out
}

/// An opt-out as it was just recorded.
pub fn recorded_opt_out(answer: &OptOutAnswer, whose: &Address) -> wire::OptOut {
    wire::OptOut {
        text: answer.text.clone(),
        effective_at: Some(timestamp(answer.effective_at)),
        cancelled_messages: answer.cancelled.iter().map(ToString::to_string).collect(),
        in_flight_messages: answer.in_flight.iter().map(ToString::to_string).collect(),
        entry_hash: answer.entry_hash.0.to_vec(),
        ..opt_out(&answer.opt_out, whose)
    }
}

/// The name of an opt-out within its subject: when it was recorded.
pub fn opt_out_id(recorded_at: Instant) -> String {
    recorded_at.as_micros().to_string()
}

/// The instant an opt-out's name stands for.
pub fn read_opt_out_id(f: &mut Fields, field: &str, text: &str) -> Option<Instant> {
    match text.parse() {
        Ok(micros) => Some(Instant::from_micros(micros)),
        Err(_) if text.is_empty() => f.refuse(field, "is required"),
        Err(_) => f.refuse(field, "must be the id of an opt-out, as answers name it"),
    }
}

/// Carts the person was told of in the last 30 days or is about to be, newest last.
fn carts(subject: &Subject) -> Vec<String> {
    let touches = subject.touches.iter().chain(subject.open.iter().map(|o| &o.touch));
    let mut named: Vec<(Instant, String)> =
        touches.filter_map(|touch| Some((touch.at, touch.cart.as_ref()?.to_string()))).collect();
    named.sort();
    // Of one that was named several times, the last.
    let mut carts: Vec<String> = Vec::new();
    for (_, cart) in named.into_iter().rev() {
        if carts.len() < CARTS_MAX && !carts.contains(&cart) {
            carts.push(cart);
        }
    }
    carts.reverse();
    carts
}

/// All that is known about a person.
pub fn view(subject: &Subject, reach: &[SubjectId], suppressed: bool, as_of: Instant) -> wire::SubjectView {
    let whose = &subject.address;
    let open = subject.open.iter();
    wire::SubjectView {
        subject: Some(subject::subject(whose)),
        subject_id: subject.id.to_string(),
        as_of: Some(timestamp(as_of)),
        entry_count: subject.chain_length,
        last_entry_hash: subject.chain_last.0.to_vec(),
        consents: subject.consents.iter().map(|c| consent(c, whose, as_of)).collect(),
        opt_outs: subject.opt_outs.iter().map(|o| opt_out(o, whose)).collect(),
        customer_ids: subject.customers.iter().map(ToString::to_string).collect(),
        locations: subject.hints.iter().map(subject::location).collect(),
        preferences: Some(subject::wishes(&subject.preferences, &subject.hints)),
        number_checks: subject.checks.iter().map(|c| check::shown(c, whose)).collect(),
        recent_sends: subject.touches.iter().map(touch).collect(),
        open_messages: open.map(|o| o.id.to_string()).collect(),
        cart_ids: carts(subject),
        reach: reach.iter().filter(|id| **id != subject.id).map(ToString::to_string).collect(),
        suppressed,
        ..wire::SubjectView::default()
    }
}

fn touch(touch: &Touch) -> wire::RecentSend {
    let channel = match touch.medium {
        Medium::Sms => "sms",
        Medium::Push => "push",
        Medium::Email => "email",
        Medium::Ad => "ad",
        Medium::Call => "call",
        Medium::Other => "other",
    };
    wire::RecentSend {
        sent_at: Some(timestamp(touch.at)),
        message_id: touch.message.map(|id| id.to_string()).unwrap_or_default(),
        brand: touch.brand.to_string(),
        program: touch.program.as_ref().map(ToString::to_string).unwrap_or_default(),
        channel: channel.to_owned(),
        cart_id: touch.cart.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
