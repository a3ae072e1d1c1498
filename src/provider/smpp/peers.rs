//! An SMSC of another project, npm's `smpp` 0.5.1, decodes what we submit and says what SMSCs say.
//!
//! Needs Node and `tests/peers/package.json` installed in `target/peers-node`, or where `CONSENTRY_PEERS_NODE` points. Without,
//! these tests say so loudly and check nothing; with `CONSENTRY_REQUIRE_PEERS` set, as in `.ci/run`, they fail.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::settings::Settings;
use super::tests::Line;
use super::*;
use crate::inbound::endpoint::Endpoint;
use crate::inbound::event::InboundEvent;
use crate::inbound::line::webhook;
use crate::model::MessageState;
use crate::provider::faults::{connection, dispatch, dispatch_from, given, secret, shown};

/// The peer's process and what it told.
struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    told: Arc<Mutex<Vec<Value>>>,
    news: Arc<Notify>,
    url: String,
}

/// Where its packages are, if they are.
fn modules() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers-node");
    let folder = std::env::var_os("CONSENTRY_PEERS_NODE").map_or(usual, PathBuf::from).join("node_modules");
    Some(folder).filter(|folder| folder.join("smpp").exists())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tls/fixtures").join(name)
}

impl Peer {
    fn start() -> Option<Peer> {
        Peer::speaks("smpp://127.0.0.1", &[])
    }

    /// The same over TLS, with the certificate of a test authority for `localhost`.
    fn over_tls() -> Option<Peer> {
        Peer::speaks("smpps://localhost", &["server.pem", "server.key"])
    }

