//! How far we have heard a connection: moved over a gap by the provider's own list or by an operator's word.

use crate::ledger::body::{Body, HeardBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{HeardRow, keys};
use crate::model::registry::Reconcile;
use crate::model::{ConnectionId, Instant};
use crate::writer::{Cx, Op, OpError, Priority};

/// Who closes a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The provider's list was pulled and committed.
    List,
    /// An operator vouches for it.
    Operator,
    /// There was no gap: a connection's first start.
    Listening,
}

impl How {
    /// As it stands in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            How::List => "LIST",
            How::Operator => "OPERATOR",
            How::Listening => "LISTENING",
        }
    }
}

/// Moves a connection's `heard_until`; never back.
pub struct Heard {
    pub connection: ConnectionId,
    pub until: Instant,
    pub how: How,
    /// Why, when an operator says so; 1 to 512 characters.
    pub reason: String,
    pub actor: String,
}

impl Op for Heard {
    type Answer = Instant;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Instant, OpError> {
        let id = || self.connection.to_string();
        let connection = cx
            .connection(self.connection.as_str())?
            .ok_or_else(|| OpError::NotFound { what: "connection", id: id() })?;
        if self.how == How::Operator && self.reason.trim().is_empty() {
            let rule = "say how you know that nothing was missed".to_owned();
            return Err(OpError::Invalid { field: "reason", rule });
        }
        if self.how == How::List && connection.reconcile != Reconcile::List {
            return Err(OpError::Precondition(
                "this provider has no list; an operator must confirm".to_owned(),
            ));
        }
        let known = cx.get::<HeardRow>(&keys::heard(&self.connection))?.map(|row| row.until);
        let until = self.until.min(cx.now);
        if let Some(known) = known.filter(|known| *known >= until) {
            return Ok(known);
        }
        let body = HeardBody {
            connection: self.connection,
            until,
            how: self.how.name().to_owned(),
            reason: self.reason,
            actor: self.actor,
        };
        let public = Public { outcome: self.how.name().to_owned(), ..Public::default() };
        cx.emit(SELLER_CHAIN, None, public, Body::Heard(body))?;
        Ok(until)
    }
}
