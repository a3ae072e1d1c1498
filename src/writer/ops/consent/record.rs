//! `RecordOptIn`: somebody tells us that a person agreed. Told is not proven: evidence is checked, a second step asked for
//! where program or carriers want one, and nothing told here ever undoes an opt-out.

use super::{OptInAnswer, demand_room, grant_of, pending_of, write};
use crate::consent::{ATTESTED_LIFE, Claim};
use crate::ledger::body::{ConsentBody, ConsentCause, ConsentChange};
use crate::model::consent::{Act, Consent, DoubleOptIn, Grade, Method, Night};
use crate::model::evidence::Evidence;
use crate::model::facts::{Answers, AutomaticKind, PlaceFacts};
use crate::model::location::LocationHint;
use crate::model::phone::{Country, ParsedNumber};
use crate::model::registry::{Brand, Disclosure, Program};
use crate::model::subject::{Address, Subject};
use crate::model::{
    BrandId, Category, Channel, Code, ConsentState, CustomerId, Instant, ProgramId, SenderId, Span, SubjectId,
};
use crate::policy::{Query, Rule, Value};
use crate::writer::ops::person::covering;
use crate::writer::ops::send::{AutomaticSend, Whereabouts};
use crate::writer::ops::{Idempotency, Target};
use crate::writer::{Cx, Held, Op, OpError, Priority};

/// An opt-in request or a welcome answers a fresh capture only.
const FRESH: Span = Span::hours(24);
/// While a request is out this long, the same program is not asked for again.
pub(super) const PENDING_LIFE: Span = Span::hours(72);

/// Records that a person agreed, or tried to: one consent a program and channel.
pub struct RecordOptIn {
    pub brand: BrandId,
    /// 1 to 8.
    pub programs: Vec<ProgramId>,
    /// A number or an installation: consent names an address.
    pub target: Target,
    /// 1 or 2.
    pub channels: Vec<Channel>,
    pub customer: Option<CustomerId>,
    pub hints: Vec<LocationHint>,
    /// `disclosure_sha256` is filled in here.
    pub evidence: Evidence,
    /// The separate consent to messages at night, beside one to the day: see `night.rs`.
    pub night_only: bool,
    pub idempotency: Idempotency,
    pub actor: String,
}

impl Op for RecordOptIn {
    type Answer = OptInAnswer;
    const PRIORITY: Priority = Priority::Api;

    fn run(mut self, cx: &mut Cx<'_>) -> Result<OptInAnswer, OpError> {
        let operation = self.idempotency.operation(&cx.env.seller);
        if let Some(entry) = cx.repeat_of(operation.as_ref())? {
            return OptInAnswer::of(&entry, true);
        }
        let brand = cx.brand_named(self.brand.as_str())?;
        if self.night_only {
            return super::night::record(self, cx, &brand, operation);
        }
        let address = self.address(cx)?;
        let disclosure = self.wording(cx)?;
        let (known, suppressed) = cx.find_subject(&address)?;
        let people = cx.people_around(known.as_deref(), self.customer.as_ref())?;
        let bare = Subject::new(SubjectId::default(), address.clone(), cx.now);
        let judge = Judge {
            where_from: Whereabouts::of(known.as_deref().unwrap_or(&bare), &self.hints, cx.now).place,
            number: cx.number(&address),
            known: known.as_deref(),
            people: people.iter().map(|p| &**p).collect(),
            disclosure: disclosure.as_ref(),
            evidence: &self.evidence,
            brand: &brand,
            suppressed,
            now: cx.now,
        };
        let mut judged = Vec::new();
        for id in &self.programs {
            let program = cx.program_named(&brand, id.as_str())?;
            for channel in &self.channels {
                fits(&program, &address, *channel)?;
                let steps = second_steps(cx, &judge.where_from, &program, *channel);
                judged.push((judge.consent(&program, *channel, &steps), program.clone()));
            }
        }
        let changes: Vec<ConsentChange> = judged.iter().map(|(j, _)| j.change.clone()).collect();
        demand_room(known.as_deref(), &changes)?;
        if let Some(customer) = &self.customer {
            cx.demand_room_for_tie(known.as_deref(), customer)?;
        }
        let texts = follow_ups(cx, known.as_deref(), &judged, self.evidence.method)?;

        let subject = cx.subject_for(&address)?;
        let body = ConsentBody {
            cause: ConsentCause::OptIn,
            changes,
            customer: self.customer,
            hints: self.hints,
            evidence: self.evidence,
            operation,
            actor: self.actor,
        };
        let answer = write(cx, subject, &brand.id, body)?;
        for text in texts {
            cx.answer(AutomaticSend { subject, ..text })?;
        }
        Ok(answer)
    }
}

