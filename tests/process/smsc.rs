//! An SMSC of another project as a child process: npm's `smpp`, by `tests/peers/smsc.js`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Notify;

pub struct Smsc {
    child: Child,
    input: Option<ChildStdin>,
    told: Arc<Mutex<Vec<Value>>>,
    news: Arc<Notify>,
    pub url: String,
}

impl Smsc {
    /// Starts one; none, loudly, where its packages are not there.
    pub fn start() -> Option<Smsc> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let usual = root.join("target/peers-node");
        let modules =
            std::env::var_os("CONSENTRY_PEERS_NODE").map_or(usual, PathBuf::from).join("node_modules");
        let mut node = Command::new("node");
        node.arg(root.join("tests/peers/smsc.js")).env("NODE_PATH", &modules);
        let started = modules
            .join("smpp")
            .exists()
            .then(|| node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok());
        let Some(mut child) = started.flatten() else {
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
                heard.lock().expect("no panic").push(serde_json::from_str(&line).expect("JSON"));
                wake.notify_waiters();
            }
        });
        let input = child.stdin.take();
        Some(Smsc { child, input, told, news, url: format!("smpp://127.0.0.1:{}", hello["port"]) })
    }

    /// One command of its script.
    pub fn tell(&mut self, command: Value) {
        writeln!(self.input.as_mut().expect("open"), "{command}").expect("it reads");
    }

    /// Waits until it told so many events of a kind.
    pub async fn until(&self, kind: &str, count: usize) -> Vec<Value> {
        let waits = async {
            loop {
                let news = self.news.notified();
                let all = self.told.lock().expect("no panic").clone();
                let found: Vec<Value> = all.into_iter().filter(|event| event["event"] == kind).collect();
                if found.len() >= count {
                    return found;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(60), waits).await;
        found.unwrap_or_else(|_| panic!("never {count} of {kind}: {:?}", self.told.lock()))
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; where it does not, it must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
