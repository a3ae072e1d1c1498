//! `RecordOptOut`: a person wants no more, however it reached us.

use super::{OptOutAnswer, Stop, stop};
use crate::model::{BrandId, Instant, OptOutScope, OptOutSource, SubjectId};
use crate::writer::ops::{Idempotency, Target};
use crate::writer::{Cx, Op, OpError, Priority};

/// Characters kept of the person's own words.
const TEXT_MAX: usize = 1_600;

/// Records an opt-out. In force when answered. Unknown addresses get a subject, so that the wish is there before the
/// person is; only a customer nobody has ever heard of has no address to keep it under.
pub struct RecordOptOut {
    /// Brand it came in through.
    pub brand: Option<BrandId>,
    pub target: Target,
    pub scope: OptOutScope,
    pub source: OptOutSource,
    pub text: String,
    /// Default: now. Ahead of now counts as now.
    pub received_at: Option<Instant>,
    pub idempotency: Idempotency,
    pub actor: String,
}

impl Op for RecordOptOut {
    type Answer = OptOutAnswer;
    const PRIORITY: Priority = Priority::Inbound;

    fn run(self, cx: &mut Cx<'_>) -> Result<OptOutAnswer, OpError> {
        let operation = self.idempotency.operation(&cx.env.seller);
        if let Some(entry) = cx.repeat_of(operation.as_ref())? {
            return OptOutAnswer::of(&entry, true);
        }
        if let Some(brand) = &self.brand {
            cx.brand_named(brand.as_str())?;
        }
        scope_exists(cx, &self.scope)?;
        let subjects = subjects_for(cx, &self.target)?;
        let by_reply = matches!(self.source, OptOutSource::SmsReply | OptOutSource::Provider);
        let wish = Stop {
            brand: self.brand,
            // A reply that stops one kind of text may have to count for all (47 CFR 64.1200(a)(10)); whoever uses a
            // form, a desk or a letter says which one they mean.
            scope_named: !by_reply && self.scope != OptOutScope::All,
            scope: self.scope,
            source: self.source,
            text: self.text.chars().take(TEXT_MAX).collect(),
            received_at: self.received_at.unwrap_or(cx.now).min(cx.now),
            sender: None,
            customer: match self.target {
                Target::Customer(customer) => Some(customer),
                _ => None,
            },
            operation,
            actor: self.actor,
        };
        stop(cx, &subjects, wish)
    }
}

/// A scope names what exists, or a typing mistake would stop nothing.
fn scope_exists(cx: &mut Cx<'_>, scope: &OptOutScope) -> Result<(), OpError> {
    match scope {
        OptOutScope::Brand(brand) => cx.brand_named(brand.as_str()).map(|_| ()),
        OptOutScope::Program(program) => match cx.program(program.as_str())? {
            Some(_) => Ok(()),
            None => Err(OpError::NotFound { what: "program", id: program.to_string() }),
        },
        OptOutScope::All | OptOutScope::Marketing | OptOutScope::Channel(_) | OptOutScope::Night => Ok(()),
    }
}

/// Every address a target names, each with a subject; the one that is the person comes first.
fn subjects_for(cx: &mut Cx<'_>, target: &Target) -> Result<Vec<SubjectId>, OpError> {
    if let Target::Customer(customer) = target {
        let subjects = cx.customer(customer)?;
        return if subjects.is_empty() {
            Err(OpError::NotFound { what: "customer with an address", id: customer.to_string() })
        } else {
            Ok(subjects)
        };
    }
    target.addresses().iter().rev().map(|address| cx.subject_for(address)).collect()
}
