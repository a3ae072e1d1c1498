//! `CheckShadow`: another sender's log, uploaded table by table and judged beside the running gateway. Nothing of it is kept.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Audits, EXPORT_WAIT, PIECES_MAX, Shadow, failed};
use crate::api::convert::shadow::{options, report, violation};
use crate::api::message::malformed;
use crate::api::status::ApiError;
use crate::audit::shadow::{Audit, Columns, Report, ShadowError};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::check_shadow_request::Part;
use crate::pb::consentry::v1::check_shadow_response::Part as Told;
use crate::store::{KvOptions, SharedKv, kv};
use crate::writer::Policies;

/// Rows of one upload; they are sorted in memory.
const ROWS_MAX: u64 = 250_000;
/// Bytes of one upload.
const BYTES_MAX: u64 = 64 << 20;
/// How long a part may be under way, and how long the caller may take to read one.
const WAIT: Duration = Duration::from_secs(30);

impl Audits {
    /// Begins to take an upload; everything about it is told in the stream.
    pub(super) fn shadow(&self, parts: Streaming<wire::CheckShadowRequest>) -> Result<Shadow, ApiError> {
        let turn = Arc::clone(&self.shadows).try_acquire_owned();
        let turn = turn.map_err(|_| ApiError::Overloaded { retry: EXPORT_WAIT })?;
        let (into, received) = mpsc::channel(PIECES_MAX);
        let (send, answers) = mpsc::channel(PIECES_MAX);
        let out = Out { send, runtime: Handle::current() };
        let stop = self.hands.stop().clone();
        tokio::spawn(async move {
            let _ = stop.run_until_cancelled(receive(parts, into)).await;
        });
        let hands = self.hands.clone();
        tokio::task::spawn_blocking(move || {
            let policies = hands.reader().env().policies();
            let mut upload = Upload { received, held: None, over: Vec::new(), bytes: 0, broken: None };
            let judged = judge(&mut upload, &policies, || hands.fields(), &out);
            // Who has the answer may ask again at once.
            drop((turn, upload));
            let told = match judged {
                Ok(found) => out.tell(Told::Report(report(&found))),
                Err(error) => out.end(error),
            };
            // The caller is gone: nothing is lost by it, for nothing was kept.
            let _ = told;
        });
        Ok(ReceiverStream::new(answers).boxed())
    }
}

type Received = Result<wire::CheckShadowRequest, Status>;

/// Hands parts on as they come; a caller that falls silent is told so.
async fn receive(mut parts: Streaming<wire::CheckShadowRequest>, into: mpsc::Sender<Received>) {
    loop {
        let part = match timeout(WAIT, parts.next()).await {
            Ok(None) => return,
            Ok(Some(part)) => part.map_err(malformed),
            Err(_) => Err(precondition(format!("no part came for {} s", WAIT.as_secs())).into()),
        };
        let ends = part.is_err();
        if into.send(part).await.is_err() || ends {
            return;
        }
    }
}

/// The way back to the caller.
struct Out {
    send: mpsc::Sender<Result<wire::CheckShadowResponse, Status>>,
    runtime: Handle,
}

impl Out {
    fn tell(&self, part: Told) -> io::Result<()> {
        self.send(Ok(wire::CheckShadowResponse { part: Some(part) }))
    }

    fn end(&self, status: Status) -> io::Result<()> {
        self.send(Err(status))
    }

    /// Fails when the caller is gone, or reads nothing.
    fn send(&self, item: Result<wire::CheckShadowResponse, Status>) -> io::Result<()> {
        let sent = self.runtime.block_on(timeout(WAIT, self.send.send(item)));
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        }
    }
}

/// The tables of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Messages,
    OptOuts,
    Consents,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Table::Messages => "messages",
            Table::OptOuts => "opt_outs",
            Table::Consents => "consents",
        }
    }
}

/// An upload, part by part.
struct Upload {
    received: mpsc::Receiver<Received>,
    /// The first piece of the next table.
    held: Option<(Table, Vec<u8>)>,
    /// Tables that have begun.
    over: Vec<Table>,
    bytes: u64,
    /// Why nothing more comes, if not because that was all.
    broken: Option<Status>,
}

impl Upload {
    fn options(&mut self) -> Result<wire::ShadowOptions, Status> {
        match self.received.blocking_recv() {
            None => Err(ApiError::field("part", "is required: options, then tables").into()),
            Some(Err(status)) => Err(status),
            Some(Ok(wire::CheckShadowRequest { part: Some(Part::Options(options)) })) => Ok(options),
            Some(Ok(_)) => Err(ApiError::field("part", "must be options in the first message").into()),
        }
    }

