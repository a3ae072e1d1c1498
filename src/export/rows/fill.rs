//! What each kind of entry puts into its row: messages, operators, machinery.

use super::{Row, person, shop, words};
use crate::ledger::body::{
    Body, CancelledBody, DecisionBody, EngineBody, ErasureBody, HeardBody, IntentBody, Object, OutcomeBody,
    ReceiptBody, RedecisionBody, RegistryBody,
};
use crate::model::outgoing::{MessageSpec, ProviderError};
use crate::model::spend::Cost;
use crate::model::subject::Address;
use crate::model::verdict::Verdict;

/// The address an entry itself names.
pub fn address_in(body: &Body) -> Option<&Address> {
    match body {
        Body::Subject(body) => Some(&body.address),
        Body::Decision(body) => Some(&body.message.to),
        Body::Intent(body) => Some(&body.to),
        _ => None,
    }
}

/// Fills in what the body says.
pub fn body(row: &mut Row, body: &Body) {
    match body {
        Body::Engine(body) => engine(row, body),
        Body::Registry(body) => registry(row, body),
        Body::Subject(_) => row.summary = "The address was seen for the first time.".to_owned(),
        Body::Consent(body) => person::consent(row, body),
        Body::OptOut(body) => person::opt_out(row, body),
        Body::OptOutLifted(body) => person::opt_out_lifted(row, body),
        Body::Preferences(body) => person::preferences(row, body),
        Body::NumberCheck(body) => person::number_check(row, body),
        Body::Import(body) => {
            row.source.clone_from(&body.source);
            row.actor.clone_from(&body.actor);
            row.summary =
                format!("Every opt-out of {} was taken over (import {}).", body.source, body.import_id);
        }
        Body::Inbound(body) => person::inbound(row, body),
        Body::Review(body) => person::review(row, body),
        Body::ExternalSend(body) => person::external_send(row, body),
        Body::Decision(body) => decision(row, body),
        Body::Intent(body) => intent(row, body),
        Body::Redecision(body) => redecision(row, body),
        Body::Outcome(body) => outcome(row, body),
        Body::Receipt(body) => receipt(row, body),
        Body::Cancelled(body) => cancelled(row, body),
        Body::Device(body) => person::device(row, body),
        Body::Heard(body) => heard(row, body),
        Body::Click(body) => shop::click(row, body),
        Body::Cart(body) => shop::cart(row, body),
        Body::Link(body) => shop::link(row, body),
        Body::CouponPool(body) => shop::coupon_pool(row, body),
        Body::Coupon(body) => shop::coupon(row, body),
        Body::LegalHold(body) => {
            let said = if body.cleared.is_some() { "ended" } else { "set" };
            row.summary = format!("A legal hold was {said}: nothing it covers is erased while it lasts.");
            row.note = body.cleared.as_ref().map_or(&body.reason, |cleared| &cleared.reason).clone();
            row.actor = body.cleared.as_ref().map_or(&body.set_by, |cleared| &cleared.by).clone();
        }
        Body::Restriction(body) => {
            row.summary =
                format!("The record was closed to normal reads; it is erased after {}.", body.erase_after);
            row.note.clone_from(&body.reason);
            row.actor.clone_from(&body.actor);
        }
        Body::Access(body) => {
            row.summary = match body.people {
                1 => format!("The restricted record was read with {}.", body.method),
                people => format!("{} showed {people} restricted records.", body.method),
            };
            row.actor.clone_from(&body.actor);
        }
        Body::Forgotten(_) => row.summary = "The person is about to be erased.".to_owned(),
        Body::Suppression(body) => {
            row.summary = "An address stays blocked; only a keyed hash of it is kept.".to_owned();
            row.note = format!("since {}", body.since);
        }
        Body::Heads(body) => {
            row.summary = format!(
                "The heads of all {} chains among the first {} entries were recorded as one hash.",
                body.subjects, body.covered_size
            );
        }
        Body::Raw(_) => row.summary = "A provider's call as it came.".to_owned(),
        Body::Erasure(body) => erasure(row, body),
        Body::Epoch(body) => {
            row.summary =
                format!("The log goes on after {}, with {} of its entries.", body.before, body.carried);
            row.note.clone_from(&body.reason);
            row.actor.clone_from(&body.actor);
        }
    }
}