impl RecordOptIn {
    pub(super) fn address(&self, cx: &mut Cx<'_>) -> Result<Address, OpError> {
        match &self.target {
            Target::Customer(_) => Err(OpError::Invalid {
                field: "subject.customer_id",
                rule: "consent names an address: give the phone or the device".to_owned(),
            }),
            target => cx.address_of(target),
        }
    }

    /// The registered wording, with its version and hash filled in.
    pub(super) fn wording(&mut self, cx: &mut Cx<'_>) -> Result<Option<Disclosure>, OpError> {
        use sha2::{Digest, Sha256};
        let Some((id, version)) = &self.evidence.disclosure else {
            if !self.evidence.disclosure_text.is_empty() {
                self.evidence.disclosure_sha256 =
                    Some(Sha256::digest(self.evidence.disclosure_text.as_bytes()).into());
            }
            return Ok(None);
        };
        let found = cx.disclosure_named(id, version)?;
        self.evidence.disclosure_sha256 = Some(found.text_sha256);
        self.evidence.disclosure = Some((found.id.clone(), found.version.clone()));
        Ok(Some(found))
    }
}

/// A consent names a channel its program and its address can have.
pub(super) fn fits(program: &Program, address: &Address, channel: Channel) -> Result<(), OpError> {
    let of_address = match address {
        Address::Phone(_) => Channel::Sms,
        Address::Device { .. } => Channel::Push,
    };
    let rule = if channel != of_address {
        "a phone takes SMS, a device PUSH".to_owned()
    } else if !program.channels.contains(&channel) {
        format!("program {} does not use this channel", program.id)
    } else {
        return Ok(());
    };
    Err(OpError::Invalid { field: "channels", rule })
}

/// The second steps that rules of the places in question take, rule by rule (Germany's double opt-in): asked for when the
/// consent is recorded, because a message to somebody who made none is refused.
fn second_steps(
    cx: &Cx<'_>,
    place: &PlaceFacts,
    program: &Program,
    channel: Channel,
) -> Vec<Vec<DoubleOptIn>> {
    let policy = cx.policies.engine.policy();
    let places = policy.expand(&place.jurisdictions).places;
    let query = Query {
        places: &places,
        channel,
        category: program.category,
        sender_kind: None,
        cart: program.covers_cart_reminders,
        from: cx.now,
        to: cx.now,
    };
    let steps = |rule: &Rule| match &rule.value {
        Value::Consent(need) if !need.double_opt_in.is_empty() => Some(need.double_opt_in.clone()),
        _ => None,
    };
    policy.applicable(&query).into_iter().filter_map(steps).collect()
}

/// Everything one judgement of evidence looks at.
struct Judge<'a> {
    where_from: PlaceFacts,
    number: Option<ParsedNumber>,
    known: Option<&'a Subject>,
    people: Vec<&'a Subject>,
    disclosure: Option<&'a Disclosure>,
    evidence: &'a Evidence,
    brand: &'a Brand,
    suppressed: bool,
    now: Instant,
}

/// One consent, judged.
struct Judged {
    change: ConsentChange,
    /// When the newest opt-out in its way was received.
    stopped_at: Option<Instant>,
    /// A grant was in force before.
    granted_before: bool,
}

