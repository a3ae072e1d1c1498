//! The three streams over a real server.

use tonic::Code;

use crate::api::convert::timestamp;
use crate::api::testing::{Shop, by, noon};
use crate::model::Span;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::pb::consentry::v1::import_row_result::Outcome;

const WORDING: &str = "Yes, text me cart reminders and offers from Fable & Fern. Recurring messages. Consent is \
    not a condition of purchase. Msg & data rates may apply. Reply STOP to opt out, HELP for help.";

fn phone(n: u32) -> Option<wire::Subject> {
    let address = wire::subject::Address::Phone(format!("+121255501{n:02}"));
    Some(wire::Subject { address: Some(address) })
}

fn consent(row: u64, n: u32) -> wire::ImportConsentsRequest {
    let evidence = wire::ConsentEvidence {
        wording: Some(wire::consent_evidence::Wording::DisclosureText(WORDING.into())),
        act: wire::ConsentAct::Replied.into(),
        inbound_text: "YES".into(),
        captured_at: Some(timestamp(noon() - Span::days(30))),
        ..wire::ConsentEvidence::default()
    };
    let opt_in = wire::RecordOptInRequest {
        night_only: false,
        brand: "main".into(),
        programs: vec!["carts".into()],
        subject: phone(n),
        channels: vec![wire::Channel::Sms.into()],
        evidence: Some(evidence),
        ..wire::RecordOptInRequest::default()
    };
    wire::ImportConsentsRequest {
        import_id: "c".into(),
        row,
        source: "klaviyo".into(),
        opt_in: Some(opt_in),
        attested_by: String::new(),
    }
}

fn suppression(row: u64, n: u32, last: bool) -> wire::ImportSuppressionsRequest {
    let opt_out = wire::RecordOptOutRequest {
        subject: phone(n),
        source: wire::OptOutSource::SmsReply.into(),
        ..wire::RecordOptOutRequest::default()
    };
    wire::ImportSuppressionsRequest {
        import_id: "s".into(),
        row,
        source: "klaviyo".into(),
        opt_out: Some(opt_out),
        last,
    }
}

type Client = ConsentServiceClient<tonic::transport::Channel>;

async fn consents(
    client: &mut Client,
    rows: Vec<wire::ImportConsentsRequest>,
) -> Result<Vec<wire::ImportRowResult>, tonic::Status> {
    let mut answers = client.import_consents(by("writer", tokio_stream::iter(rows))).await?.into_inner();
    let mut told = Vec::new();
    while let Some(answer) = answers.message().await? {
        told.push(answer);
    }
    Ok(told)
}

async fn suppressions(
    client: &mut Client,
    rows: Vec<wire::ImportSuppressionsRequest>,
) -> Result<Vec<wire::ImportRowResult>, tonic::Status> {
    let mut answers = client.import_suppressions(by("writer", tokio_stream::iter(rows))).await?.into_inner();
    let mut told = Vec::new();
    while let Some(answer) = answers.message().await? {
        told.push(answer);
    }
    Ok(told)
}

fn outcomes(told: &[wire::ImportRowResult]) -> Vec<(u64, Outcome)> {
    told.iter().map(|answer| (answer.row, answer.outcome())).collect()
}

#[tokio::test]
async fn suppressions_first_then_consents_and_again_the_same_answers() {
    let shop = Shop::open().await;
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    let early = consents(&mut client, vec![consent(1, 1)]).await.expect_err("its opt-outs come first");
    assert_eq!(early.code(), Code::FailedPrecondition);
    assert!(early.message().contains("klaviyo"), "{}", early.message());

    let stops = || (1..=200).map(|row| suppression(row, row as u32 % 50, row == 200)).collect::<Vec<_>>();
    let told = suppressions(&mut client, stops()).await.expect("taken");
    assert_eq!(told.len(), 200);
    assert!(told.iter().enumerate().all(|(n, answer)| answer.row == n as u64 + 1), "in order");
    assert!(told.iter().all(|answer| matches!(answer.outcome(), Outcome::Written | Outcome::Unchanged)));
    assert!(told.iter().all(|answer| answer.reasons.is_empty()));

    let rows = || vec![consent(1, 60), consent(2, 3), consent(9, 61)];
    let told = consents(&mut client, rows()).await.expect("taken");
    assert_eq!(outcomes(&told), [(1, Outcome::Written), (2, Outcome::Refused), (9, Outcome::Written)]);
    assert_eq!(told[1].reasons[0].code, "OPTED_OUT_BEFORE");
    let again = consents(&mut client, rows()).await.expect("taken");
    assert_eq!(outcomes(&again), outcomes(&told), "a repeat gets the first answers");
    shop.close().await;
}

