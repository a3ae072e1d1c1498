//! `consentry sandbox`: everything on this machine, with a carrier of its own and phones in the browser.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;

use super::failure::Failure;
use super::output::Output;
use super::stop::stop_signal;
use crate::anchor::{self, keeper};
use crate::clock::{Clock, OffsetClock};
use crate::decide::Engine;
use crate::disk::{RealDisk, SharedDisk};
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::gateway::{Gateway, Parts, Secrets};
use crate::ledger::checkpoint::Origin;
use crate::ledger::keys::MasterKey;
use crate::model::registry::Connection;
use crate::model::{Instant, SellerId, Span, Zones};
use crate::provider::http::{AddressRule, HttpClient, HttpLimits};
use crate::provider::sandbox::SandboxProvider;
use crate::sandbox::carrier::webhooks::WebhookSettings;
use crate::sandbox::live::Live;
use crate::sandbox::seed::{SeedSettings, Seeded, seed};
use crate::sandbox::{Carrier, CarrierSettings, Page};
use crate::serve::{Line, Listeners, Surroundings};
use crate::store::embedded::EmbeddedOptions;
use crate::store::{Engine as Index, KvOptions};
use crate::telemetry::metrics::Exporter;
use crate::telemetry::{LogSettings, log};
use crate::web::Bounds;
use crate::writer::{EntrySource, Policies, QueueLimits, Recorded};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep everything in this folder; without it, a fresh temporary one that is deleted at the end.
    #[arg(long, env = "CONSENTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the gRPC listener.
    #[arg(long, env = "CONSENTRY_GRPC", default_value = "127.0.0.1:50051")]
    grpc: SocketAddr,
    /// Address of the page with the phones, of short links and webhooks.
    #[arg(long, env = "CONSENTRY_HTTP", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Address of health and metrics.
    #[arg(long, env = "CONSENTRY_ADMIN", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// Start at the present instant even if nothing may be sent at this hour.
    #[arg(long, env = "CONSENTRY_SANDBOX_REAL_TIME")]
    real_time: bool,
    /// A fixed API key, `csk_<id>_<secret>`; without it, a new one at every start.
    #[arg(long, env = "CONSENTRY_SANDBOX_KEY", hide_env_values = true)]
    key: Option<SecretString>,
    /// What is logged to standard error, as in `info` or `warn,consentry::dispatch=debug`.
    #[arg(long, env = "CONSENTRY_LOG", default_value = "warn")]
    log: String,
}

const SELLER: &str = "acme";
const CONNECTION: &str = "virtual";

/// What a person or a script needs to know to begin.
#[derive(serde::Serialize)]
struct Begun {
    page: String,
    grpc: String,
    http: String,
    admin: String,
    key: String,
    data_dir: String,
    verifier_key: String,
    now: String,
    clock_ahead_seconds: i64,
    #[serde(rename = "try")]
    try_line: String,
    /// What a terminal must know first, for people; scripts read the fields above.
    #[serde(skip)]
    environment: String,
}

impl std::fmt::Display for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "Consentry sandbox: nothing leaves this machine.\n")?;
        writeln!(f, "  phones, shop and clock   {}", self.page)?;
        writeln!(f, "  gRPC                     {}", self.grpc)?;
        writeln!(f, "  health and metrics       {}", self.admin)?;
        writeln!(f, "  API key                  {}", self.key)?;
        writeln!(f, "  data                     {}", self.data_dir)?;
        writeln!(f, "  checkpoints verify with  {}", self.verifier_key)?;
        write!(f, "  sandbox clock            {}", self.now)?;
        if self.clock_ahead_seconds > 60 {
            write!(f, " (moved on to an hour at which texts may be sent; --real-time keeps the real one)")?;
        }
        writeln!(f, "\n\nOpen the page; or, in another terminal:\n")?;
        writeln!(f, "  {}\n  {}\n\nCtrl-C ends it.", self.environment, self.try_line)
    }
}

/// Runs until it is told to stop.
pub fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::unusable)?.block_on(async {
        let quiet = LogSettings { filter: args.log.clone(), ..LogSettings::default() };
        let _telemetry = log::install(&quiet).map_err(Failure::unusable)?;
        serve(args, output).await
    })
}

