//! What is known about a person, now and then.

use std::sync::Arc;

use super::Consents;
use super::erase::holds;
use crate::api::auth::Caller;
use crate::api::convert::{consent as shown, names, subject, timestamp};
use crate::api::field::TimeRule;
use crate::api::past::subject_at;
use crate::api::restricted::Eyes;
use crate::api::status::ApiError;
use crate::ledger::rows::{RestrictedRow, keys};
use crate::model::registry::Program;
use crate::model::subject::Subject;
use crate::model::{BrandId, Channel, Code, Consent, ConsentState, Instant, OptOutScope, ProgramId};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::Target;
use crate::writer::{Cx, OpError, Reader};

/// Subjects one call may ask about.
const CHECKED_MAX: usize = 1_000;

impl Consents {
    pub(super) async fn consent(
        &self,
        caller: &Caller,
        request: wire::GetConsentRequest,
    ) -> Result<wire::Consent, ApiError> {
        let mut f = self.hands.fields();
        let now = f.now();
        let brand = f.id::<BrandId>("brand", &request.brand);
        let program = f.id::<ProgramId>("program", &request.program);
        let channel = f.named("channel", request.channel, names::channel_of);
        let target = subject::target(&mut f, request.subject);
        let as_of = f.time("as_of", request.as_of, TimeRule::Known);
        let read = (|| Some((brand?, program?, channel?, target?, as_of?)))();
        let (brand, program, channel, target, as_of) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let found = self
            .hands
            .see(caller, "GetConsent", move |reader, eyes| {
                let known = at(reader, &target, as_of, eyes)?;
                let row = known.and_then(|(subject, _)| {
                    let same =
                        |c: &&Consent| c.brand == brand && c.program == program && c.channel == channel;
                    let row = subject.consents.iter().rfind(same)?;
                    Some(shown::consent(row, &subject.address, as_of.unwrap_or(now)))
                });
                Ok(row)
            })
            .await?;
        found.ok_or(ApiError::NotFound { kind: "consent of this person for program", name: request.program })
    }

    pub(super) async fn subject(
        &self,
        caller: &Caller,
        request: wire::GetSubjectRequest,
    ) -> Result<wire::SubjectView, ApiError> {
        let mut f = self.hands.fields();
        let now = f.now();
        let target = subject::target(&mut f, request.subject);
        let as_of = f.time("as_of", request.as_of, TimeRule::Known);
        let read = (|| Some((target?, as_of?)))();
        let (target, as_of) = f.finish(read)?;
        let asking = caller.clone();
        let found = self
            .hands
            .see(caller, "GetSubject", move |reader, eyes| {
                let Some((subject, suppressed)) = at(reader, &target, as_of, eyes)? else { return Ok(None) };
                let Some(subject) = reader.look(|cx| narrowed(cx, &asking, subject))? else {
                    return Ok(None);
                };
                let reach = reader.look(|cx| cx.reach(&subject))?;
                let reach: Vec<_> = reach.iter().map(|member| member.id).collect();
                let restricted = reader.look(|cx| cx.get::<RestrictedRow>(&keys::restricted(&subject.id)))?;
                // By the record of today: a hold covers a person for what was done since, too.
                let covering = reader.look(|cx| match cx.get::<Subject>(&keys::subject(&subject.id))? {
                    Some(today) => cx.holds_over(&today),
                    None => cx.holds_over(&subject),
                })?;
                let view = shown::view(&subject, &reach, suppressed, as_of.unwrap_or(now));
                let restricted_at = restricted.map(|row| timestamp(row.since));
                let legal_holds = holds(&asking, &subject.address, covering);
                Ok(Some(wire::SubjectView { restricted_at, legal_holds, ..view }))
            })
            .await?;
        found.ok_or(ApiError::NotFound { kind: "person", name: "as named".to_owned() })
    }

    pub(super) async fn check(
        &self,
        caller: &Caller,
        request: wire::CheckConsentsRequest,
    ) -> Result<wire::CheckConsentsResponse, ApiError> {
        let mut f = self.hands.fields();
        let now = f.now();
        let brand = f.id::<BrandId>("brand", &request.brand);
        let program = f.id::<ProgramId>("program", &request.program);
        let channel = f.named("channel", request.channel, names::channel_of);
        let targets = f.each("subjects", request.subjects, 1..=CHECKED_MAX, subject::target_within);
        let read = (|| Some((brand?, program?, channel?, targets?)))();
        let (brand, program, channel, targets) = f.finish(read)?;
        caller.check_brand(&brand)?;
        let checks = self
            .hands
            .see(caller, "CheckConsents", move |reader, eyes| {
                reader.look(|cx| {
                    let program = cx.program(program.as_str())?.filter(|p| p.brand == brand);
                    let missing = || OpError::NotFound { what: "program of this brand", id: request.program };
                    let program = program.ok_or_else(missing)?;
                    (0..)
                        .zip(&targets)
                        .map(|(index, target)| check_one(cx, eyes, index, target, &program, channel, now))
                        .collect()
                })
            })
            .await?;
        Ok(wire::CheckConsentsResponse { checks })
    }
}

