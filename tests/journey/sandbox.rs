//! A sandbox of the built program, on ports the system chose, gone with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use consentry::pb::consentry::v1 as pb;
use hyper::Method;
use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::http::{Answer, Ask, exchange};

/// Longest wait for anything; a loaded machine needs a fraction of it.
const DEADLINE: Duration = Duration::from_secs(40);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(30);
/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_consentry");

/// Looks until there is an answer.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(DEADLINE, looking)
        .await
        .unwrap_or_else(|_| panic!("in {DEADLINE:?} not seen: {what}"))
}

/// Runs a command to its end without holding up the runtime.
pub async fn output(mut command: Command) -> std::io::Result<Output> {
    let run = tokio::task::spawn_blocking(move || command.output());
    tokio::time::timeout(DEADLINE, run).await.expect("it ends in time").expect("it does not panic")
}

/// Shows the API key with each call.
#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl tonic::service::Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// What one run of the command line answered.
#[derive(Debug)]
pub struct Told {
    pub code: i32,
    pub json: Value,
}

impl Told {
    /// The codes of the verdict's reasons.
    pub fn codes(&self) -> Vec<String> {
        let reasons = self.json["verdict"]["reasons"].as_array().cloned().unwrap_or_default();
        reasons.iter().filter_map(|r| r["code"].as_str().map(str::to_owned)).collect()
    }
}

/// A process that does not outlive its test.
pub struct Running(Child);

impl Running {
    /// Starts the program and reads the JSON it begins with.
    pub async fn start(mut command: Command) -> (Running, Value) {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let child = Running(child);
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            for line in stdout.lines().map(|line| line.expect("UTF-8")) {
                text.push_str(&line);
                if line == "}" {
                    break;
                }
            }
            serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
        });
        let told =
            tokio::time::timeout(DEADLINE, reading).await.expect("in time").expect("it says where it is");
        (child, told)
    }

    /// SIGTERM, as an operator stops it; waits for its end.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.0.id().to_string()]);
        assert!(output(kill).await.expect("kill runs").status.success());
        eventually("it ends", async || self.0.try_wait().expect("a status")).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running sandbox.
pub struct Sandbox {
    child: Running,
    told: Value,
    channel: Channel,
    dir: tempfile::TempDir,
}

impl Sandbox {
    /// Starts one and reads what it says of itself.
    pub async fn start() -> Sandbox {
        let dir = tempfile::tempdir().expect("a folder");
        let any = "127.0.0.1:0";
        let mut command = Command::new(PROGRAM);
        command
            .args(["sandbox", "--json", "--grpc", any, "--http", any, "--admin", any])
            .env("TMPDIR", dir.path());
        let (child, told) = Running::start(command).await;
        let server = told["grpc"].as_str().expect("an address").to_owned();
        let channel = Channel::from_shared(server).expect("a URI").connect().await.expect("gRPC answers");
        Sandbox { child, told, channel, dir }
    }

    /// SIGTERM, as an operator stops it: exit code 0, and its temporary data is gone.
    pub async fn stop(mut self) {
        let data = PathBuf::from(self.text("data_dir"));
        assert!(data.exists());
        let ended = self.child.terminate().await;
        assert!(ended.success(), "{ended}");
        assert!(!data.exists(), "its temporary folder is gone");
    }

