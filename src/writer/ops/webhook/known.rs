//! What is known of a text by its id: nothing, that it came, or every word.

use super::text::class_name;
use crate::inbound::reply::ReplyClass;
use crate::ledger::body::{Body, ReviewBody};
use crate::ledger::entry::Public;
use crate::ledger::rows::{InboundRow, InboundTextRow, keys};
use crate::model::{ConnectionId, SubjectId};
use crate::writer::ops::review::Resolution;
use crate::writer::{Cx, OpError};

/// How the rule of a text begins that could not be read.
pub(super) const UNREADABLE: &str = "unreadable: ";

/// What is known of the text with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Not,
    /// That it came, and no word of it: the place of its entry.
    Wordless(u64),
    Read,
}

pub(super) fn known(cx: &mut Cx<'_>, connection: &ConnectionId, id: &str) -> Result<Known, OpError> {
    let Some(row) = cx.get::<InboundRow>(&keys::inbound(connection, id))? else { return Ok(Known::Not) };
    let wordless = match cx.entry(row.index)?.map(|entry| entry.body) {
        Some(Body::Inbound(body)) => body.rule.starts_with(UNREADABLE),
        _ => false,
    };
    Ok(if wordless { Known::Wordless(row.index) } else { Known::Read })
}

/// Whether a text with this id was taken in before, be it without its words.
pub(super) fn is_known(cx: &mut Cx<'_>, connection: &ConnectionId, id: &str) -> Result<bool, OpError> {
    Ok(cx.get::<InboundRow>(&keys::inbound(connection, id))?.is_some())
}

/// Whether a text with this id was read before. One that only a list without words told of is not: what its webhook says,
/// coming late, may be a STOP.
pub(super) fn is_read(cx: &mut Cx<'_>, connection: &ConnectionId, id: &str) -> Result<bool, OpError> {
    Ok(known(cx, connection, id)? == Known::Read)
}

/// The words of a text have come that waited without them: they say themselves what an officer was to find out.
pub(super) fn words_came(
    cx: &mut Cx<'_>,
    person: &SubjectId,
    before: u64,
    class: ReplyClass,
) -> Result<(), OpError> {
    let Some(row) = cx.get::<InboundTextRow>(&keys::inbound_text(before))? else { return Ok(()) };
    if !row.review || row.resolved.is_some() || row.subject != *person {
        return Ok(());
    }
    let decision = match class {
        ReplyClass::OptOut => Resolution::OptOut,
        ReplyClass::WrongNumber => Resolution::WrongNumber,
        _ => Resolution::NotOptOut,
    };
    let decision = decision.name().to_owned();
    let public = Public { outcome: decision.clone(), ..Public::default() };
    let reason = format!("its words came: {}", class_name(class));
    let body = ReviewBody { inbound: before, decision, reason, actor: "gateway".to_owned() };
    cx.emit(row.subject, None, public, Body::Review(body)).map(|_| ())
}
