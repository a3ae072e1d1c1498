//! A small log of another sender, with one of everything.

use std::sync::{Arc, OnceLock};

use super::*;
use crate::model::Zones;
use crate::store::{KvOptions, kv};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let policy = crate::policy::embedded::load().expect("the packs of this release compile");
        Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit")
    })
}

fn audit(log: &str, preset: Preset, opt_outs: &str, consents: &str, options: Options) -> (Report, Vec<u64>) {
    let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let mut audit = Audit::new(engine(), options, scratch);
    audit.messages(log.as_bytes(), &Columns::new(preset, "").expect("a preset")).expect("a table");
    if !opt_outs.is_empty() {
        audit.opt_outs(opt_outs.as_bytes()).expect("a table");
    }
    if !consents.is_empty() {
        audit.consents(consents.as_bytes()).expect("a table");
    }
    let mut lines = Vec::new();
    let report = audit.judge(|v| {
        lines.push(v.line);
        Ok(())
    });
    let report = report.expect("judged");
    let sum = report.judged + report.not_sent + report.heard + report.wrong;
    assert_eq!(report.rows, sum, "no row is lost: {report}");
    (report, lines)
}

fn ours(log: &str) -> (Report, Vec<u64>) {
    audit(log, Preset::Consentry, "", "", Options::default())
}

#[test]
fn a_text_by_night_is_a_violation_and_one_by_day_is_not() {
    let log = "to,sent_at\n+12125550123,2026-06-01T16:00:00Z\n+12125550123,2026-06-05T03:30:00Z\n";
    let (report, lines) = ours(log);
    assert_eq!((report.judged, report.violations, report.in_order), (2, 1, 1), "{report}");
    assert_eq!(lines, [3]);
    let hours = report.by_rule.iter().find(|by| by.code == crate::model::Code::QuietHours);
    assert_eq!(hours.expect("hours").lines, [3]);
    assert!(report.exposures.is_empty(), "a single one gives no claim under 227(c)(5): {report}");
    let twice = format!("{log}+12125550123,2026-06-12T03:30:00Z\n");
    let (report, _) = ours(&twice);
    let claim =
        report.exposures.iter().find(|e| e.citation == "47 USC 227(c)(5)").expect("two within a year");
    assert_eq!((claim.messages, claim.low, claim.high), (2, 0, 3_000));
}

#[test]
fn after_a_stop_only_its_confirmation_may_leave_whatever_the_order_of_the_rows() {
    let log = "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit\n\
        +18885550100,+12125550123,Acme: sale. Reply STOP to opt out,delivered,2026-06-03 16:00:00 UTC,,1,,AC,SM4,outbound-api,,\n\
        +18885550100,+12125550123,Acme: you are unsubscribed,delivered,2026-06-02 16:00:05 UTC,,1,,AC,SM3,outbound-api,,\n\
        +12125550123,+18885550100,STOP,received,2026-06-02 16:00:00 UTC,,1,,AC,SM2,inbound,,\n\
        +18885550100,+12125550123,Acme: hello. Reply STOP to opt out,delivered,2026-06-01 16:00:00 UTC,,1,,AC,SM1,outbound-api,,\n\
        +18885550100,+12125550123,never,failed,2026-06-01 16:00:00 UTC,,1,30003,AC,SM0,outbound-api,,\n";
    let (report, lines) = audit(log, Preset::Twilio, "", "", Options::default());
    assert_eq!((report.judged, report.answers, report.not_sent, report.heard), (3, 1, 1, 1), "{report}");
    assert_eq!(lines, [2], "{report}");
    let consent =
        report.exposures.iter().find(|e| e.citation == "47 USC 227(b)(3)").expect("revoked consent");
    assert_eq!((consent.messages, consent.low, consent.high), (1, 500, 1_500));
}

#[test]
fn lists_of_opt_outs_and_consents_count_from_their_instant() {
    let log = "to,sent_at\n+12125550123,2026-06-01T16:00:00Z\n+12125550123,2026-06-08T16:00:00Z\n\
        +13125550145,2026-06-08T16:00:00Z\n";
    let stops = "phone,at\n+12125550123,2026-06-05T00:00:00Z\n";
    let (_, lines) = audit(log, Preset::Consentry, stops, "", Options::default());
    assert_eq!(lines, [3]);
    let consents = "phone,at,double_opt_in\n+12125550123,2026-05-01T00:00:00Z,text\n";
    let (report, lines) = audit(log, Preset::Consentry, "", consents, Options::default());
    assert_eq!(lines, [4], "the other number never agreed: {report}");
}

#[test]
fn a_wrong_row_is_named_by_line_and_column_and_never_by_number() {
    let log = "to,sent_at,category\n\
        +12125550123,yesterday,\n\
        12 apples,2026-06-01T16:00:00Z,\n\
        +12125550123,2026-06-01 16:00:00,\n\
        +12125550123,2026-06-01T16:00:00Z,spam\n\
        +12125550123\n\
        +12125550123,\"Mon, 01 Jun 2026 16:00:00 +0000\",\n";
    let (report, _) = ours(log);
    assert_eq!((report.wrong, report.judged), (5, 1), "{report}");
    let named: Vec<_> = report.wrong_rows.iter().map(|r| (r.line, r.column.as_str())).collect();
    assert_eq!(named, [(2, "sent_at"), (3, "to"), (4, "sent_at"), (5, "category"), (6, "sent_at")]);
    assert!(!report.to_string().contains("2125550123") && !report.to_string().contains("apples"), "{report}");
    let zoned = Options { time_zone: Some(jiff::tz::TimeZone::UTC), ..Options::default() };
    assert_eq!(audit(log, Preset::Consentry, "", "", zoned).0.wrong, 4);
}

#[test]
fn a_quote_that_never_closes_does_not_take_in_the_file() {
    let mut log = String::from("to,sent_at\n\"+12125550123,2026-06-01T16:00:00Z\n");
    log.push_str(&"x".repeat(3 << 20));
    let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
    let mut audit = Audit::new(engine(), Options::default(), scratch);
    let columns = Columns::new(Preset::Consentry, "").expect("a preset");
    let error = audit.messages(log.as_bytes(), &columns).expect_err("it ends");
    assert!(error.to_string().contains("1 MiB"), "{error}");
    assert!(
        Columns::new(Preset::Consentry, "recipient=to").is_err()
            && Columns::new(Preset::Twilio, "to").is_err()
    );
    let missing = audit.messages("when,who\n".as_bytes(), &columns).expect_err("no columns");
    assert!(missing.to_string().contains("has no column to; it has when, who"), "{missing}");
}