    fn text(&self, field: &str) -> &str {
        self.told[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.told))
    }
    /// Origin of the page, without a final slash.
    pub fn page(&self) -> &str {
        self.text("page").trim_end_matches('/')
    }
    pub fn key(&self) -> &str {
        self.text("key")
    }
    pub fn server(&self) -> &str {
        self.text("grpc")
    }
    pub fn verifier_key(&self) -> String {
        self.text("verifier_key").to_owned()
    }
    /// A folder for the test's own files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
    /// Address of the HTTP listener.
    pub fn http(&self) -> &str {
        self.text("http").trim_start_matches("http://")
    }

    pub fn channel(&self) -> InterceptedService<Channel, Key> {
        let key = format!("Bearer {}", self.key()).parse().expect("ASCII");
        InterceptedService::new(self.channel.clone(), Key(key))
    }

    /// Runs a verb as the seeded brand, and reads its JSON.
    pub async fn cli(&self, arguments: &[&str]) -> Told {
        let mut command = Command::new(PROGRAM);
        command
            .arg("--json")
            .args(arguments)
            .env("CONSENTRY_SERVER", self.server())
            .env("CONSENTRY_KEY", self.key())
            .env("CONSENTRY_BRAND", "acme")
            .env("CONSENTRY_PROGRAM", "cart-reminders");
        let told = output(command).await.expect("the program runs");
        let text = [told.stdout, told.stderr].concat();
        let json = serde_json::from_slice(&text)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&text).into_owned()));
        Told { code: told.status.code().expect("an exit code"), json }
    }

    pub async fn admin(&self, path: &str) -> (u16, String) {
        let answer = self.ask(Method::GET, self.text("admin"), path, "", None).await;
        (answer.status, answer.body)
    }
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.ask(Method::GET, self.page(), path, "", None).await;
        (answer.status, answer.body)
    }
    async fn post(&self, path: &str, body: Value) -> Value {
        let answer =
            self.ask(Method::POST, self.page(), path, "", Some(("application/json", body.to_string()))).await;
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }
    /// Opens a link as a browser does, without going where it leads.
    pub async fn follow(&self, url: &str, agent: &str) -> Answer {
        let (origin, path) = split(url);
        self.ask(Method::GET, origin, path, agent, None).await
    }
    /// Presses the only button of a page.
    pub async fn press(&self, url: &str) -> Answer {
        let (origin, path) = split(url);
        let form = Some(("application/x-www-form-urlencoded", String::new()));
        self.ask(Method::POST, origin, path, "", form).await
    }
    /// The host named, on this sandbox's ports: no name service knows `go.acme.localhost` everywhere.
    async fn ask(
        &self,
        method: Method,
        origin: &str,
        path: &str,
        agent: &str,
        body: Option<(&str, String)>,
    ) -> Answer {
        let host = origin.trim_start_matches("http://").trim_end_matches('/');
        let port = host.rsplit(':').next().expect("a port");
        let address = format!("127.0.0.1:{port}");
        exchange(Ask { method, address: &address, host, path, agent, body }).await
    }

    pub async fn set_clock(&self, to: Value) {
        self.post("/sandbox/clock", to).await;
    }
    async fn state(&self) -> Value {
        serde_json::from_str(&self.get("/sandbox/state").await.1).expect("JSON")
    }
    /// The sandbox's present instant.
    pub async fn now(&self) -> jiff::Timestamp {
        self.state().await["now"].as_str().expect("an instant").parse().expect("an instant")
    }
    /// Types a text on a virtual phone.
    pub async fn type_on(&self, phone: &str, text: &str) {
        self.post(&format!("/sandbox/phones/{phone}/texts"), serde_json::json!({ "text": text })).await;
    }
    /// What stands on a virtual phone: direction and words of what arrived or was typed.
    pub async fn texts_on(&self, phone: &str) -> Vec<String> {
        let state = self.state().await;
        let phones = state["phones"].as_array().expect("phones");
        let phone = phones.iter().find(|p| p["number"] == phone).expect("the phone");
        let texts = phone["thread"].as_array().expect("a thread").iter();
        let there = texts.filter(|t| t["status"] == "delivered" || t["status"] == "received");
        there
            .map(|t| {
                format!("{} {}", t["direction"].as_str().unwrap_or("?"), t["text"].as_str().unwrap_or("?"))
            })
            .collect()
    }

    /// Sends a text with an opt-out link and reads the link out of it.
    pub async fn opt_out_link_for(&self, phone: &str) -> String {
        use pb::message_service_client::MessageServiceClient;
        let request = pb::SendMessageRequest {
            brand: "acme".into(),
            program: "cart-reminders".into(),
            subject: Some(pb::Subject { address: Some(pb::subject::Address::Phone(phone.into())) }),
            channel: pb::Channel::Sms.into(),
            content: Some(pb::send_message_request::Content::Body("News. To stop: {{opt_out_link}}".into())),
            link_url: format!("{}/", self.page()),
            idempotency_key: "journey-opt-out-link".into(),
            ..Default::default()
        };
        let answer =
            MessageServiceClient::new(self.channel()).send_message(request).await.expect("an answer");
        let body = answer.into_inner().message.expect("a message").body;
        let link = body.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned);
        link.unwrap_or_else(|| panic!("no link in {body}"))
    }
}

/// Origin and path of a URL.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    (&url[..path], &url[path..])
}
