//! The separate consent to messages at night (Korea, Network Act art. 50(3): 21:00 to 08:00 needs a consent of its own).
//!
//! It is an act with a wording and an evidence of its own, in an entry of its own, and it is kept with the consent to the
//! day it stands beside: without that one it is refused, and it ends with it.

use super::record::{RecordOptIn, fits};
use super::{OptInAnswer, demand_room, grant_of, pending_of, write};
use crate::consent::Claim;
use crate::ledger::body::{Body, ConsentBody, ConsentCause, ConsentChange, Operation};
use crate::ledger::rows::{ChainRow, keys};
use crate::model::consent::{Consent, DoubleOptIn, Night, OptOut, OptOutScope};
use crate::model::evidence::Evidence;
use crate::model::registry::{Brand, Disclosure, Program};
use crate::model::subject::Subject;
use crate::model::{Category, Channel, Code, ConsentState};
use crate::writer::{Cx, OpError};

/// Entries of a person looked through for the act that agreed to the day. Both boxes usually stand on one page, so that it
/// is the one before.
const LOOK_BACK: u64 = 64;

/// Records the act: the consent to the day as it is, with the night beside it; or refused, with every reason.
pub(super) fn record(
    mut op: RecordOptIn,
    cx: &mut Cx<'_>,
    brand: &Brand,
    operation: Option<Operation>,
) -> Result<OptInAnswer, OpError> {
    let address = op.address(cx)?;
    op.evidence.night = true;
    let disclosure = op.wording(cx)?;
    let (known, suppressed) = cx.find_subject(&address)?;
    let people = cx.people_around(known.as_deref(), op.customer.as_ref())?;
    let mut changes = Vec::new();
    for id in &op.programs {
        let program = cx.program_named(brand, id.as_str())?;
        for channel in &op.channels {
            fits(&program, &address, *channel)?;
            let mut reasons = refusals(cx, &op, brand, &program, *channel, disclosure.as_ref());
            if suppressed {
                reasons.push(Code::Suppressed);
            }
            let stops = people.iter().flat_map(|person| &person.opt_outs);
            if stops.clone().any(|stop| is_against(stop, &program, *channel, &op.evidence, cx)) {
                reasons.push(Code::OptedOutBefore);
            }
            let day = known.as_deref().and_then(|known| {
                grant_of(known, &program.id, *channel, cx.now).or(pending_of(known, &program.id, *channel))
            });
            match (day, known.as_deref()) {
                (Some(_), Some(known)) => {
                    if is_the_days_wording(cx, known, &program, *channel, &op.evidence)? {
                        reasons.push(Code::NightConsentBundled);
                    }
                }
                _ => reasons.push(Code::NightConsentAlone),
            }
            reasons.sort();
            reasons.dedup();
            let consent = match day.filter(|_| reasons.is_empty()) {
                Some(day) => beside(day, &op.evidence, cx),
                None => refused(&op.evidence, brand, &program, *channel, cx),
            };
            let reasons = reasons.iter().map(|code| code.as_str().to_owned()).collect();
            changes.push(ConsentChange { consent, reasons });
        }
    }
    demand_room(known.as_deref(), &changes)?;
    if let Some(customer) = &op.customer {
        cx.demand_room_for_tie(known.as_deref(), customer)?;
    }
    let subject = cx.subject_for(&address)?;
    let body = ConsentBody {
        cause: ConsentCause::Night,
        changes,
        customer: op.customer,
        hints: op.hints,
        evidence: op.evidence,
        operation,
        actor: op.actor,
    };
    write(cx, subject, &brand.id, body)
}

fn refusals(
    cx: &Cx<'_>,
    op: &RecordOptIn,
    brand: &Brand,
    program: &Program,
    channel: Channel,
    disclosure: Option<&Disclosure>,
) -> Vec<Code> {
    let claim = Claim {
        evidence: &op.evidence,
        disclosure,
        brand,
        program,
        channel,
        us_number: false,
        number_valid: true,
        granted: false,
        now: cx.now,
    };
    claim.night_refusals()
}

/// Whether an opt-out speaks against it: one from the program's marketing that holds, lest the day be closed and the night
/// open, and every one from it or from the night that came after the act.
fn is_against(stop: &OptOut, program: &Program, channel: Channel, act: &Evidence, cx: &Cx<'_>) -> bool {
    let later = act.captured_at.is_none_or(|at| at <= stop.received_at);
    let (brand, id, category) = (&program.brand, &program.id, Category::Marketing);
    stop.holds_at(cx.now) && stop.covers(brand, id, category, channel)
        || later && (stop.scope == OptOutScope::Night || stop.reaches(brand, id, category, channel))
}

/// Whether the person saw for the night what they saw for the day: then one wording asked for both. What lies further back
/// is not looked at; a wording registered for the day is refused for the night wherever it was shown.
fn is_the_days_wording(
    cx: &mut Cx<'_>,
    known: &Subject,
    program: &Program,
    channel: Channel,
    night: &Evidence,
) -> Result<bool, OpError> {
    let Some(shown) = night.disclosure_sha256 else { return Ok(false) };
    let oldest = known.chain_length.saturating_sub(LOOK_BACK);
    for number in (oldest + 1..=known.chain_length).rev() {
        let Some(row) = cx.get::<ChainRow>(&keys::chain(&known.id, number))? else { continue };
        let Some(entry) = cx.entry(row.index)? else { continue };
        let Body::Consent(body) = &entry.body else { continue };
        let agreed = |change: &ConsentChange| {
            let consent = &change.consent;
            consent.program == program.id
                && consent.channel == channel
                && matches!(consent.state, ConsentState::Granted | ConsentState::PendingConfirmation)
        };
        let by_day = matches!(body.cause, ConsentCause::OptIn | ConsentCause::Keyword);
        if by_day && body.changes.iter().any(agreed) {
            return Ok(body.evidence.disclosure_sha256 == Some(shown));
        }
    }
    Ok(false)
}

/// The consent to the day, with the night beside it from the newest act that agreed to it.
fn beside(day: &Consent, act: &Evidence, cx: &Cx<'_>) -> Consent {
    let agreed_at = act.captured_at.unwrap_or(cx.now);
    let night = match day.night {
        Night::At(known) => Night::At(known.max(agreed_at)),
        Night::No | Night::WithDay => Night::At(agreed_at),
    };
    Consent { night, ..day.clone() }
}

/// The refused act, kept for its reasons; it never takes the place of what is in force.
fn refused(act: &Evidence, brand: &Brand, program: &Program, channel: Channel, cx: &Cx<'_>) -> Consent {
    Consent {
        program: program.id.clone(),
        brand: brand.id.clone(),
        channel,
        state: ConsentState::Refused,
        basis: act.basis,
        basis_date: act.basis_date,
        grade: act.grade,
        method: act.method,
        act: act.act,
        captured_at: act.captured_at.unwrap_or(cx.now),
        recorded_at: cx.now,
        confirmed_at: None,
        double_opt_in: DoubleOptIn::None,
        covers_cart: false,
        night: Night::No,
        expires_at: None,
        sender: None,
    }
}
