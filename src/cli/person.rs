//! `consentry person`: what is known about a person, now or as it was known at any instant, and what happened until then.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::message::{phone, timestamp};
use super::output::Output;
use super::view::{instant, name};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::consent_event::Event;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;

/// Events shown at most.
const TIMELINE_MAX: i32 = 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// The person's number.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// As it was known at this instant, RFC 3339. Default: now.
    #[arg(long, env = "CONSENTRY_AT", value_parser = Instant::parse)]
    at: Option<Instant>,
    /// Also list what happened until then, newest first, at most 1,000 things (role AUDITOR or ADMIN).
    #[arg(long, env = "CONSENTRY_TIMELINE")]
    timeline: bool,
}

#[derive(Debug, Serialize)]
struct Known {
    subject_id: String,
    as_of: Option<Instant>,
    entries: u64,
    last_entry_hash: String,
    /// Numbers that are blocked whatever else is known.
    suppressed: bool,
    restricted_at: Option<Instant>,
    consents: Vec<Consent>,
    opt_outs: Vec<OptOut>,
    legal_holds: Vec<Hold>,
    /// Messages that counted for caps then.
    recent_sends: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<Happened>>,
}

#[derive(Debug, Serialize)]
struct Consent {
    brand: String,
    program: String,
    channel: String,
    state: String,
    granted_at: Option<Instant>,
    revoked_at: Option<Instant>,
    /// Codes of why it is not to be relied on, if so.
    reasons: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OptOut {
    scope: String,
    source: String,
    received_at: Option<Instant>,
    lifted_at: Option<Instant>,
}

#[derive(Debug, Serialize)]
struct Hold {
    id: String,
    set_at: Option<Instant>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Happened {
    at: Option<Instant>,
    entry: u64,
    what: String,
}

fn told(at: Option<Instant>) -> String {
    at.map_or_else(|| "?".to_owned(), |at| at.to_string())
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "As known at {}, from {} entries:", told(self.as_of), self.entries)?;
        if self.suppressed {
            writeln!(f, "  the number is blocked")?;
        }
        if let Some(at) = self.restricted_at {
            writeln!(f, "  restricted since {at}")?;
        }
        for c in &self.consents {
            let since = c.revoked_at.or(c.granted_at).map(|at| format!(" since {at}")).unwrap_or_default();
            let why =
                if c.reasons.is_empty() { String::new() } else { format!(" ({})", c.reasons.join(", ")) };
            writeln!(f, "  consent   {} {}: {}{since}{why}", c.program, c.channel, c.state)?;
        }
        for o in &self.opt_outs {
            let lifted = o.lifted_at.map(|at| format!(", lifted {at}")).unwrap_or_default();
            writeln!(f, "  opt-out   {} by {}, {}{lifted}", o.scope, o.source, told(o.received_at))?;
        }
        for hold in &self.legal_holds {
            writeln!(f, "  hold      {} since {} {}", hold.id, told(hold.set_at), hold.reason)?;
        }
        if self.consents.is_empty() && self.opt_outs.is_empty() {
            writeln!(f, "  no consent and no opt-out")?;
        }
        writeln!(f, "  messages that count for caps: {}", self.recent_sends)?;
        for line in self.timeline.iter().flatten() {
            writeln!(f, "{}  entry {}  {}", told(line.at), line.entry, line.what)?;
        }
        write!(f, "subject {}  last entry {}", self.subject_id, self.last_entry_hash)
    }
}

/// Exit code 0: the person is known, and was then.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    output.answer(&ask(args)?)?;
    Ok(ExitCode::SUCCESS)
}

fn ask(args: Args) -> Result<Known, Failure> {
    let request =
        pb::GetSubjectRequest { subject: Some(phone(args.phone.clone())), as_of: args.at.map(timestamp) };
    let seen =
        args.server.call(async |channel| ConsentServiceClient::new(channel).get_subject(request).await)?;
    let timeline = match args.timeline {
        true => Some(timeline(&args.server, args.phone, args.at)?),
        false => None,
    };
    Ok(known(seen, timeline))
}

fn known(seen: pb::SubjectView, timeline: Option<Vec<Happened>>) -> Known {
    let hold = |hold: pb::LegalHold| Hold {
        id: hold.id,
        set_at: instant(hold.set_at.as_ref()),
        reason: hold.reason,
    };
    Known {
        subject_id: seen.subject_id,
        as_of: instant(seen.as_of.as_ref()),
        entries: seen.entry_count,
        last_entry_hash: hex::encode(seen.last_entry_hash),
        suppressed: seen.suppressed,
        restricted_at: instant(seen.restricted_at.as_ref()),
        consents: seen.consents.iter().map(consent).collect(),
        opt_outs: seen.opt_outs.iter().map(opt_out).collect(),
        legal_holds: seen.legal_holds.into_iter().map(hold).collect(),
        recent_sends: seen.recent_sends.len(),
        timeline,
    }
}

fn consent(c: &pb::Consent) -> Consent {
    Consent {
        brand: c.brand.clone(),
        program: c.program.clone(),
        channel: name(c.channel().as_str_name(), "CHANNEL_").to_owned(),
        state: name(c.state().as_str_name(), "CONSENT_STATE_").to_owned(),
        granted_at: instant(c.confirmed_at.as_ref().or(c.granted_at.as_ref())),
        revoked_at: instant(c.revoked_at.as_ref()),
        reasons: c.reasons.iter().map(|reason| reason.code.clone()).collect(),
    }
}

fn opt_out(o: &pb::OptOut) -> OptOut {
    OptOut {
        scope: name(o.scope().as_str_name(), "OPT_OUT_SCOPE_").to_owned(),
        source: name(o.source().as_str_name(), "OPT_OUT_SOURCE_").to_owned(),
        received_at: instant(o.received_at.as_ref()),
        lifted_at: instant(o.lifted_at.as_ref()),
    }
}

fn timeline(server: &Server, number: String, until: Option<Instant>) -> Result<Vec<Happened>, Failure> {
    let request = pb::ListConsentEventsRequest {
        subject: Some(phone(number)),
        page_size: TIMELINE_MAX,
        ..pb::ListConsentEventsRequest::default()
    };
    let page =
        server.call(async |channel| ConsentServiceClient::new(channel).list_consent_events(request).await)?;
    let until_then = |event: &pb::ConsentEvent| {
        instant(event.occurred_at.as_ref()).zip(until).is_none_or(|(at, until)| at <= until)
    };
    Ok(page.events.into_iter().filter(until_then).map(happened).collect())
}

fn happened(event: pb::ConsentEvent) -> Happened {
    let what = match &event.event {
        Some(Event::Consent(c)) => {
            let c = consent(c);
            format!("consent   {} {}: {}", c.program, c.channel, c.state)
        }
        Some(Event::OptOut(o)) => {
            let o = opt_out(o);
            let what = if o.lifted_at.is_some() { "lifted" } else { "recorded" };
            format!("opt-out   {} by {}: {what}", o.scope, o.source)
        }
        Some(Event::Preferences(_)) => "wishes written".to_owned(),
        Some(Event::NumberCheck(_)) => "something learned about the number".to_owned(),
        // Of a later release.
        None => "something this release does not know".to_owned(),
    };
    Happened { at: instant(event.occurred_at.as_ref()), entry: event.entry_index, what }
}

#[cfg(test)]
mod tests;
