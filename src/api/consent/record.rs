//! What changes consent: opt-ins, confirmations, opt-outs, reversals, wishes, reviews.

use super::Consents;
use crate::api::auth::Caller;
use crate::api::convert::inbound::{Review, inbound, resolved};
use crate::api::convert::{check, consent as shown, evidence, names, subject, verdict};
use crate::api::field::{Fields, Lines};
use crate::api::service::idempotency;
use crate::api::status::ApiError;
use crate::decide::missed_deadline;
use crate::ledger::rows::{InboundTextRow, keys};
use crate::model::location::{LocationHint, LocationSource};
use crate::model::subject::Address;
use crate::model::{Channel, OptOutScope, Reason, SubjectId};
use crate::pb::consentry::v1 as wire;
use crate::place::place_facts;
use crate::writer::ops::consent::{ConfirmOptIn, RecordOptIn};
use crate::writer::ops::number_check::RecordNumberCheck;
use crate::writer::ops::opt_out::{OptOutAnswer, RecordOptOut, ReverseOptOut};
use crate::writer::ops::preferences::SetPreferences;
use crate::writer::ops::review::{Resolution, ResolveInbound};
use crate::writer::ops::{Idempotency, Target};

/// Longest text of a person that is kept.
const WORDS_MAX: usize = 1_600;

/// Consent names an address.
fn one_address(f: &mut Fields, subject: Option<wire::Subject>) -> Option<(Target, String)> {
    let number = match subject.as_ref().and_then(|subject| subject.address.as_ref()) {
        Some(wire::subject::Address::Phone(text)) => text.clone(),
        _ => String::new(),
    };
    match subject::target(f, subject)? {
        Target::Customer(_) => {
            f.refuse("subject.customer_id", "does not do here: consent names a phone or a device")
        }
        target => Some((target, number)),
    }
}

fn opt_in(f: &mut Fields, mut wire: wire::RecordOptInRequest, caller: &Caller) -> Option<RecordOptIn> {
    let key = f.idempotency_key(std::mem::take(&mut wire.idempotency_key));
    let spelt = wire.subject.clone();
    subject::canonical(&mut wire.subject);
    let idempotency = idempotency("RecordOptIn", key.clone().unwrap_or_default(), &wire);
    let imported = wire::ConsentMethod::Imported as i32;
    if wire.evidence.as_ref().is_some_and(|evidence| evidence.method == imported) {
        f.bad(
            "evidence.method",
            "IMPORTED is for ImportConsents, which asks for the source's opt-outs first",
        );
    }
    wire.subject = spelt;
    let read = opt_in_of(f, wire, caller, idempotency);
    key?;
    read
}

/// Reads an opt-in whose key was read already; `subject` is as the caller spelt it.
pub(super) fn opt_in_of(
    f: &mut Fields,
    wire: wire::RecordOptInRequest,
    caller: &Caller,
    idempotency: Idempotency,
) -> Option<RecordOptIn> {
    let whose = one_address(f, wire.subject);
    let brand = f.id("brand", &wire.brand);
    let programs = f.each("programs", wire.programs, 1..=8, |f, id| f.id("", &id));
    let channels = subject::channels(f, wire.channels, 1);
    let customer = f.optional_id("customer_id", &wire.customer_id);
    let hints = subject::hints(f, wire.locations);
    let number = whose.as_ref().map(|(_, number)| number.clone()).unwrap_or_default();
    let evidence = f.required("evidence", wire.evidence, |f, e| evidence::evidence(f, e, number));
    let programs = programs?;
    f.no_repeats("programs", &programs)?;
    Some(RecordOptIn {
        brand: brand?,
        programs,
        target: whose?.0,
        channels: channels?,
        customer: customer?,
        hints: hints?,
        evidence: evidence?,
        night_only: wire.night_only,
        idempotency,
        actor: caller.key.clone(),
    })
}

fn confirmation(
    f: &mut Fields,
    mut wire: wire::ConfirmOptInRequest,
    caller: &Caller,
) -> Option<ConfirmOptIn> {
    let key = f.idempotency_key(std::mem::take(&mut wire.idempotency_key));
    let whose = one_address(f, wire.subject.clone());
    subject::canonical(&mut wire.subject);
    let idempotency = idempotency("ConfirmOptIn", key.clone().unwrap_or_default(), &wire);
    let brand = f.id("brand", &wire.brand);
    let program = f.id("program", &wire.program);
    let channel = f.named("channel", wire.channel, names::channel_of);
    let number = whose.as_ref().map(|(_, number)| number.clone()).unwrap_or_default();
    let evidence = f.required("evidence", wire.evidence, |f, e| evidence::evidence(f, e, number));
    key?;
    Some(ConfirmOptIn {
        brand: brand?,
        program: program?,
        channel: channel?,
        target: whose?.0,
        evidence: evidence?,
        idempotency,
        actor: caller.key.clone(),
    })
}

