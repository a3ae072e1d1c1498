//! Push services that we did not write open and judge what we send: `http_ece`, `py-vapid`, `h2`, PyJWT, google-auth.
//!
//! Needs the Python environment of `src/inbound/peers.rs`; without one these tests say so loudly and check nothing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::account::Vendor;
use super::faults::push::{
    P8, UA_AUTH, UA_PUBLIC, VAPID_PRIVATE, VAPID_PUBLIC, bytes, notification_at, service_account,
};
use super::faults::{connection, shown};
use super::http::{AddressRule, HttpClient, HttpLimits};
use super::registry::{self, Given};
use super::web_push::WebPush;
use super::{Handover, SharedProvider};
use crate::clock::{Clock, SystemClock};
use crate::inbound::peers::{python, run, skipped};
use crate::model::device::{Destination, PushPlatform};

/// The browser of RFC 8291, appendix A: its private key.
const UA_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";

/// A peer that listens; it ends with its input.
struct Listener {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it said first: where it listens.
    hello: Value,
}

impl Listener {
    /// Starts a script with one line of JSON; none, loudly, when there is no environment.
    fn start(script: &str, told: &Value) -> Option<Listener> {
        let Some(python) = python() else {
            skipped(script);
            return None;
        };
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{script}.py"));
        let mut child = Command::new(python)
            .args(["-P", "-B"])
            .arg(file)
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{told}").expect("the script reads");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut listener = Listener { child, input: Some(input), output, hello: Value::Null };
        listener.hello = listener.next().expect("it says where it listens");
        Some(listener)
    }

