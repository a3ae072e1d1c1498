//! Verdicts and their reasons on the wire.

use crate::api::convert::{maybe_timestamp, names, timestamp};
use crate::ledger::body::EngineBody;
use crate::model::verdict::{Reason, Verdict};
use crate::pb::consentry::v1 as wire;

/// The engine in force, to be named in full where a verdict came from it.
#[derive(Debug, Clone, Copy)]
pub struct EngineInForce<'a> {
    /// Its hash, as entries name it.
    pub hash: &'a [u8; 32],
    /// What it is made of.
    pub body: &'a EngineBody,
}

/// A verdict; `decision` is the place of its entry in the log, if it was recorded.
pub fn verdict(verdict: &Verdict, decision: Option<u64>, engine: EngineInForce<'_>) -> wire::Verdict {
    let zones = verdict.zones_considered.iter().map(|zone| zone.as_str().to_owned());
    let jurisdictions = verdict.jurisdictions_considered.iter().map(|place| place.as_str().to_owned());
    wire::Verdict {
        outcome: names::outcome(verdict.outcome).into(),
        hold_until: maybe_timestamp(verdict.hold_until),
        estimated_send_at: maybe_timestamp(verdict.estimated_send_at),
        send_not_after: maybe_timestamp(verdict.send_not_after),
        reasons: verdict.reasons.iter().map(reason).collect(),
        evaluated_at: Some(timestamp(verdict.evaluated_at)),
        engine: Some(named(&verdict.engine, engine)),
        policy_version: verdict.policy_version.clone(),
        time_zone_version: verdict.time_zone_version.clone(),
        zones_considered: zones.collect(),
        jurisdictions_considered: jurisdictions.collect(),
        decision_id: decision.map(|index| index.to_string()).unwrap_or_default(),
    }
}

/// A reason.
pub fn reason(reason: &Reason) -> wire::Reason {
    wire::Reason {
        code: reason.code.to_string(),
        rule: reason.rule.clone(),
        citation: reason.citation.clone(),
        detail: reason.detail.clone(),
        hold_until: maybe_timestamp(reason.hold_until),
        effect: names::effect(reason.effect).into(),
    }
}

fn named(hash: &[u8; 32], in_force: EngineInForce<'_>) -> wire::Engine {
    let id = hex::encode(hash);
    if hash != in_force.hash {
        return wire::Engine { id, ..wire::Engine::default() };
    }
    wire::Engine {
        id,
        release: in_force.body.release.clone(),
        policy_hash: in_force.body.policy_sha256.clone(),
        time_zone_version: in_force.body.time_zones.clone(),
        phone_data_version: in_force.body.phone_numbers.clone(),
    }
}
