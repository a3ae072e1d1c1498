//! The story of one person, as rows.

use super::*;
use crate::export::testing::{WORDING, World, person, wording_hash};
use crate::export::{Export, Format, Person, Request};

fn rows(world: &World, request: Request) -> Vec<serde_json::Value> {
    let export = Export::plan(&world.reader, &world.books, request).expect("planned");
    let mut bytes = Vec::new();
    let summary = export
        .run(&world.reader, &world.books, 0, |piece| {
            bytes.extend(piece);
            Ok(())
        })
        .expect("made");
    let rows: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&bytes).into_iter().map(|r| r.expect("JSON")).collect();
    assert_eq!(summary.rows, rows.len() as u64);
    rows
}

fn about_person(format: Format) -> Request {
    let addresses = vec![Address::Phone("12125550123".to_owned())];
    let person = Some(Person::Addresses(addresses));
    Request {
        brand: Some("main".parse().expect("a slug")),
        person,
        from: None,
        to: None,
        format,
        since: None,
    }
}

#[test]
fn one_persons_story_reads_from_top_to_bottom() {
    let world = World::with_story();
    let rows = rows(&world, about_person(Format::Jsonl));
    let kinds: Vec<&str> = rows.iter().filter_map(|r| r["kind"].as_str()).collect();
    let story = ["SUBJECT", "CONSENT", "DECISION", "INTENT", "OUTCOME", "CLICK", "INBOUND", "OPT_OUT"];
    assert_eq!(kinds, [&["ENGINE"], story.as_slice()].concat());
    for row in &rows[1..] {
        assert_eq!(row["address"], "+12125550123", "{row}");
        assert_eq!(row["subject"], person().to_string());
    }
    let (consent, decision, opt_out) = (&rows[2], &rows[3], &rows[8]);
    assert_eq!(consent["disclosure_text"], WORDING);
    assert_eq!(consent["disclosure_sha256"], hex::encode(wording_hash()));
    assert_eq!((&consent["act"], &consent["ip_address"]), (&"TICKED".into(), &"192.0.2.7".into()));
    assert_eq!((&decision["outcome"], &decision["state"]), (&"HOLD".into(), &"HELD".into()));
    assert_eq!(decision["reasons"][0]["citation"], "Fla. Stat. 501.616(6)");
    assert_eq!(rows[4]["text"], "Main: you left something. Reply STOP to stop.");
    assert_eq!(rows[5]["provider_ids"], serde_json::json!(["SM1"]));
    assert_eq!(rows[6]["human_clicks"], 1);
    assert_eq!(opt_out["in_flight_messages"][0], "01".repeat(16));
}

#[test]
fn a_brand_sees_its_people_and_no_keys() {
    let world = World::with_story();
    let rows = rows(&world, Request::brand("main".parse().expect("a slug"), Format::Jsonl));
    let text = serde_json::to_string(&rows).expect("JSON");
    assert!(!text.contains("3125550145"), "another brand's person");
    assert!(!text.contains("API key"), "keys of the API");
    assert!(text.contains("An operator set up or changed brand main"));
    assert!(!text.contains("changed brand other"));
    assert_eq!(rows.iter().filter(|r| r["kind"] == "OPT_OUT").count(), 1);
}

#[test]
fn a_period_ends_before_its_end_and_still_names_the_person() {
    let world = World::with_story();
    let all = rows(&world, Request::brand("main".parse().expect("a slug"), Format::Jsonl));
    let at = |kind: &str| {
        let row = all.iter().find(|r| r["kind"] == kind).expect("in the story");
        Instant::parse(row["instant"].as_str().expect("a text")).expect("RFC 3339")
    };
    let mut request = Request::brand("main".parse().expect("a slug"), Format::Jsonl);
    (request.from, request.to) = (Some(at("INTENT")), Some(at("INBOUND")));
    let some = rows(&world, request);
    let kinds: Vec<&str> = some.iter().filter_map(|r| r["kind"].as_str()).collect();
    assert_eq!(kinds, ["ENGINE", "INTENT", "OUTCOME", "CLICK"]);
    assert!(some[1..].iter().all(|r| r["address"] == "+12125550123"), "from the index");
}

#[test]
fn csv_has_every_column_and_no_formula() {
    let world = World::with_story();
    let export = Export::plan(&world.reader, &world.books, about_person(Format::Csv)).expect("planned");
    let mut bytes = Vec::new();
    let keep = |piece: Vec<u8>| {
        bytes.extend(piece);
        Ok(())
    };
    let summary = export.run(&world.reader, &world.books, 0, keep).expect("made");
    let mut csv = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = csv.headers().expect("header").iter().map(str::to_owned).collect();
    assert_eq!(header, COLUMNS.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>());
    let records: Vec<csv::StringRecord> = csv.records().map(|r| r.expect("as long as the header")).collect();
    assert_eq!(records.len() as u64, summary.rows);
    let replies = header.iter().position(|name| name == "reply_text").expect("a column");
    assert!(records.iter().any(|r| &r[replies] == "'=STOP"));
}

#[test]
fn every_column_is_documented() {
    let docs = include_str!("../../../docs/bundle.md");
    for (name, meaning) in COLUMNS {
        assert!(docs.contains(&format!("| `{name}` | {meaning} |")), "docs/bundle.md lacks {name}");
    }
}
