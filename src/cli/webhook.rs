//! `consentry webhook`: the shop's own servers that are told what happens, and what could not be delivered to them.

use std::fmt;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::call::Server;
use super::failure::Failure;
use super::output::Output;
use super::view::instant;
use crate::model::Instant;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List webhooks and how far each was told.
    List(List),
    /// List events that a webhook could not be given for three days.
    DeadLetters(DeadLetters),
    /// Deliver such events again: those named, or all.
    Replay(Replay),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct DeadLetters {
    #[command(flatten)]
    server: Server,
    /// The webhook's id.
    id: String,
}

#[derive(Debug, clap::Args)]
struct Replay {
    #[command(flatten)]
    server: Server,
    /// The webhook's id.
    id: String,
    /// Position of an event, as `dead-letters` shows it; may be given more than once. Default: all.
    #[arg(long = "position", env = "CONSENTRY_POSITION")]
    positions: Vec<String>,
}

#[derive(Serialize)]
struct Webhooks {
    webhooks: Vec<Webhook>,
}

#[derive(Serialize)]
struct Webhook {
    id: String,
    url: String,
    brands: Vec<String>,
    kinds: Vec<String>,
    next_entry: u64,
    waiting: u32,
    dead: u32,
    delivered_at: Option<Instant>,
    last_error: String,
    public_keys: Vec<String>,
}

impl fmt::Display for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.webhooks.is_empty() {
            return write!(f, "No webhooks. [[webhooks]] in the configuration adds one.");
        }
        for w in &self.webhooks {
            writeln!(f, "{}  {}", w.id, w.url)?;
            let all = |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
            writeln!(f, "  brands {} · kinds {}", all(&w.brands), all(&w.kinds))?;
            writeln!(f, "  {} waiting, {} laid aside", w.waiting, w.dead)?;
            for key in &w.public_keys {
                writeln!(f, "  v1a signatures verify with {key}")?;
            }
            if let Some(at) = w.delivered_at {
                writeln!(f, "  last delivered {:.0}", at.to_jiff())?;
            }
            if !w.last_error.is_empty() {
                writeln!(f, "  last failure: {}", w.last_error)?;
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Letters {
    webhook: String,
    dead_letters: Vec<Letter>,
}

#[derive(Serialize)]
struct Letter {
    position: String,
    attempts: u32,
    laid_aside_at: Option<Instant>,
    last_error: String,
}

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dead_letters.is_empty() {
            return write!(f, "Nothing was laid aside for {}.", self.webhook);
        }
        for letter in &self.dead_letters {
            let at = letter.laid_aside_at.map(|at| format!("{:.0}", at.to_jiff())).unwrap_or_default();
            let Letter { position, attempts, last_error, .. } = letter;
            writeln!(f, "{position}  laid aside {at} after {attempts} attempts: {last_error}")?;
        }
        write!(f, "`consentry webhook replay {}` delivers them again.", self.webhook)
    }
}

#[derive(Serialize)]
struct Replayed {
    webhook: String,
    replayed: u32,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replayed {
            0 => write!(f, "Nothing to deliver again to {}.", self.webhook),
            1 => write!(f, "1 event is on its way to {} again.", self.webhook),
            n => write!(f, "{n} events are on their way to {} again.", self.webhook),
        }
    }
}

pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    match args.verb {
        Verb::List(List { server }) => {
            let asked = pb::ListWebhooksRequest {};
            let answer = server.call(async |c| AdminServiceClient::new(c).list_webhooks(asked).await)?;
            let webhook = |w: pb::Webhook| Webhook {
                delivered_at: instant(w.delivered_at.as_ref()),
                id: w.id,
                url: w.url,
                brands: w.brands,
                kinds: w.kinds,
                next_entry: w.next_entry,
                waiting: w.waiting,
                dead: w.dead,
                last_error: w.last_error,
                public_keys: w.public_keys,
            };
            output.answer(&Webhooks { webhooks: answer.webhooks.into_iter().map(webhook).collect() })?;
        }
        Verb::DeadLetters(DeadLetters { server, id }) => {
            let asked = pb::ListDeadLettersRequest { webhook: id.clone() };
            let answer = server.call(async |c| AdminServiceClient::new(c).list_dead_letters(asked).await)?;
            let letter = |l: pb::DeadLetter| Letter {
                laid_aside_at: instant(l.laid_aside_at.as_ref()),
                position: l.position,
                attempts: l.attempts,
                last_error: l.last_error,
            };
            let dead_letters = answer.dead_letters.into_iter().map(letter).collect();
            output.answer(&Letters { webhook: id, dead_letters })?;
        }
        Verb::Replay(Replay { server, id, positions }) => {
            let asked = pb::ReplayDeadLettersRequest { webhook: id.clone(), positions };
            let answer =
                server.call(async |c| AdminServiceClient::new(c).replay_dead_letters(asked).await)?;
            output.answer(&Replayed { webhook: id, replayed: answer.replayed })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
