//! An RFC 3161 time-stamping authority over HTTP (section 3.4).

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderValue, StatusCode, Uri, header};

use super::{Anchor, AnchorError, Taken};
use crate::entropy::SharedEntropy;
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::timestamp::{Token, TsaRoots, request, token_of};
use crate::ledger::tree::TreeReader;
use crate::provider::http::{HttpClient, Outgoing};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// An authority.
pub struct Authority {
    client: HttpClient,
    url: Uri,
    roots: TsaRoots,
    entropy: SharedEntropy,
    deadline: Duration,
}

impl Authority {
    /// An authority at `url` whose certificate one of `roots` vouches for.
    pub fn new(
        client: HttpClient,
        url: Uri,
        roots: TsaRoots,
        entropy: SharedEntropy,
        deadline: Duration,
    ) -> Authority {
        Authority { client, url, roots, entropy, deadline }
    }

    /// Has `message` stamped; answers a token that was checked in every respect.
    pub async fn stamp(&self, message: &[u8]) -> Result<Vec<u8>, AnchorError> {
        let (query, nonce) = request(message, self.entropy.bytes());
        let post = Outgoing::post(self.url.clone(), QUERY, query);
        let post = post.header(header::ACCEPT, HeaderValue::from_static(REPLY));
        let answer = self.client.send(post, self.deadline).await?;
        if answer.status != StatusCode::OK || answer.content_type() != REPLY {
            let (status, kind) = (answer.status, answer.content_type());
            return Err(AnchorError::Answer(format!("it is {status} with {kind:?}, not a time stamp")));
        }
        let token = token_of(&answer.body)?;
        let read = Token::read(&token, message)?;
        read.check_nonce(&nonce)?;
        read.check_chain(&self.roots)?;
        Ok(token)
    }
}

impl Anchor for Authority {
    fn kind(&self) -> Kind {
        Kind::Timestamp
    }

    fn submit<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        _: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>> {
        Box::pin(async move {
            let proof = self.stamp(checkpoint.note().as_bytes()).await?;
            Ok(Taken { checkpoint: checkpoint.note().to_owned(), proof })
        })
    }
}
