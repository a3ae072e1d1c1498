//! Rows about what a person agreed to, refused, wrote and wants.

use super::{Row, words};
use crate::ledger::body::{
    ConsentBody, ConsentCause, DeviceBody, DeviceCause, ExternalSendBody, InboundBody, NumberCheckBody,
    OptOutBody, OptOutLiftedBody, PreferencesBody, ReviewBody,
};
use crate::model::consent::{Consent, Night, OptOutScope};
use crate::model::evidence::Evidence;

pub fn consent(row: &mut Row, body: &ConsentBody) {
    row.consents = body.changes.iter().map(|c| one_consent(&c.consent)).collect();
    row.codes = body.changes.iter().flat_map(|c| c.reasons.iter().cloned()).collect();
    row.codes.sort();
    row.codes.dedup();
    let mut states: Vec<String> = body.changes.iter().map(|c| words::name(&c.consent.state)).collect();
    states.dedup();
    row.state = states.join(super::LIST_MARK);
    let programs: Vec<&str> = body.changes.iter().map(|c| c.consent.program.as_str()).collect();
    if row.program.is_empty() {
        row.program = programs.join(super::LIST_MARK);
    }
    row.customer = body.customer.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default();
    row.actor.clone_from(&body.actor);
    let how = match body.cause {
        ConsentCause::OptIn => "A caller recorded an opt-in",
        ConsentCause::Confirmation => "The person confirmed",
        ConsentCause::Keyword => "The person texted a keyword",
        ConsentCause::NumberChanged => "The number belongs to another person now",
        ConsentCause::Renewal => "The notice that renews it was sent, or did not arrive",
        ConsentCause::Night => "A caller recorded a consent to the night, an act of its own",
    };
    row.summary = format!("{how}: {}.", row.state);
    evidence(row, &body.evidence);
}

fn one_consent(consent: &Consent) -> String {
    let expires = consent.expires_at.map(|at| format!(", expires {at}")).unwrap_or_default();
    let night = match consent.night {
        Night::At(at) => format!(", at night since {at}"),
        Night::No | Night::WithDay => String::new(),
    };
    format!(
        "{} {} {} on {}, {}, captured {}{expires}{night}",
        consent.program,
        words::name(&consent.channel),
        words::name(&consent.state),
        words::name(&consent.basis),
        words::name(&consent.grade),
        consent.captured_at
    )
}

fn evidence(row: &mut Row, evidence: &Evidence) {
    if let Some((id, version)) = &evidence.disclosure {
        row.disclosure = id.to_string();
        row.disclosure_version.clone_from(version);
    }
    row.disclosure_sha256 = evidence.disclosure_sha256.map(hex::encode).unwrap_or_default();
    row.disclosure_text.clone_from(&evidence.disclosure_text);
    row.method = words::name(&evidence.method);
    row.act = evidence.act.map(|act| words::name(&act)).unwrap_or_default();
    row.basis = words::name(&evidence.basis);
    row.grade = words::name(&evidence.grade);
    row.captured_at = evidence.captured_at;
    row.source_url.clone_from(&evidence.source_url);
    row.ip_address.clone_from(&evidence.ip_address);
    row.user_agent.clone_from(&evidence.user_agent);
    row.locale.clone_from(&evidence.locale);
    row.signatory.clone_from(&evidence.signatory_name);
    row.signature.clone_from(&evidence.signature_text);
    row.certificate_url.clone_from(&evidence.certificate_url);
    row.snapshot_sha256 = hex::encode(&evidence.snapshot_sha256);
    row.number_as_given.clone_from(&evidence.number);
    row.evidence_text.clone_from(&evidence.inbound_text);
    row.e_sign_version.clone_from(&evidence.e_sign_version);
    row.attributes = words::pairs(&evidence.attributes);
    let mut said = Vec::new();
    if let Some(default) = &evidence.control_default {
        said.push(format!("the control was {}", words::name(default)));
    }
    if evidence.condition_of_purchase {
        said.push("a condition of purchase".to_owned());
    }
    if evidence.bundled_with_terms {
        said.push("bundled with other terms".to_owned());
    }
    if evidence.night {
        said.push("night messages agreed to".to_owned());
    }
    row.note = said.join("; ");
}

fn scope(scope: &OptOutScope) -> String {
    let name = words::name(scope);
    match scope {
        OptOutScope::Brand(b) => format!("{name} {b}"),
        OptOutScope::Program(p) => format!("{name} {p}"),
        OptOutScope::Channel(c) => format!("{name} {}", words::name(c)),
        OptOutScope::All | OptOutScope::Marketing | OptOutScope::Night => name,
    }
}

