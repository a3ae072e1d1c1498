//! The people of the sandbox, and what is known of each before the story begins.

use sha2::{Digest, Sha256};

use super::{ACTOR, ids};
use crate::ledger::body::{Body, ConsentBody, ConsentCause, ConsentChange};
use crate::ledger::entry::Public;
use crate::model::consent::{Act, Consent, DoubleOptIn, Method};
use crate::model::evidence::Evidence;
use crate::model::phone::Digits;
use crate::model::registry::ControlDefault;
use crate::model::{Basis, Channel, ConsentState, Instant, OptOutScope, OptOutSource, Span};
use crate::sandbox::carrier::book::Phone;
use crate::writer::ops::consent::RecordOptIn;
use crate::writer::ops::opt_out::RecordOptOut;
use crate::writer::ops::{Idempotency, Target};
use crate::writer::{Cx, Op, OpError, Priority};

/// When they ticked the box, before the sandbox began: long enough ago that no text answers it now.
const TICKED: Span = Span::days(10);
/// From the box to the YES by text.
const CONFIRMED_AFTER: Span = Span::minutes(2);
/// When the one who stopped did so.
const STOPPED: Span = Span::days(3);

/// What a person did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    OptedIn,
    OptedOut,
    Unknown,
}

/// One person and their phone.
pub(super) struct Person {
    number: &'static str,
    name: &'static str,
    place: &'static str,
    zone: &'static str,
    pub(super) history: History,
}

const fn person(
    number: &'static str,
    name: &'static str,
    place: &'static str,
    zone: &'static str,
    history: History,
) -> Person {
    Person { number, name, place, zone, history }
}

pub(super) const PEOPLE: &[Person] = &[
    person("+12125550123", "Dana", "New York, New York", "America/New_York", History::OptedIn),
    person("+13055550124", "Luis", "Miami, Florida", "America/New_York", History::OptedIn),
    person("+15125550125", "Mae", "Austin, Texas", "America/Chicago", History::OptedIn),
    person("+14015550126", "Ruth", "Providence, Rhode Island", "America/New_York", History::OptedIn),
    person("+16025550129", "Noor", "Phoenix, Arizona", "America/Phoenix", History::OptedIn),
    person("+16025550127", "Ken", "Phoenix, Arizona", "America/Phoenix", History::OptedOut),
    person("+17735550128", "Sam", "Chicago, Illinois", "America/Chicago", History::Unknown),
];

impl Person {
    pub(super) fn phone(&self) -> Phone {
        Phone {
            number: self.number.to_owned().into(),
            label: self.name.to_owned(),
            place: self.place.to_owned(),
            zone: self.zone.to_owned(),
        }
    }

    fn target(&self) -> Target {
        Target::Phone(Digits::received(self.number, None))
    }

    /// The same at every start, so that a step is taken once.
    fn step(&self, method: &'static str) -> Idempotency {
        let key = format!("sandbox-seed-{}", hex::encode(&Sha256::digest(self.number)[..8]));
        Idempotency { method, key, request_sha256: Sha256::digest(self.number).into() }
    }

    /// They ticked the box at the checkout.
    pub(super) fn opt_in(&self, now: Instant) -> RecordOptIn {
        let evidence = Evidence {
            disclosure: Some((ids::disclosure(), "1".to_owned())),
            act: Some(Act::Ticked),
            control_default: Some(ControlDefault::Unchecked),
            captured_at: Some(now - TICKED),
            source_url: "https://acme.example/checkout".to_owned(),
            locale: "en-US".to_owned(),
            number: self.number.to_owned(),
            ..Evidence::empty(Method::CheckoutCheckbox)
        };
        RecordOptIn {
            brand: ids::brand(),
            programs: vec![ids::reminders()],
            target: self.target(),
            channels: vec![Channel::Sms],
            customer: None,
            hints: Vec::new(),
            evidence,
            night_only: false,
            idempotency: self.step("RecordOptIn"),
            actor: ACTOR.to_owned(),
        }
    }

    /// They answered YES.
    pub(super) fn confirmation(&self) -> ConfirmedBefore {
        ConfirmedBefore(self.target())
    }

    /// They texted STOP.
    pub(super) fn opt_out(&self, now: Instant, source: OptOutSource) -> RecordOptOut {
        RecordOptOut {
            brand: Some(ids::brand()),
            target: self.target(),
            scope: OptOutScope::All,
            source,
            text: "STOP".to_owned(),
            received_at: Some(now - STOPPED),
            idempotency: self.step("RecordOptOut"),
            actor: ACTOR.to_owned(),
        }
    }
}

/// The YES by text that a virtual person gave before the sandbox began. Only the seed may say so: everyone else's YES
/// comes from a carrier. Does nothing for who is granted already or has ever opted out.
pub(super) struct ConfirmedBefore(Target);

impl Op for ConfirmedBefore {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let address = cx.address_of(&self.0)?;
        let (Some(subject), _) = cx.find_subject(&address)? else { return Ok(()) };
        let program = ids::reminders();
        let mut ours = subject.consents.iter().filter(|c| c.program == program && c.channel == Channel::Sms);
        let waiting = ours.clone().find(|c| c.state == ConsentState::PendingConfirmation).cloned();
        let granted = ours.any(|c| c.state == ConsentState::Granted);
        let Some(pending) = waiting.filter(|_| !granted && subject.opt_outs.is_empty()) else {
            return Ok(());
        };
        let at = pending.captured_at + CONFIRMED_AFTER;
        let consent = Consent {
            state: ConsentState::Granted,
            confirmed_at: Some(at),
            recorded_at: cx.now,
            double_opt_in: DoubleOptIn::ByText,
            sender: Some(ids::main_sender()),
            ..pending
        };
        let public = Public {
            program: program.to_string(),
            channel: "SMS".to_owned(),
            outcome: "GRANTED".to_owned(),
            ..Public::default()
        };
        let body = ConsentBody {
            cause: ConsentCause::Confirmation,
            changes: vec![ConsentChange { consent, reasons: Vec::new() }],
            customer: None,
            hints: Vec::new(),
            evidence: Evidence::of_text(Method::Keyword, Basis::ExpressWritten, "YES", at),
            operation: None,
            actor: ACTOR.to_owned(),
        };
        cx.emit(subject.id, Some(&ids::brand()), public, Body::Consent(body)).map(|_| ())
    }
}
