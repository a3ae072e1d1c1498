//! A keyword texted to a sender: the person's own act, with the wording that carried the word as its evidence.

use super::{demand_room, write};
use crate::consent::names_carts;
use crate::ledger::body::{ConsentBody, ConsentCause, ConsentChange};
use crate::model::consent::{Act, Basis, Consent, DoubleOptIn, Grade, Method};
use crate::model::evidence::Evidence;
use crate::model::facts::AutomaticKind;
use crate::model::registry::{ControlDefault, Disclosure, Keyword, Program, Sender};
use crate::model::subject::Subject;
use crate::model::{Channel, Code, ConsentState, Instant, MessageId, OptOut};
use crate::writer::ops::person::covering;
use crate::writer::ops::send::AutomaticSend;
use crate::writer::{Cx, OpError};

/// Evidence of what a person texted.
pub(super) fn by_text(method: Method, basis: Basis, text: &str, at: Instant, subject: &Subject) -> Evidence {
    Evidence {
        act: Some(Act::Replied),
        control_default: Some(ControlDefault::None),
        number: subject.address.phone().map(|p| p.expose().to_owned()).unwrap_or_default(),
        ..Evidence::of_text(method, basis, text, at)
    }
}

fn consent_by_text(program: &Program, sender: &Sender, at: Instant, now: Instant) -> Consent {
    Consent {
        program: program.id.clone(),
        brand: program.brand.clone(),
        channel: Channel::Sms,
        state: ConsentState::Granted,
        basis: Basis::ExpressWritten,
        basis_date: None,
        grade: Grade::Full,
        method: Method::Keyword,
        act: Some(Act::Replied),
        captured_at: at,
        recorded_at: now,
        confirmed_at: Some(now),
        double_opt_in: DoubleOptIn::ByText,
        covers_cart: false,
        night: crate::model::consent::Night::No,
        expires_at: None,
        sender: Some(sender.id.clone()),
    }
}

/// Opts a person in by their own keyword. The wording next to the word was judged when it was registered; where it was
/// refused, so is the opt-in. Answers whether it granted; never after an opt-out that came later than the word.
pub(in crate::writer::ops) fn opt_in_by_keyword(
    cx: &mut Cx<'_>,
    subject: &Subject,
    sender: &Sender,
    program: &Program,
    keyword: &Keyword,
    text: &str,
    at: Instant,
) -> Result<bool, OpError> {
    let disclosure = cx.disclosure_named(&keyword.disclosure, "").ok();
    let own: Vec<OptOut> = covering([subject], program, Channel::Sms, cx.now).into_iter().cloned().collect();
    let mut reasons = refusals(disclosure.as_ref(), program);
    if own.iter().any(|o| o.received_at > at) {
        reasons.push(Code::OptedOutBefore.as_str().to_owned());
    }
    if cx.is_suppressed(&subject.address)? {
        reasons.push(Code::Suppressed.as_str().to_owned());
    }
    reasons.sort();
    let grants = reasons.is_empty();
    let mut consent = consent_by_text(program, sender, at, cx.now);
    consent.covers_cart =
        program.covers_cart_reminders && disclosure.as_ref().is_some_and(|d| names_carts(&d.text));
    if !grants {
        consent.state = ConsentState::Refused;
        (consent.confirmed_at, consent.double_opt_in) = (None, DoubleOptIn::None);
    }
    let mut evidence = by_text(Method::Keyword, Basis::ExpressWritten, text, at, subject);
    if let Some(d) = disclosure {
        evidence.disclosure_sha256 = Some(d.text_sha256);
        evidence.locale = d.locale;
        evidence.disclosure = Some((d.id, d.version));
    }
    let changes = vec![ConsentChange { consent, reasons }];
    if demand_room(Some(subject), &changes).is_err() {
        return Ok(false);
    }
    if grants {
        let programs = [program.id.clone()];
        cx.lift_twins(subject, &own, &programs, Channel::Sms, "KEYWORD", text)?;
    }
    let cause = if grants { ConsentCause::Keyword } else { ConsentCause::OptIn };
    write(cx, subject.id, &program.brand, body(cause, changes, evidence))?;
    if grants {
        cx.answer(AutomaticSend {
            program: program.id.clone(),
            subject: subject.id,
            kind: AutomaticKind::Welcome,
            trigger: cx.now,
            by_keyword: true,
            grant_existed: false,
            sender: Some(sender.id.clone()),
        })?;
    }
    Ok(grants)
}

fn refusals(disclosure: Option<&Disclosure>, program: &Program) -> Vec<String> {
    match disclosure {
        None => vec![Code::DisclosureMissing.as_str().to_owned()],
        Some(d) if d.program != program.id => vec![Code::DisclosureMismatch.as_str().to_owned()],
        Some(d) => d.refusals.clone(),
    }
}

fn body(cause: ConsentCause, changes: Vec<ConsentChange>, evidence: Evidence) -> ConsentBody {
    ConsentBody {
        cause,
        changes,
        customer: None,
        hints: Vec::new(),
        evidence,
        operation: None,
        actor: "gateway".to_owned(),
    }
}

/// START from somebody who never agreed to anything here: asks for a YES. The request's own text is the wording.
pub(in crate::writer::ops) fn ask_again(
    cx: &mut Cx<'_>,
    subject: &Subject,
    sender: &Sender,
    program: &Program,
    text: &str,
    at: Instant,
) -> Result<Option<MessageId>, OpError> {
    let consent = Consent {
        state: ConsentState::PendingConfirmation,
        confirmed_at: None,
        double_opt_in: DoubleOptIn::None,
        covers_cart: program.covers_cart_reminders,
        ..consent_by_text(program, sender, at, cx.now)
    };
    let changes = vec![ConsentChange { consent, reasons: Vec::new() }];
    if demand_room(Some(subject), &changes).is_err() {
        return Ok(None);
    }
    let evidence = by_text(Method::Keyword, Basis::ExpressWritten, text, at, subject);
    write(cx, subject.id, &program.brand, body(ConsentCause::OptIn, changes, evidence))?;
    cx.answer(AutomaticSend {
        program: program.id.clone(),
        subject: subject.id,
        kind: AutomaticKind::OptInRequest,
        trigger: at,
        by_keyword: true,
        grant_existed: false,
        sender: Some(sender.id.clone()),
    })
}
