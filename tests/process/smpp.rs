//! `consentry serve` bound to an SMSC of another project: opt-in, send, receipt, STOP, refusal, a line that breaks, a restart.

use serde_json::{Value, json};
use tonic::transport::Endpoint;

use crate::run::{Gateway, verb_with};
use crate::serve::{MAIN, Operator, PHONE, WORDING, variables};
use crate::smsc::Smsc;

/// Somebody who asks in two parts to be left alone.
const OTHER: &str = "+13055550124";

fn configuration(url: &str, more: &str) -> String {
    format!(
        r#"
        data_dir = "data"
        [listen]
        grpc = "127.0.0.1:0"
        http = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [seller]
        id = "main"
        legal_name = "Fernhill Outfitters LLC"
        host = "gw.fernhill.example"
        [keys]
        master = "env:MASTER_KEY"
        pepper = "env:PEPPER"
        coupons = "env:COUPON_KEY"
        [[connections]]
        id = "smsc"
        provider = "smpp"
        allow_private_addresses = true
        test_numbers = ["{PHONE}"]
        [connections.settings]
        url = "{url}"
        system_id = "fernhill"
        message_id_format = "hex"
        {more}
        [connections.secrets]
        password = "env:SMPP_PASSWORD"
        "#
    )
}

/// Runs verbs of the program with the operator's variables.
struct Shell {
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    async fn run(&self, words: &[&[&str]]) -> (i32, Value) {
        let words: Vec<String> = words.concat().iter().map(|word| (*word).to_owned()).collect();
        let variables = self.variables.clone();
        let run = move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            verb_with(&variables, &words)
        };
        tokio::task::spawn_blocking(run).await.expect("it does not panic")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_opt_in_to_stop_over_a_bind() {
    let Some(mut smsc) = Smsc::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("consentry.toml");
    std::fs::write(&path, configuration(&smsc.url, "")).expect("writable");
    let config = path.to_str().expect("UTF-8");
    let mut shell = Shell { variables: variables() };

    // Proven without sending: a password that SMPP cannot carry is named, and nobody was called.
    shell.variables.push(("SMPP_PASSWORD", "far too long".to_owned()));
    let (code, report) = shell.run(&[&["check-config", config]]).await;
    assert_eq!(
        (code, &report["problems"][0]["key"]),
        (1, &"connections[0].secrets.password".into()),
        "{report}"
    );
    shell.variables.last_mut().expect("just pushed").1 = "secret08".to_owned();
    let (code, report) = shell.run(&[&["check-config", config]]).await;
    assert_eq!(code, 0, "{report}");
    let roles = ["--role", "admin", "--role", "sender", "--role", "consent-writer", "--role", "auditor"];
    let make = ["key", "create", "--offline", "--config", config, "--name", "all"];
    let (code, key) = shell.run(&[&make, &roles]).await;
    assert_eq!(code, 0, "{key}");
    let key = key["secret"].as_str().expect("a secret").to_owned();

    let gateway = Gateway::serve(&shell.variables, config);
    let bind = smsc.until("bind", 1).await.remove(0);
    let told = ["kind", "system_id", "password"].map(|name| bind[name].as_str().expect("text"));
    assert_eq!((told, &bind["version"]), (["bind_transceiver", "fernhill", "secret08"], &0x34.into()));
    let channel = Endpoint::from_shared(gateway.grpc.clone()).expect("an address");
    let operator = Operator { channel: channel.connect().await.expect("it listens"), key: key.clone() };
    operator.set_up(&[("number", MAIN, "smsc")]).await;
    let at = ["--server", &gateway.grpc, "--key", &key];
    for person in [PHONE, OTHER] {
        let who = ["opt-in", "--phone", person, "--program", "orders", "--disclosure-text", WORDING];
        let (code, agreed) =
            shell.run(&[&who, &["--source-url", "https://fernhill.example/checkout"], &at]).await;
        assert_eq!((code, &agreed["consents"][0]["state"]), (0, &"GRANTED".into()), "{agreed}");
    }

    // A text of two parts, reported on before they are answered: each has its receipt, in decimal where the ids were in hexadecimal; together they are delivered.
    let long = "Your order {4711} is packed and will be with you soon. ".repeat(4);
    let named = ["--connection", "smsc", "--sender", "number", "--program", "orders", "--phone", PHONE];
    let hasty = json!([{ "receipt_first": 30 }, { "receipt_first": 30 }, {}]);
    smsc.tell(json!({ "do": "script", "acts": hasty }));
    let prove = ["provider", "test", "--config", config, "--wait", "60", "--body", long.trim()];
    let (code, tested) = shell.run(&[&prove, &named, &at]).await;
    assert_eq!((code, &tested["state"]), (0, &"DELIVERED".into()), "{tested}");
    assert_eq!(tested["provider_message_ids"].as_array().map(Vec::len), Some(2), "{tested}");
    let parts = smsc.until("submit", 2).await;
    let text: String = parts.iter().map(|part| part["text"].as_str().expect("text")).collect();
    assert!(text.contains("Fernhill") && text.contains(long.trim()), "{text}");
    let (code, listed) = shell.run(&[&["provider", "list"], &at]).await;
    let account = &listed["connections"][0];
    assert_eq!((code, &account["health"], &account["fault"]), (0, &"OPEN".into(), &Value::Null), "{listed}");

    // STOP over the bind is acknowledged once it holds, confirmed once, and kept.
    smsc.tell(json!({ "do": "says", "from": &PHONE[1..], "to": &MAIN[1..], "text": "Stop" }));
    let acknowledged = smsc.until("acknowledged", 3).await;
    assert!(acknowledged.iter().any(|a| a["what"] == "Stop" && a["status"] == 0), "{acknowledged:?}");
    let confirmation = smsc.until("submit", 3).await.remove(2);
    assert!(confirmation["text"].as_str().is_some_and(|text| text.contains("opted out")), "{confirmation}");
    // The line breaks and comes back; a wish in two parts is read whole.
    smsc.tell(json!({ "do": "drop" }));
    smsc.until("bind", 2).await;
    let parts = ["hi, I would like to be re", "moved from your list"];
    smsc.tell(json!({ "do": "says", "from": &OTHER[1..], "to": &MAIN[1..], "parts": parts }));
    smsc.until("submit", 4).await;
    for person in [PHONE, OTHER] {
        let send = ["send", "--phone", person, "--program", "orders", "--body", "Your order has left."];
        let (code, refused) = shell.run(&[&send, &at]).await;
        assert_eq!(code, 1, "{refused}");
        let reasons = refused["verdict"]["reasons"].as_array().expect("reasons");
        assert!(reasons.iter().any(|r| r["code"] == "OPTED_OUT"), "{refused}");
    }
    gateway.stop();
    smsc.until("unbind", 1).await;

    // Taking leave in order says how far everything was heard: a restart at once need not ask an operator.
    let gateway = Gateway::serve(&shell.variables, config);
    smsc.until("bind", 3).await;
    let at = ["--server", &gateway.grpc, "--key", &key];
    let (code, listed) = shell.run(&[&["provider", "list"], &at]).await;
    assert_ne!((code, &listed["connections"][0]["health"]), (0, &"PAUSED".into()), "{listed}");
    gateway.stop();

    // Where the SMSC keeps texts, whatever it kept has come once it is silent, and nobody is asked.
    let kept = configuration(&smsc.url, r#"mo_while_unbound = "kept""#);
    std::fs::write(&path, kept).expect("writable");
    let gateway = Gateway::serve(&shell.variables, config);
    smsc.until("bind", 4).await;
    let at = ["--server", &gateway.grpc, "--key", &key];
    let mut seen = Vec::new();
    let opens = async {
        while seen.last() != Some(&Value::from("OPEN")) {
            let (code, listed) = shell.run(&[&["provider", "list"], &at]).await;
            assert_eq!(code, 0, "{listed}");
            seen.push(listed["connections"][0]["health"].clone());
        }
    };
    let within = std::time::Duration::from_secs(60);
    tokio::time::timeout(within, opens).await.expect("its lanes go on");
    assert!(seen.contains(&"PAUSED".into()), "not before it was silent: {seen:?}");
    gateway.stop();
    assert_eq!(smsc.until("submit", 4).await.len(), 4, "nothing left after STOP but its confirmations");
    let (code, replayed) = shell.run(&[&["replay", "--config", config]]).await;
    assert_eq!((code, &replayed["differences"]), (0, &0.into()), "{replayed}");
}
