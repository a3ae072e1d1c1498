//! What every service shares: the way to the writer, the way to the reader, and who is asking.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::auth::Caller;
use super::field::Fields;
use super::status::ApiError;
use crate::anchor::keeper::Keeper;
use crate::dispatch::Providers;
use crate::feed::Feeds;
use crate::gateway::Gateway;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::entry::Entry;
use crate::model::Instant;
use crate::store::embedded::Books;
use crate::writer::ops::Idempotency;
use crate::writer::{CallError, Coming, Cx, Durable, Op, OpError, Reader, WriterHandle};

/// What a caller is told to wait when a queue is full.
const RETRY: Duration = Duration::from_millis(250);
/// What a caller is told to wait when the store is away.
const RETRY_STORE: Duration = Duration::from_secs(2);
/// How long somebody should wait while the data volume is nearly full: a person has to make room.
const RETRY_ROOM: Duration = Duration::from_secs(30);

/// The hands of a service. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    writer: WriterHandle,
    reader: Reader,
    books: Books,
    news: broadcast::Sender<Arc<[Entry]>>,
    stop: CancellationToken,
    providers: Arc<Providers>,
    feeds: Feeds,
    anchors: Keeper,
}

fn answer<T>(carried_out: Result<Durable<T>, CallError>) -> Result<T, ApiError> {
    match carried_out {
        Ok(durable) => Ok(durable.answer),
        Err(CallError::Refused(e)) => Err(e.into()),
        Err(CallError::Overloaded) => Err(ApiError::Overloaded { retry: RETRY }),
        Err(CallError::NoRoom) => Err(ApiError::NoRoom { retry: RETRY_ROOM }),
        Err(CallError::Unavailable(why)) => Err(ApiError::Unavailable { message: why, retry: RETRY_STORE }),
    }
}

impl Hands {
    /// Hands on one ledger; long streams end with `stop`.
    pub fn new(
        writer: WriterHandle,
        reader: Reader,
        books: Books,
        news: broadcast::Sender<Arc<[Entry]>>,
        stop: CancellationToken,
    ) -> Hands {
        let (providers, feeds, anchors) = (Arc::default(), Feeds::default(), Keeper::default());
        Hands { writer, reader, books, news, stop, providers, feeds, anchors }
    }

    /// Hands on a running gateway; they let go of long streams when it begins to stop.
    pub fn on(gateway: &Gateway) -> Hands {
        Hands::new(
            gateway.writer.clone(),
            gateway.reader.clone(),
            gateway.books.clone(),
            gateway.news(),
            gateway.stopping(),
        )
        .seeing(gateway.providers.clone(), gateway.feeds.clone(), gateway.anchors.clone())
    }

    /// The same hands, which also see what runs: adapters, outgoing webhooks, anchors.
    fn seeing(self, providers: Arc<Providers>, feeds: Feeds, anchors: Keeper) -> Hands {
        Hands { providers, feeds, anchors, ..self }
    }

    /// The outside anchors.
    pub fn anchors(&self) -> &Keeper {
        &self.anchors
    }

    /// The adapters that run.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The outgoing webhooks that run.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// Tells of every batch of durable entries from now on.
    pub fn news(&self) -> broadcast::Receiver<Arc<[Entry]>> {
        self.news.subscribe()
    }

    /// Proofs and stored bytes.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// The way to the writer, for tasks of their own.
    pub fn writer(&self) -> &WriterHandle {
        &self.writer
    }

    /// The newest signed head of the log.
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        self.books.checkpoint()
    }

    /// Ends when the server drains.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.reader.env().clock.now()
    }

    /// Begins to read the fields of a request that arrives now.
    pub fn fields(&self) -> Fields {
        Fields::new(self.now())
    }

    /// The reader itself, for those who look at entries.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Has a change made; answers when it is durable.
    pub async fn write<O: Op>(&self, op: O) -> Result<O::Answer, ApiError> {
        answer(self.writer.call(op).await)
    }

    /// As [`Hands::write`], of an operation that was announced.
    pub async fn write_announced<O: Op>(&self, coming: Coming, op: O) -> Result<O::Answer, ApiError> {
        answer(self.writer.call_announced(coming, op).await)
    }

    /// Looks at a few rows of the newest durable state.
    pub fn look<T>(&self, look: impl FnOnce(&mut Cx<'_>) -> Result<T, OpError>) -> Result<T, ApiError> {
        self.reader.look(look).map_err(ApiError::from)
    }

    /// Looks at many rows or entries, on a thread that may block.
    pub async fn look_long<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader) -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let reader = self.reader.clone();
        match tokio::task::spawn_blocking(move || look(&reader)).await {
            Ok(looked) => looked.map_err(ApiError::from),
            Err(_) => Err(ApiError::Unavailable {
                message: "the gateway is stopping".to_owned(),
                retry: RETRY_STORE,
            }),
        }
    }
}

impl From<OpError> for ApiError {
    fn from(error: OpError) -> ApiError {
        use super::status::Violation;
        match error {
            OpError::Invalid { field, rule } => ApiError::field(field, rule),
            OpError::Problems(problems) => ApiError::Invalid(
                problems.into_iter().map(|p| Violation { field: p.field, description: p.rule }).collect(),
            ),
            OpError::NotFound { what, id } => ApiError::NotFound { kind: what, name: id },
            OpError::KeyReused => ApiError::KeyReused,
            OpError::Exists { what, id } => ApiError::AlreadyExists { kind: what, name: id },
            OpError::Precondition(message) => ApiError::Precondition { message, reasons: Vec::new() },
            OpError::SubjectBusy(what) => ApiError::SubjectBusy(what),
            OpError::Unavailable { what, retry_after } => {
                ApiError::Unavailable { message: what.to_owned(), retry: retry_after.to_std() }
            }
            OpError::Fatal(why) => {
                tracing::error!(%why, "the store failed under a call");
                ApiError::Unavailable { message: "the store failed".to_owned(), retry: RETRY_STORE }
            }
        }
    }
}

/// Who is asking, as the gate found.
pub fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    match request.extensions().get::<Arc<Caller>>() {
        Some(caller) => Ok(Arc::clone(caller)),
        // Only a server assembled without the gate comes here; it must not let anybody in.
        None => Err(ApiError::Unauthenticated.into()),
    }
}

/// The caller's key for one attempt. `request` is the request with its key taken out: two forms of one number in it must
/// already read the same.
pub fn idempotency(method: &'static str, key: String, request: &impl Message) -> Idempotency {
    Idempotency { method, key, request_sha256: request_hash(request) }
}

/// SHA-256 of a request's bytes; maps are ordered, so equal requests hash equally.
pub fn request_hash(request: &impl Message) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}
