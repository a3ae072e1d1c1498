//! `consentry opt-out`

use std::process::ExitCode;

use clap::ValueEnum;

use super::call::Server;
use super::failure::Failure;
use super::message::{fresh_key, phone, timestamp};
use super::output::Output;
use super::view::{OptedOut, instant, name};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// Brand it came in through.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// The person's number.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// How far it goes.
    #[arg(long, env = "CONSENTRY_SCOPE", value_enum, default_value = "all")]
    scope: Scope,
    /// The program, with --scope program.
    #[arg(long, env = "CONSENTRY_PROGRAM", required_if_eq("scope", "program"))]
    program: Option<String>,
    /// How it reached the shop.
    #[arg(long, env = "CONSENTRY_SOURCE", value_enum, default_value = "operator")]
    source: Source,
    /// The person's own words.
    #[arg(long, env = "CONSENTRY_TEXT")]
    text: Option<String>,
    /// When the person said so, RFC 3339. Default: now.
    #[arg(long, env = "CONSENTRY_RECEIVED_AT", value_parser = Instant::parse)]
    received_at: Option<Instant>,
    /// Names this attempt. Default: a new one each time.
    #[arg(long, env = "CONSENTRY_IDEMPOTENCY_KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    All,
    Marketing,
    Brand,
    Program,
    /// All texts, whatever they are about.
    Sms,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    PhoneCall,
    Email,
    Web,
    InStore,
    Letter,
    App,
    Operator,
}

impl From<Scope> for pb::OptOutScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => Self::All,
            Scope::Marketing => Self::Marketing,
            Scope::Brand => Self::Brand,
            Scope::Program => Self::Program,
            Scope::Sms => Self::Channel,
        }
    }
}

impl From<Source> for pb::OptOutSource {
    fn from(source: Source) -> Self {
        match source {
            Source::PhoneCall => Self::PhoneCall,
            Source::Email => Self::Email,
            Source::Web => Self::Web,
            Source::InStore => Self::InStore,
            Source::Letter => Self::Letter,
            Source::App => Self::App,
            Source::Operator => Self::Operator,
        }
    }
}

/// Exit code 0: an opt-out is never refused.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let idempotency_key = args.idempotency_key.unwrap_or_else(fresh_key);
    let channel = if args.scope == Scope::Sms { pb::Channel::Sms } else { pb::Channel::Unspecified };
    let request = pb::RecordOptOutRequest {
        brand: args.brand,
        subject: Some(phone(args.phone)),
        scope: pb::OptOutScope::from(args.scope).into(),
        source: pb::OptOutSource::from(args.source).into(),
        text: args.text.unwrap_or_default(),
        received_at: args.received_at.map(timestamp),
        idempotency_key: idempotency_key.clone(),
        program: args.program.filter(|_| args.scope == Scope::Program).unwrap_or_default(),
        channel: channel.into(),
    };
    let answer =
        args.server.call(async |channel| ConsentServiceClient::new(channel).record_opt_out(request).await)?;
    output.answer(&OptedOut {
        scope: name(answer.scope().as_str_name(), "OPT_OUT_SCOPE_").to_owned(),
        effective_at: instant(answer.effective_at.as_ref()),
        id: answer.id,
        cancelled_messages: answer.cancelled_messages,
        in_flight_messages: answer.in_flight_messages,
        remarks: answer.remarks.into_iter().map(Into::into).collect(),
        idempotency_key,
    })?;
    Ok(ExitCode::SUCCESS)
}
