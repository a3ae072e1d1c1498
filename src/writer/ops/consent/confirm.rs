//! The second step of a double opt-in: YES by text, or a page or app that tells us.

use super::record::PENDING_LIFE;
use super::{OptInAnswer, pending_of, write};
use crate::ledger::body::{ConsentBody, ConsentCause, ConsentChange};
use crate::model::consent::{Consent, DoubleOptIn, Method};
use crate::model::evidence::Evidence;
use crate::model::facts::AutomaticKind;
use crate::model::phone::Country;
use crate::model::registry::{Program, Sender};
use crate::model::subject::{PendingOptIn, Subject};
use crate::model::{BrandId, Channel, Code, ConsentState, Instant, OptOut, ProgramId, Span};
use crate::writer::ops::person::covering;
use crate::writer::ops::send::AutomaticSend;
use crate::writer::ops::{Idempotency, Target};
use crate::writer::{Cx, Op, OpError, Priority};

/// How far ahead of us a caller's clock may run.
const AHEAD_MAX: Span = Span::minutes(5);

/// Confirms a pending consent the person confirmed on a page or in the app. What it cannot confirm stays pending and says
/// why.
pub struct ConfirmOptIn {
    pub brand: BrandId,
    pub program: ProgramId,
    pub channel: Channel,
    pub target: Target,
    pub evidence: Evidence,
    pub idempotency: Idempotency,
    pub actor: String,
}

impl Op for ConfirmOptIn {
    type Answer = OptInAnswer;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<OptInAnswer, OpError> {
        let operation = self.idempotency.operation(&cx.env.seller);
        if let Some(entry) = cx.repeat_of(operation.as_ref())? {
            return OptInAnswer::of(&entry, true);
        }
        let brand = cx.brand_named(self.brand.as_str())?;
        let program = cx.program_named(&brand, self.program.as_str())?;
        let address = cx.address_of(&self.target)?;
        let nothing =
            || OpError::Precondition("no consent of this program waits for confirmation".to_owned());
        let (Some(subject), _) = cx.find_subject(&address)? else { return Err(nothing()) };
        let pending = pending_of(&subject, &program.id, self.channel).ok_or_else(nothing)?.clone();
        let by = step_of(self.evidence.method);
        let mut reasons = objections(&self.evidence, &pending, by, cx.now);
        let around = cx.people_around(Some(&subject), None)?;
        let own: Vec<OptOut> =
            covering([&*subject], &program, self.channel, cx.now).into_iter().cloned().collect();
        let stops = covering(around.iter().map(|p| &**p), &program, self.channel, cx.now);
        if stops.iter().any(|o| !is_answered(o, &self.evidence, by, self.channel)) {
            reasons.push(Code::OptedOutBefore);
        }
        let is_us = cx.number(&address).and_then(|n| n.country) == Some(Country::US);
        if self.channel == Channel::Sms && is_us && program.covers_cart_reminders {
            // A web double opt-in alone does not do for cart reminders by text.
            reasons.push(Code::ConsentPending);
        }
        reasons.sort();
        reasons.dedup();
        let confirms = reasons.is_empty();
        let consent = match by.filter(|_| confirms) {
            Some(by) => granted(&pending, by, cx.now),
            None => pending,
        };
        if confirms {
            let programs = [program.id.clone()];
            cx.lift_twins(&subject, &own, &programs, self.channel, "CONFIRMED", "")?;
        }
        let body = ConsentBody {
            cause: if confirms { ConsentCause::Confirmation } else { ConsentCause::OptIn },
            changes: vec![ConsentChange {
                consent,
                reasons: reasons.iter().map(|code| code.as_str().to_owned()).collect(),
            }],
            customer: None,
            hints: Vec::new(),
            evidence: self.evidence,
            operation,
            actor: self.actor,
        };
        let answer = write(cx, subject.id, &brand.id, body)?;
        if confirms && self.channel == Channel::Sms {
            welcome(cx, &subject, &program, None)?;
        }
        Ok(answer)
    }
}

/// The kind of second step a method is; none where it is no act the person makes now. Texts come to us, not to callers.
fn step_of(method: Method) -> Option<DoubleOptIn> {
    match method {
        Method::WebForm | Method::CheckoutCheckbox => Some(DoubleOptIn::ByWeb),
        Method::AppPermission => Some(DoubleOptIn::InApp),
        _ => None,
    }
}