#[tokio::test]
async fn a_bad_row_is_named_and_the_stream_goes_on() {
    let shop = Shop::open().await;
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    let mut bad = suppression(1, 1, false);
    bad.opt_out.as_mut().expect("set").source = 0;
    let told = suppressions(&mut client, vec![bad, suppression(2, 2, true)]).await.expect("taken");
    assert_eq!(outcomes(&told), [(1, Outcome::Invalid), (2, Outcome::Written)]);
    assert_eq!(told[0].reasons[0].rule, "opt_out.source");
    assert_eq!(told[1].reasons[0].code, "IMPORT_INCOMPLETE");
    let still = consents(&mut client, vec![consent(1, 1)]).await.expect_err("one opt-out is missing");
    assert_eq!(still.code(), Code::FailedPrecondition);
    let end = wire::ImportSuppressionsRequest { opt_out: None, ..suppression(3, 1, true) };
    suppressions(&mut client, vec![end]).await.expect("taken");

    let mut nowhere = consent(1, 1);
    nowhere.opt_in.as_mut().expect("set").programs = vec!["nowhere".into()];
    let mut vouched = consent(2, 1);
    vouched.opt_in.as_mut().and_then(|o| o.evidence.as_mut()).expect("set").grade =
        wire::ConsentGrade::Attested.into();
    let told = consents(&mut client, vec![nowhere, vouched, consent(3, 1)]).await.expect("taken");
    assert_eq!(outcomes(&told), [(1, Outcome::Invalid), (2, Outcome::Invalid), (3, Outcome::Written)]);
    assert_eq!(
        (told[0].reasons[0].code.as_str(), told[0].reasons[0].rule.as_str()),
        ("NOT_FOUND", "programs")
    );
    assert_eq!(told[1].reasons[0].rule, "attested_by");
    shop.close().await;
}

#[tokio::test]
async fn what_makes_a_stream_doubtful_ends_it() {
    let shop = Shop::open().await;
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    let other = wire::ImportSuppressionsRequest { source: "attentive".into(), ..suppression(2, 2, false) };
    let nameless = wire::ImportSuppressionsRequest { import_id: String::new(), ..suppression(1, 1, false) };
    let table = [
        (vec![suppression(2, 1, false), suppression(2, 2, false)], "row"),
        (vec![suppression(1, 1, false), other], "source"),
        (vec![nameless], "import_id"),
        (vec![suppression(1, 1, true), suppression(2, 2, false)], "last"),
    ];
    for (rows, field) in table {
        let ended = suppressions(&mut client, rows).await.expect_err("doubtful");
        assert_eq!(ended.code(), Code::InvalidArgument, "{field}");
        assert!(ended.message().starts_with(field), "{}", ended.message());
    }
    shop.close().await;
}

#[tokio::test]
async fn number_checks_one_by_one_and_by_the_list() {
    let shop = Shop::open().await;
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    let check = |kind: wire::NumberCheckKind| wire::NumberCheck {
        subject: phone(7),
        kind: kind.into(),
        answer: wire::NumberCheckAnswer::Yes.into(),
        asked_at: Some(timestamp(noon())),
        reference_date: None,
        database_version: "2026-06-01".into(),
        source: "carrier".into(),
    };
    let one = wire::RecordNumberCheckRequest { check: Some(check(wire::NumberCheckKind::Litigator)) };
    let kept = client.record_number_check(by("writer", one.clone())).await.expect("taken").into_inner();
    assert_eq!(kept, one.check.clone().expect("set"));
    let undated = wire::RecordNumberCheckRequest { check: Some(check(wire::NumberCheckKind::Reassigned)) };
    let refused = client.record_number_check(by("writer", undated)).await.expect_err("no reference date");
    assert!(refused.message().contains("check.reference_date"), "{}", refused.message());

    let row =
        |row, kind| wire::ImportNumberChecksRequest { import_id: "n".into(), row, check: Some(check(kind)) };
    let rows = vec![
        row(1, wire::NumberCheckKind::Litigator),
        row(2, wire::NumberCheckKind::Reassigned),
        row(3, wire::NumberCheckKind::Deactivated),
    ];
    let sent = client.import_number_checks(by("writer", tokio_stream::iter(rows))).await.expect("taken");
    let mut answers = sent.into_inner();
    let mut told = Vec::new();
    while let Some(answer) = answers.message().await.expect("goes on") {
        told.push((answer.row, answer.outcome()));
    }
    assert_eq!(told, [(1, Outcome::Unchanged), (2, Outcome::Invalid), (3, Outcome::Written)]);
    let whose = wire::GetSubjectRequest { subject: phone(7), as_of: None };
    let view = client.get_subject(by("auditor", whose)).await.expect("known").into_inner();
    let kinds: Vec<_> = view.number_checks.iter().map(|check| check.kind()).collect();
    assert_eq!(kinds, [wire::NumberCheckKind::Deactivated, wire::NumberCheckKind::Litigator]);
    shop.close().await;
}
