//! From the document to the typed configuration, section by section.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::read::{Document, Findings, Reader};
use super::webhook;
use super::*;
use super::{anchor, connection};
use crate::ledger::body::RAW_BYTES_MAX;
use crate::policy::{HOLD_AFTER_DAYS_MAX, OnStale};
use crate::telemetry::log;

const MIB: u64 = 1 << 20;

/// Reads the whole document. The configuration is missing only when a problem says why.
pub fn read(text: &str, base: &Path) -> (Option<Config>, Findings) {
    let document = Document::new(text);
    let config = root(document.root(), base);
    (config, document.into_findings())
}

pub(super) fn root(mut root: Reader<'_, '_>, base: &Path) -> Option<Config> {
    let data_dir = root.required_parsed("data_dir", |p| path(p, base));
    let time_zones = root.parsed("time_zones", |p| path(p, base));
    let tls = tls(root.section("tls"), base);
    let seller = seller(root.section("seller"));
    let keys = keys(root.section("keys"), base);
    let anchors = anchor::read_all(root.list("anchors"), base);
    let connections = connection::read_all(root.list("connections"), base);
    let webhooks = webhook::read_all(root.list("webhooks"), base);
    let listen = listen(root.section("listen"), tls.is_some());
    let store = store(root.section("store"));
    let policy = policy(root.section("policy"), base);
    let ledger = ledger(root.section("ledger"));
    let log = logging(root.section("log"));
    let limits = limits(root.section("limits"));
    let retention = retention(root.section("retention"), base);
    root.finish();
    // Only now: whoever gives up early hides the problems of the rest.
    Some(Config {
        data_dir: data_dir?,
        time_zones,
        listen,
        tls: tls.flatten(),
        seller: seller?,
        store,
        keys: keys?,
        policy,
        ledger,
        log,
        limits,
        retention,
        anchors,
        connections,
        webhooks,
    })
}

fn path(text: &str, base: &Path) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("must be a path") } else { Ok(base.join(text)) }
}

fn tls(mut r: Reader<'_, '_>, base: &Path) -> Option<Option<TlsFiles>> {
    let present = r.has("cert") || r.has("key") || r.has("client_ca");
    let client_ca = r.parsed("client_ca", |p| path(p, base));
    let files = if present {
        let cert = r.required_parsed("cert", |p| path(p, base));
        let key = r.required_parsed("key", |p| path(p, base));
        cert.zip(key).map(|(cert, key)| TlsFiles { cert, key, client_ca })
    } else {
        r.parsed::<(), Infallible>("cert", |_| Ok(()));
        r.parsed::<(), Infallible>("key", |_| Ok(()));
        None
    };
    r.finish();
    present.then_some(files)
}

fn listen(mut r: Reader<'_, '_>, tls: bool) -> Listen {
    let may_be_plain_line = r.line_of("allow_plaintext_off_loopback");
    let plain: Vec<String> = r.or("allow_plaintext_off_loopback", Vec::new());
    for name in &plain {
        if !["grpc", "http", "admin"].contains(&name.as_str()) {
            r.error("allow_plaintext_off_loopback", may_be_plain_line, "may name grpc, http and admin");
        }
    }
    let lines = [r.line_of("http"), r.line_of("admin")];
    let mut address = |key: &str, default: &str, encrypted: bool| {
        let line = r.line_of(key);
        let parse =
            |t: &str| t.parse::<SocketAddr>().map_err(|_| "must be an address such as 127.0.0.1:50051");
        let default: SocketAddr = default.parse().expect("a literal address");
        let address = r.parsed(key, parse).unwrap_or(default);
        if !address.ip().is_loopback() && !encrypted && !plain.iter().any(|p| p == key) {
            let hint = if key == "admin" { "" } else { "set [tls], or " };
            let what =
                format!("would speak plain text off loopback; {hint}name it in allow_plaintext_off_loopback");
            r.error(key, line, what);
        }
        address
    };
    let grpc = address("grpc", "127.0.0.1:50051", tls);
    let http = address("http", "127.0.0.1:8080", tls);
    let admin = address("admin", "127.0.0.1:9090", false);
    for (key, line, one, other) in
        [("http", lines[0], http, grpc), ("admin", lines[1], admin, grpc), ("admin", lines[1], admin, http)]
    {
        if one == other && one.port() != 0 {
            r.error(key, line, "is the same address as another listener's");
        }
    }
    r.finish();
    Listen { grpc, http, admin, allow_plaintext_off_loopback: plain }
}

fn seller(mut r: Reader<'_, '_>) -> Option<SellerConfig> {
    let id = r.required("id");
    let legal_name = r.required_parsed("legal_name", |t| named(t, 200));
    let host = r.required_parsed("host", host);
    let postal_address = r.parsed("postal_address", |t| named(t, 500)).unwrap_or_default();
    let epoch = r.within("epoch", 1..=1_000_000, 1) as u32;
    r.finish();
    Some(SellerConfig { id: id?, legal_name: legal_name?, host: host?, postal_address, epoch })
}

