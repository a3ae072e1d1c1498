//! Clicks on their way into the ledger: gathered in memory, written twice a second, so durable within one.
//!
//! This is the one exception to "acknowledged means durable": a crash loses the clicks of the last half second, never
//! the redirect. Memory is bounded; what is too much is first only counted, then lost and counted as lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::model::LinkCode;
use crate::model::cart::Click;
use crate::telemetry::metrics;
use crate::writer::ops::link::{CLICKS_CHAINED, LINKS_A_BATCH, LinkClicks, RecordClicks, USER_AGENT_MAX};
use crate::writer::{CallError, WriterHandle};

/// How long clicks are gathered before they are written: with the commit itself well under a second.
const GATHER: Duration = Duration::from_millis(500);
/// Links with clicks that wait.
const LINKS_MAX: usize = 65_536;
/// Clicks kept one by one while they wait; beyond, they are only counted.
const CLICKS_KEPT_MAX: usize = 32_768;
/// Tries to write what is left when the process stops.
const LAST_TRIES: usize = 5;

#[derive(Default)]
struct Waiting {
    links: BTreeMap<LinkCode, LinkClicks>,
    kept: usize,
}

/// Clicks that wait to be written.
#[derive(Default)]
pub struct ClickBuffer {
    waiting: Mutex<Waiting>,
    some: Notify,
}

impl ClickBuffer {
    /// Takes a click on. Never waits for anything but the lock.
    pub fn push(&self, code: LinkCode, mut click: Click) {
        metrics::click(click.human);
        click.user_agent = click.user_agent.chars().take(USER_AGENT_MAX).collect();
        let taken = self.waiting.lock().add(code, click);
        if !taken {
            metrics::clicks_lost(1);
        }
        self.some.notify_one();
    }

    /// Everything that waits, in batches the writer takes.
    fn take(&self) -> Vec<RecordClicks> {
        let Waiting { links, .. } = std::mem::take(&mut *self.waiting.lock());
        let mut batches = Vec::new();
        let mut rest = links.into_values().peekable();
        while rest.peek().is_some() {
            batches.push(RecordClicks { links: rest.by_ref().take(LINKS_A_BATCH).collect() });
        }
        batches
    }

    /// Puts back what could not be written.
    fn put_back(&self, batch: RecordClicks) {
        let mut waiting = self.waiting.lock();
        for link in batch.links {
            let (human, raw) = link.uncounted;
            for click in link.clicks {
                if !waiting.add(link.code.clone(), click) {
                    metrics::clicks_lost(1);
                }
            }
            if !waiting.count(&link.code, human, raw) {
                metrics::clicks_lost(raw);
            }
        }
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.lock().links.is_empty()
    }
}

impl Waiting {
    fn entry(&mut self, code: &LinkCode) -> Option<&mut LinkClicks> {
        if !self.links.contains_key(code) && self.links.len() >= LINKS_MAX {
            return None;
        }
        let empty = || LinkClicks { code: code.clone(), clicks: Vec::new(), uncounted: (0, 0) };
        Some(self.links.entry(code.clone()).or_insert_with(empty))
    }

    /// Keeps a click one by one where it could still be chained, else counts it.
    fn add(&mut self, code: LinkCode, click: Click) -> bool {
        let full = self.kept >= CLICKS_KEPT_MAX;
        let Some(link) = self.entry(&code) else { return false };
        let first_human = click.human && !link.clicks.iter().any(|c| c.human);
        let room = link.clicks.len() < CLICKS_CHAINED as usize || first_human;
        if room && !full {
            link.clicks.push(click);
            self.kept += 1;
            return true;
        }
        let human = u64::from(click.human);
        self.count(&code, human, 1)
    }

    fn count(&mut self, code: &LinkCode, human: u64, raw: u64) -> bool {
        if raw == 0 {
            return true;
        }
        let Some(link) = self.entry(code) else { return false };
        link.uncounted.0 += human;
        link.uncounted.1 += raw;
        true
    }
}

/// Writes clicks down until `stop`, then once more what is left. Run it as a task that is waited for at the end.
pub async fn write_clicks(buffer: Arc<ClickBuffer>, writer: WriterHandle, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = buffer.some.notified() => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(GATHER) => {}
        }
        if let Err(why) = write_all(&buffer, &writer).await {
            tracing::warn!(%why, "clicks could not be written; they wait");
            // Somebody has to come back for them, though no new click may come.
            buffer.some.notify_one();
        }
    }
    for _ in 0..LAST_TRIES {
        if write_all(&buffer, &writer).await.is_ok() && buffer.is_empty() {
            return;
        }
        tokio::time::sleep(GATHER / 10).await;
    }
    let lost: u64 = buffer.take().iter().flat_map(|b| &b.links).map(clicks_of).sum();
    metrics::clicks_lost(lost);
    tracing::error!(lost, "clicks were lost: the gateway stopped before they could be written");
}

fn clicks_of(link: &LinkClicks) -> u64 {
    link.clicks.len() as u64 + link.uncounted.1
}

async fn write_all(buffer: &ClickBuffer, writer: &WriterHandle) -> Result<(), CallError> {
    let mut batches = buffer.take().into_iter();
    while let Some(batch) = batches.next() {
        if let Err(e) = writer.call(batch.clone()).await {
            // An answer that got lost may hide a commit: a writer that ends is not asked again, a full queue took nothing.
            buffer.put_back(batch);
            batches.for_each(|later| buffer.put_back(later));
            return Err(e);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
