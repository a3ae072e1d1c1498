//! How a person stops and comes back, by every way in.

use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::inbound::event::{InboundEvent, InboundText};
use crate::ledger::body::Body;
use crate::model::consent::{Grade, Method, OptOutSource};
use crate::model::evidence::Evidence;
use crate::model::facts::AutomaticKind;
use crate::model::outgoing::{ErrorClass, MessageSpec};
use crate::model::{ConsentState, MessageState, Span};
use crate::provider::{Failure, Handover};
use crate::writer::ops::fixture::{WORDING, opt_in, opt_out, subject, text_shop, ticked};
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::outcome::RecordOutcome;
use crate::writer::ops::webhook::{Delivery, ReceiveTexts};
use crate::writer::testing::TestWriter;

/// The n-th person texts the shop.
fn says(writer: &mut TestWriter, n: u8, text: &str) {
    let at = writer.clock.now();
    let event = InboundText {
        provider_id: format!("{n} {text} {at}"),
        from: format!("121255501{n:02}"),
        to: "12125550100".to_owned(),
        text: text.to_owned(),
        provider_flag: None,
        received_at: None,
        weak: false,
    };
    let delivery = Delivery {
        connection: "main".parse().expect("a slug"),
        raw: None,
        events: vec![InboundEvent::Text(event)],
        listening: false,
    };
    writer.run(ReceiveTexts(delivery)).expect("taken");
}

fn agreed(n: u8) -> TestWriter {
    let mut writer = text_shop();
    let now = writer.clock.now();
    writer.run(opt_in(n, ticked(now), "in")).expect("taken");
    writer.advance(Span::hours(1));
    writer
}

/// Automatic texts of a kind, as they were accepted.
fn texts(writer: &TestWriter, kind: AutomaticKind) -> Vec<Arc<MessageSpec>> {
    let specs = writer.entries().into_iter().filter_map(|entry| match entry.body {
        Body::Decision(body) => Some(body.message),
        _ => None,
    });
    specs.filter(|spec| spec.automatic.as_ref().is_some_and(|a| a.kind == kind)).collect()
}

fn granted(writer: &TestWriter, n: u8) -> bool {
    let person = subject(writer, n);
    has_grant(&person, writer.clock.now())
}

#[test]
fn every_way_in_stops_is_kept_with_its_words_and_only_texts_are_lifted_by_a_text() {
    use OptOutSource::*;
    let table = [
        (SmsReply, true),
        (Provider, true),
        (PhoneCall, false),
        (Email, false),
        (Web, false),
        (InStore, false),
        (Letter, false),
        (App, false),
        (Operator, false),
    ];
    for (source, lifted_by_text) in table {
        let mut writer = agreed(1);
        let received_at = Some(writer.clock.now() - Span::minutes(30));
        let words = "please stop these".to_owned();
        let told =
            RecordOptOut { text: words.clone(), received_at, ..opt_out(1, OptOutScope::All, source, "out") };
        let answer = writer.run(told).expect("never refused");
        assert_eq!((answer.text, Some(answer.opt_out.received_at)), (words, received_at), "{source:?}");
        assert!(!granted(&writer, 1), "{source:?} stops");
        writer.advance(Span::hours(1));
        says(&mut writer, 1, "START");
        assert_eq!(granted(&writer, 1), lifted_by_text, "{source:?}");
        writer.check_fold();
        writer.check_replay();
    }
}

#[test]
fn silence_means_all_and_a_named_scope_is_kept_to() {
    let mut writer = agreed(1);
    says(&mut writer, 1, "STOP");
    let stop = subject(&writer, 1).opt_outs.remove(0);
    assert_eq!((stop.scope, stop.scope_named), (OptOutScope::All, false));
    let mut writer = agreed(1);
    let program = OptOutScope::Program("carts".parse().expect("a slug"));
    writer.run(opt_out(1, program.clone(), OptOutSource::Web, "out")).expect("taken");
    let stop = subject(&writer, 1).opt_outs.remove(0);
    assert_eq!((stop.scope, stop.scope_named), (program, true));
}

#[test]
fn one_confirmation_within_five_minutes_or_none() {
    for (minutes, leaves) in [(0, true), (4, true), (6, false)] {
        let mut writer = agreed(1);
        says(&mut writer, 1, "STOP");
        says(&mut writer, 1, "STOP");
        let said = texts(&writer, AutomaticKind::OptOutConfirmation);
        assert_eq!(said.len(), 1, "two STOPs, one confirmation");
        assert!(crate::content::offer::find_offers(&said[0].preview).is_empty(), "{}", said[0].preview);
        writer.advance(Span::seconds(minutes * 60 + 1));
        let asked = writer.run(Intent::of(said[0].id)).expect("asked");
        assert_eq!(matches!(asked, IntentAnswer::Go(_)), leaves, "{minutes} minutes: {asked:?}");
        writer.advance(Span::hours(1));
        says(&mut writer, 1, "stop");
        assert_eq!(texts(&writer, AutomaticKind::OptOutConfirmation).len(), 1, "nothing more, ever");
        writer.check_fold();
    }
}

