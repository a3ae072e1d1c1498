//! Files as people have them: what is read, and how each mistake is named.

use super::*;
use table::{Bad, Record};

fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("written");
    (dir, path)
}

fn read(kind: Kind, name: &str, text: &str) -> Result<Vec<Result<Record, Bad>>, String> {
    let (_dir, path) = file(name, text);
    let table = Table::open(&path, kind).map_err(|e| e.error)?;
    Ok(table.records().map_err(|e| e.error)?.collect())
}

fn defaults() -> Defaults {
    Defaults {
        source: "klaviyo".into(),
        brand: "main".into(),
        programs: vec!["carts".into()],
        ..Defaults::default()
    }
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let csv = "\u{feff}Phone,captured_at,act,reply,attribute.list\r\n\
        +1 212 555 0123,2026-05-01,replied,\"YES, please\",summer\r\n,,,,\r\n";
    let jsonl = r#"{"phone":"+1 212 555 0123","captured_at":"2026-05-01","act":"Replied","reply":"YES, please","attribute.list":"summer"}"#;
    let one = |name, text| {
        let rows = read(Kind::Consents, name, text).expect("a table");
        assert_eq!(rows.len(), 1, "{name}");
        rows::consent(rows[0].as_ref().expect("a record"), "i", &defaults()).expect("a row")
    };
    let (csv, jsonl) = (one("a.csv", csv), one("a.jsonl", jsonl));
    assert_eq!(csv, jsonl);
    let evidence = csv.opt_in.expect("set").evidence.expect("set");
    assert_eq!(evidence.inbound_text, "YES, please");
    assert_eq!(evidence.captured_at.expect("set").seconds, 1_777_593_600, "midnight UTC");
    assert_eq!(evidence.attributes[0].key, "list");
}

#[test]
fn each_mistake_is_named_by_line_and_column() {
    let consents = |header: &str, row: &str| (Kind::Consents, format!("{header}\n{row}\n"));
    let checks = |row: &str| {
        (Kind::NumberChecks, format!("phone,kind,answer,asked_at,reference_date,source\n{row}\n"))
    };
    let table = [
        (consents("phone", "call me"), "phone"),
        (consents("phone,captured_at", "+12125550123,01/05/2026"), "captured_at"),
        (consents("phone,act", "+12125550123,clicked"), "act"),
        (consents("phone,night", "+12125550123,perhaps"), "night"),
        (consents("phone,grade", "+12125550123,attested"), "attested_by"),
        (consents("phone,disclosure,disclosure_text", "+12125550123,box,Yes"), "disclosure_text"),
        (consents("phone,act", "+12125550123"), ""),
        ((Kind::Suppressions, "phone,customer_id\n,\n+1,\n,c1\nx,\n".to_owned()), "phone"),
        ((Kind::Suppressions, "phone,scope\n+12125550123,some\n".to_owned()), "scope"),
        (checks("+12125550123,reassigned,yes,2026-05-01,,rnd"), "reference_date"),
        (checks("+12125550123,reassigned,maybe,2026-05-01,2026-01-01,rnd"), "answer"),
        (checks("+12125550123,line_type,yes,2026-05-01,,"), "source"),
    ];
    for ((kind, text), column) in table {
        let rows = read(kind, "a.csv", &text).expect("a table");
        let bad = rows
            .into_iter()
            .find_map(|row| row.and_then(|row| rows::check(kind, &row, &defaults())).err())
            .unwrap_or_else(|| panic!("{text:?} is no row"));
        assert_eq!(bad.column, column, "{text:?}: {}", bad.detail);
        let line = if text.ends_with("x,\n") { 5 } else { 2 };
        assert_eq!(bad.line, line, "{text:?}");
    }
}

#[test]
fn a_column_nobody_knows_stops_before_the_first_row() {
    let unknown = read(Kind::Suppressions, "a.csv", "phone,reason\n+12125550123,x\n").expect_err("unknown");
    assert!(unknown.contains("line 1, column 2 is called \"reason\""), "{unknown}");
    let twice = read(Kind::Suppressions, "a.csv", "phone,phone\n").expect_err("twice");
    assert!(twice.contains("two columns are called \"phone\""), "{twice}");
    let empty = read(Kind::Suppressions, "a.csv", "").expect_err("empty");
    assert!(empty.contains("its first line must name the columns"), "{empty}");
    let rows = read(Kind::Suppressions, "a.jsonl", "{\"phone\":\"+1\"}\n[]\n{\"x\":1}\n").expect("a table");
    let bad: Vec<u64> = rows.iter().filter_map(|row| row.as_ref().err()).map(|bad| bad.line).collect();
    assert_eq!(bad, [2, 3]);
}

#[test]
fn fields_of_the_gateway_lead_back_to_columns() {
    let table = [
        (Kind::Consents, "opt_in.evidence.captured_at", "captured_at"),
        (Kind::Consents, "opt_in.subject.phone", "phone"),
        (Kind::Consents, "opt_in.locations[0].region", "region"),
        (Kind::Consents, "opt_in.programs[1]", "programs"),
        (Kind::Consents, "programs", "programs"),
        (Kind::Consents, "evidence.disclosure", "disclosure"),
        (Kind::Consents, "attested_by", "attested_by"),
        (Kind::Suppressions, "opt_out.source", "how"),
        (Kind::NumberChecks, "check.asked_at", "asked_at"),
        (Kind::NumberChecks, "", ""),
        (Kind::NumberChecks, "core/consent_evidence", ""),
    ];
    for (kind, field, column) in table {
        assert_eq!(kind.column_of(field), column, "{field}");
    }
}

#[test]
fn the_same_file_has_the_same_name() {
    let (_dir, path) = file("a.csv", "phone\n+12125550123\n");
    let name = |kind| Table::open(&path, kind).expect("a table").name(kind);
    assert_eq!(name(Kind::Suppressions), name(Kind::Suppressions));
    assert!(name(Kind::Suppressions).starts_with("suppressions:"));
    assert_ne!(name(Kind::Suppressions), name(Kind::Consents));
}
