//! Receives an export to its last byte: shows progress, takes a broken stream up again, compares the SHA-256.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};

use super::sink::Sink;
use crate::cli::call::Server;
use crate::cli::failure::Failure;
use crate::pb::consentry::v1 as pb;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::export_audit_response::Part;

/// Failures in a row, without a byte in between, after which it is given up.
const TRIES: u32 = 6;
/// Pauses between them.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What was received.
pub struct Received {
    pub bytes: u64,
    pub sha256: [u8; 32],
    pub rows: u64,
    pub checkpoint: pb::Checkpoint,
    pub resumed: u32,
}

struct State {
    request: pb::ExportAuditRequest,
    hash: Sha256,
    checkpoint: pb::Checkpoint,
    bar: ProgressBar,
}

/// How one stream ended.
enum End {
    Whole(pb::ExportSummary),
    Broken(Failure),
}

/// Receives the export that `request` asks for.
pub async fn receive(
    server: &Server,
    request: pb::ExportAuditRequest,
    sink: &mut Sink,
) -> Result<Received, Failure> {
    let mut state =
        State { request, hash: Sha256::new(), checkpoint: pb::Checkpoint::default(), bar: progress() };
    let (mut resumed, mut failures) = (0, 0);
    let summary = loop {
        let before = state.request.offset;
        let end = match once(server, &mut state, sink).await {
            Ok(end) => end,
            Err(failure) => {
                state.bar.finish_and_clear();
                return Err(failure);
            }
        };
        match end {
            End::Whole(summary) => break summary,
            End::Broken(failure) => {
                failures = if state.request.offset > before { 1 } else { failures + 1 };
                // What never began is not waited for: nobody is there, or the key is wrong.
                if failures >= TRIES || state.request.export_id.is_empty() {
                    state.bar.finish_and_clear();
                    return Err(failure);
                }
                resumed += 1;
                state.bar.set_message("the stream broke; taking it up again");
                tokio::time::sleep((PAUSE_FIRST * 2u32.pow(failures - 1)).min(PAUSE_MAX)).await;
            }
        }
    };
    state.bar.finish_and_clear();
    let (bytes, sha256) = (state.request.offset, <[u8; 32]>::from(state.hash.finalize()));
    if (summary.size, summary.sha256.as_slice()) != (bytes, sha256.as_slice()) {
        return Err(Failure::unserved("size or SHA-256 of what came are not what the gateway says was sent")
            .hint("something in between changes what passes; ask again, over TLS"));
    }
    Ok(Received { bytes, sha256, rows: summary.rows, checkpoint: state.checkpoint, resumed })
}

/// One stream, from where the last one broke.
async fn once(server: &Server, state: &mut State, sink: &mut Sink) -> Result<End, Failure> {
    let service = match server.service().await {
        Ok(service) => service,
        Err(failure) => return Ok(End::Broken(failure)),
    };
    let mut client = AuditServiceClient::new(service);
    let mut stream = match client.export_audit(state.request.clone()).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return broken(server, &status),
    };
    loop {
        match stream.message().await {
            Ok(Some(pb::ExportAuditResponse { part: Some(part) })) => match part {
                Part::Header(header) => begin(state, header)?,
                Part::Chunk(bytes) => {
                    sink.write(&bytes)?;
                    state.hash.update(&bytes);
                    state.request.offset += bytes.len() as u64;
                    state.bar.set_position(state.request.offset);
                }
                Part::Summary(summary) => return Ok(End::Whole(summary)),
            },
            // A part of a later release: what it means we cannot know, and the hash will tell.
            Ok(Some(_)) => {}
            Ok(None) => {
                return Ok(End::Broken(Failure::unserved("the stream ended before the export did")));
            }
            Err(status) => return broken(server, &status),
        }
    }
}

fn begin(state: &mut State, header: pb::ExportHeader) -> Result<(), Failure> {
    let known = &state.request.export_id;
    if !known.is_empty() && *known != header.export_id {
        return Err(Failure::unserved("the gateway went on with another export than the one begun"));
    }
    state.request.export_id = header.export_id;
    state.checkpoint = header.checkpoint.unwrap_or_default();
    state.bar.set_message("");
    Ok(())
}

/// Whether asking again may help.
fn broken(server: &Server, status: &Status) -> Result<End, Failure> {
    let failure = server.refused(status);
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled | Code::Aborted => {
            Ok(End::Broken(failure))
        }
        Code::DeadlineExceeded | Code::ResourceExhausted => Ok(End::Broken(failure)),
        _ => Err(failure),
    }
}

/// On standard error, and only where somebody looks.
fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {bytes} ({bytes_per_sec}) {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}
