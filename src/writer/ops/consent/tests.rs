//! The second step: who is asked, when, how often, and until when a YES counts.

mod night;
mod ties;

use super::*;
use crate::clock::Clock;
use crate::ledger::body::Object;
use crate::model::Span;
use crate::model::consent::{DoubleOptIn, Method, OptOutScope, OptOutSource};
use crate::model::evidence::Evidence;
use crate::model::facts::AutomaticKind;
use crate::model::phone::Digits;
use crate::model::registry::Program;
use crate::model::subject::Address;
use crate::writer::ops::Target;
use crate::writer::ops::consent::confirm::ConfirmOptIn;
use crate::writer::ops::fixture::{carts, key, main_brand, opt_in, opt_out, subject, text_shop, ticked};
use crate::writer::testing::TestWriter;

fn shop() -> TestWriter {
    let mut writer = text_shop();
    writer.set_up([Object::Program(Program { double_opt_in: true, ..carts() })]);
    writer
}

fn requests(writer: &TestWriter) -> usize {
    let asked = |body: &Body| match body {
        Body::Decision(body) => {
            body.message.automatic.as_ref().is_some_and(|a| a.kind == AutomaticKind::OptInRequest)
        }
        _ => false,
    };
    writer.entries().iter().filter(|entry| asked(&entry.body)).count()
}

#[test]
fn who_is_asked_and_when() {
    type Change = fn(&mut Evidence);
    let table: [(&str, Change, usize); 6] = [
        ("a box just ticked", |_| {}, 1),
        ("23 hours ago", |e| e.captured_at = e.captured_at.map(|at| at - Span::hours(23)), 1),
        (
            "25 hours ago: too late to ask",
            |e| e.captured_at = e.captured_at.map(|at| at - Span::hours(25)),
            0,
        ),
        ("brought from elsewhere", |e| e.method = Method::Imported, 0),
        ("refused: no wording", |e| e.disclosure_text.clear(), 0),
        ("refused: no time", |e| e.captured_at = None, 0),
    ];
    for (name, change, asked) in table {
        let mut writer = shop();
        let mut evidence = ticked(writer.clock.now());
        change(&mut evidence);
        writer.run(opt_in(1, evidence, "in")).expect("taken");
        assert_eq!(requests(&writer), asked, "{name}");
    }
}

/// The second step is the law's where the person lives, whatever the program says.
#[test]
fn where_courts_ask_for_a_second_step_it_is_asked_for_at_once() {
    let german = |writer: &TestWriter, name: &str| RecordOptIn {
        target: Target::Phone(Digits::received("+4915112345678", None)),
        ..opt_in(1, ticked(writer.clock.now()), name)
    };
    let states = |writer: &TestWriter| {
        let to = Address::Phone("4915112345678".to_owned());
        let found = writer.reader().look(|cx| cx.find_subject(&to)).expect("memory answers").0;
        found.expect("known").consents.iter().map(|c| (c.state, c.double_opt_in)).collect::<Vec<_>>()
    };
    let mut writer = text_shop();
    assert!(!carts().double_opt_in, "the program asks for nothing");
    let now = writer.clock.now();
    writer.run(german(&writer, "de")).expect("taken");
    assert_eq!(states(&writer), [(ConsentState::PendingConfirmation, DoubleOptIn::None)]);
    writer.run(opt_in(1, ticked(now), "us")).expect("taken");
    assert_eq!(
        subject(&writer, 1).consents[0].state,
        ConsentState::Granted,
        "nobody asks for it in New York"
    );

    // Somebody with an American number who lives in Munich.
    let hint = crate::model::location::LocationHint {
        source: crate::model::location::LocationSource::Billing,
        country: "DE".to_owned(),
        region: String::new(),
        postal_code: String::new(),
        time_zone: String::new(),
        observed_at: now,
    };
    writer.run(RecordOptIn { hints: vec![hint], ..opt_in(2, ticked(now), "away") }).expect("taken");
    assert_eq!(subject(&writer, 2).consents[0].state, ConsentState::PendingConfirmation);

    // The page where they confirmed tells; a grant with both steps is told again without being asked anew.
    writer.advance(Span::hours(1));
    let confirmed = ConfirmOptIn {
        brand: main_brand(),
        program: carts().id,
        channel: Channel::Sms,
        target: Target::Phone(Digits::received("+4915112345678", None)),
        evidence: Evidence { act: Some(crate::model::consent::Act::Ticked), ..ticked(writer.clock.now()) },
        idempotency: key("ConfirmOptIn", "yes"),
        actor: "test".to_owned(),
    };
    writer.run(confirmed).expect("taken");
    assert_eq!(states(&writer), [(ConsentState::Granted, DoubleOptIn::ByWeb)]);
    writer.run(german(&writer, "again")).expect("taken");
    assert_eq!(states(&writer), [(ConsentState::Granted, DoubleOptIn::ByWeb)]);
    writer.check_fold();
}

#[test]
fn nobody_is_asked_twice_while_a_request_is_open_and_after_a_stop_once_ever() {
    let mut writer = shop();
    let tick = |writer: &mut TestWriter, name: &str| {
        let evidence = ticked(writer.clock.now());
        writer.run(opt_in(1, evidence, name)).expect("taken");
        requests(writer)
    };
    assert_eq!(tick(&mut writer, "a"), 1);
    writer.advance(Span::hours(71));
    assert_eq!(tick(&mut writer, "b"), 1, "the first is open for 72 hours");
    writer.advance(Span::hours(2));
    assert_eq!(tick(&mut writer, "c"), 2, "it ran out");
    writer.advance(Span::hours(1));
    writer.run(opt_out(1, OptOutScope::All, OptOutSource::SmsReply, "out")).expect("taken");
    writer.advance(Span::hours(100));
    assert_eq!(tick(&mut writer, "d"), 3, "a new act after the STOP is asked about once");
    writer.advance(Span::hours(100));
    assert_eq!(tick(&mut writer, "e"), 3, "and never again");
    writer.check_fold();
}

#[test]
fn a_yes_counts_for_72_hours_and_joins_both_steps() {
    for (hours, counts) in [(71, true), (73, false)] {
        let mut writer = shop();
        let captured_at = writer.clock.now();
        writer.run(opt_in(1, ticked(captured_at), "in")).expect("taken");
        assert_eq!(subject(&writer, 1).consents[0].state, ConsentState::PendingConfirmation);
        writer.advance(Span::hours(hours));
        let at = writer.clock.now();
        let event = crate::inbound::event::InboundText {
            provider_id: "yes".to_owned(),
            from: "12125550101".to_owned(),
            to: "12125550100".to_owned(),
            text: "YES".to_owned(),
            provider_flag: None,
            received_at: None,
            weak: false,
        };
        let delivery = crate::writer::ops::webhook::Delivery {
            connection: "main".parse().expect("a slug"),
            raw: None,
            events: vec![crate::inbound::event::InboundEvent::Text(event)],
            listening: false,
        };
        writer.run(crate::writer::ops::webhook::ReceiveTexts(delivery)).expect("taken");
        let consents = subject(&writer, 1).consents;
        let granted: Vec<&Consent> = consents.iter().filter(|c| c.state == ConsentState::Granted).collect();
        assert_eq!(granted.len(), usize::from(counts), "{hours} h");
        if let Some(consent) = granted.first() {
            assert_eq!(consent.captured_at, captured_at, "the first step");
            assert_eq!(
                (consent.confirmed_at, consent.double_opt_in),
                (Some(at), DoubleOptIn::ByText),
                "the second"
            );
        }
        writer.check_fold();
    }
}
