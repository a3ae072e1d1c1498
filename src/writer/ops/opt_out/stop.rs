//! An opt-out on its way into the ledger: one entry an address, and the names of what it stops and what it cannot stop.

use std::sync::Arc;

use super::{OptOutAnswer, scope_name};
use crate::ledger::body::{Body, Operation, OptOutBody};
use crate::ledger::entry::Public;
use crate::ledger::rows::keys;
use crate::model::cart::Coupon;
use crate::model::consent::OptOut;
use crate::model::facts::AutomaticKind;
use crate::model::message::{Medium, Touch};
use crate::model::outgoing::Message;
use crate::model::subject::{Address, OpenMessage, Subject};
use crate::model::{
    BrandId, Category, Channel, CustomerId, Instant, MessageId, MessageState, OptOutScope, OptOutSource,
    SenderId, Span, SubjectId,
};
use crate::writer::ops::coupon;
use crate::writer::{Cx, OpError};

/// How long a message without a final word may still be on its way.
const IN_FLIGHT: Span = Span::hours(72);

/// A wish to hear no more.
pub(in crate::writer::ops) struct Stop {
    pub brand: Option<BrandId>,
    pub scope: OptOutScope,
    pub scope_named: bool,
    pub source: OptOutSource,
    pub text: String,
    pub received_at: Instant,
    pub sender: Option<SenderId>,
    pub customer: Option<CustomerId>,
    pub operation: Option<Operation>,
    pub actor: String,
}

/// Writes a wish to the given subjects and to every push installation in their reach: the app must not go on where the
/// phone said STOP. The first entry names everything it stops; a crash before the commit leaves none of them.
pub(in crate::writer::ops) fn stop(
    cx: &mut Cx<'_>,
    subjects: &[SubjectId],
    wish: Stop,
) -> Result<OptOutAnswer, OpError> {
    let (members, written) = members_of(cx, subjects)?;
    let opt_out = OptOut {
        scope: wish.scope,
        scope_named: wish.scope_named,
        source: wish.source,
        received_at: wish.received_at,
        recorded_at: cx.name_of_opt_out(&members),
        sender: wish.sender,
        lifted_at: None,
        lifted_for: Vec::new(),
    };
    let found = what_it_meets(cx, &members, &opt_out)?;
    let public = Public { outcome: scope_name(&opt_out.scope).to_owned(), ..Public::default() };
    let mut body = OptOutBody {
        opt_out,
        text: wish.text,
        customer: wish.customer,
        cancelled: found.cancelled,
        in_flight: found.in_flight,
        voided: Vec::new(),
        operation: wish.operation,
        actor: wish.actor,
    };
    let mut answer = None;
    for id in &written {
        let own = found.voided.iter().filter(|coupon| coupon.subject == Some(*id));
        body.voided = own.map(|coupon| (coupon.brand.clone(), coupon.code.clone())).collect();
        let index = cx.emit(*id, wish.brand.as_ref(), public.clone(), Body::OptOut(body.clone()))?;
        if answer.is_none() {
            let entry =
                cx.entry(index)?.ok_or_else(|| OpError::Fatal("an entry just made is gone".to_owned()))?;
            answer = Some(OptOutAnswer::of(&entry, false)?);
            // The other addresses carry the wish alone, and what codes they hold: what it stops is named once.
            (body.operation, body.cancelled, body.in_flight) = (None, Vec::new(), Vec::new());
        }
    }
    let others = found.voided.iter().filter(|coupon| coupon.subject.is_none_or(|id| !written.contains(&id)));
    for coupon in others {
        coupon::void_for_opt_out(cx, coupon, &body.actor)?;
    }
    answer.ok_or_else(|| OpError::Fatal("an opt-out without an address".to_owned()))
}

type Members = Vec<Arc<Subject>>;

/// Everybody in the reach of the subjects, and those among them that the opt-out is written to.
fn members_of(cx: &mut Cx<'_>, subjects: &[SubjectId]) -> Result<(Members, Vec<SubjectId>), OpError> {
    let mut members: Members = Vec::new();
    let mut written = subjects.to_vec();
    for id in subjects {
        let subject = cx.subject(id)?;
        for member in cx.reach(&subject)? {
            if matches!(member.address, Address::Device { .. }) && !written.contains(&member.id) {
                written.push(member.id);
            }
            if members.iter().all(|m| m.id != member.id) {
                members.push(member);
            }
        }
    }
    Ok((members, written))
}

/// The `recorded_at` an opt-out of these subjects will get in this commit.
pub(in crate::writer::ops) fn name_for(cx: &mut Cx<'_>, subjects: &[SubjectId]) -> Result<Instant, OpError> {
    let (members, _) = members_of(cx, subjects)?;
    Ok(cx.name_of_opt_out(&members))
}

/// What an opt-out finds on its way.
#[derive(Default)]
struct Met {
    cancelled: Vec<MessageId>,
    in_flight: Vec<MessageId>,
    voided: Vec<Arc<Coupon>>,
}

fn what_it_meets(cx: &mut Cx<'_>, members: &Members, opt_out: &OptOut) -> Result<Met, OpError> {
    let mut met = Met::default();
    let since = cx.now - IN_FLIGHT;
    for member in members {
        for open in &member.open {
            if stops(opt_out, &open.touch) && dies(cx, open)? {
                met.cancelled.push(open.id);
            }
        }
        for touch in member.touches.iter().filter(|t| !t.external && stops(opt_out, t)) {
            if matches!(touch.state, MessageState::Sending | MessageState::Sent) && touch.at >= since {
                met.in_flight.extend(touch.message);
            }
        }
        met.voided.extend(coupon::ended_by(cx, &member.id, opt_out)?);
    }
    Ok(met)
}

fn stops(opt_out: &OptOut, touch: &Touch) -> bool {
    let channel = if touch.medium == Medium::Push { Channel::Push } else { Channel::Sms };
    match &touch.program {
        Some(program) => opt_out.covers(&touch.brand, program, touch.category, channel),
        None => opt_out.scope == OptOutScope::All,
    }
}

/// A HELP answer and the confirmation of an earlier STOP still go out; everything else that waits dies.
fn dies(cx: &mut Cx<'_>, open: &OpenMessage) -> Result<bool, OpError> {
    if !open.automatic {
        return Ok(true);
    }
    let message = cx.get::<Message>(&keys::message(&open.id))?;
    let kind = message.and_then(|m| m.spec.automatic.as_ref().map(|a| a.kind));
    Ok(!matches!(kind, Some(AutomaticKind::Help | AutomaticKind::OptOutConfirmation)))
}

impl Stop {
    /// STOP as a text says it, or as the provider says it for the person: everything.
    pub fn by_text(text: &str, received_at: Instant, sender: Option<SenderId>, source: OptOutSource) -> Stop {
        Stop {
            brand: None,
            scope: OptOutScope::All,
            scope_named: false,
            source,
            text: text.to_owned(),
            received_at,
            sender,
            customer: None,
            operation: None,
            actor: "gateway".to_owned(),
        }
    }
}

/// Whether any text to a person is permitted by a grant in force: what the shelter of the confirmation rests on.
pub(in crate::writer::ops) fn has_grant(subject: &Subject, now: Instant) -> bool {
    subject.consents.iter().any(|c| {
        let in_force = crate::writer::ops::consent::grant_of(subject, &c.program, c.channel, now) == Some(c);
        let stopped = subject
            .opt_outs
            .iter()
            .any(|o| o.holds_at(now) && o.covers(&c.brand, &c.program, Category::Marketing, c.channel));
        c.channel == Channel::Sms && in_force && !stopped
    })
}
