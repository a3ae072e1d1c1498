//! What stays closed: only what was not asked for, and only who was really erased; what is missing is said.

use super::tamper::sample;
use super::*;
use crate::export::rows::Closed;

/// Tables and page of a release that this one cannot make again: so that nothing but the entries can tell.
fn of_another_release(forge: &mut Forge) {
    let about = forge.content(names::ABOUT);
    let release = concat!("\"release\": \"", env!("CARGO_PKG_VERSION"), "\"");
    let text = String::from_utf8_lossy(about).replace(release, "\"release\": \"0.0.1\"");
    *about = text.into_bytes();
}

/// The sample with its `n`th entry closed.
fn with_closed(bytes: &[u8], n: usize, closed: Closed) -> Vec<u8> {
    let mut forge = Forge::of(bytes);
    of_another_release(&mut forge);
    forge.lines(|lines| {
        lines[n].opening = None;
        lines[n].closed = Some(closed);
    });
    forge.close()
}

#[test]
fn what_was_asked_for_cannot_be_kept_closed() {
    let (world, bytes) = sample();
    let report = check(&world, &with_closed(&bytes, 2, Closed::Withheld));
    assert_eq!((report.outcome, checks(&report)), (Outcome::Invalid, vec!["closed"]), "{report}");
    let other = Request { brand: Some("other".parse().expect("a slug")), ..request() };
    let report = check(&world, &make(&world, other));
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let said = report.to_string();
    assert!(said.contains("what the bundle says it was asked for: brand other."), "{said}");
}

#[test]
fn who_is_called_erased_and_was_not_is_told() {
    let (world, bytes) = sample();
    let report = check(&world, &with_closed(&bytes, 2, Closed::Erased));
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let said = report.not_proved.iter().any(|line| line.contains("THAT 1 OF THE ENTRIES CALLED ERASED WERE"));
    assert!(said, "{report}");
}

#[test]
fn a_wording_that_is_missing_is_told() {
    let (world, bytes) = sample();
    let whole = check(&world, &bytes);
    assert!(!whole.to_string().contains("wording missing"), "{whole}");
    let mut forge = Forge::of(&bytes);
    of_another_release(&mut forge);
    forge.0.retain(|(name, _)| !name.starts_with("disclosures/"));
    let report = check(&world, &forge.close());
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let said = report.not_proved.iter().any(|line| line.contains("wording missing: disclosures/"));
    assert!(said, "{report}");
}

#[test]
fn a_bundle_about_nobody_says_that_somebody_may_be_left_out() {
    let (world, bytes) = sample();
    let of_brand = make(&world, Request { person: None, ..request() });
    let said = |bytes: &[u8]| check(&world, bytes).to_string().contains("That everybody is here who belongs");
    assert!(said(&of_brand) && !said(&bytes));
    // A forger leaves a whole person out: nothing else can tell.
    let mut forge = Forge::of(&of_brand);
    of_another_release(&mut forge);
    forge.lines(|lines| {
        lines.retain(|line| Leaf::decode(&line.leaf.0).is_ok_and(|leaf| leaf.subject != SubjectId([6; 16])))
    });
    let left_out = forge.close();
    assert!(said(&left_out), "{}", check(&world, &left_out));
}

#[test]
fn raw_bodies_stay_closed_also_where_their_day_is_asked_for() {
    let (mut world, _) = sample();
    let day = SubjectId([0xda; 16]);
    let raw = crate::ledger::body::RawBody {
        connection: "virtual".parse().expect("a slug"),
        method: "POST".to_owned(),
        query: String::new(),
        content_type: "text/plain".to_owned(),
        body: "From=+12125550123".to_owned(),
        listening: false,
    };
    world.emit(day, None, crate::ledger::entry::Public::default(), crate::ledger::body::Body::Raw(raw));
    world.record_heads();
    world.sign();
    let bytes = make(&world, Request { person: Some(Person::Subject(day)), brand: None, ..request() });
    let report = check(&world, &bytes);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert!(report.to_string().contains("What is in 1 entries that stay closed"), "{report}");
}
