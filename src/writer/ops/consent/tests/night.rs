//! The separate consent to the night (Network Act art. 50(3)): an act of its own, beside the day.

use super::*;
use crate::ledger::body::{ConsentCause, ConsentChange};
use crate::model::consent::Night;
use crate::writer::ops::Idempotency;
use crate::writer::ops::fixture::WORDING;
use crate::writer::ops::import::{EndSuppressions, ImportConsent, Imported};

const KOREAN: &str = "(선택) Shop 야간(21시~08시) 광고성 정보 수신 동의";

/// A second box, below the one that agreed to the day.
fn at_night(writer: &TestWriter) -> Evidence {
    Evidence { disclosure_text: KOREAN.to_owned(), ..ticked(writer.clock.now()) }
}

fn agree(writer: &mut TestWriter, evidence: Evidence, name: &str) -> (ConsentState, Vec<String>) {
    let op = RecordOptIn { night_only: true, ..opt_in(1, evidence, name) };
    let answer = writer.run(op).expect("taken");
    let one = &answer.consents[0];
    (one.consent.state, one.reasons.iter().map(ToString::to_string).collect())
}

fn by_day(writer: &mut TestWriter, name: &str) {
    let evidence = ticked(writer.clock.now());
    writer.run(opt_in(1, evidence, name)).expect("taken");
}

fn night(writer: &TestWriter) -> Night {
    subject(writer, 1).consents[0].night
}

fn refused(codes: &[&str]) -> (ConsentState, Vec<String>) {
    (ConsentState::Refused, codes.iter().map(|code| (*code).to_owned()).collect())
}

#[test]
fn it_is_an_act_of_its_own_beside_the_day() {
    let mut writer = text_shop();
    let early = at_night(&writer);
    assert_eq!(agree(&mut writer, early, "no day"), refused(&["NIGHT_CONSENT_ALONE"]));
    by_day(&mut writer, "day");
    writer.advance(Span::minutes(1));
    let agreed_at = writer.clock.now();
    let evidence = at_night(&writer);
    assert_eq!(agree(&mut writer, evidence, "night"), (ConsentState::Granted, Vec::new()));
    assert_eq!(night(&writer), Night::At(agreed_at));
    let entries = writer.entries();
    let Body::Consent(body) = &entries.last().expect("written").body else { panic!("of another kind") };
    assert_eq!(body.cause, ConsentCause::Night);
    assert!(body.evidence.night && body.evidence.disclosure_text == KOREAN, "its own evidence");

    // Told again, the day keeps the night beside it.
    writer.advance(Span::hours(1));
    by_day(&mut writer, "day again");
    assert_eq!(night(&writer), Night::At(agreed_at));
    assert_eq!(subject(&writer, 1).consents.len(), 1);
    writer.check_fold();
    writer.check_replay();
}

#[test]
fn one_act_for_both_agrees_to_the_day_alone() {
    let mut writer = text_shop();
    let evidence = Evidence { night: true, ..ticked(writer.clock.now()) };
    let evidence = Evidence { disclosure_text: format!("{WORDING} {KOREAN}"), ..evidence };
    let answer = writer.run(opt_in(1, evidence.clone(), "both")).expect("taken");
    let one = &answer.consents[0];
    assert_eq!(one.consent.state, ConsentState::Granted);
    assert_eq!(one.reasons, [Code::NightConsentBundled]);
    assert_eq!(night(&writer), Night::No);
    // The same page told of as two acts is one act still.
    assert_eq!(agree(&mut writer, evidence, "same page"), refused(&["NIGHT_CONSENT_BUNDLED"]));
    assert_eq!(night(&writer), Night::No);
    assert_eq!(subject(&writer, 1).consents[0].state, ConsentState::Granted, "by day it goes on");
    writer.check_fold();
}

#[test]
fn its_evidence_is_judged_like_any_and_its_wording_names_the_hours() {
    type Spoil = fn(&mut Evidence);
    let table: [(Spoil, &[&str]); 8] = [
        (
            |e| e.disclosure_text = "(선택) Shop 야간 광고성 정보 수신 동의".to_owned(),
            &["NIGHT_WORDING_MISSING"],
        ),
        (|e| e.disclosure_text = "21시~08시".to_owned(), &["DISCLOSURE_LACKS_BRAND"]),
        (|e| e.disclosure_text.clear(), &["DISCLOSURE_MISSING"]),
        (
            |e| e.control_default = Some(crate::model::registry::ControlDefault::Prechecked),
            &["PRECHECKED_BOX"],
        ),
        (|e| e.bundled_with_terms = true, &["BUNDLED_TERMS"]),
        (|e| e.captured_at = None, &["CAPTURE_TIME_MISSING"]),
        (|e| e.source_url.clear(), &["SOURCE_MISSING"]),
        (|e| e.act = None, &["SIGNATURE_MISSING"]),
    ];
    let mut writer = text_shop();
    by_day(&mut writer, "day");
    for (number, (spoil, codes)) in table.into_iter().enumerate() {
        let mut evidence = at_night(&writer);
        spoil(&mut evidence);
        assert_eq!(agree(&mut writer, evidence, &format!("{number}")), refused(codes), "case {number}");
        assert_eq!(night(&writer), Night::No, "case {number}");
    }
    writer.check_fold();
}

