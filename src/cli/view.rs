//! Answers of the gateway as the command line shows them, for people and as stable JSON.

use std::fmt;

use prost_types::Timestamp;
use serde::Serialize;

use crate::model::Instant;
use crate::pb::consentry::v1 as pb;

/// An instant of the wire; none when it is not set.
pub fn instant(at: Option<&Timestamp>) -> Option<Instant> {
    at.map(|t| {
        Instant::from_micros(t.seconds.saturating_mul(1_000_000).saturating_add(i64::from(t.nanos) / 1_000))
    })
}

/// An instant for people, without its fraction of a second.
fn to_the_second(at: Instant) -> String {
    format!("{:.0}", at.to_jiff())
}

/// An enum value as the contract writes it, without its prefix; `UNSPECIFIED` for numbers of newer releases.
pub fn name<'a>(full: &'a str, prefix: &str) -> &'a str {
    full.strip_prefix(prefix).unwrap_or(full)
}

/// A verdict.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub outcome: String,
    pub hold_until: Option<Instant>,
    pub estimated_send_at: Option<Instant>,
    pub send_not_after: Option<Instant>,
    pub evaluated_at: Option<Instant>,
    pub reasons: Vec<Reason>,
    pub policy_version: String,
    pub time_zone_version: String,
    pub zones_considered: Vec<String>,
    pub jurisdictions_considered: Vec<String>,
    pub decision_id: String,
}

/// One reason.
#[derive(Debug, Serialize)]
pub struct Reason {
    pub effect: String,
    pub code: String,
    pub rule: String,
    pub citation: String,
    pub detail: String,
    pub hold_until: Option<Instant>,
}

impl From<pb::Reason> for Reason {
    fn from(r: pb::Reason) -> Self {
        Reason {
            effect: name(r.effect().as_str_name(), "EFFECT_").to_owned(),
            hold_until: instant(r.hold_until.as_ref()),
            code: r.code,
            rule: r.rule,
            citation: r.citation,
            detail: r.detail,
        }
    }
}

impl From<pb::Verdict> for Verdict {
    fn from(v: pb::Verdict) -> Self {
        Verdict {
            outcome: name(v.outcome().as_str_name(), "OUTCOME_").to_owned(),
            hold_until: instant(v.hold_until.as_ref()),
            estimated_send_at: instant(v.estimated_send_at.as_ref()),
            send_not_after: instant(v.send_not_after.as_ref()),
            evaluated_at: instant(v.evaluated_at.as_ref()),
            reasons: v.reasons.into_iter().map(Reason::from).collect(),
            policy_version: v.policy_version,
            time_zone_version: v.time_zone_version,
            zones_considered: v.zones_considered,
            jurisdictions_considered: v.jurisdictions_considered,
            decision_id: v.decision_id,
        }
    }
}

impl Verdict {
    /// Whether the message may leave, now or later.
    pub fn is_favourable(&self) -> bool {
        matches!(self.outcome.as_str(), "ADMIT" | "HOLD")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome)?;
        if let Some(until) = self.hold_until {
            write!(f, " until {}", to_the_second(until))?;
        }
        writeln!(f)?;
        for reason in &self.reasons {
            writeln!(f, "  {reason}")?;
        }
        let times = [("leaves about", self.estimated_send_at), ("may leave until", self.send_not_after)];
        times
            .iter()
            .filter_map(|(what, at)| at.map(|at| (what, at)))
            .try_for_each(|(what, at)| writeln!(f, "  {what} {}", to_the_second(at)))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.code, self.detail)?;
        if let Some(until) = self.hold_until {
            write!(f, " (until {})", to_the_second(until))?;
        }
        let ground: Vec<&str> =
            [self.citation.as_str(), self.rule.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
        if ground.is_empty() { Ok(()) } else { write!(f, "\n    {}", ground.join(" · ")) }
    }
}

/// A message with its verdict.
#[derive(Debug, Serialize)]
pub struct Sent {
    pub message_id: String,
    pub state: String,
    pub verdict: Verdict,
    pub body: String,
    pub encoding: String,
    pub segments: u32,
    pub idempotency_key: String,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        writeln!(f, "message {}  {}  key {}", self.message_id, self.state, self.idempotency_key)?;
        text(f, &self.body, &self.encoding, self.segments)
    }
}

/// What would be decided.
#[derive(Debug, Serialize)]
pub struct Checked {
    pub verdict: Verdict,
    pub next_allowed_at: Option<Instant>,
    pub sender: String,
    pub body: String,
    pub encoding: String,
    pub segments: u32,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        match self.next_allowed_at {
            Some(at) => writeln!(f, "next allowed {}", to_the_second(at))?,
            None => writeln!(f, "not allowed within the next 7 days")?,
        }
        text(f, &self.body, &self.encoding, self.segments)
    }
}

fn text(f: &mut fmt::Formatter<'_>, body: &str, encoding: &str, segments: u32) -> fmt::Result {
    if body.is_empty() {
        return Ok(());
    }
    let parts = if segments == 1 { "1 part".to_owned() } else { format!("{segments} parts") };
    writeln!(f, "text in {parts} of {encoding}:\n  {}", body.replace('\n', "\n  "))
}

/// Consents after an opt-in.
#[derive(Debug, Serialize)]
pub struct OptedIn {
    pub consents: Vec<Consent>,
    pub idempotency_key: String,
}

/// One consent.
#[derive(Debug, Serialize)]
pub struct Consent {
    pub program: String,
    pub channel: String,
    pub state: String,
    pub reasons: Vec<Reason>,
    pub granted_at: Option<Instant>,
    pub expires_at: Option<Instant>,
}

impl From<pb::Consent> for Consent {
    fn from(c: pb::Consent) -> Self {
        Consent {
            channel: name(c.channel().as_str_name(), "CHANNEL_").to_owned(),
            state: name(c.state().as_str_name(), "CONSENT_STATE_").to_owned(),
            granted_at: instant(c.granted_at.as_ref()),
            expires_at: instant(c.expires_at.as_ref()),
            reasons: c.reasons.into_iter().map(Reason::from).collect(),
            program: c.program,
        }
    }
}

impl fmt::Display for OptedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for consent in &self.consents {
            writeln!(f, "{}  {} by {}", consent.state, consent.program, consent.channel)?;
            consent.reasons.iter().try_for_each(|r| writeln!(f, "  {r}"))?;
        }
        write!(f, "key {}", self.idempotency_key)
    }
}

/// An opt-out.
#[derive(Debug, Serialize)]
pub struct OptedOut {
    pub id: String,
    pub scope: String,
    pub effective_at: Option<Instant>,
    pub cancelled_messages: Vec<String>,
    pub in_flight_messages: Vec<String>,
    /// What whoever recorded it should know.
    pub remarks: Vec<Reason>,
    pub idempotency_key: String,
}

impl fmt::Display for OptedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.effective_at.map(to_the_second).unwrap_or_default();
        writeln!(f, "opted out of {} from {at} on", self.scope)?;
        for (what, ids) in
            [("will not leave", &self.cancelled_messages), ("already handed over", &self.in_flight_messages)]
        {
            ids.iter().try_for_each(|id| writeln!(f, "  message {id}: {what}"))?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "  {remark}"))?;
        write!(f, "key {}", self.idempotency_key)
    }
}
