//! What a provider delivered, authenticated: kept raw, understood and acted on in one commit, answered after it.

mod known;
mod part;
mod receipt;
mod sender;
#[cfg(test)]
mod tests;
mod text;

pub(super) use receipt::{person_said, settle_parked};
pub use text::Understood;

use base64::Engine as _;

use crate::inbound::event::InboundEvent;
use crate::ledger::body::{Body, RawBody};
use crate::ledger::entry::Public;
use crate::model::{ConnectionId, MessageId};
use crate::writer::{Cx, Op, OpError, Priority};

/// A webhook body as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// `GET`, `POST`; `LIST` for a page of the provider's own list.
    pub method: String,
    pub query: String,
    pub content_type: String,
    /// At most [`crate::ledger::body::RAW_BYTES_MAX`].
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} {} bytes)", self.method, self.body.len())
    }
}

/// What one delivery came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Received {
    /// Events that changed something.
    pub new: usize,
    /// Events known already, or overtaken by a better word.
    pub known: usize,
    /// Opt-outs recorded.
    pub stopped: usize,
    /// Receipts that wait for their message.
    pub parked: usize,
    /// Parked receipts whose message never came and that are given up.
    pub outlived: usize,
    /// Messages that arrived after the end of their legal window.
    pub late: Vec<MessageId>,
    /// Texts that wait for a person, and events that did not parse. Each is worth an alarm.
    pub review: usize,
    pub unreadable: usize,
    /// How each text was read, in order.
    pub texts: Vec<Understood>,
}

/// One authenticated delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub connection: ConnectionId,
    /// None: nothing is kept but the events (a list page over the bound).
    pub raw: Option<Raw>,
    pub events: Vec<InboundEvent>,
    /// The listener has been up without a break since the connection was last heard.
    pub listening: bool,
}

/// Takes a delivery in which people speak.
pub struct ReceiveTexts(pub Delivery);
/// Takes a delivery of receipts alone.
pub struct ReceiveReceipts(pub Delivery);

impl Op for ReceiveTexts {
    type Answer = Received;
    const PRIORITY: Priority = Priority::Inbound;

    fn run(self, cx: &mut Cx<'_>) -> Result<Received, OpError> {
        receive(cx, self.0)
    }
}

impl Op for ReceiveReceipts {
    type Answer = Received;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Received, OpError> {
        receive(cx, self.0)
    }
}

/// Raw first, then each event in order. A crash before the commit leaves nothing, and the provider delivers again or its
/// list is pulled; a crash after it leaves everything, and the repetition is harmless.
fn receive(cx: &mut Cx<'_>, delivery: Delivery) -> Result<Received, OpError> {
    let Delivery { connection, raw, events, listening } = delivery;
    if cx.connection(connection.as_str())?.is_none() {
        return Err(OpError::NotFound { what: "connection", id: connection.to_string() });
    }
    let mut received = Received::default();
    let mut fresh = Vec::new();
    for event in events.into_iter().map(InboundEvent::bounded) {
        if is_known(cx, &connection, &event)? {
            received.known += 1;
        } else {
            fresh.push(event);
        }
    }
    // A repetition is not kept again, but that it came shows that we are heard.
    let raw = match raw {
        Some(raw) if !fresh.is_empty() || listening => Some(keep(cx, &connection, raw, listening)?),
        _ => None,
    };
    for event in fresh {
        match event {
            InboundEvent::Text(text) => text::act(cx, &connection, text, raw, &mut received)?,
            InboundEvent::Part(text, part) => {
                text::act_on_part(cx, &connection, text, part, raw, &mut received)?;
            }
            InboundEvent::Unreadable(event) => text::suspend(cx, &connection, event, raw, &mut received)?,
            InboundEvent::Receipt(receipt) => receipt::act(cx, &connection, receipt, &mut received)?,
        }
    }
    Ok(received)
}

fn is_known(cx: &mut Cx<'_>, connection: &ConnectionId, event: &InboundEvent) -> Result<bool, OpError> {
    match event {
        InboundEvent::Text(text) | InboundEvent::Part(text, _) => {
            known::is_read(cx, connection, &text.provider_id)
        }
        InboundEvent::Unreadable(event) => known::is_known(cx, connection, &event.provider_id),
        InboundEvent::Receipt(receipt) => receipt::is_known(cx, connection, receipt),
    }
}

/// Keeps the bytes under the key of their day, which is destroyed when raw bodies are no longer needed.
fn keep(cx: &mut Cx<'_>, connection: &ConnectionId, raw: Raw, listening: bool) -> Result<u64, OpError> {
    let day = cx.raw_day()?;
    let body = RawBody {
        connection: connection.clone(),
        method: raw.method,
        query: raw.query,
        content_type: raw.content_type,
        body: base64::engine::general_purpose::STANDARD.encode(&raw.body),
        listening,
    };
    cx.emit(day, None, Public::default(), Body::Raw(body))
}
