//! A consent that ends unless the person is told of it in time: who is due, the notice, and the day it is counted from
//! once the notice has left (Network Act art. 50(8): every two years).

use std::sync::Arc;

use super::{grant_of, write};
use crate::content::automatic::renewal_notice;
use crate::decide::{Renewal, counted_from};
use crate::ledger::body::{ConsentBody, ConsentCause, ConsentChange};
use crate::ledger::rows::keys;
use crate::ledger::state::Row;
use crate::model::consent::Night;
use crate::model::evidence::Evidence;
use crate::model::facts::AutomaticKind;
use crate::model::outgoing::Message;
use crate::model::subject::{Address, Subject};
use crate::model::{
    BrandId, Channel, Consent, ConsentState, Instant, Jurisdiction, MessageId, MessageState, ProgramId,
    Verdict,
};
use crate::writer::ops::Target;
use crate::writer::ops::send::{AutomaticSend, Whereabouts, renewal_ids, send_renewal};
use crate::writer::{Cx, Op, OpError, Priority};

/// A consent, when it is to be renewed, and the newest notice that does it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub consent: Consent,
    pub whose: Address,
    /// By the rule that ends it first; none: no rule asks for a notice.
    pub renewal: Option<Renewal>,
    /// The newest notice for the date it is counted from now.
    pub notice: Option<(MessageId, MessageState)>,
}

/// Which consents are listed.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub brand: BrandId,
    /// None: every program of the brand.
    pub program: Option<ProgramId>,
    /// Only those whose notice is due.
    pub renewal_due: bool,
}

