//! The second step: who is asked, when, how often, and until when a YES counts.

mod ties;

use super::*;
use crate::clock::Clock;
use crate::ledger::body::Object;
use crate::model::Span;
use crate::model::consent::{DoubleOptIn, Method, OptOutScope, OptOutSource};
use crate::model::evidence::Evidence;
use crate::model::facts::AutomaticKind;
use crate::model::registry::Program;
use crate::writer::ops::fixture::{carts, opt_in, opt_out, subject, text_shop, ticked};
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