async fn serve(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let entropy: SharedEntropy = Arc::new(SystemEntropy);
    let bound = |address: SocketAddr| async move {
        TcpListener::bind(address).await.map_err(|e| {
            Failure::unusable(format!("{address} cannot be listened on: {e}"))
                .hint("another sandbox may be running; choose other ports with --grpc, --http and --admin")
        })
    };
    let listeners = Listeners {
        grpc: bound(args.grpc).await?,
        http: bound(args.http).await?,
        admin: bound(args.admin).await?,
    };
    let address = |listener: &TcpListener| listener.local_addr().map_err(Failure::unusable);
    let (grpc, http, admin) =
        (address(&listeners.grpc)?, address(&listeners.http)?, address(&listeners.admin)?);
    let (dir, temporary) = match args.data_dir {
        Some(dir) => (dir, false),
        None => {
            let name = format!("consentry-sandbox-{}", hex::encode(entropy.bytes::<6>()));
            (std::env::temp_dir().join(name), true)
        }
    };
    let clock = OffsetClock::default();
    let gateway = open(&dir, &clock, &entropy, temporary)?;
    catch_up_clock(&gateway, &clock)?;
    let disk: SharedDisk = Arc::new(RealDisk);
    keeper::start(&gateway, vec![anchor::default_file(&dir.join("checkpoints"), &disk)]);
    if !args.real_time {
        clock.jump_to(next_lawful(clock.now()));
    }
    let page = format!("http://localhost:{}", http.port());
    let seeded = seed(&gateway.writer, &gateway.reader, seed_settings(&page, http.port(), args.key))
        .await
        .map_err(Failure::unusable)?;
    attach(&gateway, &clock, &entropy, listeners, &seeded, &page, http).await?;
    let key = seeded.api_key.expose_secret().to_owned();
    let begun = Begun {
        try_line: format!(
            "{} send --phone +12125550123 --cart cart-1 \\\n    --checkout-url '{page}/shop/checkout?cart=cart-1' --body 'You left something behind: {{{{link}}}}'",
            own_name()
        ),
        environment: format!(
            "export CONSENTRY_SERVER=http://{grpc} CONSENTRY_BRAND=acme CONSENTRY_PROGRAM=cart-reminders\n  export CONSENTRY_KEY={key}"
        ),
        page: format!("{page}/"),
        grpc: format!("http://{grpc}"),
        http: format!("http://{http}"),
        admin: format!("http://{admin}"),
        key,
        data_dir: dir.display().to_string(),
        verifier_key: gateway.verifier_key.clone(),
        now: format!("{:.0}", clock.now().to_jiff()),
        clock_ahead_seconds: clock.ahead().as_seconds(),
    };
    output.answer(&begun)?;
    stop_signal().await;
    let stopped = gateway.stop().await;
    if temporary {
        // A temporary folder that stays behind is untidy, not wrong.
        let _ = std::fs::remove_dir_all(&dir);
    }
    stopped.map_err(Failure::unusable)?;
    Ok(ExitCode::SUCCESS)
}

fn open(
    dir: &Path,
    clock: &OffsetClock,
    entropy: &SharedEntropy,
    temporary: bool,
) -> Result<Gateway, Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let seller: SellerId = SELLER.parse().map_err(Failure::unusable)?;
    let policy = crate::policy::embedded::load().map_err(|problems| {
        Failure::unusable(format!("the built-in packs have {} problems", problems.len()))
    })?;
    let engine = Engine::new(Arc::new(policy), Zones::bundled())
        .map_err(|zones| Failure::unusable(format!("zone data lacks {zones:?}")))?;
    disk.create_dir(dir).map_err(Failure::unusable)?;
    Gateway::start(Parts {
        origin: Origin::new("sandbox.localhost", &seller, 1).map_err(Failure::unusable)?,
        secrets: secrets(&disk, &dir.join("sandbox.secrets"), entropy)?,
        disk,
        erasures: None,
        data_dir: dir.to_owned(),
        index: Index::Fjall,
        index_options: KvOptions { cache_bytes: 32 << 20, memtable_bytes: 16 << 20, ..KvOptions::default() },
        embedded: EmbeddedOptions { reserve: !temporary, ..EmbeddedOptions::default() },
        seller,
        policies: Policies::new(engine),
        clock: Arc::new(clock.clone()),
        entropy: entropy.clone(),
        queues: QueueLimits::default(),
        drain: std::time::Duration::from_secs(5),
    })
    .map_err(Failure::unusable)
}

/// The sandbox's own secrets, beside its data: it holds nobody's but invented people's.
fn secrets(disk: &SharedDisk, path: &Path, entropy: &SharedEntropy) -> Result<Secrets, Failure> {
    let bytes = match disk.read_whole(path, 256).map_err(Failure::unusable)? {
        Some(text) => hex::decode(text).map_err(Failure::unusable)?,
        None => {
            let fresh: [u8; 96] = entropy.bytes();
            disk.write_whole(path, hex::encode(fresh).as_bytes()).map_err(Failure::unusable)?;
            fresh.to_vec()
        }
    };
    let part = |n: usize| {
        let part: Option<[u8; 32]> = bytes.get(n * 32..(n + 1) * 32).and_then(|p| p.try_into().ok());
        part.ok_or_else(|| {
            Failure::unusable(format!("{} is not whole; delete the sandbox's folder", path.display()))
        })
    };
    Ok(Secrets { master: MasterKey::from_bytes(part(0)?), pepper: part(1)?, coupons: part(2)? })
}

