//! The ledger's words in the page's: decisions, carts, standings.

use std::sync::Arc;

use super::shelf::Kept;
use crate::ledger::body::Body;
use crate::ledger::entry::Entry;
use crate::ledger::rows::keys;
use crate::model::cart::{Cart as KnownCart, CartState, Link};
use crate::model::facts::AutomaticKind;
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::phone::Digits;
use crate::model::subject::{Address, Subject};
use crate::model::{
    CartId, Category, Channel, ConsentState, Instant, LinkCode, MessageId, SubjectId, Verdict,
};
use crate::sandbox::gateway::{Cart, Decision, Stage, Standing};
use crate::sandbox::seed;
use crate::writer::Reader;
use crate::writer::ops::Target;
use crate::writer::ops::cart::cart_of;
use crate::writer::ops::coupon::RedeemResult;

/// The decision an entry records, if it records one about a phone.
pub(super) fn decision(reader: &Reader, entry: &Entry) -> Option<Decision> {
    match &entry.body {
        Body::Decision(body) => Some(acceptance(reader, &body.message, (*body.verdict).clone())),
        Body::Intent(body) => {
            let spec = spec_of(reader, &body.message)?;
            Some(again(reader, entry, &spec, body.text.clone(), (*body.verdict).clone()))
        }
        Body::Redecision(body) => {
            let spec = spec_of(reader, &body.message)?;
            Some(again(reader, entry, &spec, spec.preview.clone(), (*body.verdict).clone()))
        }
        _ => None,
    }
}

/// The first decision about a message; there is one a message, so its id names it.
pub(super) fn acceptance(reader: &Reader, spec: &MessageSpec, verdict: Verdict) -> Decision {
    Decision {
        id: spec.id.to_string(),
        stage: Stage::Acceptance,
        phone: phone_of(&spec.to).into(),
        message_id: spec.id.to_string(),
        title: title(reader, spec),
        body: spec.preview.clone().into(),
        verdict,
    }
}

fn again(reader: &Reader, entry: &Entry, spec: &MessageSpec, text: String, verdict: Verdict) -> Decision {
    Decision {
        id: format!("{}-{}", spec.id, entry.index),
        stage: Stage::Dispatch,
        body: text.into(),
        ..acceptance(reader, spec, verdict)
    }
}

fn spec_of(reader: &Reader, id: &MessageId) -> Option<Arc<MessageSpec>> {
    let found = reader.look(|cx| cx.get::<Message>(&keys::message(id))).ok().flatten();
    found.map(|message| message.spec.clone())
}

