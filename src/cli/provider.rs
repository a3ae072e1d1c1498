//! `consentry provider`: how provider accounts are, and one message through one of them to prove it.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::message::{fresh_key, phone};
use super::output::Output;
use super::view::{Verdict, instant, name};
use crate::config::{Config, process_env};
use crate::model::{Instant, Phone};
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;

/// Connections asked for in one call.
const PAGE: i32 = 500;
/// How often the message is looked at.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List provider accounts and how each is.
    List(List),
    /// Send one message to a number the configuration lists under `test_numbers`, and follow it.
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct Test {
    #[command(flatten)]
    server: Server,
    /// The gateway's configuration, which lists the numbers that may be texted.
    #[arg(long, env = "CONSENTRY_CONFIG")]
    config: PathBuf,
    /// The provider account to prove.
    #[arg(long, env = "CONSENTRY_CONNECTION")]
    connection: String,
    /// A sender of that account.
    #[arg(long, env = "CONSENTRY_SENDER")]
    sender: String,
    /// Your own number. It has to be opted in like anybody's.
    #[arg(long, env = "CONSENTRY_PHONE", hide_env_values = true)]
    phone: String,
    /// Program to send under.
    #[arg(long, env = "CONSENTRY_PROGRAM")]
    program: String,
    /// Brand to speak for.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// What to say.
    #[arg(long, env = "CONSENTRY_BODY", default_value = "This is a test of our text messages.")]
    body: String,
    /// Seconds to wait for the receipt.
    #[arg(long, env = "CONSENTRY_WAIT", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=600))]
    wait: u64,
}

#[derive(Serialize)]
struct Accounts {
    connections: Vec<Account>,
}

#[derive(Serialize)]
struct Account {
    id: String,
    provider: String,
    /// `OPEN`, `RESTING` or `PAUSED`.
    health: &'static str,
    resting_until: Option<Instant>,
    heard_until: Option<Instant>,
    /// Why nobody is reached, where that is known.
    fault: Option<String>,
}

impl From<pb::Connection> for Account {
    fn from(c: pb::Connection) -> Account {
        let health = match (c.paused, &c.resting_until) {
            (true, _) => "PAUSED",
            (false, Some(_)) => "RESTING",
            (false, None) => "OPEN",
        };
        Account {
            provider: name(c.provider().as_str_name(), "PROVIDER_KIND_").to_ascii_lowercase(),
            resting_until: instant(c.resting_until.as_ref()),
            heard_until: instant(c.heard_until.as_ref()),
            fault: Some(c.fault).filter(|fault| !fault.is_empty()),
            id: c.id,
            health,
        }
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connections.is_empty() {
            return write!(f, "No provider accounts. [[connections]] in the configuration adds one.");
        }
        for account in &self.connections {
            let shown = |at: Option<Instant>| at.map(|at| format!("{:.0}", at.to_jiff()));
            let told = match account.health {
                "PAUSED" => "paused: what came in while nobody listened is not known yet".to_owned(),
                "RESTING" => format!("rests until {}", shown(account.resting_until).unwrap_or_default()),
                _ => "open".to_owned(),
            };
            write!(f, "{}  {}  {told}", account.id, account.provider)?;
            match shown(account.heard_until) {
                Some(at) => writeln!(f, " · heard until {at}")?,
                None => writeln!(f, " · nothing heard yet")?,
            }
            if let Some(fault) = &account.fault {
                writeln!(f, "  {fault}")?;
            }
        }
        Ok(())
    }
}

/// What became of the test.
#[derive(Serialize)]
struct Tested {
    message_id: String,
    connection: String,
    sender: String,
    state: String,
    provider_message_ids: Vec<String>,
    error: Option<String>,
    body: String,
    verdict: Verdict,
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  message {} by {} through {}",
            self.state, self.message_id, self.sender, self.connection
        )?;
        writeln!(f, "  {}", self.body)?;
        if !self.verdict.is_favourable() || self.verdict.outcome == "HOLD" {
            write!(f, "{}", self.verdict)?;
        }
        if !self.provider_message_ids.is_empty() {
            writeln!(f, "  the provider calls it {}", self.provider_message_ids.join(", "))?;
        }
        if let Some(error) = &self.error {
            writeln!(f, "  {error}")?;
        }
        let next = match self.state.as_str() {
            "DELIVERED" => "Now answer STOP from that phone, and see the opt-out in the ledger.",
            "SENT" => "The provider has it; no receipt came in time. Are its callbacks set up?",
            "SENDING" | "QUEUED" => {
                "No answer of the provider yet; `consentry provider list` shows how it is."
            }
            _ => return Ok(()),
        };
        write!(f, "{next}")
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::List(List { server }) => {
            output.answer(&Accounts { connections: accounts(&server)? })?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Test(test) => run_test(test, output),
    }
}

