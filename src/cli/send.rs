//! `consentry send`

use std::process::ExitCode;

use super::call::Server;
use super::failure::Failure;
use super::message::MessageArgs;
use super::output::Output;
use super::view::{Sent, name};
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    message: MessageArgs,
}

/// Exit code 0 when it was admitted or held, 1 when it was refused.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let request = args.message.into_request()?;
    let idempotency_key = request.idempotency_key.clone();
    let answer =
        args.server.call(async |channel| MessageServiceClient::new(channel).send_message(request).await)?;
    let message = answer.message.unwrap_or_default();
    let sent = Sent {
        state: name(message.state().as_str_name(), "MESSAGE_STATE_").to_owned(),
        encoding: name(message.encoding().as_str_name(), "ENCODING_").to_owned(),
        segments: message.segments,
        message_id: message.id,
        body: message.body,
        verdict: answer.verdict.unwrap_or_default().into(),
        idempotency_key,
    };
    output.answer(&sent)?;
    Ok(if sent.verdict.is_favourable() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