    fn piece(&mut self) -> Option<(Table, Vec<u8>)> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let part = match self.received.blocking_recv()? {
            Ok(request) => request.part,
            Err(status) => return self.breaks(status),
        };
        let (table, piece) = match part {
            Some(Part::Messages(piece)) => (Table::Messages, piece),
            Some(Part::OptOuts(piece)) => (Table::OptOuts, piece),
            Some(Part::Consents(piece)) => (Table::Consents, piece),
            Some(Part::Options(_)) => {
                return self.breaks(ApiError::field("options", "must come once, first").into());
            }
            None => return self.breaks(ApiError::field("part", "is required").into()),
        };
        self.bytes += piece.len() as u64;
        if self.bytes > BYTES_MAX {
            let most = BYTES_MAX >> 20;
            let message = format!("more than {most} MiB; `consentry shadow` takes any number");
            return self.breaks(precondition(message).into());
        }
        Some((table, piece))
    }

    fn breaks<T>(&mut self, status: Status) -> Option<T> {
        self.broken = Some(status);
        None
    }

    /// The table that comes next; none: that was all.
    fn next_table(&mut self) -> Result<Option<Table>, Status> {
        let Some((table, piece)) = self.piece() else { return self.broken.take().map_or(Ok(None), Err) };
        if self.over.contains(&table) {
            return Err(
                ApiError::field(table.name(), "must come in one go, not again after another table").into()
            );
        }
        self.over.push(table);
        self.held = Some((table, piece));
        Ok(Some(table))
    }
}

/// The bytes of one table, up to where another begins.
struct Bytes<'a> {
    upload: &'a mut Upload,
    table: Table,
    piece: Vec<u8>,
    read: usize,
}

impl Read for Bytes<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            match self.upload.piece() {
                Some((table, piece)) if table == self.table => (self.piece, self.read) = (piece, 0),
                Some(next) => {
                    self.upload.held = Some(next);
                    return Ok(0);
                }
                None if self.upload.broken.is_some() => return Err(io::Error::other("the upload broke off")),
                None => return Ok(0),
            }
        }
        let most = out.len().min(self.piece.len() - self.read);
        out[..most].copy_from_slice(&self.piece[self.read..self.read + most]);
        self.read += most;
        Ok(most)
    }
}

/// Takes all tables and judges; violations are told on the way.
fn judge(
    upload: &mut Upload,
    policies: &Policies,
    fields: impl FnOnce() -> crate::api::field::Fields,
    out: &Out,
) -> Result<Report, Status> {
    let asked = upload.options()?;
    let mut f = fields();
    let engine = &policies.engine;
    let read = f.within("options", |f| options(f, asked, engine.zones(), ROWS_MAX));
    let (options, columns) = f.finish(read)?;
    let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let mut audit = Audit::new(engine, options, scratch);
    while let Some(table) = upload.next_table()? {
        take(&mut audit, upload, table, &columns)?;
    }
    if !upload.over.contains(&Table::Messages) {
        return Err(ApiError::field("messages", "is required").into());
    }
    let judged = audit.judge(|found| out.tell(Told::Violation(violation(found))));
    judged.map_err(|error| refused(error, "messages").into())
}

fn take(audit: &mut Audit<'_>, upload: &mut Upload, table: Table, columns: &Columns) -> Result<(), Status> {
    let bytes = Bytes { upload, table, piece: Vec::new(), read: 0 };
    let taken = match table {
        Table::Messages => audit.messages(bytes, columns),
        Table::OptOuts => audit.opt_outs(bytes),
        Table::Consents => audit.consents(bytes),
    };
    match (taken, upload.broken.take()) {
        (_, Some(broken)) => Err(broken),
        (Ok(()), None) => Ok(()),
        (Err(error), None) => Err(refused(error, table.name()).into()),
    }
}

fn refused(error: ShadowError, table: &str) -> ApiError {
    match error {
        ShadowError::Table(error) => ApiError::field(table, error.to_string()),
        ShadowError::TooMany(_) => precondition(error.to_string()),
        error @ (ShadowError::Kv(_) | ShadowError::Sink(_)) => failed(error),
    }
}

fn precondition(message: String) -> ApiError {
    ApiError::Precondition { message, reasons: Vec::new() }
}
