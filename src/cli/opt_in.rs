//! `consentry opt-in`

use std::process::ExitCode;

use clap::ValueEnum;

use super::call::Server;
use super::failure::Failure;
use super::message::{fresh_key, phone, place, stated, timestamp};
use super::output::Output;
use super::view::OptedIn;
use crate::clock::{Clock, SystemClock};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// Brand the person agreed to hear from.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// Program the person agreed to. May be given more than once, one box each.
    #[arg(long = "program", env = "CONSENTRY_PROGRAM", required = true)]
    programs: Vec<String>,
    /// The person's number, as in +12125550123.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// Registered wording the person saw, as in checkout-box or checkout-box@7.
    #[arg(
        long,
        env = "CONSENTRY_DISCLOSURE",
        required_unless_present = "disclosure_text",
        conflicts_with = "disclosure_text"
    )]
    disclosure: Option<String>,
    /// The wording itself, when it is not registered.
    #[arg(long, env = "CONSENTRY_DISCLOSURE_TEXT")]
    disclosure_text: Option<String>,
    /// How it was captured.
    #[arg(long, env = "CONSENTRY_METHOD", value_enum, default_value = "checkout-checkbox")]
    method: Method,
    /// What the person did.
    #[arg(long, env = "CONSENTRY_ACT", value_enum, default_value = "ticked")]
    act: Act,
    /// When the person did it, RFC 3339. Default: now.
    #[arg(long, env = "CONSENTRY_CAPTURED_AT", value_parser = Instant::parse)]
    captured_at: Option<Instant>,
    /// Page or place where it happened: a page, a sheet in a file, a recording, a store.
    #[arg(long, env = "CONSENTRY_SOURCE_URL")]
    source_url: Option<String>,
    /// Name of the person who signed, on paper.
    #[arg(long, env = "CONSENTRY_SIGNATORY", hide_env_values = true)]
    signatory: Option<String>,
    /// The shop's own id of the customer.
    #[arg(long, env = "CONSENTRY_CUSTOMER_ID")]
    customer_id: Option<String>,
    /// Where the person said they are, as in US-NY or US.
    #[arg(long, env = "CONSENTRY_PLACE", value_parser = place)]
    place: Option<(String, String)>,
    /// The separate consent to messages at night (South Korea), beside one to the day that is recorded already: an act of
    /// its own, on a wording of its own that names the hours, 21:00 to 08:00.
    #[arg(long, env = "CONSENTRY_NIGHT_ONLY")]
    night_only: bool,
    /// Names this attempt. Default: a new one each time.
    #[arg(long, env = "CONSENTRY_IDEMPOTENCY_KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    WebForm,
    CheckoutCheckbox,
    Keyword,
    Paper,
    Voice,
    PointOfSale,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Act {
    Ticked,
    Typed,
    Replied,
    Signed,
    Spoken,
}

impl From<Method> for pb::ConsentMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::WebForm => Self::WebForm,
            Method::CheckoutCheckbox => Self::CheckoutCheckbox,
            Method::Keyword => Self::Keyword,
            Method::Paper => Self::Paper,
            Method::Voice => Self::Voice,
            Method::PointOfSale => Self::PointOfSale,
        }
    }
}

impl From<Act> for pb::ConsentAct {
    fn from(act: Act) -> Self {
        match act {
            Act::Ticked => Self::Ticked,
            Act::Typed => Self::Typed,
            Act::Replied => Self::Replied,
            Act::Signed => Self::Signed,
            Act::Spoken => Self::Spoken,
        }
    }
}

/// Exit code 0 when every consent is granted or waits for its confirmation, 1 when one was refused.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let idempotency_key = args.idempotency_key.unwrap_or_else(fresh_key);
    let evidence = pb::ConsentEvidence {
        wording: wording(args.disclosure, args.disclosure_text),
        method: pb::ConsentMethod::from(args.method).into(),
        act: pb::ConsentAct::from(args.act).into(),
        captured_at: Some(timestamp(args.captured_at.unwrap_or_else(|| SystemClock.now()))),
        source_url: args.source_url.unwrap_or_default(),
        signatory_name: args.signatory.unwrap_or_default(),
        ..pb::ConsentEvidence::default()
    };
    let request = pb::RecordOptInRequest {
        brand: args.brand,
        programs: args.programs,
        subject: Some(phone(args.phone)),
        channels: vec![pb::Channel::Sms.into()],
        customer_id: args.customer_id.unwrap_or_default(),
        locations: args.place.map(stated).into_iter().collect(),
        evidence: Some(evidence),
        night_only: args.night_only,
        idempotency_key: idempotency_key.clone(),
    };
    let answer =
        args.server.call(async |channel| ConsentServiceClient::new(channel).record_opt_in(request).await)?;
    let answer = OptedIn { consents: answer.consents.into_iter().map(Into::into).collect(), idempotency_key };
    output.answer(&answer)?;
    let open = |state: &str| matches!(state, "GRANTED" | "PENDING_CONFIRMATION");
    Ok(if answer.consents.iter().all(|c| open(&c.state)) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wording(id: Option<String>, text: Option<String>) -> Option<pb::consent_evidence::Wording> {
    use pb::consent_evidence::Wording;
    let registered = id.map(|id| {
        let (id, version) = id.split_once('@').unwrap_or((&id, ""));
        Wording::Disclosure(pb::DisclosureRef { id: id.to_owned(), version: version.to_owned() })
    });
    registered.or(text.map(Wording::DisclosureText))
}
