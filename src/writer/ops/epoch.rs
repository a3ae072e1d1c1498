//! A new epoch of the log: names the one before it, and lets nothing leave that may have left already.

use base64::Engine as _;

use crate::ledger::body::{Body, CancelledBody, EpochBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{DueRow, keys};
use crate::model::MessageId;
use crate::model::outgoing::Message;
use crate::writer::ops::outcome::due;
use crate::writer::ops::send::channel_name;
use crate::writer::{Cx, Op, OpError, Priority, about_message};

/// Messages cancelled in one commit.
const BATCH: usize = 500;
/// Due rows looked at in one go.
const PAGE: usize = 1_000;

/// Records that the log goes on under another name and key.
#[derive(Debug, Clone)]
pub struct BeginEpoch(pub EpochBody);

impl Op for BeginEpoch {
    type Answer = ();
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let body = self.0;
        let root = body.checkpoint.lines().nth(2).unwrap_or_default();
        let root = base64::prelude::BASE64_STANDARD.decode(root).ok().filter(|root| root.len() == 32);
        let public = Public {
            covered_size: body.signed.unwrap_or(0),
            root: root.unwrap_or_default(),
            ..Public::default()
        };
        cx.emit(SELLER_CHAIN, None, public, Body::Epoch(body)).map(drop)
    }
}

/// Cancels messages that were due by now: entries that say they left may be among those that were lost, and a text is
/// sent at most once. Answers how many; ask again until none is left. Messages due later cannot have left.
#[derive(Debug, Clone)]
pub struct CancelOverdue {
    pub actor: String,
}

impl Op for CancelOverdue {
    type Answer = usize;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<usize, OpError> {
        let now = cx.now;
        let (mut cancelled, mut after): (usize, Option<Vec<u8>>) = (0, None);
        loop {
            let overdue = due(&mut cx.state, after.as_deref(), now, PAGE)?;
            let Some(last) = overdue.last() else { return Ok(cancelled) };
            after = Some(last.key.clone());
            for one in overdue.iter().filter(|due| due.row == DueRow::Wake) {
                if cancelled == BATCH {
                    return Ok(cancelled);
                }
                cancelled += usize::from(self.cancel(cx, one.message)?);
            }
        }
    }
}

impl CancelOverdue {
    /// Whether it waited.
    fn cancel(&self, cx: &mut Cx<'_>, id: MessageId) -> Result<bool, OpError> {
        let message = cx.get::<Message>(&keys::message(&id))?;
        let Some(message) = message.filter(|message| message.state.is_waiting()) else { return Ok(false) };
        let spec = &message.spec;
        let public = about_message(&id, spec.program.as_str(), channel_name(spec.channel), "CANCELLED");
        let reason = "a new epoch began: it may have left already".to_owned();
        let body = CancelledBody { message: id, reason, actor: self.actor.clone() };
        cx.emit(spec.subject, Some(&spec.brand), public, Body::Cancelled(body))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
