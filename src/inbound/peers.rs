//! The vendors' own SDKs sign and judge webhooks; every verdict of ours must be theirs.
//!
//! Needs a Python environment with `tests/peers/requirements.txt`, in `target/peers` or where `CONSENTRY_PEERS` points.
//! Without one these tests say so loudly and check nothing; with `CONSENTRY_REQUIRE_PEERS` set, as in `.ci/run`, they fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::endpoint::{Authentic, Endpoint, Webhook};
use crate::model::Instant;
use crate::provider::faults::connection;

/// One webhook as a peer made it, with the vendor's own verdict.
#[derive(Deserialize)]
struct Case {
    name: String,
    good: bool,
    secret: String,
    path: String,
    method: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
    settings: std::collections::BTreeMap<String, String>,
    now: i64,
}

/// The environment's interpreter, if there is one.
pub(crate) fn python() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let venv = std::env::var_os("CONSENTRY_PEERS").map_or(usual, PathBuf::from);
    Some(venv.join("bin/python")).filter(|python| python.exists())
}

/// Says that nothing was checked.
pub(crate) fn skipped(script: &str) {
    // Past the test harness, which keeps to itself what passing tests print.
    let why = "no Python environment, see tests/peers/requirements.txt";
    assert!(std::env::var_os("CONSENTRY_REQUIRE_PEERS").is_none(), "tests/peers/{script}.py: {why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED tests/peers/{script}.py: {why}");
}

/// What a peer's script prints; none, loudly, when there is no environment.
pub(crate) fn run(script: &str, seed: &str, input: &str) -> Option<String> {
    let Some(python) = python() else {
        skipped(script);
        return None;
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{script}.py"));
    let mut child = Command::new(python)
        .args(["-P", "-B"])
        .arg(file)
        .arg(seed)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("the script reads");
    let output = child.wait_with_output().expect("the script ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}.py with seed {seed}: {complaint}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

fn judge(provider: &str, case: &Case) -> Authentic {
    let settings: Vec<(&str, &str)> = case.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut connection = connection(provider, &settings);
    connection.token_sha256 = Sha256::digest(b"token").into();
    let secret = |_: &str| Some(SecretString::from(case.secret.clone()));
    let endpoint = Endpoint::new(&connection, secret).expect("known");
    let mut headers = http::HeaderMap::new();
    for (name, value) in &case.headers {
        let name: http::HeaderName = name.parse().expect("a header's name");
        headers.insert(name, value.parse().expect("a header's value"));
    }
    let webhook = Webhook {
        method: case.method.parse().expect("a method"),
        path_and_query: case.path.clone(),
        headers,
        body: case.body.clone().into_bytes(),
    };
    endpoint.authenticate(&webhook, Instant::from_seconds(case.now))
}

/// Both verdicts must occur, or nothing was checked.
fn agrees(provider: &str) {
    for seed in ["1", "2"] {
        let Some(said) = run(provider, seed, "") else { return };
        let (mut good, mut bad) = (0, 0);
        for line in said.lines() {
            let case: Case = serde_json::from_str(line).expect("a case");
            // A signature taken away is judged apart from a wrong one, and is no better.
            let ours = judge(provider, &case) == Authentic::Yes;
            assert_eq!(ours, case.good, "{provider} seed {seed}: {}: {line}", case.name);
            *(if case.good { &mut good } else { &mut bad }) += 1;
        }
        assert!(good >= 5 && bad >= 5, "{provider} seed {seed}: {good} good and {bad} bad ones");
        eprintln!("{provider} seed {seed}: its SDK and we agree on {good} good and {bad} bad webhooks");
    }
}

#[test]
fn twilio_agrees() {
    agrees("twilio");
}

#[test]
fn telnyx_agrees() {
    agrees("telnyx");
}

#[test]
fn vonage_agrees() {
    agrees("vonage");
}

#[test]
fn plivo_agrees() {
    agrees("plivo");
}

#[test]
fn sinch_agrees() {
    agrees("sinch");
}

#[test]
fn messagebird_agrees() {
    agrees("messagebird");
}

#[test]
fn bird_agrees() {
    agrees("bird");
}

/// The other way round: what we sign, botocore signs alike.
#[test]
fn botocore_signs_our_calls_alike() {
    use crate::provider::account::Vendor;
    use crate::provider::aws::Aws;
    use crate::provider::faults::{dispatch_from, given, now};
    let settings =
        [("region", "eu-west-1"), ("access_key_id", "AKIDEXAMPLE"), ("configuration_set", "set 1")];
    let aws = given(&settings, Aws::new);
    let texts = ["STOP to end", "é ñ 🙂", "a\"b\\c\nd", ""];
    let requests: Vec<_> = texts
        .iter()
        .map(|text| {
            aws.submit(&dispatch_from(1, "+18555550100", "12125550123", text), now()).expect("a request")
        })
        .collect();
    let lines: Vec<String> = requests
        .iter()
        .map(|request| {
            let headers: serde_json::Map<String, serde_json::Value> = request
                .headers
                .iter()
                .filter(|(name, _)| *name != "authorization")
                .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").into()))
                .collect();
            let body = std::str::from_utf8(&request.body).expect("UTF-8");
            serde_json::json!({
                "url": request.uri.to_string(), "headers": headers, "body": body, "region": "eu-west-1",
                "key_id": "AKIDEXAMPLE", "secret": "secret_access_key",
            })
            .to_string()
        })
        .collect();
    let Some(said) = run("aws", "", &(lines.join("\n") + "\n")) else { return };
    let signed: Vec<&str> = said.lines().collect();
    assert_eq!(signed.len(), requests.len(), "{said}");
    for (request, theirs) in requests.iter().zip(signed) {
        assert_eq!(request.headers["authorization"].to_str().expect("ASCII"), theirs);
    }
}