/// Grants as they are kept, by subject, and the key to go on behind; none: that was all. Looks at no more than `look`
/// people and stops after the one that fills `size`.
pub fn list(
    cx: &mut Cx<'_>,
    wanted: &Wanted,
    after: Option<&[u8]>,
    (size, look): (usize, usize),
    mut sees: impl FnMut(&mut Cx<'_>, &Subject) -> Result<bool, OpError>,
) -> Result<(Vec<Listed>, Option<Vec<u8>>), OpError> {
    let rows = cx.state.scan::<Subject>(&[Subject::TABLE], after, look)?;
    let all_seen = rows.len() < look;
    let (mut found, mut last) = (Vec::new(), None);
    for (key, subject) in rows {
        let listed = of_subject(cx, wanted, &subject)?;
        if !listed.is_empty() && sees(cx, &subject)? {
            found.extend(listed);
        }
        last = Some(key);
        if found.len() >= size {
            return Ok((found, last));
        }
    }
    Ok((found, last.filter(|_| !all_seen)))
}

fn of_subject(cx: &mut Cx<'_>, wanted: &Wanted, subject: &Subject) -> Result<Vec<Listed>, OpError> {
    let mut listed = Vec::new();
    for consent in &subject.consents {
        let asked = consent.brand == wanted.brand
            && wanted.program.as_ref().is_none_or(|program| consent.program == *program)
            && consent.state == ConsentState::Granted;
        if !asked {
            continue;
        }
        let renewal = renewal_of(cx, subject, consent);
        let due = renewal.is_some_and(|r| r.due_from <= cx.now && cx.now < r.ends_at);
        if wanted.renewal_due && !due {
            continue;
        }
        let notice = match renewal {
            Some(_) => newest_notice(cx, &wish(subject, consent))?,
            None => None,
        };
        listed.push(Listed { consent: consent.clone(), whose: subject.address.clone(), renewal, notice });
    }
    listed.sort_by(|a, b| {
        (&a.consent.program, a.consent.channel).cmp(&(&b.consent.program, b.consent.channel))
    });
    Ok(listed)
}

/// What the rules of the number's country say, and for an installation those of the countries its person is known to be in;
/// places a person with a number moved to are looked at when a notice is decided.
fn renewal_of(cx: &Cx<'_>, subject: &Subject, consent: &Consent) -> Option<Renewal> {
    let places: Vec<Jurisdiction> = match cx.number(&subject.address) {
        Some(number) => number.country.map(Jurisdiction::of).into_iter().collect(),
        None => {
            let place = Whereabouts::of(subject, &[], cx.now).place;
            place.jurisdictions.into_iter().map(|place| place.parent().unwrap_or(place)).collect()
        }
    };
    let policy = cx.policies.engine.policy();
    let rules = policy.rules().iter();
    rules
        .filter(|rule| rule.jurisdiction.as_ref().is_some_and(|place| places.contains(place)))
        .filter(|rule| rule.in_force(cx.now) && policy.source(rule).channels.contains(&consent.channel))
        .filter_map(|rule| Renewal::of(rule, consent))
        .min_by_key(|renewal| renewal.ends_at)
}

fn wish(subject: &Subject, consent: &Consent) -> AutomaticSend {
    AutomaticSend {
        program: consent.program.clone(),
        subject: subject.id,
        kind: AutomaticKind::ConsentRenewal,
        trigger: counted_from(consent),
        by_keyword: false,
        grant_existed: true,
        sender: None,
    }
}

fn newest_notice(
    cx: &mut Cx<'_>,
    wish: &AutomaticSend,
) -> Result<Option<(MessageId, MessageState)>, OpError> {
    let seller = cx.env.seller.clone();
    let mut newest = None;
    for id in renewal_ids(&seller, wish) {
        match cx.get::<Message>(&keys::message(&id))? {
            Some(message) => newest = Some((id, message.state)),
            None => break,
        }
    }
    Ok(newest)
}

/// Sends the notice that renews a consent.
pub struct SendConsentRenewal {
    pub brand: BrandId,
    pub program: ProgramId,
    pub target: Target,
    /// The sentence that says how to refuse; none: by reply.
    pub refusal: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct RenewalAnswer {
    /// None when the rules refuse it: nothing was recorded, it can be asked for again.
    pub message: Option<Arc<Message>>,
    pub verdict: Arc<Verdict>,
}

impl Op for SendConsentRenewal {
    type Answer = RenewalAnswer;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<RenewalAnswer, OpError> {
        let brand = cx.brand_named(self.brand.as_str())?;
        let program = cx.program_named(&brand, self.program.as_str())?;
        let address = cx.address_of(&self.target)?;
        let channel = match &address {
            Address::Phone(_) => Channel::Sms,
            Address::Device { .. } => Channel::Push,
        };
        let nothing = || OpError::Precondition("no consent to this program is in force there".to_owned());
        let (Some(subject), _) = cx.find_subject(&address)? else { return Err(nothing()) };
        let consent = grant_of(&subject, &program.id, channel, cx.now).ok_or_else(nothing)?;
        let wish = wish(&subject, consent);
        let seller = cx.env.seller.clone();
        for id in renewal_ids(&seller, &wish) {
            match cx.get::<Message>(&keys::message(&id))? {
                // One that came to nothing may be followed by another; any other is the answer to every repeat.
                Some(known) if came_to_nothing(known.state) => {}
                Some(known) => {
                    let verdict = known.last.clone().unwrap_or_else(|| known.first.clone());
                    return Ok(RenewalAnswer { message: Some(known), verdict });
                }
                None => {
                    let agreed_on = agreed_on(cx, &subject, consent.captured_at);
                    let (message, verdict) = send_renewal(cx, &wish, id, |told| {
                        let (brand, program) = (&told.brand.display_name, &told.program.name);
                        let refusal = self.refusal.as_deref().or(told.way_out.as_deref());
                        renewal_notice(brand, program, &agreed_on, refusal, told.language)
                    })?;
                    return Ok(RenewalAnswer { message, verdict: Arc::new(verdict) });
                }
            }
        }
        Err(OpError::Precondition("too many notices for it came to nothing".to_owned()))
    }
}

const fn came_to_nothing(state: MessageState) -> bool {
    use MessageState::{Cancelled, Expired, Failed, NotSent, Refused, Rejected, Undelivered};
    matches!(state, Undelivered | Failed | Rejected | Refused | Cancelled | Expired | NotSent)
}

/// The date of the consent where the number is at home; of an installation, where its person is.
fn agreed_on(cx: &Cx<'_>, whose: &Subject, at: Instant) -> String {
    let engine = &cx.policies.engine;
    let zone = match cx.number(&whose.address) {
        Some(number) => {
            let places: Vec<Jurisdiction> = number.country.map(Jurisdiction::of).into_iter().collect();
            engine.policy().zones_of(&engine.policy().expand(&places).places).into_iter().next()
        }
        None => Some(Whereabouts::of(whose, &[], cx.now).zone()),
    };
    engine.zones().local_date(zone.as_ref().map_or("UTC", |zone| zone.as_str()), at)
}

/// Writes down what a notice of renewal did: once it has left, the consent is counted from that instant; once it is
/// known not to have arrived, from the date before again. Called with every new state of a message.
pub(in crate::writer::ops) fn notice_is(
    cx: &mut Cx<'_>,
    message: &Message,
    state: MessageState,
    at: Instant,
) -> Result<(), OpError> {
    let spec = &message.spec;
    let Some(automatic) = spec.automatic.as_ref().filter(|a| a.kind == AutomaticKind::ConsentRenewal) else {
        return Ok(());
    };
    let subject = cx.row_of(&spec.subject)?;
    let Some(consent) = grant_of(&subject, &spec.program, spec.channel, cx.now) else { return Ok(()) };
    let former = automatic.trigger;
    let basis_date = match state {
        MessageState::Sent | MessageState::Delivered if counted_from(consent) == former => Some(at),
        state if came_to_nothing(state) && message.sent_at == Some(counted_from(consent)) => {
            Some(former).filter(|former| *former != consent.captured_at)
        }
        _ => return Ok(()),
    };
    let consent = Consent { basis_date, recorded_at: cx.now, ..consent.clone() };
    let evidence = Evidence {
        basis: consent.basis,
        basis_date,
        captured_at: Some(consent.captured_at),
        night: consent.night != Night::No,
        grade: consent.grade,
        attributes: vec![("notice".to_owned(), spec.id.to_string())],
        ..Evidence::empty(consent.method)
    };
    let body = ConsentBody {
        cause: ConsentCause::Renewal,
        changes: vec![ConsentChange { consent, reasons: Vec::new() }],
        customer: None,
        hints: Vec::new(),
        evidence,
        operation: None,
        actor: "gateway".to_owned(),
    };
    write(cx, spec.subject, &spec.brand, body).map(|_| ())
}

#[cfg(test)]
mod tests;