impl Judge<'_> {
    /// `steps`: for every rule that asks for a second step, those it takes.
    fn consent(&self, program: &Program, channel: Channel, steps: &[Vec<DoubleOptIn>]) -> Judged {
        let is_us = self.number.as_ref().and_then(|n| n.country) == Some(Country::US);
        let grant = self.known.and_then(|s| grant_of(s, &program.id, channel, self.now));
        let claim = Claim {
            evidence: self.evidence,
            disclosure: self.disclosure,
            brand: self.brand,
            program,
            channel,
            us_number: is_us,
            number_valid: self.number.as_ref().is_some_and(|n| n.valid),
            granted: grant.is_some(),
            now: self.now,
        };
        let mut reasons = claim.refusals();
        let stops = covering(self.people.iter().copied(), program, channel, self.now);
        let stopped_at = stops.iter().map(|o| o.received_at).max();
        let asks =
            channel == Channel::Sms && (program.double_opt_in || is_us && program.covers_cart_reminders);
        let made = match channel == Channel::Sms && self.brings_reply() {
            true => DoubleOptIn::ByText,
            false => grant.map_or(DoubleOptIn::None, |g| g.double_opt_in),
        };
        let unconfirmed =
            asks && made != DoubleOptIn::ByText || steps.iter().any(|taken| !taken.contains(&made));
        if self.suppressed {
            reasons.push(Code::Suppressed);
        }
        let holds = reasons.is_empty();
        if stopped_at.is_some() {
            reasons.push(Code::OptedOutBefore);
        }
        let state = match (holds, stopped_at) {
            (false, _) => ConsentState::Refused,
            // What was captured before the opt-out is what the person took back; imports never reopen.
            (_, Some(stop)) if self.is_older_than(stop) => ConsentState::Refused,
            (_, Some(_)) => ConsentState::PendingConfirmation,
            (_, None) if unconfirmed => ConsentState::PendingConfirmation,
            _ => ConsentState::Granted,
        };
        // An act that claims both agreed to the day alone (Network Act art. 50(3)).
        if self.evidence.night {
            reasons.push(Code::NightConsentBundled);
        }
        let mut new = self.record(program, channel, state, claim.covers_cart());
        // The night's own act stays beside the day it was made for, told again or asked for anew.
        let waiting = self.known.and_then(|s| pending_of(s, &program.id, channel));
        if state != ConsentState::Refused
            && let Some(old) = waiting.or(grant)
            && !old.night_is_taken_back(self.people.iter().flat_map(|person| &person.opt_outs))
        {
            new.night = old.night;
        }
        let consent = match grant.filter(|_| state == ConsentState::Granted) {
            Some(old) => renewed(old, new),
            None => new,
        };
        reasons.sort();
        let reasons = reasons.iter().map(|code| code.as_str().to_owned()).collect();
        let change = ConsentChange { consent, reasons };
        Judged { change, stopped_at, granted_before: grant.is_some() && stopped_at.is_none() }
    }

    /// An import whose evidence is the person's own reply by text has both steps already.
    fn brings_reply(&self) -> bool {
        let e = self.evidence;
        (e.method, e.act, e.grade) == (Method::Imported, Some(Act::Replied), Grade::Full)
            && !e.inbound_text.trim().is_empty()
    }

    fn is_older_than(&self, stop: Instant) -> bool {
        self.evidence.method == Method::Imported || self.evidence.captured_at.is_none_or(|at| at <= stop)
    }

    fn record(&self, program: &Program, channel: Channel, state: ConsentState, covers_cart: bool) -> Consent {
        let e = self.evidence;
        let captured_at = e.captured_at.unwrap_or(self.now);
        let replied = state == ConsentState::Granted && self.brings_reply();
        Consent {
            program: program.id.clone(),
            brand: self.brand.id.clone(),
            channel,
            state,
            basis: e.basis,
            basis_date: e.basis_date,
            grade: e.grade,
            method: e.method,
            act: e.act,
            captured_at,
            recorded_at: self.now,
            confirmed_at: replied.then_some(captured_at),
            double_opt_in: if replied { DoubleOptIn::ByText } else { DoubleOptIn::None },
            covers_cart,
            night: Night::No,
            expires_at: (e.grade == Grade::Attested).then_some(captured_at + ATTESTED_LIFE),
            sender: None,
        }
    }
}

