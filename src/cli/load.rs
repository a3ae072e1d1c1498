//! `consentry load`: how much a gateway takes. Open loop: attempts begin on time whatever became of those before, and
//! latency counts from when each was due, so a stall shows in full.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::call::{Authenticated, Server};
use super::failure::Failure;
use super::message::{fresh_key, phone, timestamp};
use super::output::Output;
use super::view::name;
use crate::clock::{Clock, SystemClock};
use crate::model::Span;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;

/// Area codes of the people this makes up; their numbers are 555-0100 to 555-0199, which belong to nobody.
const AREAS: [u16; 40] = [
    201, 202, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 225, 228, 229, 231, 239,
    240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305,
];

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// Messages a second.
    #[arg(long, env = "CONSENTRY_RATE", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// Seconds.
    #[arg(long = "for", env = "CONSENTRY_FOR", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Brand that speaks.
    #[arg(long, env = "CONSENTRY_BRAND", default_value = "main")]
    brand: String,
    /// Program: the purpose people agreed to.
    #[arg(long, env = "CONSENTRY_PROGRAM")]
    program: String,
    /// Numbers to send to, one a line; without it 4,000 that belong to nobody (who never agreed: every answer is a
    /// recorded refusal).
    #[arg(long, env = "CONSENTRY_PHONES")]
    phones: Option<PathBuf>,
    /// The text.
    #[arg(long, env = "CONSENTRY_BODY", default_value = "You left something behind: {{link}}")]
    body: String,
    /// Where {{link}} leads.
    #[arg(long, env = "CONSENTRY_CHECKOUT_URL")]
    checkout_url: String,
    /// Connections.
    #[arg(long, env = "CONSENTRY_CONNECTIONS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Most attempts under way; one that finds no room counts as an error.
    #[arg(long, env = "CONSENTRY_IN_FLIGHT", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    asked_per_second: u64,
    answered_per_second: f64,
    answered: u64,
    /// By outcome, and by the status of what was not answered.
    outcomes: BTreeMap<String, u64>,
    /// By reason code: why not everything was admitted.
    reasons: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    latency_ms: Latency,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |map: &BTreeMap<String, u64>| {
            let parts: Vec<String> = map.iter().map(|(what, count)| format!("{count} {what}")).collect();
            parts.join(", ")
        };
        writeln!(
            f,
            "{} answers, {:.0} a second ({} asked for)",
            self.answered, self.answered_per_second, self.asked_per_second
        )?;
        writeln!(f, "  outcomes   {}", line(&self.outcomes))?;
        if !self.reasons.is_empty() {
            writeln!(f, "  reasons    {}", line(&self.reasons))?;
        }
        if !self.errors.is_empty() {
            writeln!(f, "  errors     {}", line(&self.errors))?;
        }
        let l = &self.latency_ms;
        write!(
            f,
            "  latency    p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
            l.p50, l.p90, l.p99, l.p999, l.max
        )
    }
}

#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<String, u64>,
    reasons: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
}

struct Attempts {
    run: String,
    phones: Vec<String>,
    args: Args,
    next: AtomicU64,
    tally: Mutex<Tally>,
    took: Mutex<Histogram<u64>>,
}

