//! What the heads tree adds: nothing of a person can be left out, and an id can be shown to have nothing.

use super::*;
use crate::export::bundle::format::json;
use crate::export::bundle::heads::Heads;

/// The story, a recorded root over it, and one entry after it.
fn world() -> World {
    let mut world = World::with_story();
    world.record_heads();
    world.person(SubjectId([9; 16]), "14045550111", "main", 9);
    world.sign();
    world
}

fn heads(forge: &mut Forge, change: impl FnOnce(&mut Heads)) {
    let content = forge.content(names::HEADS);
    let mut heads: Heads = serde_json::from_slice(content).expect("heads");
    change(&mut heads);
    *content = json(&heads);
}

fn of(id: SubjectId) -> Request {
    Request { person: Some(Person::Subject(id)), ..request() }
}

#[test]
fn nothing_of_a_person_can_be_left_out() {
    let world = world();
    let bytes = make(&world, request());
    let report = check(&world, &bytes);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let said = report.to_string();
    assert!(said.contains("Nothing is missing of 1 person") && said.contains("one id only"), "{said}");
    let drop_last = forged(&world, &bytes, |lines| {
        let last = lines.iter().rposition(|l| Leaf::decode(&l.leaf.0).is_ok_and(|l| l.subject == person()));
        lines.remove(last.expect("entries of the person"));
    });
    assert!(checks(&drop_last).contains(&"completeness"), "{drop_last}");
    let no_root = forged(&world, &bytes, |lines| drop(lines.pop()));
    assert!(checks(&no_root).contains(&"completeness"), "{no_root}");
}

#[test]
fn a_forged_head_does_not_pass() {
    let world = world();
    let bytes = make(&world, request());
    let tries: [(&str, fn(&mut Heads)); 6] = [
        ("a shorter chain", |h| h.people[0].count -= 1),
        ("another last entry", |h| h.people[0].last.0[0] ^= 1),
        ("another place", |h| h.people[0].position += 1),
        ("another path", |h| h.people[0].path[0].0[0] ^= 1),
        ("fewer entries covered", |h| h.covered_size -= 1),
        ("nobody", |h| h.people.clear()),
    ];
    for (what, change) in tries {
        let mut forge = Forge::of(&bytes);
        heads(&mut forge, change);
        let report = check(&world, &forge.close());
        assert!(checks(&report).contains(&"completeness"), "{what}: {report}");
    }
}

#[test]
fn an_id_without_entries_is_shown_to_have_none() {
    let world = world();
    for id in [SubjectId([4; 16]), SubjectId([5; 16]), SubjectId([0xff; 16])] {
        let bytes = make(&world, of(id));
        let report = check(&world, &bytes);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
        let absent = report.to_string().contains("had no entry among the first");
        assert_eq!(absent, id != person(), "{report}");
    }
    let bytes = make(&world, of(person()));
    let mut forge = Forge::of(&bytes);
    forge.lines(|lines| lines.retain(|l| Leaf::decode(&l.leaf.0).is_ok_and(|l| l.subject != person())));
    heads(&mut forge, |h| {
        let here = h.people.pop().expect("one");
        h.absent.push(crate::export::bundle::heads::Absent {
            subject: here.subject,
            before: None,
            after: Some(here),
        });
    });
    let report = check(&world, &forge.close());
    assert!(checks(&report).contains(&"completeness"), "said to be absent, and is not: {report}");
}

#[test]
fn an_old_root_is_not_enough_once_anything_was_written_since() {
    let mut world = World::with_story();
    world.record_heads();
    world.clock.advance(crate::model::Span::hours(1));
    let needed = |world: &World| Export::needs_heads(&world.reader, &request()).expect("looked up");
    assert!(!needed(&world), "nothing was written since");
    world.person(SubjectId([9; 16]), "14045550111", "main", 9);
    assert!(needed(&world), "that it was not about this person must be shown, not believed");
    world.record_heads();
    assert!(!needed(&world));
}

#[test]
fn without_a_recorded_root_the_report_says_what_is_not_shown() {
    let world = World::with_story();
    let report = check(&world, &make(&world, request()));
    assert!(report.to_string().contains("after the last entry shown"), "{report}");
    let unknown = Export::plan(&world.reader, &world.books, of(SubjectId([4; 16])));
    assert!(matches!(unknown.err(), Some(ExportError::UnknownPerson)));
}

#[test]
fn entries_after_the_root_are_shown_and_said_to_be_open_ended() {
    let mut world = World::with_story();
    let covered = world.books.tree().size();
    world.record_heads();
    world.stop_by_text(person(), "main", 3);
    world.sign();
    assert!(Export::needs_heads(&world.reader, &request()).expect("looked up"));
    let report = check(&world, &make(&world, request()));
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert!(report.to_string().contains(&format!("after entry {}.", covered - 1)), "{report}");
    world.record_heads();
    world.sign();
    assert!(!Export::needs_heads(&world.reader, &request()).expect("looked up"));
    let newer = [names::HEADS, names::STATEMENT, names::ANCHORS];
    let mut old = Forge::of(&make(&world, request()));
    old.0.retain(|(name, _)| !newer.contains(&name.as_str()));
    let about = old.content(names::ABOUT);
    *about = String::from_utf8_lossy(about)
        .replace(&format!("\"format\": {BUNDLE_FORMAT}"), "\"format\": 1")
        .into_bytes();
    let page = old.content(names::PAGE);
    let text =
        String::from_utf8_lossy(page).replace(&format!("bundle format {BUNDLE_FORMAT}"), "bundle format 1");
    let said = crate::export::bundle::anchors::said(crate::model::Instant::EPOCH, &[]);
    let text = text.replace(&said, crate::export::page::NOT_ANCHORED);
    let (before, after) = text.split_once("\n<h2>After STOP").expect("a statement");
    let rest = after.find("\n<h2>What people").expect("the next heading");
    *page = format!("{before}{}", &after[rest..]).into_bytes();
    let report = check(&world, &old.close_as(1));
    assert_eq!(report.outcome, Outcome::Valid, "the first format is still read: {report}");
    assert!(
        report.to_string().contains("says that it has format 1"),
        "who leaves parts out is seen: {report}"
    );
}
