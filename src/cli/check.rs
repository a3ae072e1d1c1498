//! `consentry check`: the decision without its consequences.

use std::process::ExitCode;

use super::call::Server;
use super::failure::Failure;
use super::message::{MessageArgs, timestamp};
use super::output::Output;
use super::view::{Checked, instant, name};
use crate::model::Instant;
use crate::pb::consentry::v1::CheckMessageRequest;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    message: MessageArgs,
    /// The instant to judge, RFC 3339. Default: now.
    #[arg(long, env = "CONSENTRY_AT", value_parser = Instant::parse)]
    at: Option<Instant>,
}

/// Exit code 0 when it would be admitted or held, 1 when it would be refused.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let message = Some(args.message.into_request()?);
    let request = CheckMessageRequest { message, at: args.at.map(timestamp) };
    let answer =
        args.server.call(async |channel| MessageServiceClient::new(channel).check_message(request).await)?;
    let checked = Checked {
        next_allowed_at: instant(answer.next_allowed_at.as_ref()),
        encoding: name(answer.encoding().as_str_name(), "ENCODING_").to_owned(),
        segments: answer.segments,
        verdict: answer.verdict.unwrap_or_default().into(),
        sender: answer.sender,
        body: answer.body,
    };
    output.answer(&checked)?;
    Ok(if checked.verdict.is_favourable() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
