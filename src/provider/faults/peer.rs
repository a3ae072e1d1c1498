//! A peer that follows a script, one act a request, and remembers what it was asked.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// How a request is treated once it was read whole.
#[derive(Debug, Clone)]
pub enum Act {
    /// These bytes, then the connection stays open.
    Say(Vec<u8>),
    /// These bytes, then it is cut.
    SayAndHangUp(Vec<u8>),
    /// Nothing for ever.
    Silence,
    /// A head, then a byte now and again for ever.
    Drip(Vec<u8>),
}

/// An answer with a JSON body of its right length.
pub fn json(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A listening script.
pub struct Peer {
    pub url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Plays `acts` one a request, the last for ever.
    pub async fn plays(acts: Vec<Act>) -> Peer {
        Self::listen("http", acts, None).await
    }

    /// The same behind a certificate that ran out in 2021.
    pub async fn expired(acts: Vec<Act>) -> Peer {
        let cert = CertificateDer::from_pem_slice(EXPIRED_CERT).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(EXPIRED_KEY).expect("PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("a pair");
        Self::listen("https", acts, Some(Arc::new(config).into())).await
    }

    async fn listen(scheme: &str, acts: Vec<Act>, tls: Option<tokio_rustls::TlsAcceptor>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (acts, heard) = (Arc::new(acts), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acts, heard, tls) = (acts.clone(), heard.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &acts, &heard).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &acts, &heard).await;
                            }
                        }
                    }
                });
            }
        });
        Peer { url, seen }
    }

    /// Whole requests so far, heads and bodies.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }
}

/// The roots a client needs to believe the peer, were its certificate not too old.
pub fn roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(EXPIRED_CERT).expect("PEM")).expect("a root");
    roots
}

const EXPIRED_CERT: &[u8] = include_bytes!("expired.crt.pem");
const EXPIRED_KEY: &[u8] = include_bytes!("expired.key.pem");

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, acts: &[Act], seen: &Mutex<Vec<String>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let act = {
            let mut seen = seen.lock();
            seen.push(request);
            acts[(seen.len() - 1).min(acts.len() - 1)].clone()
        };
        match act {
            Act::Say(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::SayAndHangUp(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Silence => std::future::pending::<()>().await,
            Act::Drip(head) => {
                let _ = stream.write_all(&head).await;
                let mut pace = tokio::time::interval(Duration::from_millis(5));
                while stream.write_all(b" ").await.is_ok() {
                    pace.tick().await;
                }
                return;
            }
        }
    }
}

/// One request with its body; none at the end of the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
            let end = head + 4 + length.unwrap_or(0usize);
            if buffer.len() >= end {
                let request: Vec<u8> = buffer.drain(..end).collect();
                return Some(String::from_utf8_lossy(&request).into_owned());
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}