/// Exit code 0 when every attempt was answered, 1 when some were not.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let phones = match &args.phones {
        Some(path) => read(path)?,
        None => AREAS.iter().flat_map(|area| (0..100).map(move |n| format!("+1{area}55501{n:02}"))).collect(),
    };
    let took = Histogram::new_with_bounds(1, 600_000_000, 3).map_err(Failure::unusable)?;
    let attempts = Arc::new(Attempts {
        run: fresh_key(),
        phones,
        args,
        next: AtomicU64::new(0),
        tally: Mutex::default(),
        took: Mutex::new(took),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let elapsed = runtime.map_err(Failure::unusable)?.block_on(drive(&attempts))?;
    let report = attempts.report(elapsed);
    output.answer(&report)?;
    Ok(if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &PathBuf) -> Result<Vec<String>, Failure> {
    let named = |what: String| Failure::unusable(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    let phones: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if phones.is_empty() { Err(named("holds no number".to_owned())) } else { Ok(phones) }
}

async fn drive(attempts: &Arc<Attempts>) -> Result<Duration, Failure> {
    let args = &attempts.args;
    let mut lines = Vec::new();
    for _ in 0..args.connections {
        lines.push(args.server.service().await?);
    }
    let room = Arc::new(Semaphore::new(args.in_flight as usize));
    let total = args.rate * args.seconds;
    let bar = progress(total);
    let every = Duration::from_secs_f64(1.0 / args.rate as f64);
    let tasks = TaskTracker::new();
    let begun = Instant::now();
    for n in 0..total {
        let due = begun + every.mul_f64(n as f64);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let Ok(place) = room.clone().try_acquire_owned() else {
            *attempts.tally.lock().errors.entry("NOT_BEGUN".to_owned()).or_default() += 1;
            continue;
        };
        let (attempts, line, bar) = (attempts.clone(), lines[n as usize % lines.len()].clone(), bar.clone());
        tasks.spawn(async move {
            attempts.one(line, due).await;
            bar.inc(1);
            drop(place);
        });
    }
    tasks.close();
    tasks.wait().await;
    bar.finish_and_clear();
    Ok(begun.elapsed())
}

fn progress(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{elapsed} {wide_bar} {pos}/{len} {per_sec}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Attempts {
    async fn one(&self, line: Authenticated, due: Instant) {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = MessageServiceClient::new(line).send_message(self.request(n)).await;
        let mut tally = self.tally.lock();
        match answer {
            Ok(answer) => {
                self.took.lock().saturating_record(due.elapsed().as_micros() as u64);
                let verdict = answer.into_inner().verdict.unwrap_or_default();
                let outcome = name(verdict.outcome().as_str_name(), "OUTCOME_").to_owned();
                *tally.outcomes.entry(outcome).or_default() += 1;
                for reason in verdict.reasons {
                    *tally.reasons.entry(reason.code).or_default() += 1;
                }
            }
            Err(status) => *tally.errors.entry(format!("{:?}", status.code())).or_default() += 1,
        }
    }

    /// Another cart each time, people in turn.
    fn request(&self, n: u64) -> pb::SendMessageRequest {
        let args = &self.args;
        let cart = pb::Cart {
            id: format!("{}-{n}", self.run),
            checkout_url: args.checkout_url.clone(),
            abandoned_at: Some(timestamp(SystemClock.now() - Span::hours(1))),
            ..pb::Cart::default()
        };
        pb::SendMessageRequest {
            brand: args.brand.clone(),
            program: args.program.clone(),
            subject: Some(phone(self.phones[n as usize % self.phones.len()].clone())),
            channel: pb::Channel::Sms.into(),
            cart: Some(cart),
            content: Some(pb::send_message_request::Content::Body(args.body.clone())),
            idempotency_key: format!("{}-{n}", self.run),
            ..pb::SendMessageRequest::default()
        }
    }

    fn report(&self, elapsed: Duration) -> Report {
        let (tally, took) = (self.tally.lock(), self.took.lock());
        let ms = |q: f64| took.value_at_quantile(q) as f64 / 1_000.0;
        Report {
            asked_per_second: self.args.rate,
            answered_per_second: took.len() as f64 / elapsed.as_secs_f64(),
            answered: took.len(),
            outcomes: tally.outcomes.clone(),
            reasons: tally.reasons.clone(),
            errors: tally.errors.clone(),
            latency_ms: Latency {
                p50: ms(0.5),
                p90: ms(0.9),
                p99: ms(0.99),
                p999: ms(0.999),
                max: took.max() as f64 / 1_000.0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Phone;

    #[test]
    fn the_people_it_makes_up_have_numbers_that_belong_to_nobody() {
        for area in AREAS {
            let number = format!("+1{area}5550100");
            assert!(Phone::from_e164(&number).is_ok(), "{number} has a good form");
        }
    }
}