fn opt_out(f: &mut Fields, mut wire: wire::RecordOptOutRequest, caller: &Caller) -> Option<RecordOptOut> {
    let key = f.idempotency_key(std::mem::take(&mut wire.idempotency_key));
    subject::canonical(&mut wire.subject);
    let idempotency = idempotency("RecordOptOut", key.clone().unwrap_or_default(), &wire);
    let read = opt_out_of(f, wire, caller, idempotency);
    key?;
    read
}

/// Reads an opt-out whose key was read already.
pub(super) fn opt_out_of(
    f: &mut Fields,
    wire: wire::RecordOptOutRequest,
    caller: &Caller,
    idempotency: Idempotency,
) -> Option<RecordOptOut> {
    let brand = f.optional_id("brand", &wire.brand);
    if brand == Some(None) && !caller.brands.is_empty() {
        f.bad("brand", "is required for a key narrowed to brands");
    }
    let target = subject::target(f, wire.subject);
    let named = brand.clone().flatten();
    let scope = shown::scope(f, wire.scope, named.as_ref(), &wire.program, wire.channel);
    let source = f.named("source", wire.source, names::opt_out_source_of);
    // An opt-out is never refused for its date: what is no date counts as now.
    let received_at = wire.received_at.as_ref().and_then(crate::api::field::instant);
    let text = wire.text.chars().filter(|c| !c.is_control() || *c == '\n').take(WORDS_MAX).collect();
    Some(RecordOptOut {
        brand: brand?,
        target: target?,
        scope: scope?,
        source: source?,
        text,
        received_at,
        idempotency,
        actor: caller.key.clone(),
    })
}

impl Consents {
    pub(super) async fn opt_in(
        &self,
        caller: &Caller,
        request: wire::RecordOptInRequest,
    ) -> Result<wire::RecordOptInResponse, ApiError> {
        let mut f = self.hands.fields();
        let read = opt_in(&mut f, request, caller);
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let answer = self.hands.write(op).await?;
        let whose = self.address(&answer.subject)?;
        let consents = shown::recorded(&answer, &whose, self.hands.now());
        Ok(wire::RecordOptInResponse { consents })
    }

    pub(super) async fn confirm(
        &self,
        caller: &Caller,
        request: wire::ConfirmOptInRequest,
    ) -> Result<wire::ConfirmOptInResponse, ApiError> {
        let mut f = self.hands.fields();
        let read = confirmation(&mut f, request, caller);
        let op = f.finish(read)?;
        caller.check_brand(&op.brand)?;
        let answer = self.hands.write(op).await?;
        let whose = self.address(&answer.subject)?;
        let consent = shown::recorded(&answer, &whose, self.hands.now()).pop();
        Ok(wire::ConfirmOptInResponse { consent })
    }

    pub(super) async fn opt_out(
        &self,
        caller: &Caller,
        request: wire::RecordOptOutRequest,
    ) -> Result<wire::OptOut, ApiError> {
        let mut f = self.hands.fields();
        let read = opt_out(&mut f, request, caller);
        let op = f.finish(read)?;
        let brand = op.brand.clone();
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        if let OptOutScope::Brand(brand) = &op.scope {
            caller.check_brand(brand)?;
        }
        let answer = self.hands.write(op).await?;
        let whose = self.address(&answer.subject)?;
        let brand = brand.map(|brand| brand.to_string()).unwrap_or_default();
        let remarks = self.late(&answer)?.iter().map(verdict::reason).collect();
        Ok(wire::OptOut { brand, remarks, ..shown::recorded_opt_out(&answer, &whose) })
    }

    /// Whether an opt-out lay longer than the law gives before it was recorded here.
    fn late(&self, answer: &OptOutAnswer) -> Result<Option<Reason>, ApiError> {
        self.hands.look(|cx| {
            let subject = cx.subject(&answer.subject)?;
            let channel = match subject.address {
                Address::Phone(_) => Channel::Sms,
                Address::Device { .. } => Channel::Push,
            };
            let (received_at, in_force) = (answer.opt_out.received_at, answer.effective_at);
            let country = cx.number(&subject.address).and_then(|number| number.country);
            let phone = subject.address.phone();
            let place = place_facts(phone.as_ref(), country, &subject.hints, in_force);
            Ok(missed_deadline(&cx.policies.engine, &place, channel, received_at, in_force))
        })
    }

