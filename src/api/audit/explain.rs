//! `ExplainDecision`: what was decided, by which rules, on which consent, and when it would be lawful.

use std::sync::Arc;

use std::collections::BTreeMap;

use super::Audits;
use crate::api::auth::Caller;
use crate::api::convert::verdict::{EngineInForce, reason, verdict};
use crate::api::convert::{consent as shown, maybe_timestamp};
use crate::api::past::subject_at;
use crate::api::restricted::Eyes;
use crate::api::status::ApiError;
use crate::ledger::body::Body;
use crate::ledger::entry::{Entry, Kind};
use crate::ledger::rows::{ChainRow, keys};
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::verdict::{Effect, Reason};
use crate::model::{Instant, MessageId, Outcome, Verdict};
use crate::pb::consentry::v1 as wire;
use crate::policy::sentence::sentence;
use crate::policy::{PolicySet, Query};
use crate::writer::{Cx, OpError, Reader};

/// Entries of a chain looked through for a message's newest decision, newest first.
const LOOK_BACK: usize = 10_000;

/// A decision found in the log.
struct Found {
    entry: Entry,
    spec: Arc<MessageSpec>,
    verdict: Arc<Verdict>,
}

impl Audits {
    pub(super) async fn explain(
        &self,
        caller: &Caller,
        request: wire::ExplainDecisionRequest,
    ) -> Result<wire::DecisionExplanation, ApiError> {
        use wire::explain_decision_request::Target;
        let mut f = self.hands.fields();
        let asked = match request.target {
            Some(Target::DecisionId(text)) => match text.parse::<u64>() {
                Ok(index) => Some(Asked::Entry(index)),
                Err(_) => f.refuse("decision_id", "must be the id of a decision"),
            },
            Some(Target::MessageId(text)) => match text.parse::<MessageId>() {
                Ok(id) => Some(Asked::Message(id)),
                Err(e) => f.refuse("message_id", e.to_string()),
            },
            None => f.refuse("target", "must be decision_id or message_id"),
        };
        let asked = f.finish(asked)?;
        let missing = || ApiError::NotFound { kind: "decision", name: asked.name() };
        let wanted = asked.clone();
        let explained = self
            .hands
            .see(caller, "ExplainDecision", move |reader, eyes| explain(reader, eyes, &wanted))
            .await?;
        let (brand, explained) = explained.ok_or_else(missing)?;
        // Another brand's decision is as good as none.
        caller.check_brand(&brand).map_err(|_| missing())?;
        Ok(explained)
    }
}

#[derive(Clone)]
enum Asked {
    Entry(u64),
    Message(MessageId),
}

impl Asked {
    fn name(&self) -> String {
        match self {
            Asked::Entry(index) => index.to_string(),
            Asked::Message(id) => id.to_string(),
        }
    }
}

type Explained = Option<(crate::model::BrandId, wire::DecisionExplanation)>;

fn explain(reader: &Reader, eyes: &mut Eyes, asked: &Asked) -> Result<Explained, OpError> {
    reader.look(|cx| {
        let index = match asked {
            Asked::Entry(index) => Some(*index),
            Asked::Message(id) => newest(cx, reader, id)?,
        };
        let Some(found) = index.map(|index| decision(cx, index)).transpose()?.flatten() else {
            return Ok(None);
        };
        if !eyes.sees(cx, &found.spec.subject)? {
            return Ok(None);
        }
        let at = found.verdict.evaluated_at;
        let then = subject_at(cx, reader, &found.spec.subject, at)?;
        let rested = then.as_ref().and_then(|subject| {
            let same = |c: &&crate::model::Consent| {
                c.program == found.spec.program && c.channel == found.spec.channel
            };
            subject.consents.iter().rfind(same).map(|c| shown::consent(c, &subject.address, at))
        });
        let policies = cx.policies.clone();
        let known = found.entry.leaf.engine == policies.engine_hash;
        let rules = match known {
            true => traces(cx, policies.engine.policy(), &found)?,
            false => said(&found.verdict),
        };
        let engine = EngineInForce { hash: &policies.engine_hash, body: &policies.described };
        let explained = wire::DecisionExplanation {
            verdict: Some(verdict(&found.verdict, Some(found.entry.index), engine)),
            rules,
            entry_hash: found.entry.hash.0.to_vec(),
            sentences: sentences(&found, rested.is_some(), known),
            consent: rested,
            earliest_lawful_at: maybe_timestamp(earliest(&found.verdict)),
            message_id: found.spec.id.to_string(),
        };
        Ok(Some((found.spec.brand.clone(), explained)))
    })
}

/// The newest entry that decided about a message.
fn newest(cx: &mut Cx<'_>, reader: &Reader, id: &MessageId) -> Result<Option<u64>, OpError> {
    let Some(message) = cx.get::<Message>(&keys::message(id))? else { return Ok(None) };
    let first = keys::chain(&message.spec.subject, 0);
    let rows = cx.state.scan_back::<ChainRow>(&first[..first.len() - 8], None, LOOK_BACK)?;
    for (_, row) in rows {
        if row.index <= message.entry {
            break;
        }
        let Some(entry) = reader.entries().entry(row.index).map_err(OpError::Fatal)? else { continue };
        let about = entry.leaf.public.message_id == id.0;
        if about && matches!(entry.leaf.kind, Kind::Intent | Kind::Redecision) {
            return Ok(Some(row.index));
        }
    }
    Ok(Some(message.entry))
}