fn named(text: &str, max: usize) -> Result<String, String> {
    let length = text.chars().count();
    match (1..=max).contains(&length) && !text.trim().is_empty() {
        true => Ok(text.to_owned()),
        false => Err(format!("must have 1 to {max} characters")),
    }
}

fn host(text: &str) -> Result<String, &'static str> {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    match text.len() <= 253 && text.split('.').all(label) {
        true => Ok(text.to_owned()),
        false => Err("must be a host name in lower case, as in gw.shop.example"),
    }
}

fn store(mut r: Reader<'_, '_>) -> StoreConfig {
    let engine = r.parsed("engine", str::parse::<Engine>).unwrap_or_default();
    let cache_mib = r.within("cache_mib", 16..=65_536, 256);
    r.finish();
    StoreConfig { engine, cache_mib }
}

fn keys(mut r: Reader<'_, '_>, base: &Path) -> Option<KeyRefs> {
    let mut reference = |key: &str| r.required_parsed(key, |t| SecretRef::parse_key(t, base));
    let (master, pepper, coupons) = (reference("master"), reference("pepper"), reference("coupons"));
    let allow_beside_data = r.or("allow_beside_data", false);
    r.finish();
    Some(KeyRefs { master: master?, pepper: pepper?, coupons: coupons?, allow_beside_data })
}

fn policy(mut r: Reader<'_, '_>, base: &Path) -> PolicyConfig {
    let dirs: Vec<String> = r.or("dirs", Vec::new());
    let on_stale = r.parsed("on_stale", |text| match text {
        "warn" => Ok(OnStale::Warn),
        "hold" => Ok(OnStale::Hold),
        _ => Err("must be \"warn\" or \"hold\""),
    });
    let hold_after_days = r
        .has("hold_after_days")
        .then(|| r.within("hold_after_days", 0..=u64::from(HOLD_AFTER_DAYS_MAX), 0) as u32);
    r.finish();
    let staleness = Staleness { on_stale, hold_after_days };
    PolicyConfig { dirs: dirs.into_iter().map(|d| base.join(d)).collect(), staleness }
}

fn ledger(mut r: Reader<'_, '_>) -> LedgerConfig {
    let public_tiles = r.or("public_tiles", false);
    r.finish();
    LedgerConfig { public_tiles }
}

fn logging(mut r: Reader<'_, '_>) -> LogSettings {
    let defaults = LogSettings::default();
    let format = r.or("format", defaults.format);
    let directives = |t: &str| match log::check_filter(t) {
        Ok(()) => Ok(t.to_owned()),
        Err(error) => Err(format!("must be directives such as info,consentry::dispatch=debug: {error}")),
    };
    let filter = r.parsed("filter", directives).unwrap_or(defaults.filter);
    let otlp = r.parsed("otlp", |t| match t.parse::<http::Uri>() {
        Ok(uri) if uri.scheme_str() == Some("http") && uri.host().is_some() => Ok(t.to_owned()),
        _ => Err("must be a collector's gRPC address such as http://127.0.0.1:4317 (no TLS)"),
    });
    r.finish();
    LogSettings { format, filter, otlp }
}

fn limits(mut r: Reader<'_, '_>) -> Limits {
    let mut queue = |key: &str, default: u64| r.within(key, 16..=1_048_576, default) as usize;
    let (queue_inbound, queue_outcome) = (queue("queue_inbound", 4_096), queue("queue_outcome", 8_192));
    let (queue_intent, queue_api) = (queue("queue_intent", 4_096), queue("queue_api", 8_192));
    let limits = Limits {
        grpc_message_bytes: r.within("grpc_message_bytes", 65_536..=64 * MIB, 4 * MIB) as usize,
        http_body_bytes: http_body_bytes(&mut r),
        calls_per_connection: r.within("calls_per_connection", 1..=65_536, 1_024) as u32,
        connections: r.within("connections", 16..=1_048_576, 8_192) as usize,
        batch: r.within("batch", 1..=4_096, 256) as usize,
        queue_inbound,
        queue_outcome,
        queue_intent,
        queue_api,
        drain_seconds: r.within("drain_seconds", 0..=600, 20),
    };
    r.finish();
    limits
}

/// What is taken in must fit into the entry it is kept in: one that is authentic and cannot be kept may be a STOP.
fn http_body_bytes(r: &mut Reader<'_, '_>) -> usize {
    let bounds = 16_384..=RAW_BYTES_MAX as u64;
    let rule = "a webhook is kept whole in one entry of the ledger, which holds no more";
    r.within_because("http_body_bytes", bounds, 262_144, rule) as usize
}

fn retention(mut r: Reader<'_, '_>, base: &Path) -> Retention {
    let raw_inbound_days = r.within("raw_inbound_days", 1..=365, 30);
    let backup_days = r.within("backup_days", 0..=3_650, 0);
    let erasures = r.parsed("erasures", |p| path(p, base));
    r.finish();
    Retention { raw_inbound_days, backup_days, erasures }
}