    pub(super) async fn reverse(
        &self,
        caller: &Caller,
        request: wire::ReverseOptOutRequest,
    ) -> Result<wire::OptOut, ApiError> {
        let mut f = self.hands.fields();
        let target = subject::target(&mut f, request.subject);
        let opt_out = shown::read_opt_out_id(&mut f, "opt_out", &request.opt_out);
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let officer = f.text("officer", request.officer, 1..=128, Lines::One);
        let actor = caller.key.clone();
        let read = (|| {
            Some(ReverseOptOut {
                target: target?,
                opt_out: opt_out?,
                reason: reason?,
                officer: officer?,
                actor,
            })
        })();
        let op = f.finish(read)?;
        let lifted_reason = op.reason.clone();
        let reversed = self.hands.write(op).await?;
        let whose = self.address(&reversed.subject)?;
        let entry_hash = reversed.entry.map(|(_, hash)| hash.0.to_vec()).unwrap_or_default();
        Ok(wire::OptOut { lifted_reason, entry_hash, ..shown::opt_out(&reversed.opt_out, &whose) })
    }

    pub(super) async fn wishes(
        &self,
        caller: &Caller,
        request: wire::SetPreferencesRequest,
    ) -> Result<wire::Preferences, ApiError> {
        let mut f = self.hands.fields();
        let now = f.now();
        let target = subject::target(&mut f, request.subject);
        let preferences = f.required("preferences", request.preferences, subject::preferences);
        let read = (|| Some((target?, preferences?)))();
        let (target, (preferences, zone)) = f.finish(read)?;
        let hint = zone.map(|time_zone| LocationHint {
            source: LocationSource::Stated,
            country: String::new(),
            region: String::new(),
            postal_code: String::new(),
            time_zone,
            observed_at: now,
        });
        let actor = caller.key.clone();
        let id = self.hands.write(SetPreferences { target, preferences, hint, actor }).await?;
        self.hands.look(|cx| {
            let subject = cx.subject(&id)?;
            Ok(subject::wishes(&subject.preferences, &subject.hints))
        })
    }

    pub(super) async fn number_check(
        &self,
        caller: &Caller,
        request: wire::RecordNumberCheckRequest,
    ) -> Result<wire::NumberCheck, ApiError> {
        let mut f = self.hands.fields();
        let read = f.required("check", request.check, check::read);
        let (target, check) = f.finish(read)?;
        // A check is named by what it says: the very same answer again is no second fact.
        let idempotency =
            Idempotency { method: "RecordNumberCheck", key: String::new(), request_sha256: [0; 32] };
        let actor = caller.key.clone();
        let checked = self.hands.write(RecordNumberCheck { target, check, idempotency, actor }).await?;
        let whose = self.address(&checked.subject)?;
        Ok(check::shown(&checked.check, &whose))
    }

    pub(super) async fn resolve(
        &self,
        caller: &Caller,
        request: wire::ResolveInboundRequest,
    ) -> Result<wire::InboundMessage, ApiError> {
        let mut f = self.hands.fields();
        let id = match request.id.parse::<u64>() {
            Ok(index) => Some(index),
            Err(_) => f.refuse("id", "must be the id of a text that came in"),
        };
        let resolution = f.named("resolution", request.resolution, resolution);
        let reason = f.text("reason", request.reason, 1..=512, Lines::Many);
        let officer = f.text("officer", request.officer, 1..=128, Lines::One);
        let actor = caller.key.clone();
        let read = (|| {
            let (reason, officer) = (reason?, officer?);
            Some(ResolveInbound { inbound: id?, resolution: resolution?, reason, officer, actor })
        })();
        let op = f.finish(read)?;
        let index = op.inbound;
        let seen = self.hands.see(caller, "ResolveInbound", move |reader, eyes| {
            reader.look(|cx| match cx.get::<InboundTextRow>(&keys::inbound_text(index))? {
                Some(row) => eyes.sees(cx, &row.subject),
                // The operation says what is missing.
                None => Ok(true),
            })
        });
        if !seen.await? {
            return Err(ApiError::NotFound { kind: "inbound text", name: index.to_string() });
        }
        let done = self.hands.write(op).await?;
        let whose = self.address(&done.subject)?;
        Ok(resolved(inbound(index, &done.text, &whose, Review::Resolved), &done.decision))
    }

    /// The address behind a subject.
    pub(super) fn address(&self, id: &SubjectId) -> Result<Address, ApiError> {
        self.hands.look(|cx| Ok(cx.subject(id)?.address.clone()))
    }
}

fn resolution(wire: wire::InboundResolution) -> Option<Resolution> {
    match wire {
        wire::InboundResolution::Unspecified => None,
        wire::InboundResolution::OptOut => Some(Resolution::OptOut),
        wire::InboundResolution::NotOptOut => Some(Resolution::NotOptOut),
        wire::InboundResolution::WrongNumber => Some(Resolution::WrongNumber),
    }
}