fn engine(row: &mut Row, body: &EngineBody) {
    row.summary = format!(
        "From here on release {} judges, with rules {} and policy {}.",
        body.release, body.rules, body.policy_version
    );
    row.policy_version.clone_from(&body.policy_version);
    row.time_zone_version.clone_from(&body.time_zones);
    row.note = format!("policy {}, phone data {}", body.policy_sha256, body.phone_numbers);
}

fn registry(row: &mut Row, body: &RegistryBody) {
    let (what, id) = match &body.object {
        Object::Seller(o) => ("seller", o.id.to_string()),
        Object::Brand(o) => ("brand", o.id.to_string()),
        Object::Program(o) => ("program", o.id.to_string()),
        Object::Disclosure(o) => ("disclosure", format!("{}@{}", o.id, o.version)),
        Object::Sender(o) => ("sender", o.id.to_string()),
        Object::Connection(o) => ("connection", o.id.to_string()),
        Object::Template(o) => ("template", o.id.to_string()),
        Object::ApiKey(o) => ("API key", o.id.clone()),
    };
    row.summary = format!("An operator set up or changed {what} {id}.");
    if let Object::Disclosure(o) = &body.object {
        row.disclosure = o.id.to_string();
        row.disclosure_version.clone_from(&o.version);
        row.disclosure_sha256 = hex::encode(o.text_sha256);
        row.disclosure_text.clone_from(&o.text);
        row.codes.clone_from(&o.refusals);
        row.program = o.program.to_string();
        row.locale.clone_from(&o.locale);
    }
    row.note.clone_from(&body.reason);
    row.actor.clone_from(&body.actor);
}

fn erasure(row: &mut Row, body: &ErasureBody) {
    row.summary = match body.raw_day {
        Some(_) => "The key of a day's webhook bodies was destroyed.".to_owned(),
        None => "The key of a person's entries was destroyed.".to_owned(),
    };
    row.note.clone_from(&body.reason);
    row.actor.clone_from(&body.actor);
}

fn verdict(row: &mut Row, verdict: &Verdict) {
    row.outcome = words::name(&verdict.outcome);
    row.codes = words::each(verdict.reasons.iter().map(|r| &r.code));
    row.codes.dedup();
    row.reasons.clone_from(&verdict.reasons);
    row.hold_until = verdict.hold_until;
    row.estimated_send_at = verdict.estimated_send_at;
    row.send_not_after = verdict.send_not_after;
    row.zones = words::each(&verdict.zones_considered);
    row.jurisdictions = words::each(&verdict.jurisdictions_considered);
    row.policy_version.clone_from(&verdict.policy_version);
    row.time_zone_version.clone_from(&verdict.time_zone_version);
}

fn verb(verdict: &Verdict) -> &'static str {
    match verdict.outcome {
        crate::model::Outcome::Admit => "admitted",
        crate::model::Outcome::Hold => "held",
        crate::model::Outcome::Refuse => "refused",
    }
}

fn spec(row: &mut Row, spec: &MessageSpec) {
    row.message_id = spec.id.to_string();
    row.program = spec.program.to_string();
    row.category = words::name(&spec.category);
    row.channel = words::name(&spec.channel);
    row.sender = spec.sender.as_ref().map(|s| s.to_string()).unwrap_or_default();
    row.connection = spec.connection.as_ref().map(|c| c.to_string()).unwrap_or_default();
    row.cart = spec.cart.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default();
    row.text.clone_from(&spec.preview);
    row.parts = Some(u64::from(spec.parts));
    row.template = spec.template.as_ref().map(|t| t.to_string()).unwrap_or_default();
    row.labels = words::pairs(&spec.labels);
    if let Some(link) = &spec.link {
        row.link_code = link.code.to_string();
        row.link_target.clone_from(&link.target);
    }
    if let Some(coupon) = &spec.coupon {
        row.coupon_pool = coupon.pool.to_string();
        row.coupon = coupon.code.clone().unwrap_or_default();
    }
    row.actor.clone_from(&spec.actor);
}

