//! A C2SP `tlog-witness`: gets each checkpoint with a proof that the log only grew, and cosigns it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::BoxFuture;
use http::{StatusCode, Uri};

use super::{Anchor, AnchorError, Taken, consistency};
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::cosignature::WitnessKey;
use crate::ledger::tree::TreeReader;
use crate::provider::http::{Answer, HttpClient, Outgoing};

/// How often a checkpoint is sent again because the witness knows another size than we thought.
const TRIES: usize = 3;

/// A witness.
pub struct Witness {
    client: HttpClient,
    url: Uri,
    key: WitnessKey,
    deadline: Duration,
    /// What it cosigned last, as far as we know; a wrong guess costs one more question.
    known: AtomicU64,
}

impl Witness {
    /// A witness at `url`, its submission prefix, whose cosignatures verify with `key`.
    pub fn new(client: HttpClient, url: Uri, key: WitnessKey, deadline: Duration) -> Witness {
        Witness { client, url, key, deadline, known: AtomicU64::new(0) }
    }

    async fn add(&self, checkpoint: &SignedCheckpoint, tree: &TreeReader) -> Result<Taken, AnchorError> {
        for _ in 0..TRIES {
            let old = self.known.load(Ordering::Relaxed).min(checkpoint.size());
            let proof = consistency(tree, old, checkpoint.size()).await?;
            let request = Outgoing::post(
                self.endpoint()?,
                "text/plain; charset=utf-8",
                body(old, &proof, checkpoint.note()),
            );
            let answer = self.client.send(request, self.deadline).await?;
            match self.read(&answer, checkpoint)? {
                Said::Cosigned(line) => {
                    self.known.store(checkpoint.size(), Ordering::Relaxed);
                    let checkpoint = format!("{}{line}", checkpoint.note());
                    return Ok(Taken { checkpoint, proof: Vec::new() });
                }
                Said::Knows(size) => self.known.store(size, Ordering::Relaxed),
            }
        }
        Err(AnchorError::Answer(
            "it names another size each time; does somebody else submit this log?".to_owned(),
        ))
    }

    fn endpoint(&self) -> Result<Uri, AnchorError> {
        let text = format!("{}/add-checkpoint", self.url.to_string().trim_end_matches('/'));
        text.parse().map_err(|_| AnchorError::Answer("its address".to_owned()))
    }

    fn read(&self, answer: &Answer, checkpoint: &SignedCheckpoint) -> Result<Said, AnchorError> {
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        match answer.status {
            StatusCode::OK => match self.key.pick(text, &checkpoint.checkpoint().text())? {
                Some((line, _)) => Ok(Said::Cosigned(line)),
                None => Err(AnchorError::Answer(format!("it holds no cosignature by {}", self.key.name()))),
            },
            StatusCode::CONFLICT => {
                let size = text.strip_suffix('\n').filter(|_| answer.content_type() == "text/x.tlog.size");
                let size: Option<u64> = size.and_then(|size| {
                    let parsed: u64 = size.parse().ok()?;
                    (parsed.to_string() == size).then_some(parsed)
                });
                let size =
                    size.ok_or_else(|| AnchorError::Answer("a conflict that names no size".to_owned()))?;
                if size > checkpoint.size() {
                    return Err(AnchorError::OtherHistory(format!(
                        "the witness has cosigned {size} entries of this log, which has {} here: it was rolled back, or \
                         runs twice",
                        checkpoint.size()
                    )));
                }
                Ok(Said::Knows(size))
            }
            StatusCode::NOT_FOUND => Err(AnchorError::Refused(format!(
                "the witness does not know the log {}: give its operator the log's public key",
                checkpoint.checkpoint().origin
            ))),
            StatusCode::FORBIDDEN => Err(AnchorError::Refused(
                "the witness knows this log under another key: give its operator the log's public key"
                    .to_owned(),
            )),
            StatusCode::UNPROCESSABLE_ENTITY => Err(AnchorError::OtherHistory(format!(
                "the witness says that {} entries do not extend what it has seen of this log",
                checkpoint.size()
            ))),
            status => Err(AnchorError::Refused(format!("the witness answered {status}"))),
        }
    }
}

/// What a witness answered.
enum Said {
    /// Its signature line.
    Cosigned(String),
    /// It has cosigned so many entries.
    Knows(u64),
}

/// The request: the old size, the proof, an empty line, the checkpoint.
fn body(old: u64, proof: &[[u8; 32]], note: &str) -> String {
    let mut body = format!("old {old}\n");
    for hash in proof {
        body += &BASE64_STANDARD.encode(hash);
        body.push('\n');
    }
    body.push('\n');
    body + note
}

impl Anchor for Witness {
    fn kind(&self) -> Kind {
        Kind::Witness
    }

    fn submit<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        tree: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>> {
        Box::pin(self.add(checkpoint, tree))
    }
}