fn objections(e: &Evidence, pending: &Consent, by: Option<DoubleOptIn>, now: Instant) -> Vec<Code> {
    let mut found = Vec::new();
    if by.is_none() {
        found.push(Code::MethodNotWritten);
    }
    match e.captured_at {
        None => found.push(Code::CaptureTimeMissing),
        Some(at) if at > now + AHEAD_MAX => found.push(Code::CaptureTimeInFuture),
        Some(at) if at < pending.captured_at => found.push(Code::CaptureTimeTooOld),
        Some(_) => {}
    }
    if e.act.is_none() {
        found.push(Code::SignatureMissing);
    }
    found
}

/// Whether this confirmation reopens after that opt-out: it came later, and from where the person can speak for that
/// address. What was stopped by text is reopened by text; the app's own switch speaks for the app.
fn is_answered(stop: &OptOut, e: &Evidence, by: Option<DoubleOptIn>, channel: Channel) -> bool {
    let later = e.captured_at.is_some_and(|at| at > stop.received_at);
    let by_switch = channel == Channel::Push && by == Some(DoubleOptIn::InApp);
    later && (by_switch || !crate::ledger::fold::liftable_by_text(stop))
}

fn granted(pending: &Consent, by: DoubleOptIn, now: Instant) -> Consent {
    Consent {
        state: ConsentState::Granted,
        confirmed_at: Some(now),
        double_opt_in: by,
        recorded_at: now,
        ..pending.clone()
    }
}

fn welcome(
    cx: &mut Cx<'_>,
    subject: &Subject,
    program: &Program,
    sender: Option<&Sender>,
) -> Result<(), OpError> {
    cx.answer(AutomaticSend {
        program: program.id.clone(),
        subject: subject.id,
        kind: AutomaticKind::Welcome,
        trigger: cx.now,
        by_keyword: false,
        grant_existed: false,
        sender: sender.map(|s| s.id.clone()),
    })?;
    Ok(())
}

/// YES by text: confirms the newest request that went out from the same sender less than 72 hours before. Answers the
/// programs it granted; none: there was no such request, or an opt-out came after it was captured.
pub(in crate::writer::ops) fn confirm_by_text(
    cx: &mut Cx<'_>,
    subject: &Subject,
    sender: &Sender,
    text: &str,
    at: Instant,
) -> Result<Vec<ProgramId>, OpError> {
    let open = |p: &&PendingOptIn| {
        p.sender == sender.id && p.requested_at <= at && at.since(p.requested_at) < PENDING_LIFE
    };
    let Some(request) = subject.pending.iter().filter(open).max_by_key(|p| p.requested_at) else {
        return Ok(Vec::new());
    };
    let mut granted_now = Vec::new();
    let mut own: Vec<OptOut> = Vec::new();
    for id in &request.programs {
        let Some(program) = cx.program(id.as_str())? else { continue };
        let stops = covering([subject], &program, request.channel, cx.now);
        if stops.iter().any(|o| o.received_at >= request.captured_at) {
            continue;
        }
        if let Some(pending) = pending_of(subject, id, request.channel) {
            own.extend(stops.into_iter().cloned());
            let consent = Consent {
                covers_cart: pending.covers_cart && program.covers_cart_reminders,
                sender: Some(sender.id.clone()),
                ..granted(pending, DoubleOptIn::ByText, cx.now)
            };
            granted_now.push((consent, program));
        }
    }
    let Some((first, _)) = granted_now.first() else { return Ok(Vec::new()) };
    let (brand, method, basis) = (first.brand.clone(), first.method, first.basis);
    let programs: Vec<ProgramId> = granted_now.iter().map(|(c, _)| c.program.clone()).collect();
    cx.lift_twins(subject, &own, &programs, request.channel, "CONFIRMED", text)?;
    let changes = granted_now
        .iter()
        .map(|(consent, _)| ConsentChange { consent: consent.clone(), reasons: Vec::new() });
    let body = ConsentBody {
        cause: ConsentCause::Confirmation,
        changes: changes.collect(),
        customer: None,
        hints: Vec::new(),
        evidence: super::keyword::by_text(method, basis, text, at, subject),
        operation: None,
        actor: "gateway".to_owned(),
    };
    write(cx, subject.id, &brand, body)?;
    for (_, program) in &granted_now {
        welcome(cx, subject, program, Some(sender))?;
    }
    Ok(programs)
}
