//! The log over HTTP, as C2SP `tlog-tiles` wants it: `/log/{seller}/e{epoch}/checkpoint` and `…/tile/…`.
//!
//! | path | what | kept by caches |
//! |---|---|---|
//! | `checkpoint` | the newest signed head | no |
//! | `tile/<L>/<N>` | 256 hashes of level 8·L | for ever |
//! | `tile/<L>/<N>.p/<W>` | the first W of them, at the edge of the tree | for ever |
//! | `anchors` | the newest receipt of each anchor, in JSON | no |
//! | `anchors/<n>.checkpoint`, `.tst` | a cosigned or stamped checkpoint, and the RFC 3161 token | for ever |
//! | `anchors/<n>.txt` | what a command printed, or a file's name | for ever, privately; `AUDITOR` keys only |
//! | `tile/entries/<N>[.p/<W>]` | leaves, each after its length in two bytes | for ever, privately; `AUDITOR` keys only |
//!
//! Hashes and heads tell strangers how much is written and when, and nothing else (`docs/ledger.md`); they are public only
//! where the operator says so. Leaves never are. Only what the newest checkpoint covers is shown.

mod anchors;
mod path;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::api::auth::{Role, authenticate};
use crate::api::keys::KeyTable;
use crate::clock::SharedClock;
use crate::ledger::LedgerResult;
use crate::store::embedded::Books;

pub use path::{ReceiptFile, Resource, TILE_WIDTH, Tile, TileKind};

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_EVER_PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-cache");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TOKEN: HeaderValue = HeaderValue::from_static("application/timestamp-token");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The log of one seller and epoch, for auditors and monitors.
#[derive(Clone)]
pub struct LogServer {
    books: Books,
    keys: Arc<KeyTable>,
    clock: SharedClock,
    /// Checkpoint and hash tiles for everybody.
    public: bool,
}

impl LogServer {
    /// Serves `books`; heads and hashes without a key where the folder was opened so.
    pub fn new(books: Books, keys: Arc<KeyTable>, clock: SharedClock) -> LogServer {
        let public = books.public_tiles();
        LogServer { books, keys, clock, public }
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new().route("/log/{seller}/{epoch}/{*rest}", get(serve)).with_state(self)
    }

    /// Whether a caller may read what needs an `AUDITOR` key. The log is of all brands, so a key narrowed to some may not.
    fn may_audit(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        let caller =
            authenticate(headers, &*self.keys, self.clock.now()).map_err(|_| StatusCode::UNAUTHORIZED)?;
        let everywhere = caller.brands.is_empty();
        if everywhere && caller.roles.has_any(&[Role::Auditor]) { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }

    fn answer(
        &self,
        seller: &str,
        epoch: &str,
        rest: &str,
        headers: &HeaderMap,
    ) -> Result<Answer, StatusCode> {
        let origin = self.books.origin();
        let ours = origin.as_str().ends_with(&format!("/log/{seller}/{epoch}"));
        let resource = Resource::parse(rest).filter(|_| ours).ok_or(StatusCode::NOT_FOUND)?;
        let secret = match &resource {
            Resource::Tile(tile) => tile.kind == TileKind::Entries,
            Resource::Receipt(_, file) => *file == ReceiptFile::Text,
            Resource::Checkpoint | Resource::Anchors => false,
        };
        if secret || !self.public {
            self.may_audit(headers)?;
        }
        let cache = if secret || !self.public { FOR_EVER_PRIVATE } else { FOR_EVER };
        match resource {
            Resource::Checkpoint => {
                let bytes = anchors::cosigned(&self.books).into_bytes();
                Ok(Answer { bytes, kind: TEXT, cache: NOT_KEPT })
            }
            Resource::Anchors => {
                Ok(Answer { bytes: anchors::newest(&self.books), kind: JSON, cache: NOT_KEPT })
            }
            Resource::Receipt(number, file) => {
                let bytes = anchors::file(&self.books, number, file).ok_or(StatusCode::NOT_FOUND)?;
                let kind = if file == ReceiptFile::Token { TOKEN } else { TEXT };
                Ok(Answer { bytes, kind, cache })
            }
            Resource::Tile(tile) => {
                let bytes = self.tile(&tile)?.ok_or(StatusCode::NOT_FOUND)?;
                Ok(Answer { bytes, kind: BYTES, cache })
            }
        }
    }

    /// A tile's bytes; none when the newest checkpoint does not cover all of it.
    fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, StatusCode> {
        bytes_of(&self.books, tile, self.books.checkpoint().size()).map_err(|e| {
            tracing::error!(error = %e, "a tile could not be read");
            StatusCode::SERVICE_UNAVAILABLE
        })
    }
}

/// A tile's bytes in a log of `size` entries; none when it is not all there.
pub fn bytes_of(books: &Books, tile: &Tile, size: u64) -> LedgerResult<Option<Vec<u8>>> {
    let Some(range) = tile.range(size) else { return Ok(None) };
    let mut bytes = Vec::new();
    match tile.kind {
        TileKind::Hashes(level) => {
            for place in range {
                bytes.extend_from_slice(&books.tree().node(level * 8, place)?);
            }
        }
        TileKind::Entries => {
            let count = range.end - range.start;
            for stored in books.stored().entries(range.start).take(count as usize) {
                let leaf = stored?.leaf;
                bytes.extend_from_slice(&(leaf.len() as u16).to_be_bytes());
                bytes.extend_from_slice(&leaf);
            }
        }
    }
    Ok(Some(bytes))
}

struct Answer {
    bytes: Vec<u8>,
    kind: HeaderValue,
    cache: HeaderValue,
}

async fn serve(
    State(server): State<LogServer>,
    Path((seller, epoch, rest)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    // Reading up to 256 entries may have to wait for the disk.
    let asked = headers.clone();
    let answer = tokio::task::spawn_blocking(move || server.answer(&seller, &epoch, &rest, &asked)).await;
    let answer = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(status)) => return status.into_response(),
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&answer.bytes)[..16]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let same = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*"));
    let mut response = match same {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(answer.bytes).into_response(),
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, answer.kind);
    out.insert(header::CACHE_CONTROL, answer.cache);
    out.insert(header::VARY, HeaderValue::from_static("authorization"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}