/// A grant told again. The person's own confirmation stays worth what it was, and weaker evidence does not take the place
/// of stronger.
fn renewed(old: &Consent, new: Consent) -> Consent {
    let ends = |c: &Consent| c.expires_at.unwrap_or(Instant::FAR_FUTURE);
    let weaker = (new.grade, new.basis) > (old.grade, old.basis) || ends(&new) < ends(old);
    if weaker {
        return Consent { night: new.night, ..old.clone() };
    }
    let confirmed = if old.double_opt_in == DoubleOptIn::None { &new } else { old };
    Consent {
        double_opt_in: confirmed.double_opt_in,
        confirmed_at: confirmed.confirmed_at,
        covers_cart: new.covers_cart || old.covers_cart,
        sender: old.sender.clone(),
        ..new
    }
}

/// The automatic texts an opt-in calls for: one request for a capture, or welcomes. Their subject is filled in later.
fn follow_ups(
    cx: &mut Cx<'_>,
    known: Option<&Subject>,
    judged: &[(Judged, Held<Program>)],
    method: Method,
) -> Result<Vec<AutomaticSend>, OpError> {
    let mut texts: Vec<AutomaticSend> = Vec::new();
    for (one, program) in judged {
        let consent = &one.change.consent;
        let fresh = cx.now.since(consent.captured_at) <= FRESH;
        if consent.channel != Channel::Sms || !fresh || method == Method::Imported {
            continue;
        }
        let text = |kind, trigger, sender| AutomaticSend {
            program: program.id.clone(),
            subject: SubjectId::default(),
            kind,
            trigger,
            by_keyword: false,
            grant_existed: one.granted_before,
            sender,
        };
        let asked = texts.iter().any(|t| t.kind == AutomaticKind::OptInRequest);
        match consent.state {
            ConsentState::PendingConfirmation if !asked && !is_asked(known, one, program, cx.now) => {
                match (one.stopped_at, way_to_ask(cx, program, method)?) {
                    (None, _) => texts.push(text(AutomaticKind::OptInRequest, consent.captured_at, None)),
                    (Some(_), Some(sender)) => {
                        texts.push(text(AutomaticKind::OptInRequest, consent.captured_at, Some(sender)));
                    }
                    (Some(_), None) => {}
                }
            }
            ConsentState::Granted if !one.granted_before && program.category == Category::Marketing => {
                texts.push(text(AutomaticKind::Welcome, cx.now, None));
            }
            _ => {}
        }
    }
    Ok(texts)
}

/// Whether the person was asked already: after an opt-out once and never again, otherwise while the request is open.
fn is_asked(known: Option<&Subject>, one: &Judged, program: &Program, now: Instant) -> bool {
    let since = one.stopped_at.unwrap_or(now - PENDING_LIFE);
    known.is_some_and(|s| {
        s.pending.iter().any(|p| p.programs.contains(&program.id) && p.requested_at >= since)
    })
}

/// After an opt-out, the sender by which a person may be asked once: only where they left the trace of a new act of their
/// own, and never through a network that blocks them until they text START (toll-free).
fn way_to_ask(cx: &mut Cx<'_>, program: &Program, method: Method) -> Result<Option<SenderId>, OpError> {
    if !matches!(method, Method::WebForm | Method::CheckoutCheckbox | Method::Paper) {
        return Ok(None);
    }
    for id in &program.senders {
        let sender = cx.sender(id.as_str())?;
        if sender.is_some_and(|s| s.answers != Answers::Network && s.registered && !s.paused) {
            return Ok(Some(id.clone()));
        }
    }
    Ok(None)
}
