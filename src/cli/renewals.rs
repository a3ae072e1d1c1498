//! `consentry renewals`: whose consent ends unless they are told of it in time, and the notice that tells them.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::output::Output;
use super::view::{Verdict, instant, name};
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;

/// Grants asked for at once.
const PAGE: i32 = 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// Brand the consent was given to.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// Only this program.
    #[arg(long, env = "CONSENTRY_PROGRAM", default_value = "")]
    program: String,
    /// Send each of them the notice. What was sent already is not sent again, so this can be run every day. The key needs
    /// the role SENDER besides the CONSENT_WRITER or AUDITOR of the list.
    #[arg(long, env = "CONSENTRY_SEND_RENEWALS")]
    send: bool,
    /// The sentence of the notice that says how to refuse, as in `무료수신거부 080-123-4567`. Default: by replying the
    /// language's word for STOP; in notifications the opt-out page.
    #[arg(long, env = "CONSENTRY_REFUSAL_TEXT", default_value = "", requires = "send")]
    refusal_text: String,
}

/// Exit code 0; 1 when a notice was refused.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let renewals = args.server.run(async {
        let mut client = ConsentServiceClient::new(args.server.service().await?);
        let mut due = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListConsentsRequest {
                brand: args.brand.clone(),
                program: args.program.clone(),
                renewal_due: true,
                page_size: PAGE,
                page_token,
            };
            let page = client.list_consents(request).await.map_err(|status| args.server.refused(&status))?;
            let page = page.into_inner();
            due.extend(page.consents);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let mut renewals = Vec::with_capacity(due.len());
        for one in due {
            let mut renewal = Renewal::of(&one);
            if args.send {
                let consent = one.consent.unwrap_or_default();
                let request = pb::SendConsentRenewalRequest {
                    brand: consent.brand,
                    program: consent.program,
                    subject: consent.subject,
                    refusal_text: args.refusal_text.clone(),
                };
                let sent = client.send_consent_renewal(request).await;
                renewal.sent(sent.map_err(|status| args.server.refused(&status))?.into_inner());
            }
            renewals.push(renewal);
        }
        Ok(Renewals { renewals })
    })?;
    output.answer(&renewals)?;
    let refused = |renewal: &Renewal| renewal.verdict.as_ref().is_some_and(|v| !v.is_favourable());
    Ok(if renewals.renewals.iter().any(refused) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[derive(Debug, Serialize)]
struct Renewals {
    renewals: Vec<Renewal>,
}

/// A consent whose renewal is due.
#[derive(Debug, Serialize)]
struct Renewal {
    /// Empty where the consent is an installation's.
    phone: String,
    /// App and installation, as in `com.shop/i1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    installation: String,
    brand: String,
    program: String,
    captured_at: Option<Instant>,
    counted_from: Option<Instant>,
    ends_at: Option<Instant>,
    /// The notice's message id; empty: none yet.
    notice: String,
    notice_state: String,
    /// Of the notice just asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

impl Renewal {
    fn of(one: &pb::ListedConsent) -> Renewal {
        let consent = one.consent.clone().unwrap_or_default();
        let (phone, installation) = match consent.subject.and_then(|subject| subject.address) {
            Some(pb::subject::Address::Phone(phone)) => (phone, String::new()),
            Some(pb::subject::Address::Device(key)) => {
                (String::new(), format!("{}/{}", key.app, key.installation_id))
            }
            _ => (String::new(), String::new()),
        };
        Renewal {
            phone,
            installation,
            brand: consent.brand,
            program: consent.program,
            captured_at: instant(consent.captured_at.as_ref()),
            counted_from: instant(one.counted_from.as_ref()),
            ends_at: instant(one.ends_at.as_ref()),
            notice_state: state(one.notice_state()),
            notice: one.notice.clone(),
            verdict: None,
        }
    }

    fn sent(&mut self, answer: pb::SendConsentRenewalResponse) {
        self.notice_state = state(answer.state());
        self.notice = answer.message;
        self.verdict = answer.verdict.map(Verdict::from);
    }
}

fn state(state: pb::MessageState) -> String {
    match state {
        pb::MessageState::Unspecified => String::new(),
        known => name(known.as_str_name(), "MESSAGE_STATE_").to_owned(),
    }
}

impl fmt::Display for Renewals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.renewals {
            let day = |at: Option<Instant>| at.map(|at| at.to_jiff().to_string()).unwrap_or_default();
            let ends = day(one.ends_at);
            let notice = if one.notice.is_empty() { "no notice" } else { &one.notice_state };
            let whose = if one.phone.is_empty() { &one.installation } else { &one.phone };
            writeln!(f, "{whose}  {}/{}  ends {ends}  {notice}", one.brand, one.program)?;
            if let Some(verdict) = one.verdict.as_ref().filter(|verdict| !verdict.is_favourable()) {
                verdict.reasons.iter().try_for_each(|reason| writeln!(f, "  {reason}"))?;
            }
        }
        write!(f, "{} to be renewed", self.renewals.len())
    }
}