fn accounts(server: &Server) -> Result<Vec<Account>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let asked = pb::ListConnectionsRequest { page_size: PAGE, page_token };
        let answer = server.call(async |c| AdminServiceClient::new(c).list_connections(asked).await)?;
        all.extend(answer.connections.into_iter().map(Account::from));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Nobody but the operator's own numbers is texted for a test.
fn allowed(test: &Test) -> Result<(), Failure> {
    let loaded = Config::load(&test.config, &process_env).map_err(Failure::unusable)?;
    let found = loaded.config.connections.iter().find(|c| c.id.as_str() == test.connection);
    let Some(connection) = found else {
        return Err(Failure::unusable(format!(
            "connection {} is not in that configuration",
            test.connection
        )));
    };
    let number = Phone::from_e164(&test.phone)
        .map_err(|_| Failure::unusable("--phone must be a number in E.164, as in +12125550123"))?;
    match connection.test_numbers.contains(&number) {
        true => Ok(()),
        false => Err(Failure::unusable("that number is not one of the connection's `test_numbers`").hint(
            "add your own number to `test_numbers` of the connection; nobody else is texted for a test",
        )),
    }
}

fn run_test(test: Test, output: &Output) -> Result<ExitCode, Failure> {
    allowed(&test)?;
    let request = pb::SendMessageRequest {
        brand: test.brand.clone(),
        program: test.program.clone(),
        subject: Some(phone(test.phone.clone())),
        channel: pb::Channel::Sms.into(),
        sender: test.sender.clone(),
        content: Some(pb::send_message_request::Content::Body(test.body.clone())),
        idempotency_key: fresh_key(),
        ..pb::SendMessageRequest::default()
    };
    let (server, wait) = (&test.server, Duration::from_secs(test.wait));
    let tested = server.run(async {
        let channel = server.service().await?;
        // Which account a sender belongs to is an operator's to know; who may not ask finds it in the answer.
        let asked = pb::GetSenderRequest { id: test.sender.clone() };
        match AdminServiceClient::new(channel.clone()).get_sender(asked).await {
            Ok(sender) if sender.get_ref().connection != test.connection => {
                return Err(Failure::unusable(format!(
                    "sender {} goes through {}, not through {}",
                    test.sender,
                    sender.get_ref().connection,
                    test.connection
                )));
            }
            Err(status) if status.code() != tonic::Code::PermissionDenied => {
                return Err(server.refused(&status));
            }
            _ => {}
        }
        let mut messages = MessageServiceClient::new(channel);
        let sent = messages.send_message(request).await.map_err(|s| server.refused(&s))?.into_inner();
        let verdict: Verdict = sent.verdict.unwrap_or_default().into();
        let mut message = sent.message.unwrap_or_default();
        let ends = tokio::time::Instant::now() + wait;
        while is_on_its_way(message.state()) && tokio::time::Instant::now() < ends {
            tokio::time::sleep(EVERY).await;
            let asked = pb::GetMessageRequest { id: message.id.clone(), ..Default::default() };
            message = messages.get_message(asked).await.map_err(|s| server.refused(&s))?.into_inner();
        }
        Ok(Tested {
            state: name(message.state().as_str_name(), "MESSAGE_STATE_").to_owned(),
            error: message.error.map(|e| format!("{} {}: {}", e.error_class, e.code, e.detail)),
            message_id: message.id,
            connection: message.connection,
            sender: message.sender,
            provider_message_ids: message.provider_message_ids,
            body: message.body,
            verdict,
        })
    })?;
    output.answer(&tested)?;
    let through = tested.connection == test.connection;
    let went = through && matches!(tested.state.as_str(), "SENT" | "DELIVERED");
    Ok(if went { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether something may still happen soon. What is held waits for a better hour, not for this test.
fn is_on_its_way(state: pb::MessageState) -> bool {
    matches!(state, pb::MessageState::Queued | pb::MessageState::Sending | pb::MessageState::Sent)
}