/// A folder from an earlier run may have seen a later clock: its ledger never goes back.
fn catch_up_clock(gateway: &Gateway, clock: &OffsetClock) -> Result<(), Failure> {
    let books = &gateway.books;
    let Some(last) = books.size().checked_sub(1) else { return Ok(()) };
    let newest = books.read(last, 1).map_err(Failure::unusable)?;
    let at = newest.first().map(|recorded| match recorded {
        Recorded::Open(entry) => entry.leaf.instant,
        Recorded::Erased { leaf, .. } => leaf.instant,
    });
    if let Some(at) = at.filter(|at| *at > clock.now()) {
        clock.jump_to(at + Span::seconds(1));
    }
    Ok(())
}

/// How this program was called, so that the line to try can be pasted: `cargo run` puts nothing on the path.
fn own_name() -> String {
    std::env::args().next().unwrap_or_else(|| "consentry".to_owned())
}

/// The next instant between 11:00 and 17:00 in New York: lawful on any day for the first phone of the sandbox, and on
/// weekdays for all of them, so that a first try at midnight does not look broken. Less than a day ahead, because
/// callers date carts and consents by their own clock, and both grow old.
fn next_lawful(now: Instant) -> Instant {
    let Ok(zone) = jiff::tz::TimeZone::get("America/New_York") else { return now };
    let mut at = now;
    for _ in 0..24 {
        let local = at.to_jiff().to_zoned(zone.clone());
        if (11..17).contains(&local.hour()) {
            return at;
        }
        at = Instant::from_seconds((at.as_seconds().div_euclid(3_600) + 1) * 3_600);
    }
    now
}

fn seed_settings(page: &str, port: u16, key: Option<SecretString>) -> SeedSettings {
    SeedSettings {
        host: "sandbox.localhost".to_owned(),
        short_domain: format!("go.acme.localhost:{port}"),
        checkout_host: "localhost".to_owned(),
        carrier_settings: vec![("url".to_owned(), page.to_owned())],
        carrier_secrets: vec![
            ("token".to_owned(), "env:CONSENTRY_SANDBOX_CARRIER_TOKEN".to_owned()),
            ("webhook".to_owned(), "env:CONSENTRY_SANDBOX_CARRIER_SECRET".to_owned()),
        ],
        public_url: page.to_owned(),
        api_key: key,
    }
}

/// Carrier, page and servers.
async fn attach(
    gateway: &Gateway,
    clock: &OffsetClock,
    entropy: &SharedEntropy,
    listeners: Listeners,
    seeded: &Seeded,
    page: &str,
    http: SocketAddr,
) -> Result<(), Failure> {
    let (token, secret) = (hex::encode(entropy.bytes::<16>()), hex::encode(entropy.bytes::<32>()));
    let client =
        || HttpClient::new(HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() });
    let mut settings = CarrierSettings::new(token.clone(), secret.clone());
    settings.phones = seeded.phones.clone();
    let shared: crate::clock::SharedClock = Arc::new(clock.clone());
    let stop = gateway.stopping();
    let carrier = Carrier::start(settings, shared.clone(), entropy.clone(), client(), stop.clone());
    let base = format!("http://{http}");
    let hook = format!("{base}/webhooks/{CONNECTION}/{}", seeded.webhook_token.expose_secret());
    carrier.set_webhooks(WebhookSettings { url: Some(hook.into()), ..WebhookSettings::default() });
    let plug = move |connection: &Connection| {
        let made = SandboxProvider::new(client(), shared.clone(), &base, SecretString::from(token.clone()));
        let provider = made.map_err(|e| format!("{}: {e}", connection.id))?;
        let secret = secret.clone();
        let secret = move |name: &str| (name == "webhook").then(|| SecretString::from(secret.clone()));
        Ok(Line { provider: Arc::new(provider), secret: Box::new(secret) })
    };
    let live = Live::new(gateway, clock.clone(), page);
    let short = format!("http://go.acme.localhost:{}", http.port());
    let extra = Page::new(carrier, live, &[short], stop).router();
    let around = Surroundings {
        plug: Arc::new(plug),
        tls: None,
        grpc: crate::api::server::Settings::default(),
        http: Bounds::default(),
        webhook_bytes_max: 256 << 10,
        extra,
        metrics: Exporter::install().ok(),
    };
    crate::serve::start(gateway, listeners, around).await.map_err(Failure::unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It once skipped weekends: on a Friday evening it began three days ahead, and a cart of the caller's present
    /// was too old to be reminded of.
    #[test]
    fn it_starts_by_day_in_new_york_and_less_than_a_day_ahead() {
        let first = Instant::parse("2026-11-20T00:00:00Z").expect("an instant");
        for half_hours in 0..2 * 24 * 7 {
            let now = first + Span::minutes(30 * half_hours);
            let start = next_lawful(now);
            let ahead = start.since(now);
            assert!(ahead >= Span::ZERO && ahead < Span::hours(19), "{now}: {start}");
            let local = start.to_jiff().in_tz("America/New_York").expect("a zone");
            assert!((11..17).contains(&local.hour()), "{now}: {local}");
        }
    }
}
