//! Another sender's log, uploaded as an auditor uploads it.

use std::sync::Arc;

use tokio_stream::{StreamExt, iter};
use tonic::{Code, Status};

use crate::api::convert::shadow as shown;
use crate::api::testing::{Shop, by};
use crate::audit::shadow::{Audit, Columns, Options, Preset};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::audit_service_client::AuditServiceClient;
use crate::pb::consentry::v1::check_shadow_request::Part;
use crate::pb::consentry::v1::check_shadow_response::Part as Told;
use crate::store::{KvOptions, SharedKv, kv};

const LOG: &str = "To,SentDate,Body,From,Sid,Direction,Status\n\
    +12125550123,2026-06-01 16:00:00 UTC,Acme: hello. Reply STOP to opt out,+18885550100,SM1,outbound-api,delivered\n\
    +12125550123,2026-06-02 03:30:00 UTC,Acme: by night. Reply STOP to opt out,+18885550100,SM2,outbound-api,delivered\n\
    +13125550145,2026-06-05 16:00:00 UTC,Acme: who? Reply STOP to opt out,+18885550100,SM3,outbound-api,delivered\n\
    +12125550123,2026-06-09 16:00:00 UTC,Acme: after. Reply STOP to opt out,+18885550100,SM4,outbound-api,delivered\n\
    not a number,2026-06-09 16:00:00 UTC,Acme,+18885550100,SM5,outbound-api,delivered\n";
const STOPS: &str = "phone,at\n+12125550123,2026-06-08T16:00:00Z\n";
const CONSENTS: &str = "phone,at,double_opt_in\n+12125550123,2026-05-01T00:00:00Z,text\n";

fn part(part: Part) -> wire::CheckShadowRequest {
    wire::CheckShadowRequest { part: Some(part) }
}

fn options() -> wire::ShadowOptions {
    wire::ShadowOptions { preset: wire::ShadowPreset::Twilio.into(), ..Default::default() }
}

/// A table in pieces of so many bytes.
fn pieces(table: &str, size: usize, as_part: fn(Vec<u8>) -> Part) -> Vec<wire::CheckShadowRequest> {
    table.as_bytes().chunks(size).map(|piece| part(as_part(piece.to_vec()))).collect()
}

type Answer = (Vec<wire::ShadowViolation>, wire::ShadowReport);

async fn ask(shop: &Shop, key: &str, parts: Vec<wire::CheckShadowRequest>) -> Result<Answer, Status> {
    let mut client = AuditServiceClient::new(shop.channel.clone());
    let mut answers = client.check_shadow(by(key, iter(parts))).await?.into_inner();
    let mut violations = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer?.part.expect("a part") {
            Told::Violation(violation) => violations.push(violation),
            Told::Report(report) => {
                assert!(answers.next().await.is_none(), "the report is last");
                return Ok((violations, report));
            }
        }
    }
    panic!("no report");
}

#[tokio::test]
async fn an_uploaded_log_is_judged_as_the_command_judges_it() {
    let shop = Shop::open().await;
    let policies = shop.gateway.reader.env().policies();
    let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let mut audit = Audit::new(&policies.engine, Options::default(), scratch);
    audit.messages(LOG.as_bytes(), &Columns::new(Preset::Twilio, "").expect("a preset")).expect("a table");
    audit.opt_outs(STOPS.as_bytes()).expect("a table");
    audit.consents(CONSENTS.as_bytes()).expect("a table");
    let mut violations = Vec::new();
    let report = audit.judge(|found| {
        violations.push(shown::violation(found));
        Ok(())
    });
    let report = shown::report(&report.expect("judged"));
    assert_eq!((report.violations, report.wrong, report.people), (3, 1, 2), "{report:?}");
    for size in [1, 7, 4_096] {
        let mut parts = vec![part(Part::Options(options()))];
        parts.extend(pieces(LOG, size, Part::Messages));
        parts.extend(pieces(STOPS, size, Part::OptOuts));
        parts.extend(pieces(CONSENTS, size, Part::Consents));
        let answer = ask(&shop, "auditor", parts).await.expect("judged");
        assert_eq!(answer, (violations.clone(), report.clone()), "in pieces of {size}");
    }
    let lines: Vec<u64> = violations.iter().map(|v| v.line).collect();
    assert_eq!(lines, [3, 5, 4]);
    assert_eq!(violations[1].findings[0].code, "OPTED_OUT");
    shop.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_upload_is_named() {
    let shop = Shop::open().await;
    let begin = |options| part(Part::Options(options));
    let table = |text: &str| part(Part::Messages(text.as_bytes().to_vec()));
    let stops = || part(Part::OptOuts(STOPS.as_bytes().to_vec()));
    let bad = wire::ShadowOptions {
        columns: "recipient=To".into(),
        time_zone: "Mars/Olympus".into(),
        country: "USA".into(),
        ..Default::default()
    };
    let huge = vec![b'x'; 1 << 20];
    let mut flood = vec![begin(options()), table(LOG)];
    flood.extend((0..65).map(|_| part(Part::Consents(huge.clone()))));
    let mut rows = String::from("to,sent_at\n");
    (0..250_001).for_each(|_| rows.push_str("x,y\n"));
    let many = vec![begin(wire::ShadowOptions::default()), table(&rows)];
    let cases: [(Vec<wire::CheckShadowRequest>, Code, &[&str]); 10] = [
        (vec![], Code::InvalidArgument, &["part"]),
        (vec![table(LOG)], Code::InvalidArgument, &["part"]),
        (
            vec![begin(bad)],
            Code::InvalidArgument,
            &["options.columns", "options.time_zone", "options.country"],
        ),
        (vec![begin(options())], Code::InvalidArgument, &["messages"]),
        (vec![begin(options()), stops()], Code::InvalidArgument, &["messages"]),
        (vec![begin(options()), table(LOG), stops(), table(LOG)], Code::InvalidArgument, &["messages"]),
        (vec![begin(options()), table(LOG), begin(options())], Code::InvalidArgument, &["options"]),
        (
            vec![begin(options()), table("who,when\na,b\n")],
            Code::InvalidArgument,
            &["messages", "has no column to"],
        ),
        (flood, Code::InvalidArgument, &["consents"]),
        (many, Code::FailedPrecondition, &["more than 250000 rows"]),
    ];
    for (parts, code, named) in cases {
        let error = ask(&shop, "auditor", parts).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        let details = format!("{} {}", error.message(), String::from_utf8_lossy(error.details()));
        assert!(named.iter().all(|name| details.contains(name)), "{named:?}: {details}");
    }
    let mut flood = vec![begin(options()), table(LOG)];
    flood
        .extend((0..700).map(|_| part(Part::OptOuts([STOPS.as_bytes(), &b"a,b\n".repeat(25_000)].concat()))));
    let error = ask(&shop, "auditor", flood).await.expect_err("too much");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    for key in ["sender", "writer", "admin"] {
        let error = ask(&shop, key, vec![begin(options()), table(LOG)]).await.expect_err("not theirs");
        assert_eq!(error.code(), Code::PermissionDenied);
    }
    shop.close().await;
}
