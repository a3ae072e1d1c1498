//! An SMSC that follows a script, one act a submit, and remembers what it was told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rusmpp_core::pdus::owned::Pdu;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::provider::smpp::wire::{Frame, Frames, id, written};

/// How a submit is treated once it was read whole.
#[derive(Debug, Clone)]
pub enum Act {
    /// A response with this status, and this id where it is 0.
    Answer(u32, &'static str),
    /// These bytes instead, and the line stays; `SEQ` of the request stands at 12.
    Say(Vec<u8>),
    /// These bytes, then the line is cut.
    SayAndHangUp(Vec<u8>),
    /// Nothing.
    Silence,
    /// A byte of a response now and again.
    Drip,
}

/// A listening script.
pub struct Smsc {
    pub url: String,
    seen: Arc<Mutex<Vec<Frame>>>,
    said: broadcast::Sender<Bytes>,
    news: Arc<tokio::sync::Notify>,
}

struct Script {
    acts: Vec<Act>,
    /// Statuses of binds, the last for ever.
    binds: Vec<u32>,
    answers_enquiries: bool,
    seen: Arc<Mutex<Vec<Frame>>>,
    bound: Mutex<usize>,
    told: Mutex<usize>,
    said: broadcast::Sender<Bytes>,
    news: Arc<tokio::sync::Notify>,
}

impl Smsc {
    /// Plays `acts` one a submit, the last for ever.
    pub async fn plays(acts: Vec<Act>) -> Smsc {
        Smsc::listen("smpp", acts, vec![0], true, None).await
    }

    /// Answers binds with these statuses, the last for ever.
    pub async fn binds(statuses: Vec<u32>) -> Smsc {
        Smsc::listen("smpp", vec![Act::Answer(0, "a1")], statuses, true, None).await
    }

    /// Never answers whether it lives.
    pub async fn deaf() -> Smsc {
        Smsc::listen("smpp", vec![Act::Silence], vec![0], false, None).await
    }

    /// Behind a certificate that ran out in 2021.
    pub async fn expired() -> Smsc {
        let cert = CertificateDer::from_pem_slice(EXPIRED_CERT).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(EXPIRED_KEY).expect("PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("a pair");
        Smsc::listen("smpps", vec![Act::Answer(0, "a1")], vec![0], true, Some(Arc::new(config).into())).await
    }

    async fn listen(
        scheme: &str,
        acts: Vec<Act>,
        binds: Vec<u32>,
        answers_enquiries: bool,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Smsc {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("bound"));
        let (said, _) = broadcast::channel(1_024);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let news = Arc::new(tokio::sync::Notify::new());
        let script = Arc::new(Script {
            acts,
            binds,
            answers_enquiries,
            seen: seen.clone(),
            bound: Mutex::new(0),
            told: Mutex::new(0),
            said: said.clone(),
            news: news.clone(),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, tls) = (script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => script.converse(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                script.converse(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Smsc { url, seen, said, news }
    }

    /// Says these bytes on every line.
    pub fn says(&self, octets: impl Into<Bytes>) {
        self.said.send(octets.into()).expect("a line is open");
    }

    /// PDUs with this id so far.
    pub fn seen(&self, id: u32) -> Vec<Frame> {
        self.seen.lock().iter().filter(|frame| frame.id() == id).cloned().collect()
    }

    /// Waits until so many PDUs with this id came.
    pub async fn until(&self, id: u32, count: usize) -> Vec<Frame> {
        let waits = async {
            loop {
                let news = self.news.notified();
                let seen = self.seen(id);
                if seen.len() >= count {
                    return seen;
                }
                news.await;
            }
        };
        let within = Duration::from_secs(30);
        let Ok(seen) = tokio::time::timeout(within, waits).await else { panic!("never {count} of {id:#x}") };
        seen
    }
}

const EXPIRED_CERT: &[u8] = include_bytes!("../../faults/expired.crt.pem");
const EXPIRED_KEY: &[u8] = include_bytes!("../../faults/expired.key.pem");

impl Script {
    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Send) {
        let (read, mut write) = tokio::io::split(stream);
        let (mut frames, mut said) = (Frames::new(read), self.said.subscribe());
        loop {
            tokio::select! {
                frame = frames.next() => {
                    let Ok(frame) = frame else { return };
                    self.seen.lock().push(frame.clone());
                    let go_on = self.answer(&frame, &mut write).await;
                    self.news.notify_waiters();
                    if !go_on {
                        let _ = write.shutdown().await;
                        return;
                    }
                }
                octets = said.recv() => {
                    let Ok(octets) = octets else { return };
                    if write.write_all(&octets).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn answer(&self, frame: &Frame, write: &mut (impl AsyncWrite + Unpin)) -> bool {
        let say = |octets: Bytes| octets;
        let octets = match frame.id() {
            id::BIND_TRANSCEIVER | id::BIND_TRANSMITTER | id::BIND_RECEIVER => {
                let status = next_of(&self.binds, &self.bound);
                let fine = write.write_all(&response(frame, status, b"smsc\0")).await.is_ok();
                return fine && status == 0;
            }
            id::SUBMIT_SM => match next_of(&self.acts, &self.told) {
                Act::Answer(0, name) => response(frame, 0, &[name.as_bytes(), b"\0"].concat()),
                Act::Answer(status, _) => response(frame, status, b""),
                Act::Say(octets) => with_sequence(octets, frame.sequence()),
                Act::SayAndHangUp(octets) => {
                    let _ = write.write_all(&with_sequence(octets, frame.sequence())).await;
                    return false;
                }
                Act::Silence => return true,
                Act::Drip => {
                    let mut pace = tokio::time::interval(Duration::from_millis(5));
                    for octet in response(frame, 0, b"a1\0").iter().take(18) {
                        pace.tick().await;
                        if write.write_all(&[*octet]).await.is_err() {
                            return false;
                        }
                    }
                    return true;
                }
            },
            id::ENQUIRE_LINK if self.answers_enquiries => {
                say(written(0, frame.sequence(), Pdu::EnquireLinkResp))
            }
            id::UNBIND => {
                let _ = write.write_all(&written(0, frame.sequence(), Pdu::UnbindResp)).await;
                return false;
            }
            _ => return true,
        };
        write.write_all(&octets).await.is_ok()
    }
}

fn next_of<T: Clone>(all: &[T], count: &Mutex<usize>) -> T {
    let mut count = count.lock();
    *count += 1;
    all[(*count - 1).min(all.len() - 1)].clone()
}

/// A response with this body.
pub fn response(to: &Frame, status: u32, body: &[u8]) -> Bytes {
    pdu(to.id() | id::RESPONSE, status, to.sequence(), body)
}

/// Any PDU.
pub fn pdu(id: u32, status: u32, sequence: u32, body: &[u8]) -> Bytes {
    let head = [(body.len() + 16) as u32, id, status, sequence].map(u32::to_be_bytes).concat();
    [&head[..], body].concat().into()
}

fn with_sequence(mut octets: Vec<u8>, sequence: u32) -> Bytes {
    if let Some(place) = octets.get_mut(12..16) {
        place.copy_from_slice(&sequence.to_be_bytes());
    }
    octets.into()
}