fn decision(row: &mut Row, body: &DecisionBody) {
    spec(row, &body.message);
    verdict(row, &body.verdict);
    row.state = words::name(&body.state);
    let what = match &body.message.automatic {
        Some(text) => format!("The automatic text {}", words::name(&text.kind)),
        None => "A message".to_owned(),
    };
    row.summary = match &body.moved {
        Some(_) => {
            format!(
                "The message moved here from another address of the person and was {}.",
                verb(&body.verdict)
            )
        }
        None => format!("{what} was asked for and {}.", verb(&body.verdict)),
    };
}

fn intent(row: &mut Row, body: &IntentBody) {
    row.message_id = body.message.to_string();
    verdict(row, &body.verdict);
    row.text.clone_from(&body.text);
    row.sender = body.sender.to_string();
    row.connection = body.connection.to_string();
    row.send_not_after = Some(body.not_after);
    row.coupon_expires_at = body.coupon_expires_at;
    row.state = "SENDING".to_owned();
    row.summary = match &body.stands_in_for {
        None => "The message was judged again, admitted, and handed to its lane.".to_owned(),
        Some(own) => format!("The message was judged again and admitted by another sender than {own}."),
    };
}

fn redecision(row: &mut Row, body: &RedecisionBody) {
    row.message_id = body.message.to_string();
    verdict(row, &body.verdict);
    row.state = words::name(&body.state);
    row.summary = match &body.moved_to {
        Some(_) => {
            "Nothing could show the message here; it moved on to another address of the person.".to_owned()
        }
        None => format!("The message was judged again and {}; it did not leave.", verb(&body.verdict)),
    };
}

fn error(row: &mut Row, error: Option<&ProviderError>) {
    if let Some(error) = error {
        row.provider_error = format!("{} {}: {}", words::name(&error.class), error.code, error.text);
    }
}

fn cost(row: &mut Row, cost: Option<&Cost>) {
    if let Some(cost) = cost {
        row.cost = cost.amount();
        row.cost_currency.clone_from(&cost.currency);
    }
}

fn outcome(row: &mut Row, body: &OutcomeBody) {
    row.message_id = body.message.to_string();
    row.state = words::name(&body.state);
    row.provider_ids.clone_from(&body.provider_ids);
    row.handed_over_at = body.handed_over_at;
    if let Some(connection) = &body.connection {
        row.connection = connection.to_string();
    }
    cost(row, body.cost.as_ref());
    error(row, body.error.as_ref());
    row.summary = match body.handed_over_at {
        Some(_) => format!("The provider answered: {}.", row.state),
        None => format!("Nothing was handed over: {}.", row.state),
    };
}

fn receipt(row: &mut Row, body: &ReceiptBody) {
    row.message_id = body.message.map(|m| m.to_string()).unwrap_or_default();
    row.connection = body.connection.to_string();
    row.provider_ids = vec![body.provider_id.clone()];
    row.state = words::name(&body.state);
    row.carrier_at = body.carrier_at;
    cost(row, body.cost.as_ref());
    row.late = if body.late { "yes".to_owned() } else { String::new() };
    error(row, body.error.as_ref());
    row.summary = match body.part_delivered {
        true => "The carrier said that one part arrived.".to_owned(),
        false => format!("The carrier said: {}.", row.state),
    };
}

fn cancelled(row: &mut Row, body: &CancelledBody) {
    row.message_id = body.message.to_string();
    row.note.clone_from(&body.reason);
    row.actor.clone_from(&body.actor);
    row.summary = "The caller withdrew the message.".to_owned();
}

fn heard(row: &mut Row, body: &HeardBody) {
    row.connection = body.connection.to_string();
    row.note = format!("{} {}", body.how, body.reason).trim_end().to_owned();
    row.actor.clone_from(&body.actor);
    row.summary = format!("Every text and opt-out up to {} is known.", body.until);
}
