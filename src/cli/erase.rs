//! `consentry erase`: restricts or erases a person.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::message::phone;
use super::output::Output;
use super::view::{Reason, instant, name};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// The person's number.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// Destroy the person's key now, for good. Without it: opted out and hidden now, erased when retention ends.
    #[arg(long, env = "CONSENTRY_ERASE_NOW")]
    now: bool,
    /// Why, for the record.
    #[arg(long, env = "CONSENTRY_REASON")]
    reason: String,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Answer {
    state: String,
    erase_after: Option<Instant>,
    /// What stays, and why.
    grounds: Vec<Reason>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if let Some(at) = self.erase_after {
            write!(f, ", erased after {at}")?;
        }
        for ground in &self.grounds {
            write!(f, "\n  {} ({}; {}): {}", ground.code, ground.rule, ground.citation, ground.detail)?;
            if let Some(until) = ground.hold_until {
                write!(f, " Until {until}.")?;
            }
        }
        Ok(())
    }
}

/// Exit code 0: restricted or erased; 1: a legal hold forbids it.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let mode = if args.now { pb::EraseMode::EraseNow } else { pb::EraseMode::Restrict };
    let request =
        pb::EraseSubjectRequest { subject: Some(phone(args.phone)), mode: mode.into(), reason: args.reason };
    let answer =
        args.server.call(async |channel| ConsentServiceClient::new(channel).erase_subject(request).await)?;
    let held = answer.state() == pb::EraseState::Held;
    output.answer(&Answer {
        state: name(answer.state().as_str_name(), "ERASE_STATE_").to_owned(),
        erase_after: instant(answer.erase_after.as_ref()),
        grounds: answer.grounds.into_iter().map(Reason::from).collect(),
    })?;
    Ok(if held { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
