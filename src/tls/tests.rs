//! Handshakes over real sockets with the certificates of `fixtures/` (made for this test, valid until 2126).

use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tls/fixtures").join(name)
}

fn files(cert: &str, key: &str, client_ca: Option<&str>) -> TlsFiles {
    TlsFiles { cert: fixture(cert), key: fixture(key), client_ca: client_ca.map(fixture) }
}

fn connector(client: Option<&str>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for root in certificates("client_ca", &fixture("ca.pem")).expect("readable") {
        roots.add(root).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS")
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = certificates("cert", &fixture(&format!("{name}.pem"))).expect("readable");
            let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).expect("readable");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// Serves one byte to whoever gets through; answers the serving address.
async fn serve(tls: Arc<Tls>, stop: CancellationToken) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut wires = Box::pin(incoming(listener, Some(tls), 64, stop));
    tokio::spawn(async move {
        while let Some(Ok(mut wire)) = wires.next().await {
            let _ = wire.write_all(b"!").await;
            let _ = wire.shutdown().await;
        }
    });
    address
}

/// The certificate the server showed, if the exchange worked.
async fn greet(address: std::net::SocketAddr, client: Option<&str>) -> Option<Vec<u8>> {
    let tcp = TcpStream::connect(address).await.expect("listening");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = connector(client).connect(name, tcp).await.ok()?;
    let mut said = Vec::new();
    tls.read_to_end(&mut said).await.ok()?;
    let shown = tls.get_ref().1.peer_certificates()?.first()?.to_vec();
    (said == b"!").then_some(shown)
}

#[tokio::test]
async fn callers_without_a_certificate_are_let_in_only_when_none_is_asked() {
    let stop = CancellationToken::new();
    let _ends = stop.clone().drop_guard();
    let open = Arc::new(Tls::load(files("server.pem", "server.key", None)).expect("usable"));
    let closed = Arc::new(Tls::load(files("server.pem", "server.key", Some("ca.pem"))).expect("usable"));
    let (open, closed) = (serve(open, stop.clone()).await, serve(closed, stop).await);
    assert!(greet(open, None).await.is_some());
    assert!(greet(closed, None).await.is_none());
    assert!(greet(closed, Some("client")).await.is_some());
}

#[tokio::test]
async fn a_connection_that_never_shakes_hands_holds_up_nobody() {
    let stop = CancellationToken::new();
    let _ends = stop.clone().drop_guard();
    let tls = Arc::new(Tls::load(files("server.pem", "server.key", None)).expect("usable"));
    let address = serve(tls, stop).await;
    let _silent = TcpStream::connect(address).await.expect("listening");
    assert!(greet(address, None).await.is_some());
}

#[tokio::test]
async fn new_files_take_effect_whole_or_not_at_all() {
    let dir = TempDir::new().expect("a folder");
    let copy = |from: &str, to: &str| std::fs::copy(fixture(from), dir.path().join(to)).expect("copied");
    copy("server.pem", "cert.pem");
    copy("server.key", "key.pem");
    let files =
        TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem"), client_ca: None };
    let tls = Arc::new(Tls::load(files).expect("usable"));
    let stop = CancellationToken::new();
    let _ends = stop.clone().drop_guard();
    let address = serve(tls.clone(), stop).await;
    let first = greet(address, None).await.expect("served");
    assert!(!tls.reload().expect("unchanged"));

    copy("server2.pem", "cert.pem");
    assert!(tls.reload().is_err(), "a certificate without its key");
    assert_eq!(greet(address, None).await, Some(first.clone()));
    copy("server2.key", "key.pem");
    assert!(tls.reload().expect("a pair"));
    assert_ne!(greet(address, None).await.expect("served"), first);
}

#[test]
fn errors_name_the_setting() {
    for (files, key) in [
        (files("gone.pem", "server.key", None), "cert"),
        (files("server.key", "server.key", None), "cert"),
        (files("server.pem", "server.pem", None), "key"),
        (files("server.pem", "client.key", None), "cert"),
        (files("server.pem", "server.key", Some("server.key")), "client_ca"),
    ] {
        let error = server_config(&files).expect_err("unusable");
        assert_eq!(error.key(), key, "{error}");
    }
}

/// Servers wait without end for the first bytes that show what is spoken: whoever connected and fell silent held a place
/// for ever.
#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut wires = Box::pin(incoming(listener, None, 64, CancellationToken::new()));
    for (said, waits) in [("", false), ("PRI * HTTP/2.0\r\n\r\nSM", false), ("PROPFIND", true), ("GET", true)]
    {
        let mut caller = TcpStream::connect(address).await.expect("listening");
        caller.write_all(said.as_bytes()).await.expect("written");
        let wire = wires.next().await.expect("open").expect("accepted");
        let mut wire = wire.patient_for(std::time::Duration::from_millis(20));
        let mut heard = vec![0; said.len()];
        wire.read_exact(&mut heard).await.expect("what was said");
        let next = tokio::time::timeout(std::time::Duration::from_millis(300), wire.read_u8()).await;
        match (waits, next) {
            (true, Err(_)) => {}
            (false, Ok(Err(error))) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut),
            (_, next) => panic!("{said:?}: {next:?}"),
        }
    }
}
