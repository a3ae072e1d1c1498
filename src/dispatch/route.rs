//! Which sender a due message goes by: its own, or one that stands in because its own cannot be reached. Pure.

use crate::ledger::state::{State, StateError};
use crate::model::ConnectionId;
use crate::model::outgoing::{ErrorClass, Message};
use crate::model::registry::Sender;
use crate::writer::ops::send::route::{sender_of, standbys};

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes messages.
    Open,
    /// The provider asks for a pause, only fails, or nobody speaks to it: others may stand in.
    Rests,
    /// What came in through it while nobody listened is not known yet. A STOP may be waiting there, so that whoever
    /// would go by it goes by nobody.
    Paused,
}

/// The way out of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    pub sender: Sender,
    /// It is not the sender that the message was accepted for.
    pub stands_in: bool,
    /// Others could carry it, should this way close.
    pub has_others: bool,
}

/// The way of a message now; none: its sender is gone.
pub fn way_of(
    state: &mut State<'_>,
    message: &Message,
    health: &dyn Fn(&ConnectionId) -> Health,
) -> Result<Option<Way>, StateError> {
    let Some(id) = &message.spec.sender else { return Ok(None) };
    let Some(own) = sender_of(state, id.as_str())? else { return Ok(None) };
    let others = standbys(state, &message.spec, &own)?;
    let has_others = !others.is_empty();
    let sender = match health(&own.connection) {
        Health::Paused => own.clone(),
        _ => choose(message, &own, others, health),
    };
    let stands_in = sender.id != own.id;
    Ok(Some(Way { sender, stands_in, has_others }))
}

/// The first that is open and did not just fail, its own before the others.
fn choose(
    message: &Message,
    own: &Sender,
    others: Vec<Sender>,
    health: &dyn Fn(&ConnectionId) -> Health,
) -> Sender {
    let failed = message.error.as_ref().map(|error| error.class);
    let tried = |sender: &Sender| message.routes.iter().any(|route| route.sender == sender.id);
    let all: Vec<Sender> = std::iter::once(own.clone()).chain(others).collect();
    if failed == Some(ErrorClass::PermanentSender)
        && let Some(untried) = all.iter().find(|sender| !tried(sender))
    {
        // The sender was refused for good: it waits for one that was not.
        return untried.clone();
    }
    let last = message.routes.last().filter(|_| failed.is_some());
    let open = |sender: &&Sender| health(&sender.connection) == Health::Open;
    let fresh = |sender: &&Sender| last.is_none_or(|last| last.sender != sender.id);
    let found = all.iter().find(|s| open(s) && fresh(s)).or_else(|| all.iter().find(open));
    found.unwrap_or(own).clone()
}
