//! Touches by other tools: an e-mail, an ad, a text we did not send. They count for caps and gaps like our own.

use super::{Idempotency, Problems, Target};
use crate::ledger::body::{Body, ExternalSendBody};
use crate::ledger::entry::Public;
use crate::model::subject::{Subject, bounds};
use crate::model::{BrandId, CartId, Instant, Span};
use crate::writer::cx::Cx;
use crate::writer::op::{Op, OpError, Priority};

/// What is older counts for no cap any more.
const LATE_MAX: Span = Span::days(30);

/// Tells of a touch by another tool.
#[derive(Debug, Clone)]
pub struct RecordExternalSend {
    pub brand: BrandId,
    pub to: Target,
    /// `EMAIL`, `AD`, `SMS`, `PUSH`, `PHONE_CALL`, `LETTER`, `OTHER`.
    pub medium: String,
    /// When it was; none: now. Late reports are welcome, 30 days at most.
    pub at: Option<Instant>,
    pub cart: Option<CartId>,
    /// Which tool, or empty.
    pub tool: String,
    pub idempotency: Idempotency,
    pub actor: String,
}

const MEDIA: [&str; 7] = ["EMAIL", "AD", "SMS", "PUSH", "PHONE_CALL", "LETTER", "OTHER"];

impl Op for RecordExternalSend {
    /// When it was recorded.
    type Answer = Instant;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Instant, OpError> {
        let operation = self.idempotency.operation(&cx.env.seller);
        if let Some(entry) = cx.repeat_of(operation.as_ref())? {
            return Ok(entry.leaf.instant);
        }
        cx.known_brand(&self.brand)?;
        let at = self.at.unwrap_or(cx.now);
        let mut problems = Problems::default();
        problems.demand(
            MEDIA.contains(&self.medium.as_str()),
            "channel",
            "must name how the person was reached",
        );
        problems.not_ahead("sent_at", at, cx.now);
        problems.demand(at >= cx.now - LATE_MAX, "sent_at", "must lie at most 30 days back");
        problems.done()?;
        let address = cx.address_of(&self.to)?;
        if let (Some(subject), _) = cx.find_subject(&address)? {
            has_room(&subject, cx.now)?;
        }
        let subject = cx.subject_for(&address)?;
        let body = ExternalSendBody {
            brand: self.brand.clone(),
            medium: self.medium,
            at,
            cart: self.cart,
            tool: self.tool,
            operation,
            actor: self.actor,
        };
        let public = Public { outcome: body.medium.clone(), ..Public::default() };
        cx.emit(subject, Some(&self.brand), public, Body::ExternalSend(body))?;
        Ok(cx.now)
    }
}

/// The record keeps the newest 64 touches of 30 days: a flood of reports must not push our own sends out of the caps.
fn has_room(subject: &Subject, now: Instant) -> Result<(), OpError> {
    let recent = subject.touches.iter().filter(|t| t.at >= now - LATE_MAX).count();
    // A few places stay for our own.
    if recent + bounds::OPEN < bounds::TOUCHES {
        return Ok(());
    }
    Err(OpError::SubjectBusy("48 or more touches in 30 days are on record"))
}

#[cfg(test)]
mod tests;