#[test]
fn start_gives_back_what_was_and_never_makes_a_consent() {
    // Nobody who was never granted is granted by START: a refused claim, an attested one, a stranger.
    let refused =
        |writer: &TestWriter| Evidence { disclosure_text: String::new(), ..ticked(writer.clock.now()) };
    let attested = |writer: &TestWriter| Evidence {
        grade: Grade::Attested,
        captured_at: Some(writer.clock.now() - Span::days(90)),
        ..Evidence::empty(Method::Imported)
    };
    let claims: [Option<&dyn Fn(&TestWriter) -> Evidence>; 3] = [Some(&refused), Some(&attested), None];
    for (n, claim) in claims.into_iter().enumerate() {
        let mut writer = text_shop();
        if let Some(claim) = claim {
            let evidence = claim(&writer);
            writer.run(opt_in(1, evidence, "in")).expect("taken");
        }
        says(&mut writer, 1, "START");
        assert!(!granted(&writer, 1), "case {n}");
        assert_eq!(texts(&writer, AutomaticKind::OptInRequest).len(), 1, "a YES is asked for: case {n}");
        says(&mut writer, 1, "START");
        assert_eq!(texts(&writer, AutomaticKind::OptInRequest).len(), 1, "once: case {n}");
        writer.check_fold();
    }
}

#[test]
fn an_imported_consent_never_lifts_a_stop() {
    let mut writer = agreed(1);
    says(&mut writer, 1, "STOP");
    writer.advance(Span::hours(1));
    let now = writer.clock.now();
    let evidence = Evidence {
        disclosure_text: WORDING.to_owned(),
        act: Some(crate::model::consent::Act::Replied),
        inbound_text: "YES".to_owned(),
        captured_at: Some(now),
        source_url: "https://old.example".to_owned(),
        ..Evidence::empty(Method::Imported)
    };
    let answer = writer.run(opt_in(1, evidence, "old")).expect("taken");
    assert_eq!(answer.consents[0].consent.state, ConsentState::Refused);
    assert!(!granted(&writer, 1));
}

/// A wrong number, a dead number told by a receipt, a reassigned number: every grant ends, every opt-out stays.
#[test]
fn a_number_that_changed_hands_loses_its_grants_and_keeps_its_opt_outs() {
    type Learn = fn(&mut TestWriter);
    let wrong_number: Learn = |writer| says(writer, 1, "wrong number");
    let unknown_subscriber: Learn = |writer| {
        let welcome = texts(writer, AutomaticKind::Welcome).remove(0);
        let failure = Failure {
            class: ErrorClass::PermanentRecipient,
            code: "30005".to_owned(),
            text: "unknown destination handset".to_owned(),
        };
        let rejected = RecordOutcome {
            message: welcome.id,
            handover: Handover::Rejected(failure),
            handed_over_at: None,
        };
        assert_eq!(writer.run(rejected).expect("recorded"), MessageState::Rejected);
    };
    for (name, learn) in [("wrong number", wrong_number), ("unknown subscriber", unknown_subscriber)] {
        let mut writer = text_shop();
        let now = writer.clock.now();
        writer.run(opt_in(1, ticked(now), "in")).expect("taken");
        let welcome = texts(&writer, AutomaticKind::Welcome).remove(0);
        assert!(matches!(writer.run(Intent::of(welcome.id)).expect("asked"), IntentAnswer::Go(_)));
        let program = OptOutScope::Program("carts".parse().expect("a slug"));
        writer.run(opt_out(1, program, OptOutSource::Letter, "out")).expect("taken");
        writer.advance(Span::seconds(1));
        learn(&mut writer);
        let person = subject(&writer, 1);
        assert!(person.consents.iter().all(|c| c.state == ConsentState::Revoked), "{name}");
        assert!(person.changed_at.is_some(), "{name}");
        let letter = person.opt_outs.iter().find(|o| o.source == OptOutSource::Letter).expect("it stays");
        assert!(letter.lifted_at.is_none() && letter.lifted_for.is_empty(), "{name}");
        says(&mut writer, 1, "START");
        assert!(!granted(&writer, 1), "{name}: START finds nothing to give back");
        writer.check_fold();
    }
}