/// The one subject a target names, now or as it was, and whether its address is blocked.
fn at(
    reader: &Reader,
    target: &Target,
    as_of: Option<Instant>,
    eyes: &mut Eyes,
) -> Result<Option<(Subject, bool)>, OpError> {
    reader.look(|cx| {
        let found = cx.subjects_of(target)?;
        let Some(subject) = one_of(&found)? else { return Ok(None) };
        if !eyes.sees(cx, &subject.id)? {
            return Ok(None);
        }
        let (_, suppressed) = cx.find_subject(&subject.address)?;
        let known = match as_of {
            Some(at) => subject_at(cx, reader, &subject.id, at)?,
            None => Some((*subject).clone()),
        };
        Ok(known.map(|subject| (subject, suppressed)))
    })
}

/// What a key that is narrowed to brands may see of a person: what concerns those brands, and what was said to the whole
/// seller. None: the person has nothing to do with them.
fn narrowed(cx: &mut Cx<'_>, asking: &Caller, mut subject: Subject) -> Result<Option<Subject>, OpError> {
    if asking.brands.is_empty() {
        return Ok(Some(subject));
    }
    let mut named = Vec::new();
    for opt_out in &subject.opt_outs {
        named.push(match &opt_out.scope {
            OptOutScope::Brand(brand) => Some(asking.reaches(brand)),
            OptOutScope::Program(id) => {
                Some(cx.program(id.as_str())?.is_some_and(|program| asking.reaches(&program.brand)))
            }
            OptOutScope::All | OptOutScope::Marketing | OptOutScope::Channel(_) | OptOutScope::Night => None,
        });
    }
    subject.consents.retain(|consent| asking.reaches(&consent.brand));
    subject.touches.retain(|touch| asking.reaches(&touch.brand));
    subject.open.retain(|open| asking.reaches(&open.touch.brand));
    let concerned = !subject.consents.is_empty()
        || !subject.touches.is_empty()
        || !subject.open.is_empty()
        || named.contains(&Some(true));
    let mut named = named.into_iter();
    subject.opt_outs.retain(|_| named.next().flatten() != Some(false));
    Ok(concerned.then_some(subject))
}

/// A customer may have several addresses; then one has to be named. Two readings of one number are one person: the one
/// that can be texted is meant.
fn one_of(found: &[Arc<Subject>]) -> Result<Option<Arc<Subject>>, OpError> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(Arc::clone(one))),
        many if many.iter().any(|s| !s.customers.is_empty()) => Err(OpError::Precondition(format!(
            "the customer has {} addresses: name the phone or device you mean",
            many.len()
        ))),
        many => Ok(many.last().cloned()),
    }
}

fn check_one(
    cx: &mut Cx<'_>,
    eyes: &mut Eyes,
    index: u32,
    target: &Target,
    program: &Program,
    channel: Channel,
    now: Instant,
) -> Result<wire::ConsentCheck, OpError> {
    let found = cx.subjects_of(target)?;
    let mut codes = Vec::new();
    let mut state = wire::ConsentState::Unspecified;
    let mut granted = false;
    for subject in &found {
        // Hidden: as one nobody knows. Either way nothing may be sent.
        if !eyes.sees(cx, &subject.id)? {
            continue;
        }
        let (_, suppressed) = cx.find_subject(&subject.address)?;
        if suppressed {
            codes.push(Code::Suppressed);
        }
        for member in cx.reach(subject)? {
            let stops = |o: &crate::model::OptOut| {
                o.holds_at(now) && o.covers(&program.brand, &program.id, program.category, channel)
            };
            if member.opt_outs.iter().any(stops) {
                codes.push(Code::OptedOut);
            }
        }
        let same = |c: &&Consent| c.program == program.id && c.channel == channel;
        for consent in subject.consents.iter().filter(same) {
            let shown = shown::consent(consent, &subject.address, now).state();
            granted |= shown == wire::ConsentState::Granted;
            if state != wire::ConsentState::Granted {
                state = shown;
            }
        }
    }
    if !granted {
        codes.push(missing(state));
    }
    codes.sort();
    codes.dedup();
    let reasons = codes.iter().map(shown::because).collect();
    Ok(wire::ConsentCheck { index, allowed: codes.is_empty(), state: state.into(), reasons })
}

fn missing(state: wire::ConsentState) -> Code {
    match names::consent_state_of(state) {
        Some(ConsentState::PendingConfirmation) => Code::ConsentPending,
        Some(ConsentState::Expired) => Code::ConsentExpired,
        _ => Code::ConsentMissing,
    }
}