pub fn opt_out(row: &mut Row, body: &OptOutBody) {
    row.scope = scope(&body.opt_out.scope);
    row.source = words::name(&body.opt_out.source);
    row.received_at = Some(body.opt_out.received_at);
    row.sender = body.opt_out.sender.as_ref().map(|s| s.to_string()).unwrap_or_default();
    row.reply_text.clone_from(&body.text);
    row.cancelled_messages = words::each(&body.cancelled);
    row.in_flight_messages = words::each(&body.in_flight);
    row.customer = body.customer.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default();
    row.actor.clone_from(&body.actor);
    if !body.voided.is_empty() {
        row.note = format!("{} coupons voided", body.voided.len());
    }
    row.summary = format!(
        "The person opted out ({}): {} waiting messages will not leave, {} had left.",
        row.scope,
        body.cancelled.len(),
        body.in_flight.len()
    );
}

pub fn opt_out_lifted(row: &mut Row, body: &OptOutLiftedBody) {
    row.program = words::each(&body.programs).join(super::LIST_MARK);
    row.channel = body.channel.map(|c| words::name(&c)).unwrap_or_default();
    row.source.clone_from(&body.cause);
    row.note.clone_from(&body.text);
    row.actor.clone_from(&body.actor);
    row.summary = match body.cause.as_str() {
        "REVERSED" => "An officer reversed an opt-out.".to_owned(),
        _ => "The person's own act lifted an opt-out.".to_owned(),
    };
}

pub fn number_check(row: &mut Row, body: &NumberCheckBody) {
    let check = &body.check;
    row.source.clone_from(&check.source);
    row.actor.clone_from(&body.actor);
    let reference = check.reference_at.map(|at| format!(" about {at}")).unwrap_or_default();
    let version = match check.database_version.as_str() {
        "" => String::new(),
        version => format!(", data {version}"),
    };
    row.note = format!("{}{version}, asked {}{reference}", check.source, check.asked_at);
    row.summary = format!("Number check {}: {}.", words::name(&check.kind), words::name(&check.answer));
}

pub fn preferences(row: &mut Row, body: &PreferencesBody) {
    let wishes = &body.preferences;
    let mut said = Vec::new();
    if wishes.hours.is_some() {
        said.push("own hours".to_owned());
    }
    if !wishes.languages.is_empty() {
        said.push(format!("languages {}", wishes.languages.join(", ")));
    }
    if let Some(channels) = &wishes.channels {
        let names: Vec<String> = channels.iter().map(words::name).collect();
        said.push(format!("channels {}", names.join(", ")));
    }
    if let Some(most) = wishes.at_most_per_week {
        said.push(format!("at most {most} a week"));
    }
    row.note = said.join("; ");
    row.actor.clone_from(&body.actor);
    row.summary = "The person's own settings changed.".to_owned();
}

pub fn inbound(row: &mut Row, body: &InboundBody) {
    row.connection = body.connection.to_string();
    row.sender = body.sender.as_ref().map(|s| s.to_string()).unwrap_or_default();
    row.provider_ids = vec![body.provider_id.clone()];
    row.reply_text.clone_from(&body.text);
    row.reply_class.clone_from(&body.class);
    row.reply_rule.clone_from(&body.rule);
    row.received_at = Some(body.received_at);
    if let Some(program) = &body.program {
        row.program = program.to_string();
    }
    let mut said = Vec::new();
    if let Some(flag) = &body.provider_flag {
        said.push(format!("the provider calls it {flag}"));
    }
    if body.review {
        said.push("waits for a person; marketing is suspended until then".to_owned());
    }
    row.note = said.join("; ");
    row.summary = format!("The person wrote; it was read as {}.", body.class);
}

pub fn review(row: &mut Row, body: &ReviewBody) {
    row.reply_class.clone_from(&body.decision);
    row.note.clone_from(&body.reason);
    row.actor.clone_from(&body.actor);
    row.summary = format!("An officer read the text of entry {} as {}.", body.inbound, body.decision);
}

pub fn external_send(row: &mut Row, body: &ExternalSendBody) {
    row.channel.clone_from(&body.medium);
    row.received_at = Some(body.at);
    row.cart = body.cart.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default();
    row.note = format!("by {}", body.tool);
    row.actor.clone_from(&body.actor);
    row.summary = format!("Another tool reached the person by {} at {}.", body.medium, body.at);
}

pub fn device(row: &mut Row, body: &DeviceBody) {
    let device = &body.device;
    row.channel = "PUSH".to_owned();
    row.state = words::name(&body.cause);
    row.locale.clone_from(&device.locale);
    row.customer = device.customer.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default();
    row.message_id = body.message.map(|m| m.to_string()).unwrap_or_default();
    row.actor.clone_from(&body.actor);
    if let Some(error) = &body.error {
        row.provider_error = format!("{} {}: {}", words::name(&error.class), error.code, error.text);
    }
    let switch = if device.channel_enabled { "on" } else { "off" };
    row.note = format!(
        "{}, permission {}, marketing switch {switch}",
        device.platform.provider(),
        words::name(&device.permission)
    );
    row.summary = match body.cause {
        DeviceCause::Reported => "The app reported the installation.".to_owned(),
        DeviceCause::Removed => "The installation's push token was forgotten.".to_owned(),
        DeviceCause::Dead => {
            "The push service said that the token is dead; consent stays as it was.".to_owned()
        }
        DeviceCause::Moved => "Another installation has this push token now.".to_owned(),
    };
}
