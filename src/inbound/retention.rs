//! Forgets raw webhook bodies: the key of a day is destroyed when the day is past its retention.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ledger::keys::Keys;
use crate::writer::WriterHandle;
use crate::writer::ops::retention::ForgetRawDays;

/// How often days are looked at. Cheap: there is one row a day.
const EVERY: Duration = Duration::from_secs(3_600);

/// How long after the start the first look is taken: whoever started it may still be setting things up, a sandbox its
/// clock for one. What was recorded before is carried out by the start itself.
const FIRST: Duration = Duration::from_secs(60);

/// Looks a minute after the start and every hour until `stop`.
pub async fn forget_raw(writer: WriterHandle, keys: Arc<Keys>, keep_days: u32, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        match forget_past(&writer, &keys, keep_days).await {
            Ok(0) => {}
            Ok(days) => {
                tracing::info!(days, "the keys of webhook bodies past their retention were destroyed")
            }
            Err(why) => tracing::error!(why, "webhook bodies past their retention could not be forgotten"),
        }
    }
}

/// Forgets every day that is past; answers how many. That it is forgotten is durable before the key goes: a crash in
/// between is made good by [`destroy_erased`](crate::store::embedded::destroy_erased).
pub async fn forget_past(writer: &WriterHandle, keys: &Arc<Keys>, keep_days: u32) -> Result<usize, String> {
    let mut days = 0;
    loop {
        let past = writer.call(ForgetRawDays { keep_days }).await.map_err(|e| e.to_string())?.answer;
        if past.is_empty() {
            return Ok(days);
        }
        days += past.len();
        let keys = keys.clone();
        let destroyed = tokio::task::spawn_blocking(move || keys.destroy(&past)).await;
        destroyed.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    }
}

#[cfg(test)]
mod tests;