    fn speaks(origin: &str, files: &[&str]) -> Option<Peer> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/smsc.js");
        let started = modules().and_then(|modules| {
            let mut node = Command::new("node");
            node.arg(script)
                .args(files.iter().map(|file| fixture(file)))
                .env("NODE_PATH", modules)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            node.spawn().ok()
        });
        let Some(mut child) = started else {
            let why = "no Node, or no packages, see tests/peers/package.json";
            assert!(std::env::var_os("CONSENTRY_REQUIRE_PEERS").is_none(), "tests/peers/smsc.js: {why}");
            let _ = writeln!(std::io::stderr(), "SKIPPED tests/peers/smsc.js: {why}");
            return None;
        };
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut hello = String::new();
        output.read_line(&mut hello).expect("UTF-8");
        let hello: Value = serde_json::from_str(&hello).expect("it listens");
        let (told, news) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (heard, wake) = (told.clone(), news.clone());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                heard.lock().push(serde_json::from_str(&line).expect("JSON"));
                wake.notify_waiters();
            }
        });
        let input = child.stdin.take();
        Some(Peer { child, input, told, news, url: format!("{origin}:{}", hello["port"]) })
    }

    fn tell(&mut self, command: Value) {
        writeln!(self.input.as_mut().expect("open"), "{command}").expect("it reads");
    }

    /// It answers by these from then on: a text sent at once could overtake the command, which comes another way.
    async fn script(&mut self, acts: Value) {
        let before = self.events("scripted").len();
        self.tell(json!({ "do": "script", "acts": acts }));
        self.until("scripted", before + 1).await;
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        self.told.lock().iter().filter(|event| event["event"] == kind).cloned().collect()
    }

    async fn until(&self, kind: &str, count: usize) -> Vec<Value> {
        let waits = async {
            loop {
                let news = self.news.notified();
                let found = self.events(kind);
                if found.len() >= count {
                    return found;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), waits).await;
        found.unwrap_or_else(|_| panic!("never {count} of {kind}: {:?}", self.told.lock()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; where it does not, it must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn bound(peer: &Peer, settings: &[(&str, &str)]) -> Line {
    let all = [&[("url", peer.url.as_str()), ("system_id", "esme1")], settings].concat();
    let mut settings = given(&all, Settings::read);
    settings.waits.response = Duration::from_secs(2);
    settings.waits.again = (Duration::from_millis(10), Duration::from_millis(100));
    let binds = settings.roles.len();
    let line = Line::open(settings, AddressRule::PublicAndLoopback);
    peer.until("bind", binds).await;
    let up = async {
        while line.smpp.0.binds.iter().any(|bind| line.smpp.0.session_of(bind).is_none()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), up).await.expect("bound");
    line
}

/// What was said, as the gateway understands it.
fn understood(line: &Line, settings: &[(&str, &str)]) -> Vec<InboundEvent> {
    let endpoint = Endpoint::new(&connection("smpp", settings), secret).expect("known");
    let said = line.ear.said.lock().clone();
    said.iter().flat_map(|said| endpoint.read(&webhook(said), Instant::EPOCH)).collect()
}

fn receipts(events: &[InboundEvent]) -> Vec<(String, MessageState)> {
    let one = |event: &InboundEvent| match event {
        InboundEvent::Receipt(r) => Some((r.provider_id.clone(), r.state)),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

#[tokio::test]
async fn it_decodes_what_we_submit_and_we_understand_its_receipts() {
    let Some(peer) = Peer::start() else { return };
    let hex = [("message_id_format", "hex"), ("interface_version", "5.0"), ("system_type", "shop")];
    let line = bound(&peer, &hex).await;
    let bind = peer.events("bind").remove(0);
    assert_eq!(
        (&bind["kind"], &bind["system_id"], &bind["password"], &bind["version"], &bind["type"]),
        (&"bind_transceiver".into(), &"esme1".into(), &"password".into(), &0x50.into(), &"shop".into())
    );
    // Plain, with the other alphabet, with an escape, in two parts; the ids are in hexadecimal, its receipts in decimal.
    let long = "Fernhill: your cart waits, and so do we {really}. ".repeat(4) + "Reply STOP to end";
    for (n, text) in ["Your cart waits. Reply STOP to end.", "Ваша корзина 🛒", "5 € [off]", long.trim()]
        .iter()
        .enumerate()
    {
        let handover = line.smpp.send(dispatch_from(n as u8, "+18555550100", "12125550123", text)).await;
        assert!(shown(&handover).starts_with("accepted "), "{text}: {}", shown(&handover));
    }
    let told = peer.until("submit", 5).await;
    let texts: Vec<&str> = told.iter().map(|t| t["text"].as_str().expect("text")).collect();
    assert_eq!(&texts[..3], ["Your cart waits. Reply STOP to end.", "Ваша корзина 🛒", "5 € [off]"]);
    assert_eq!([texts[3], texts[4]].concat(), long.trim());
    assert_eq!((&told[0]["coding"], &told[1]["coding"]), (&0.into(), &8.into()));
    for (n, part) in told[3..].iter().enumerate() {
        let header = hex::decode(part["udh"][0].as_str().expect("a header")).expect("hex");
        assert_eq!((&header[..2], &header[3..]), (&[0u8, 3][..], &[2, n as u8 + 1][..]), "{part}");
    }
    for t in &told {
        assert_eq!(
            (&t["from_ton"], &t["to"], &t["receipt"]),
            (&1.into(), &"12125550123".into(), &1.into()),
            "{t}"
        );
    }
    peer.until("acknowledged", 5).await;
    let receipts = receipts(&understood(&line, &hex));
    let expected: Vec<(String, MessageState)> =
        (0x1001..=0x1005).map(|id: u32| (id.to_string(), MessageState::Delivered)).collect();
    assert_eq!(receipts, expected);
    line.close().await;
    peer.until("unbind", 1).await;
    eprintln!("npm smpp decoded {} submits of ours, and we its {} receipts", told.len(), expected.len());
}

#[tokio::test]
async fn over_tls_an_authority_of_our_own_is_believed_and_nobody_else() {
    let Some(peer) = Peer::over_tls() else { return };
    let connection = connection("smpp", &[("url", peer.url.as_str()), ("system_id", "esme1")]);
    let read = |ca: Option<PathBuf>| {
        let ca = ca.map(|file| std::fs::read_to_string(file).expect("PEM"));
        let secret = move |name: &str| match name {
            "ca" => ca.clone().map(Into::into),
            _ => secret(name),
        };
        Settings::read(&Given { connection: &connection, secret: &secret }).expect("settings")
    };
    let line = Line::open(read(Some(fixture("ca.pem"))), AddressRule::PublicAndLoopback);
    peer.until("bind", 1).await;
    line.ear.until("bound", |_| line.smpp.resting_until().is_none()).await;
    assert!(shown(&line.smpp.send(dispatch(1)).await).starts_with("accepted"));
    line.close().await;
    peer.until("unbind", 1).await;
    // The web's authorities do not vouch for it.
    let line = Line::open(read(None), AddressRule::PublicAndLoopback);
    line.ear.until("refused", |_| line.smpp.fault().is_some_and(|f| f.contains("certificate"))).await;
    line.close().await;
    assert_eq!(peer.events("bind").len(), 1);
}

#[tokio::test]
async fn its_refusals_dropped_lines_and_hasty_receipts_come_out_right() {
    let Some(mut peer) = Peer::start() else { return };
    let line = bound(&peer, &[("opted_out_codes", "0x425")]).await;
    peer.script(json!([
        { "status": 0x425 }, { "status": 0x0b }, { "status": 0x45 },
        { "receipt_first": 50, "receipt_ids": "same" },
        { "by_parameters": true, "stat": "UNDELIV" },
        { "disguised": true, "receipt_ids": "same", "stat": "REJECTD" },
        { "silent": true }, { "drop": true }, { "no_receipt": true },
    ]))
    .await;
    let mut outcomes = Vec::new();
    for n in 0..8 {
        outcomes.push(shown(&line.smpp.send(dispatch(n)).await));
    }
    assert_eq!(
        outcomes,
        [
            "rejected OptedOut 0x425",
            "rejected PermanentRecipient 0x0b",
            "not taken Retryable 0x45 None",
            "accepted 1001",
            "accepted 1002",
            "accepted 1003",
            "unclear no_answer",
            "unclear no_answer",
        ]
    );
    use MessageState::{Delivered, Rejected, Undelivered};
    let receipts = receipts(&understood(&line, &[]));
    let state = |id: &str, state| (id.to_owned(), state);
    assert_eq!(receipts, [state("1001", Delivered), state("1002", Undelivered), state("1003", Rejected)]);
    // It hung up; the bind comes back by itself.
    peer.until("bind", 2).await;
    line.ear.until("up again", |_| line.smpp.resting_until().is_none()).await;
    assert_eq!(shown(&line.smpp.send(dispatch(9)).await), "accepted 1004");
    let told = peer.until("submit", 9).await;
    assert_eq!(told.len(), 9, "nothing was told twice");
    line.close().await;
}

#[tokio::test]
async fn it_is_not_overrun_and_its_complaints_are_heard() {
    let Some(mut peer) = Peer::start() else { return };
    let line = bound(&peer, &[("window", "3"), ("bind", "pair")]).await;
    peer.script(json!([{ "after": 20, "no_receipt": true }])).await;
    let sends = (0..12).map(|n| line.smpp.send(dispatch(n)));
    for handover in futures_util::future::join_all(sends).await {
        assert!(shown(&handover).starts_with("accepted"), "{}", shown(&handover));
    }
    peer.tell(json!({ "do": "most" }));
    let most = peer.until("most", 1).await.remove(0)["most"].as_u64().expect("a number");
    assert!((2..=3).contains(&most), "{most} in the window");
    for status in [0x58, 0x14] {
        peer.script(json!([{ "status": status }])).await;
        let handover = shown(&line.smpp.send(dispatch(20)).await);
        assert!(handover.starts_with("not taken Retryable"), "{handover}");
        assert!(line.smpp.resting_until().is_some(), "{status:#x}");
        // The pause is over for whoever asks later.
        for bind in &line.smpp.0.binds {
            *bind.pace.lock() = Pace::new(None);
        }
    }
    peer.tell(json!({ "do": "enquire" }));
    peer.until("enquire_answered", 2).await;
    peer.tell(json!({ "do": "bind_status", "status": 0x0e }));
    peer.tell(json!({ "do": "drop" }));
    line.ear.until("refused", |_| line.smpp.fault().is_some_and(|f| f.contains("invalid password"))).await;
    line.close().await;
}

#[tokio::test]
async fn what_people_write_there_is_understood_whole() {
    let Some(mut peer) = Peer::start() else { return };
    let line = bound(&peer, &[]).await;
    let says = |more: Value| {
        let mut all = json!({ "do": "says", "from": "12125550123", "to": "24680" });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        all
    };
    peer.tell(says(json!({ "text": "STOP" })));
    peer.tell(says(json!({ "text": "arrêt [€]", "encoding": "UCS2" })));
    peer.tell(says(json!({ "text": "ARRÊT", "encoding": "LATIN1" })));
    peer.tell(says(json!({ "parts": ["hi, I would like to be re", "moved from your list"] })));
    let answers = peer.until("acknowledged", 5).await;
    assert!(answers.iter().all(|answer| answer["status"] == 0), "{answers:?}");
    let told: Vec<(String, Option<u8>)> = understood(&line, &[])
        .into_iter()
        .map(|event| match event {
            InboundEvent::Text(text) => (text.text, None),
            InboundEvent::Part(text, part) => (text.text, Some(part.number)),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("STOP", None),
        ("arrêt [€]", None),
        ("ARRÊT", None),
        ("hi, I would like to be re", Some(1)),
        ("moved from your list", Some(2)),
    ];
    assert_eq!(told, expected.map(|(text, number)| (text.to_owned(), number)));
    // What cannot be kept is asked for again.
    line.ear.refuses.store(true, Ordering::SeqCst);
    peer.tell(says(json!({ "text": "STOP" })));
    let refused = peer.until("acknowledged", 6).await.remove(5);
    assert_eq!(refused["status"], status::TRY_LATER);
    line.close().await;
}
