//! What an answer about a number does to grants and opt-outs, and what is kept of it.

use super::*;
use crate::clock::Clock;
use crate::model::consent::{OptOutScope, OptOutSource};
use crate::model::{ConsentState, Instant, Span};
use crate::writer::ops::fixture::{key, opt_in, opt_out, person, subject, text_shop, ticked};

fn asked(kind: CheckKind, answer: CheckAnswer, asked_at: Instant) -> RecordNumberCheck {
    let check = NumberCheck {
        kind,
        answer,
        asked_at,
        reference_at: Some(asked_at - Span::days(90)),
        source: "rnd".to_owned(),
        database_version: "2026-05".to_owned(),
    };
    RecordNumberCheck {
        target: person(1),
        check,
        idempotency: key("RecordNumberCheck", ""),
        actor: "t".into(),
    }
}

fn unnamed(mut op: RecordNumberCheck) -> RecordNumberCheck {
    op.idempotency.key.clear();
    op
}

#[test]
fn a_dead_or_reassigned_number_ends_grants_and_keeps_opt_outs() {
    use CheckAnswer::{No, NoData, Yes};
    use CheckKind::*;
    let table = [
        (Reassigned, Yes, true),
        (Reassigned, No, false),
        (Reassigned, NoData, false),
        (Deactivated, Yes, true),
        (Deactivated, No, false),
        (DoNotCall, Yes, false),
        (LineType, Yes, false),
        (Registry, Yes, false),
        (Litigator, Yes, false),
    ];
    for (kind, answer, ends) in table {
        let mut writer = text_shop();
        let now = writer.clock.now();
        writer.run(opt_in(1, ticked(now), "in")).expect("taken");
        let program = OptOutScope::Program("carts".parse().expect("a slug"));
        writer.run(opt_out(1, program, OptOutSource::Web, "out")).expect("taken");
        writer.advance(Span::days(1));
        let checked = unnamed(asked(kind, answer, writer.clock.now()));
        assert!(writer.run(checked).expect("taken").written);
        let person = subject(&writer, 1);
        let want = if ends { ConsentState::Revoked } else { ConsentState::Granted };
        assert_eq!(person.consents[0].state, want, "{kind:?} {answer:?}");
        assert_eq!(person.opt_outs.len(), 1, "{kind:?} {answer:?}");
        assert!(person.opt_outs[0].lifted_at.is_none());
        assert_eq!(person.changed_at.is_some(), ends, "{kind:?} {answer:?}");
        writer.check_fold();
    }
}

#[test]
fn query_date_reference_date_version_and_answer_are_kept() {
    let mut writer = text_shop();
    let op = unnamed(asked(CheckKind::Reassigned, CheckAnswer::No, writer.clock.now()));
    let told = op.check.clone();
    writer.run(op).expect("taken");
    assert_eq!(subject(&writer, 1).checks, std::slice::from_ref(&told));
    let again = unnamed(asked(CheckKind::Reassigned, CheckAnswer::No, told.asked_at));
    let entries = writer.entries().len();
    assert!(!writer.run(again).expect("answered").written, "the very same answer is no second fact");
    assert_eq!(writer.entries().len(), entries);
    writer.check_fold();
}

#[test]
fn an_older_answer_brought_later_is_history() {
    let mut writer = text_shop();
    let now = writer.clock.now();
    writer.run(unnamed(asked(CheckKind::DoNotCall, CheckAnswer::No, now))).expect("taken");
    writer.run(unnamed(asked(CheckKind::DoNotCall, CheckAnswer::Yes, now - Span::days(9)))).expect("taken");
    assert_eq!(subject(&writer, 1).checks[0].answer, CheckAnswer::No);
    writer.check_fold();
}

#[test]
fn a_yes_stands_until_a_newer_no() {
    use CheckAnswer::{No, NoData, Yes};
    let mut writer = text_shop();
    let now = writer.clock.now();
    let stands = [
        (Yes, 0, Yes),
        (NoData, 0, Yes),
        (No, -1, Yes),
        (No, 0, Yes),
        (NoData, 5, Yes),
        (No, 6, No),
        (NoData, 7, NoData),
    ];
    for (answer, days, want) in stands {
        writer.run(unnamed(asked(CheckKind::DoNotCall, answer, now + Span::days(days)))).expect("taken");
        assert_eq!(subject(&writer, 1).checks[0].answer, want, "{answer:?} of day {days}");
    }
    writer.check_fold();
}

#[test]
fn who_agreed_after_the_question_is_the_new_owner() {
    let mut writer = text_shop();
    let asked_at = writer.clock.now();
    writer.advance(Span::days(2));
    writer.run(opt_in(1, ticked(writer.clock.now()), "in")).expect("taken");
    writer.run(unnamed(asked(CheckKind::Reassigned, CheckAnswer::Yes, asked_at))).expect("taken");
    let person = subject(&writer, 1);
    assert_eq!(person.consents[0].state, ConsentState::Granted);
    assert_eq!(person.changed_at, None);
}
