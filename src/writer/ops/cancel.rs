//! A caller withdraws a message that has not left.

use crate::ledger::body::{Body, CancelledBody};
use crate::ledger::rows::keys;
use crate::model::MessageId;
use crate::model::outgoing::Message;
use crate::writer::ops::send::channel_name;
use crate::writer::{Cx, Op, OpError, Priority, about_message};

/// Withdraws a message. One that is in hand-over or final stays as it is and is answered as it stands.
pub struct CancelMessage {
    pub message: MessageId,
    pub reason: String,
    pub actor: String,
}

impl Op for CancelMessage {
    type Answer = Message;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Message, OpError> {
        let missing = || OpError::NotFound { what: "message", id: self.message.to_string() };
        let message = cx.get::<Message>(&keys::message(&self.message))?.ok_or_else(missing)?;
        if !message.state.is_waiting() {
            return Ok((*message).clone());
        }
        let spec = &message.spec;
        let public = about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), "CANCELLED");
        let body = CancelledBody { message: self.message, reason: self.reason, actor: self.actor };
        cx.emit(spec.subject, Some(&spec.brand), public, Body::Cancelled(body))?;
        let after = cx.get::<Message>(&keys::message(&self.message))?;
        after.map(|m| (*m).clone()).ok_or_else(|| OpError::Fatal("a cancelled message is gone".to_owned()))
    }
}
