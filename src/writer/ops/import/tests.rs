//! Opt-outs before consents, rows once, and nothing an import could undo.

use super::*;
use crate::clock::Clock;
use crate::model::consent::{Act, Basis, DoubleOptIn, Grade, Method, OptOutScope, OptOutSource};
use crate::model::evidence::Evidence;
use crate::model::{Code, ConsentState, Span};
use crate::writer::CallError;
use crate::writer::ops::fixture::{WORDING, brand, carts, opt_in, opt_out, subject, text_shop};
use crate::writer::testing::TestWriter;

/// Somebody's consent as an older system kept it.
fn old(writer: &TestWriter) -> Evidence {
    Evidence {
        disclosure_text: WORDING.to_owned(),
        act: Some(Act::Ticked),
        captured_at: Some(writer.clock.now() - Span::days(200)),
        attributes: vec![("import_source".to_owned(), "klaviyo".to_owned())],
        ..Evidence::empty(Method::Imported)
    }
}

fn row(n: u8, number: u64, evidence: Evidence) -> ImportConsent {
    let mut opt_in = opt_in(n, evidence, "");
    opt_in.idempotency = row_key("ImportConsents", "list-1", number, [n; 32]);
    ImportConsent { source: "klaviyo".to_owned(), opt_in }
}

fn stopped(n: u8, number: u64) -> ImportOptOut {
    let mut op = opt_out(n, OptOutScope::All, OptOutSource::SmsReply, "");
    op.idempotency = row_key("ImportSuppressions", "stops-1", number, [n; 32]);
    ImportOptOut(op)
}

fn ended(rows: u64) -> EndSuppressions {
    EndSuppressions { source: "klaviyo".into(), import_id: "stops-1".into(), rows, actor: "t".into() }
}

fn state(answer: Imported<OptInAnswer>) -> (ConsentState, Vec<Code>) {
    let Imported::Recorded(answer) = answer else { panic!("nothing was written") };
    (answer.consents[0].consent.state, answer.consents[0].reasons.clone())
}

#[test]
fn consents_wait_for_the_end_of_their_sources_opt_outs() {
    let mut writer = text_shop();
    let early = row(1, 1, old(&writer));
    let refused = writer.run(early).expect_err("its opt-outs are not here");
    assert!(matches!(refused, CallError::Refused(OpError::Precondition(_))), "{refused}");
    writer.run(stopped(2, 1)).expect("taken");
    assert!(writer.run(ended(1)).expect("ends"), "written");
    assert!(!writer.run(ended(1)).expect("ends"), "once");
    let evidence = old(&writer);
    assert_eq!(state(writer.run(row(1, 1, evidence.clone())).expect("taken")).0, ConsentState::Granted);
    let (found, reasons) = state(writer.run(row(2, 2, evidence)).expect("taken"));
    assert_eq!((found, reasons), (ConsentState::Refused, vec![Code::OptedOutBefore]));
    assert!(subject(&writer, 2).opt_outs[0].lifted_at.is_none());
    writer.check_fold();
}

#[test]
fn a_row_sent_again_is_answered_and_written_once() {
    let mut writer = text_shop();
    writer.run(stopped(2, 1)).expect("taken");
    writer.run(ended(1)).expect("ends");
    let evidence = old(&writer);
    let first = writer.run(row(1, 1, evidence.clone())).expect("taken");
    let entries = writer.entries().len();
    let Imported::Recorded(again) = writer.run(row(1, 1, evidence.clone())).expect("answered") else {
        panic!("a known row gets its first answer")
    };
    assert!(again.repeated);
    assert_eq!(state(first), (ConsentState::Granted, vec![]));
    assert_eq!(
        writer.run(row(1, 7, evidence)).expect("answered"),
        Imported::Unchanged,
        "another list, the same"
    );
    assert_eq!(writer.run(stopped(2, 8)).expect("answered"), Imported::Unchanged);
    assert_eq!(writer.entries().len(), entries);
    let mut other = row(1, 1, old(&writer));
    other.opt_in.idempotency.request_sha256 = [9; 32];
    let reused = writer.run(other).expect_err("other content");
    assert!(matches!(reused, CallError::Refused(OpError::KeyReused)), "{reused}");
}

#[test]
fn each_kind_of_imported_evidence_has_its_answer() {
    type Change = fn(&mut Evidence);
    let table: [(&str, Change, bool, ConsentState, &[Code]); 8] = [
        ("complete", |_| {}, false, ConsentState::Granted, &[]),
        (
            "no wording",
            |e| e.disclosure_text.clear(),
            false,
            ConsentState::Refused,
            &[Code::DisclosureMissing],
        ),
        ("no time", |e| e.captured_at = None, false, ConsentState::Refused, &[Code::CaptureTimeMissing]),
        ("no act", |e| e.act = None, false, ConsentState::Refused, &[Code::SignatureMissing]),
        (
            "older than two years",
            |e| e.captured_at = e.captured_at.map(|at| at - Span::days(600)),
            false,
            ConsentState::Refused,
            &[Code::CaptureTimeTooOld],
        ),
        (
            "attested, not accepted",
            |e| (e.grade, e.disclosure_text) = (Grade::Attested, String::new()),
            false,
            ConsentState::Refused,
            &[Code::AttestedNotAccepted],
        ),
        (
            "attested, accepted",
            |e| (e.grade, e.disclosure_text, e.act) = (Grade::Attested, String::new(), None),
            true,
            ConsentState::Granted,
            &[],
        ),
        ("implied", |e| (e.basis, e.act) = (Basis::ImpliedPurchase, None), false, ConsentState::Granted, &[]),
    ];
    for (name, change, accepts_attested, want, reasons) in table {
        let mut writer = text_shop();
        let trusting = crate::model::registry::Brand { accepts_attested, ..brand("main") };
        writer.set_up([crate::ledger::body::Object::Brand(trusting)]);
        writer.run(ended(0)).expect("ends");
        let mut evidence = old(&writer);
        change(&mut evidence);
        let attested = evidence.grade == Grade::Attested;
        let found = state(writer.run(row(1, 1, evidence)).expect("taken"));
        assert_eq!(found, (want, reasons.to_vec()), "{name}");
        if attested && want == ConsentState::Granted {
            let consent = subject(&writer, 1).consents.remove(0);
            assert_eq!(consent.expires_at, Some(consent.captured_at + Span::days(730)), "24 months");
        }
    }
}

#[test]
fn an_imported_reply_is_the_second_step_and_nothing_else_is() {
    let mut writer = text_shop();
    let program = crate::model::registry::Program { double_opt_in: true, ..carts() };
    writer.set_up([crate::ledger::body::Object::Program(program)]);
    writer.run(ended(0)).expect("ends");
    let evidence = old(&writer);
    let (waits, _) = state(writer.run(row(1, 1, evidence.clone())).expect("taken"));
    assert_eq!(waits, ConsentState::PendingConfirmation);
    let replied = Evidence { act: Some(Act::Replied), inbound_text: "YES".to_owned(), ..evidence };
    let (granted, _) = state(writer.run(row(2, 2, replied)).expect("taken"));
    assert_eq!(granted, ConsentState::Granted);
    let consent = subject(&writer, 2).consents.remove(0);
    assert_eq!(
        (consent.double_opt_in, consent.confirmed_at),
        (DoubleOptIn::ByText, Some(consent.captured_at))
    );
    assert!(writer.entries().iter().all(|e| !matches!(e.body, Body::Decision(_))), "no import sends a text");
}
