//! `consentry serve`: from a configuration file and an offline key to a gateway that answers, tells its metrics, sends its
//! spans to a collector, and ends when told to.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use consentry::pb::consentry::v1 as pb;
use consentry::web::{self, Bounds};
use http::Uri;
use pb::admin_service_client::AdminServiceClient;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use crate::sandbox::{PROGRAM, Running, output};

const SECRETS: [&str; 3] = ["CONSENTRY_MASTER_KEY", "CONSENTRY_PEPPER", "CONSENTRY_COUPON_KEY"];

type Heard = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector of OTLP over gRPC: keeps what it is sent and answers well.
async fn collector(stop: CancellationToken) -> (String, Heard) {
    let heard = Heard::default();
    let router = Router::new().fallback(take).with_state(heard.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(web::serve(listener, None, router, Bounds::default(), stop));
    (address, heard)
}

async fn take(State(heard): State<Heard>, uri: Uri, body: Bytes) -> impl IntoResponse {
    heard.lock().expect("no panic").push((uri.path().to_owned(), body.to_vec()));
    // An empty ExportTraceServiceResponse, and a status that needs no trailers.
    ([("content-type", "application/grpc"), ("grpc-status", "0")], vec![0u8; 5])
}

fn configuration(dir: &Path, otlp: &str) -> std::path::PathBuf {
    let text = format!(
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
        master = "env:CONSENTRY_MASTER_KEY"
        pepper = "env:CONSENTRY_PEPPER"
        coupons = "env:CONSENTRY_COUPON_KEY"
        [log]
        format = "json"
        otlp = "{otlp}"
        "#
    );
    let path = dir.join("consentry.toml");
    std::fs::write(&path, text).expect("writable");
    path
}

fn program(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--json").args(arguments).arg("--config").arg(config);
    for (n, name) in SECRETS.iter().enumerate() {
        command.env(name, format!("{:02x}", 0x11 * (n + 1)).repeat(32));
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_becomes_a_gateway() {
    let dir = tempfile::tempdir().expect("a folder");
    let stop = CancellationToken::new();
    let (otlp, heard) = collector(stop.clone()).await;
    let config = configuration(dir.path(), &otlp);
    let made = program(&["key", "create", "--offline", "--name", "first", "--role", "admin"], &config);
    let made = output(made).await.expect("the program runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let key = made["secret"].as_str().unwrap_or_else(|| panic!("no secret in {made}")).to_owned();

    let (mut child, told) = Running::start(program(&["serve"], &config)).await;
    let address = told["grpc"].as_str().expect("an address").to_owned();
    let mut admin = AdminServiceClient::connect(address).await.expect("gRPC answers");
    let mut request = Request::new(pb::GetSellerRequest { id: "main".to_owned() });
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().expect("ASCII"));
    request.metadata_mut().insert(
        "traceparent",
        format!("00-{}-{}-01", "4b".repeat(16), "00f067aa0ba902b7").parse().expect("ASCII"),
    );
    let seller = admin.get_seller(request).await.expect("the key is good").into_inner();
    assert_eq!(seller.legal_name, "Fernhill Outfitters LLC", "the configuration's seller is in the ledger");
    let refused = admin.get_seller(pb::GetSellerRequest { id: "main".to_owned() }).await;
    assert_eq!(refused.expect_err("no key").code(), tonic::Code::Unauthenticated);

    let ended = child.terminate().await;
    assert!(ended.success(), "{ended}");
    stop.cancel();
    let heard = heard.lock().expect("no panic");
    let (_, spans) = heard
        .iter()
        .find(|(path, body)| {
            path.ends_with("/Export") && contains(body, b"consentry.v1.AdminService/GetSeller")
        })
        .expect("the call's span was exported");
    assert!(contains(spans, &[0x4b; 16]), "it goes on where the caller's trace began");
    assert!(!heard.iter().any(|(_, body)| contains(body, key.as_bytes())), "no secret leaves");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