    fn port(&self) -> u64 {
        self.hello["port"].as_u64().expect("a port")
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("UTF-8");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    /// Every verdict so far; ends the peer.
    fn verdicts(mut self) -> Vec<Value> {
        drop(self.input.take());
        let mut all = Vec::new();
        while let Some(verdict) = self.next() {
            all.push(verdict);
        }
        all
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; where it does not, it must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(trusted: Option<&str>) -> HttpClient {
    let limits = HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() };
    let Some(pem) = trusted else { return HttpClient::new(limits) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpClient::with_tls(limits, tls)
}

fn account(provider: &str, settings: &[(&str, &str)], secret: &str, trusted: Option<&str>) -> SharedProvider {
    let connection = connection(provider, settings);
    let secret = SecretString::from(secret.to_owned());
    let read = move |_: &str| Some(secret.clone());
    registry::build_over(&connection, &read, Arc::new(SystemClock), client(trusted)).expect("settings")
}

async fn tell(provider: &SharedProvider, n: u8, platform: PushPlatform, token: &str) -> Handover {
    let to = Destination::Token(token.to_owned());
    provider.send(notification_at(SystemClock.now(), n, platform, to)).await
}

#[test]
fn http_ece_opens_our_web_push_and_py_vapid_believes_it() {
    let settings = [("subject", "mailto:ops@shop.example"), ("public_key", VAPID_PUBLIC)];
    let connection = connection("web_push", &settings);
    let secret = |_: &str| Some(SecretString::from(VAPID_PRIVATE));
    let web = WebPush::new(&Given { connection: &connection, secret: &secret }).expect("settings");
    let now = SystemClock.now();
    let endpoints = [
        (
            "https://updates.push.services.mozilla.com/wpush/v2/abc",
            "https://updates.push.services.mozilla.com",
        ),
        ("https://fcm.googleapis.com/fcm/send/x:y", "https://fcm.googleapis.com"),
        ("https://web.push.apple.com/QGz", "https://web.push.apple.com"),
    ];
    let asked: Vec<String> = endpoints
        .iter()
        .map(|(endpoint, origin)| {
            let to = Destination::Subscription {
                endpoint: (*endpoint).to_owned(),
                p256dh: bytes(UA_PUBLIC),
                auth: bytes(UA_AUTH),
            };
            let sealed = notification_at(now, 7, PushPlatform::WebPush, to);
            let request = web.submit(&sealed, now).expect("a request");
            let authorization = request.headers["authorization"].to_str().expect("ASCII");
            json!({
                "headers": { "authorization": authorization }, "body": BASE64_URL_SAFE_NO_PAD.encode(&request.body),
                "ua_private": UA_PRIVATE, "ua_auth": UA_AUTH, "origin": origin,
            })
            .to_string()
        })
        .collect();
    let Some(said) = run("web_push", "", &(asked.join("\n") + "\n")) else { return };
    assert_eq!(said.lines().count(), endpoints.len(), "{said}");
    for line in said.lines() {
        let said: Value = serde_json::from_str(line).expect("JSON");
        let plain = said["plain"].as_str().unwrap_or_else(|| panic!("{line}"));
        let shown: Value = serde_json::from_str(plain.trim_end_matches('\0')).expect("JSON");
        assert_eq!(shown["title"], "Fable & Fern");
        assert_eq!(shown["options"]["body"], "Your cart waits – 1 left.");
        assert_eq!(shown["options"]["actions"], json!([{ "action": "buy", "title": "Finish" }]));
        assert_eq!(shown["options"]["data"]["opt_out_url"], "https://go.fable.example/opt-out/c0de");
        assert_eq!(said["signed"], true, "{line}");
        assert_eq!(said["claims"]["sub"], "mailto:ops@shop.example", "{line}");
        assert!(said["length"].as_u64().expect("a length") <= 4_096);
    }
    eprintln!(
        "http_ece opened {} notifications of ours; py-vapid and PyJWT believe their keys",
        endpoints.len()
    );
}

#[tokio::test]
async fn an_http2_peer_finds_no_fault_with_what_apple_would_get() {
    let told = json!({ "private_key": P8, "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ", "topic": "com.fable.shop" });
    let Some(peer) = Listener::start("apns", &told) else { return };
    let url = format!("https://127.0.0.1:{}", peer.port());
    let certificate = peer.hello["certificate"].as_str().expect("PEM").to_owned();
    let settings = [("team_id", "DEF123GHIJ"), ("key_id", "ABC123DEFG"), ("url", url.as_str())];
    let apns = account("apns", &settings, P8, Some(&certificate));
    for (n, token, expected) in [
        (1, "00fc13adff785122", "accepted 01010101-0101-0101-0101-010101010101"),
        (2, "00fc13adff785123", "accepted 02020202-0202-0202-0202-020202020202"),
        (3, "dead13adff785122", "rejected PermanentRecipient Unregistered"),
        (4, "bad013adff785122", "rejected PermanentSender BadDeviceToken"),
    ] {
        assert_eq!(shown(&tell(&apns, n, PushPlatform::Apns, token).await), expected, "{token}");
    }
    // At the same time over the one connection.
    let many = (0..16).map(|n| tell(&apns, 32 + n, PushPlatform::Apns, "00fc13adff785122"));
    for handover in futures_util::future::join_all(many).await {
        assert!(matches!(handover, Handover::Accepted { .. }), "{}", shown(&handover));
    }
    let stranger = [("team_id", "DEF123GHIJ"), ("key_id", "ZZZ123DEFG"), ("url", url.as_str())];
    let stranger = account("apns", &stranger, P8, Some(&certificate));
    tell(&stranger, 9, PushPlatform::Apns, "00fc13adff785122").await;
    let verdicts = peer.verdicts();
    assert_eq!(verdicts.len(), 21, "{verdicts:?}");
    let (ours, theirs) = verdicts.split_at(20);
    for verdict in ours {
        assert_eq!(verdict["faults"], json!([]), "{verdict}");
        assert_eq!(verdict["token"], ours[0]["token"], "one provider token for all");
        assert_eq!(verdict["connection"], ours[0]["connection"], "one connection, kept open");
    }
    assert_eq!(theirs[0]["faults"], json!(["kid or iss"]), "the peer can find fault");
    eprintln!("an HTTP/2 peer judged {} notifications and PyJWT their tokens", verdicts.len());
}

#[tokio::test]
async fn a_token_service_believes_our_assertion_and_gets_one_question() {
    let account_file = service_account("https://replaced.example/token");
    let Some(peer) = Listener::start("fcm", &json!({ "service_account": account_file })) else { return };
    let url = format!("http://127.0.0.1:{}", peer.port());
    let token_url = format!("{url}/token");
    let settings = [("url", url.as_str()), ("token_url", token_url.as_str()), ("android_channel", "offers")];
    let fcm = account("fcm", &settings, &account_file, None);
    for (n, token, expected) in [
        (1, "live:1", "accepted projects/fable-shop/messages/0:1"),
        (2, "gone", "rejected PermanentRecipient UNREGISTERED"),
        (3, "live:2", "accepted projects/fable-shop/messages/0:1"),
    ] {
        assert_eq!(shown(&tell(&fcm, n, PushPlatform::Fcm, token).await), expected, "{token}");
    }
    let verdicts = peer.verdicts();
    let paths: Vec<&str> = verdicts.iter().filter_map(|v| v["path"].as_str()).collect();
    let send = "/v1/projects/fable-shop/messages:send";
    assert_eq!(paths, ["/token", send, send, send]);
    for verdict in &verdicts {
        assert_eq!(verdict["faults"], json!([]), "{verdict}");
    }
    eprintln!("google-auth and PyJWT believe our assertion; {} notifications fit the reference", 3);
}