#[test]
fn every_opt_out_in_its_way_ends_it_and_only_another_act_brings_it_back() {
    for scope in [OptOutScope::Night, OptOutScope::All, OptOutScope::Program(carts().id)] {
        let mut writer = text_shop();
        by_day(&mut writer, "day");
        let evidence = at_night(&writer);
        assert_eq!(agree(&mut writer, evidence.clone(), "night").0, ConsentState::Granted);
        writer.advance(Span::hours(1));
        let alone = scope == OptOutScope::Night;
        writer.run(opt_out(1, scope.clone(), OptOutSource::App, "out")).expect("taken");
        assert_eq!(night(&writer), Night::No, "{scope:?}");
        // What was agreed to before is what was taken back.
        writer.advance(Span::hours(1));
        let (state, codes) = agree(&mut writer, evidence, "late");
        assert_eq!((state, codes.contains(&"OPTED_OUT_BEFORE".to_owned())), (ConsentState::Refused, true));
        let evidence = at_night(&writer);
        let expected = if alone { ConsentState::Granted } else { ConsentState::Refused };
        assert_eq!(agree(&mut writer, evidence, "anew").0, expected, "no night without its day: {scope:?}");
        writer.check_fold();
    }
}

#[test]
fn what_waits_for_its_second_step_keeps_the_night_for_after_it() {
    let mut writer = shop();
    by_day(&mut writer, "day");
    let evidence = at_night(&writer);
    assert_eq!(agree(&mut writer, evidence, "night"), (ConsentState::PendingConfirmation, Vec::new()));
    let confirmed = ConfirmOptIn {
        brand: main_brand(),
        program: carts().id,
        channel: Channel::Sms,
        target: crate::writer::ops::fixture::person(1),
        evidence: ticked(writer.clock.now()),
        idempotency: key("ConfirmOptIn", "yes"),
        actor: "test".to_owned(),
    };
    writer.run(confirmed).expect("taken");
    let consent = subject(&writer, 1).consents[0].clone();
    assert_eq!(consent.state, ConsentState::Granted);
    assert!(matches!(consent.night, Night::At(_)));
    writer.check_fold();
}

/// A list has a row for each; the one of the night says nothing new when it comes again.
#[test]
fn a_list_brings_the_night_in_rows_of_its_own() {
    let mut writer = text_shop();
    let end = EndSuppressions {
        source: "old".to_owned(),
        import_id: "i".to_owned(),
        rows: 1,
        actor: "test".to_owned(),
    };
    writer.run(end).expect("complete");
    let at = writer.clock.now();
    let url = |e: Evidence| Evidence { method: Method::Imported, ..e };
    let row = |night_only: bool, name: &'static str, text: &str| ImportConsent {
        source: "old".to_owned(),
        opt_in: RecordOptIn {
            night_only,
            idempotency: Idempotency { method: "ImportConsents", ..key("ImportConsents", name) },
            ..opt_in(1, url(Evidence { disclosure_text: text.to_owned(), ..ticked(at) }), name)
        },
    };
    writer.run(row(false, "1", WORDING)).expect("taken");
    writer.run(row(true, "2", KOREAN)).expect("taken");
    assert_eq!(night(&writer), Night::At(at));
    assert!(matches!(writer.run(row(true, "3", KOREAN)), Ok(Imported::Unchanged)));
    writer.check_fold();
}

/// Entries of before say `true` or `false`; they read as they did and are written as they were.
#[test]
fn what_was_agreed_with_the_day_reads_as_it_did() {
    let mut writer = text_shop();
    by_day(&mut writer, "day");
    let consent = subject(&writer, 1).consents[0].clone();
    let at = consent.captured_at;
    for (night, text) in [
        (Night::No, "false".to_owned()),
        (Night::WithDay, "true".to_owned()),
        (Night::At(at), serde_json::to_string(&at).expect("text")),
    ] {
        assert_eq!(serde_json::to_string(&night).expect("text"), text);
        assert_eq!(serde_json::from_str::<Night>(&text).expect("a night"), night);
        let stored = postcard::to_stdvec(&night).expect("bytes");
        assert_eq!(postcard::from_bytes::<Night>(&stored).expect("a night"), night);
        let change = ConsentChange { consent: Consent { night, ..consent.clone() }, reasons: Vec::new() };
        let written = serde_json::to_string(&change).expect("text");
        assert!(written.contains(&format!("\"night\":{text}")), "{written}");
        assert_eq!(serde_json::from_str::<ConsentChange>(&written).expect("a change"), change);
    }
    assert_eq!(
        postcard::to_stdvec(&Night::WithDay).expect("bytes"),
        postcard::to_stdvec(&true).expect("bytes")
    );
}
