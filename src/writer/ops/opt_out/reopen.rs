//! START by text: gives back exactly what was valid before, for the programs of the sender it was sent to.

use crate::ledger::body::{Body, OptOutLiftedBody};
use crate::ledger::entry::Public;
use crate::ledger::fold::liftable_by_text;
use crate::model::consent::OptOut;
use crate::model::facts::AutomaticKind;
use crate::model::registry::{Program, Sender};
use crate::model::subject::Subject;
use crate::model::{Category, Channel, Instant, MessageId, ProgramId, SubjectId};
use crate::writer::ops::consent::{ask_again, grant_of};
use crate::writer::ops::person::covering;
use crate::writer::ops::send::AutomaticSend;
use crate::writer::{Cx, Held, OpError};

/// What START came to.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::writer::ops) enum Reopened {
    /// Grants of these programs hold again.
    Restored(Vec<ProgramId>),
    /// There was nothing to go back to: a YES was asked for.
    Asked(Option<MessageId>),
    /// Nothing was stopped, or what stopped it is not undone by a text.
    Unchanged,
}

/// Acts on a START received at `at`. Lifts only opt-outs that came by text or from the network, and none that came after
/// it: a START pulled late from a provider's list must not undo a newer STOP.
pub(in crate::writer::ops) fn reopen(
    cx: &mut Cx<'_>,
    id: &SubjectId,
    sender: &Sender,
    text: &str,
    at: Instant,
) -> Result<Reopened, OpError> {
    let subject = cx.row_of(id)?;
    let programs = cx.programs_of(sender)?;
    let granted: Vec<&Program> = programs
        .iter()
        .map(|p| &**p)
        .filter(|p| grant_of(&subject, &p.id, Channel::Sms, cx.now).is_some())
        .collect();
    if granted.is_empty() {
        return match program_to_ask(&subject, &programs, cx.now) {
            Some(program) => Ok(Reopened::Asked(ask_again(cx, &subject, sender, program, text, at)?)),
            None => Ok(Reopened::Unchanged),
        };
    }
    let mut lifted: Vec<OptOut> = Vec::new();
    for program in &granted {
        for opt_out in covering([&subject], program, Channel::Sms, cx.now) {
            if liftable_by_text(opt_out) && opt_out.received_at <= at && !lifted.contains(opt_out) {
                lifted.push(opt_out.clone());
            }
        }
    }
    if lifted.is_empty() {
        return Ok(Reopened::Unchanged);
    }
    let ids: Vec<ProgramId> = granted.iter().map(|p| p.id.clone()).collect();
    cx.lift_twins(&subject, &lifted, &ids, Channel::Sms, "START", text)?;
    let body = OptOutLiftedBody {
        recorded_at: lifted.iter().map(|o| o.recorded_at).collect(),
        programs: ids.clone(),
        channel: Some(Channel::Sms),
        cause: "START".to_owned(),
        text: text.to_owned(),
        operation: None,
        actor: "gateway".to_owned(),
    };
    let public = Public { outcome: "START".to_owned(), ..Public::default() };
    cx.emit(*id, None, public, Body::OptOutLifted(body))?;
    cx.answer(AutomaticSend {
        program: ids[0].clone(),
        subject: *id,
        kind: AutomaticKind::Welcome,
        trigger: cx.now,
        by_keyword: true,
        grant_existed: true,
        sender: Some(sender.id.clone()),
    })?;
    Ok(Reopened::Restored(ids))
}

/// The program a person most likely means: the one they last heard from, else one they tried before, else the first.
fn program_to_ask<'a>(subject: &Subject, programs: &'a [Held<Program>], now: Instant) -> Option<&'a Program> {
    let by_text = || programs.iter().map(|p| &**p).filter(|p| p.channels.contains(&Channel::Sms));
    let heard = |p: &&Program| subject.last_senders.iter().rev().any(|(id, _)| *id == p.id);
    let tried = |p: &&Program| subject.consents.iter().any(|c| c.program == p.id);
    let recent = |p: &&Program| {
        // A request that is still out is the one to answer; asking twice for one START helps nobody.
        let life = crate::model::Span::hours(72);
        !subject.pending.iter().any(|r| r.programs.contains(&p.id) && now.since(r.requested_at) < life)
    };
    let chosen = by_text().find(heard).or_else(|| by_text().find(tried));
    let first = || by_text().find(|p| p.category == Category::Marketing).or_else(|| by_text().next());
    chosen.or_else(first).filter(recent)
}
