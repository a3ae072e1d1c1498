//! `ReplayDecisions`: recorded decisions made again beside the running gateway, over an index of their own.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{Audits, EXPORT_WAIT, PIECES_MAX, Replay, failed};
use crate::api::auth::Caller;
use crate::api::convert::verdict::{EngineInForce, verdict};
use crate::api::field::TimeRule;
use crate::api::status::ApiError;
use crate::audit::replay::{Judged, Options, replay_with};
use crate::model::{BrandId, Verdict};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::replay_decisions_response::Result as Came;
use crate::store::{KvOptions, SharedKv, kv};

/// Entries of the largest log replayed in memory.
const ENTRIES_MAX: u64 = 2_000_000;

impl Audits {
    pub(super) fn replay(
        &self,
        caller: &Caller,
        request: wire::ReplayDecisionsRequest,
    ) -> Result<Replay, ApiError> {
        let mut f = self.hands.fields();
        let brand = f.optional_id::<BrandId>("brand", &request.brand);
        if request.brand.is_empty() && !caller.brands.is_empty() {
            f.bad("brand", "must be named: the key reaches only some");
        }
        let period = f.optional("period", request.period, |f, range| {
            let start = f.time("start", range.start, TimeRule::Any);
            let end = f.time("end", range.end, TimeRule::Any);
            Some((start?, end?))
        });
        let read = (|| Some((brand?, period?.unwrap_or_default())))();
        let (brand, (from, to)) = f.finish(read)?;
        if let Some(brand) = &brand {
            caller.check_brand(brand)?;
        }
        let entries = self.hands.books().stored().len();
        if entries > ENTRIES_MAX {
            let message =
                format!("the log has {entries} entries; `consentry replay` does more than {ENTRIES_MAX}");
            return Err(ApiError::Precondition { message, reasons: Vec::new() });
        }
        let turn = Arc::clone(&self.replays).try_acquire_owned();
        let turn = turn.map_err(|_| ApiError::Overloaded { retry: EXPORT_WAIT })?;
        let (send, receive) = mpsc::channel(PIECES_MAX);
        let reader = self.hands.reader().clone();
        let options = Options { brand, from, to, any_engine: false };
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
            let (env, mut checked) = (reader.env(), 0);
            let done = replay_with(env, reader.entries(), &scratch, &options, |judged| {
                checked += 1;
                let policies = env.policies();
                let engine = EngineInForce { hash: &policies.engine_hash, body: &policies.described };
                send.blocking_send(Ok(answer(judged, checked, engine))).is_ok()
            });
            if let Err(error) = done {
                // The caller may be gone; then nobody wants to know.
                let _ = send.blocking_send(Err(Status::from(failed(error))));
            }
        });
        Ok(ReceiverStream::new(receive).boxed())
    }
}

fn answer(judged: Judged, checked_count: u64, engine: EngineInForce<'_>) -> wire::ReplayDecisionsResponse {
    let result = match (&judged.replayed, judged.is_equal(false)) {
        (None, _) => Came::Skipped,
        (Some(_), true) => Came::Equal,
        (Some(_), false) => Came::Different,
    };
    let told = |found: &Option<Verdict>| {
        found.as_ref().filter(|_| result == Came::Different).map(|v| verdict(v, Some(judged.index), engine))
    };
    wire::ReplayDecisionsResponse {
        decision_id: judged.index.to_string(),
        result: result.into(),
        recorded: told(&judged.recorded),
        replayed: told(&judged.replayed),
        checked_count,
    }
}