fn title(reader: &Reader, spec: &MessageSpec) -> String {
    let fixed = match spec.automatic.as_ref().map(|a| a.kind) {
        Some(AutomaticKind::OptInRequest) => "Opt-in request",
        Some(AutomaticKind::Welcome) => "Welcome",
        Some(AutomaticKind::OptOutConfirmation) => "Opt-out confirmation",
        Some(AutomaticKind::Help) => "Help",
        Some(AutomaticKind::ConsentRenewal) => "Consent renewal",
        None if spec.cart.is_some() => "Cart reminder",
        None => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    let program = reader.look(|cx| cx.program(spec.program.as_str())).ok().flatten();
    program.map_or_else(|| spec.program.to_string(), |p| p.name.clone())
}

fn phone_of(address: &Address) -> String {
    address.phone().map(|p| p.expose().to_owned()).unwrap_or_default()
}

/// A cart's row.
pub(super) fn cart(reader: &Reader, id: &CartId) -> Option<Arc<KnownCart>> {
    reader.look(|cx| cart_of(cx, &seed::ids::brand(), id)).ok().flatten()
}

/// The phone of the first person who got or waits for a message about a cart; empty where nobody does.
pub(super) fn phone_of_cart(reader: &Reader, cart: &KnownCart) -> String {
    let Some(id) = cart.subjects.first() else { return String::new() };
    reader.look(|cx| cx.subject(id)).map(|s| phone_of(&s.address)).unwrap_or_default()
}

/// How often people opened the links of a cart's reminders.
pub(super) fn clicks(reader: &Reader, cart: &KnownCart) -> u64 {
    let of = |message: &MessageId| {
        let code = spec_of(reader, message)?.link.as_ref()?.code.clone();
        let link = reader.look(|cx| cx.get::<Link>(&keys::link(&code))).ok().flatten()?;
        Some(link.human_clicks)
    };
    cart.sends.iter().filter_map(|sent| of(&sent.message)).sum()
}

/// The cart whose reminder a link belongs to.
pub(super) fn cart_of_link(reader: &Reader, code: &LinkCode) -> Option<CartId> {
    let link = reader.look(|cx| cx.get::<Link>(&keys::link(code))).ok().flatten()?;
    spec_of(reader, &link.message?)?.cart.clone()
}

/// The cart a new message is about, and the phone it is for.
pub(super) fn cart_and_phone(spec: &MessageSpec) -> Option<(CartId, String)> {
    Some((spec.cart.clone()?, phone_of(&spec.to)))
}

/// A cart as the page shows it.
pub(super) fn cart_shown(known: &KnownCart, kept: Kept, clicks: u64) -> Cart {
    let state = match known.state {
        CartState::Open => "ACTIVE",
        CartState::Purchased => "PURCHASED",
        CartState::Emptied => "EMPTIED",
        CartState::Expired => "EXPIRED",
    };
    let cents = known.value.as_ref().map(|value| {
        let cents = value.units.saturating_mul(100).saturating_add(i64::from(value.nanos / 10_000_000));
        u32::try_from(cents).unwrap_or_default()
    });
    Cart {
        id: known.id.to_string(),
        phone: kept.phone.into(),
        item: kept.item,
        cents: cents.unwrap_or_default(),
        state: state.to_owned(),
        abandoned_at: known.abandoned_at,
        redeemed: kept.redeemed,
        clicks,
    }
}

/// Whether a phone's owner may be texted about carts.
pub(super) fn standing(reader: &Reader, phone: &str) -> Standing {
    let target = Target::Phone(Digits::received(phone, None));
    let found = reader.look(|cx| Ok((cx.subjects_of(&target)?, cx.now)));
    let Ok((subjects, now)) = found else { return Standing::Unknown };
    let all = subjects.iter().map(|subject| of_subject(subject, now));
    // A number may be kept under two readings; what one of them refused stands.
    all.max_by_key(|standing| match standing {
        Standing::Unknown => 0,
        Standing::OptedIn => 1,
        Standing::Pending => 2,
        Standing::OptedOut => 3,
    })
    .unwrap_or(Standing::Unknown)
}

/// The phone and standing of a subject; none for an app's installation.
pub(super) fn standing_of_subject(reader: &Reader, id: &SubjectId) -> Option<(String, Standing)> {
    let (subject, now) = reader.look(|cx| Ok((cx.subject(id)?, cx.now))).ok()?;
    let phone = subject.address.phone()?.expose().to_owned();
    Some((phone, of_subject(&subject, now)))
}

fn of_subject(subject: &Subject, now: Instant) -> Standing {
    let (brand, program) = (seed::ids::brand(), seed::ids::reminders());
    let covers = |o: &&crate::model::OptOut| {
        o.holds_at(now) && o.covers(&brand, &program, Category::Marketing, Channel::Sms)
    };
    let stopped_at = subject.opt_outs.iter().filter(covers).map(|o| o.received_at).max();
    let ours = || subject.consents.iter().filter(|c| c.program == program && c.channel == Channel::Sms);
    let asked_at =
        ours().filter(|c| c.state == ConsentState::PendingConfirmation).map(|c| c.captured_at).max();
    let granted = ours().any(|c| c.state == ConsentState::Granted && c.expires_at.is_none_or(|e| now < e));
    match (stopped_at, asked_at) {
        (Some(stop), Some(asked)) if asked > stop => Standing::Pending,
        (Some(_), _) => Standing::OptedOut,
        (None, _) if granted => Standing::OptedIn,
        (None, Some(_)) => Standing::Pending,
        (None, None) => Standing::Unknown,
    }
}

/// Why a code does not count, for whoever typed it.
pub(super) fn why_not(result: RedeemResult) -> &'static str {
    match result {
        RedeemResult::Redeemed => "this order has it",
        RedeemResult::UnknownCode => "there is no such code",
        RedeemResult::AlreadyRedeemed => "another order used it",
        RedeemResult::Expired => "its time has run out",
        RedeemResult::Voided => "it was withdrawn",
        RedeemResult::NotIssued => "its message has not left yet",
        RedeemResult::WrongCart => "it was sent for another cart",
        RedeemResult::WrongSubject => "it was sent to somebody else",
        RedeemResult::WrongChannel => "it is for those who come by text",
    }
}