/// The decision at an index; none when there is none, or nobody can open it any more.
fn decision(cx: &mut Cx<'_>, index: u64) -> Result<Option<Found>, OpError> {
    let Some(entry) = cx.entry(index)? else { return Ok(None) };
    let (id, verdict) = match &entry.body {
        Body::Decision(body) => {
            let (spec, verdict) = (body.message.clone(), body.verdict.clone());
            return Ok(Some(Found { entry, spec, verdict }));
        }
        Body::Intent(body) => (body.message, body.verdict.clone()),
        Body::Redecision(body) => (body.message, body.verdict.clone()),
        _ => return Ok(None),
    };
    let message = cx.get::<Message>(&keys::message(&id))?;
    Ok(message.map(|message| Found { entry, spec: message.spec.clone(), verdict }))
}

/// The first lawful instant, seen from the decision.
fn earliest(verdict: &Verdict) -> Option<Instant> {
    match verdict.outcome {
        Outcome::Admit => Some(verdict.evaluated_at),
        Outcome::Hold => verdict.hold_until,
        Outcome::Refuse => None,
    }
}

/// Every rule in force there and then, and what it said.
fn traces(cx: &mut Cx<'_>, policy: &PolicySet, found: &Found) -> Result<Vec<wire::RuleTrace>, OpError> {
    let (spec, verdict) = (&found.spec, &found.verdict);
    let sender_kind = match &spec.sender {
        Some(id) => cx.sender(id.as_str())?.map(|sender| sender.kind),
        None => None,
    };
    let query = Query {
        places: &policy.expand(&verdict.jurisdictions_considered).places,
        channel: spec.channel,
        category: spec.category,
        sender_kind,
        cart: spec.cart.is_some(),
        from: verdict.evaluated_at,
        to: verdict.evaluated_at,
    };
    let mut traces: BTreeMap<String, wire::RuleTrace> = BTreeMap::new();
    for rule in policy.applicable(&query) {
        let trace = wire::RuleTrace {
            rule: rule.id.clone(),
            jurisdiction: rule.jurisdiction.as_ref().map(ToString::to_string).unwrap_or_default(),
            result: "pass".to_owned(),
            inputs: vec![sentence(&rule.value), format!("Ground: {}", rule.citation)],
            reason: None,
        };
        traces.insert(rule.id.clone(), trace);
    }
    for spoke in said(verdict) {
        let known = traces.entry(spoke.rule.clone()).or_insert_with(|| spoke.clone());
        // Of several reasons by one rule the first is the weightiest: verdicts are sorted.
        if known.reason.is_none() {
            (known.result, known.reason) = (spoke.result, spoke.reason);
        }
    }
    Ok(traces.into_values().collect())
}

/// The rules that had something to say: all that is known of an engine that is not the one in force.
fn said(verdict: &Verdict) -> Vec<wire::RuleTrace> {
    let trace = |r: &Reason| wire::RuleTrace {
        rule: r.rule.clone(),
        jurisdiction: jurisdiction_of(&r.rule),
        result: match r.effect {
            Effect::Refuse => "refuse",
            Effect::Hold => "hold",
            Effect::Note => "pass",
        }
        .to_owned(),
        inputs: vec![r.detail.clone()],
        reason: Some(reason(r)),
    };
    verdict.reasons.iter().map(trace).collect()
}

/// The place in a rule's name: `us/fl` of `us/fl/quiet_hours`; nothing for duties without one.
fn jurisdiction_of(rule: &str) -> String {
    match rule.rsplit_once('/') {
        Some((place, _)) if !["core", "house", "brand", "person", "carrier", "store"].contains(&place) => {
            place.to_owned()
        }
        _ => String::new(),
    }
}

/// The decision in plain words.
fn sentences(found: &Found, consented: bool, known: bool) -> Vec<String> {
    let verdict = &found.verdict;
    let mut out = vec![match verdict.outcome {
        Outcome::Admit => format!("At {} the message might leave.", verdict.evaluated_at),
        Outcome::Hold => match verdict.hold_until {
            Some(until) => format!("At {} the message had to wait until {until}.", verdict.evaluated_at),
            None => format!("At {} the message had to wait.", verdict.evaluated_at),
        },
        Outcome::Refuse => format!("At {} the message was refused, for good.", verdict.evaluated_at),
    }];
    for reason in &verdict.reasons {
        let effect = match reason.effect {
            Effect::Refuse => "forbids it",
            Effect::Hold => "lets it wait",
            Effect::Note => "remarks",
        };
        out.push(format!(
            "{} {effect}: {} {} (rule {}; {})",
            reason.code,
            reason.code.meaning(),
            reason.detail,
            reason.rule,
            reason.citation
        ));
    }
    let list = |items: Vec<&str>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let places = verdict.jurisdictions_considered.iter().map(|p| p.as_str()).collect();
    let zones = verdict.zones_considered.iter().map(|z| z.as_str()).collect();
    out.push(format!("Law asked: {}. Clocks asked: {}.", list(places), list(zones)));
    out.push(match consented {
        true => format!("Consent for program {} was on record then.", found.spec.program),
        false => format!("No consent for program {} was on record then.", found.spec.program),
    });
    if let Some(until) = verdict.send_not_after {
        out.push(format!("Nothing may be handed over from {until} on."));
    }
    if !known {
        out.push(format!(
            "Policy {} judged, which is not the one in force: rules that had nothing to say are not listed.",
            verdict.policy_version
        ));
    }
    out
}
