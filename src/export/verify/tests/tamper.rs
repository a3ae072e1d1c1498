//! Every class of tampering, by somebody who knows the format and holds everything but the log's key.

use super::*;
use crate::entropy::SeededEntropy;
use crate::policy::set::policy_hash;

/// A bundle about the story's person, with a recorded root, and the world it came from.
pub fn sample() -> (World, Vec<u8>) {
    let mut world = World::with_story();
    world.record_heads();
    world.sign();
    let bytes = make(&world, request());
    (world, bytes)
}

/// One way to tamper, and whether tables and page had to be left standing because they cannot be made to fit: then only
/// `consentry verify` sees it.
pub struct Tampering {
    pub what: &'static str,
    pub bytes: Vec<u8>,
}

fn change(bytes: &[u8], what: &'static str, change: impl FnOnce(&mut Vec<Line>)) -> Tampering {
    Tampering { what, bytes: Forge::of(bytes).lines(change).close() }
}

fn of_person(line: &Line) -> bool {
    Leaf::decode(&line.leaf.0).is_ok_and(|leaf| leaf.subject == person())
}

/// All classes, over one bundle.
pub fn all(world: &World, bytes: &[u8]) -> Vec<Tampering> {
    let first = |l: &[Line]| l.iter().position(of_person).expect("an entry of the person");
    let last = |l: &[Line]| l.iter().rposition(of_person).expect("an entry of the person");
    let mut tried = vec![
        change(bytes, "drop the first entry", |l| drop(l.remove(first(l)))),
        change(bytes, "drop one in the middle", |l| drop(l.remove(first(l) + 3))),
        change(bytes, "drop the last entry", |l| drop(l.remove(last(l)))),
        change(bytes, "drop the engine", |l| drop(l.remove(0))),
        change(bytes, "drop the recorded root", |l| drop(l.pop())),
        change(bytes, "reorder", |l| l.swap(3, 4)),
        change(bytes, "duplicate", |l| l.insert(3, l[3].clone())),
        change(bytes, "truncate", |l| l.truncate(4)),
        change(bytes, "swap two openings", |l| {
            let (a, b) = (l[3].opening.take(), l[4].opening.take());
            (l[3].opening, l[4].opening) = (b, a);
        }),
        change(bytes, "put an entry elsewhere", |l| l[3].index += 1),
        change(bytes, "date an entry back", |l| {
            let mut leaf = Leaf::decode(&l[3].leaf.0).expect("a leaf");
            leaf.instant = leaf.instant - crate::model::Span::hours(1);
            l[3].leaf.0 = leaf.encode().expect("small");
        }),
        change(bytes, "keep closed what was asked for", |l| {
            (l[2].opening, l[2].closed) = (None, Some(crate::export::rows::Closed::Withheld));
        }),
        change(bytes, "reword what was sealed", |l| {
            let opening = l[2].opening.as_mut().expect("open");
            let text = String::from_utf8_lossy(&opening.plaintext.0).replace("192.0.2.7", "192.0.2.8");
            opening.plaintext.0 = text.into_bytes();
        }),
    ];
    tried.extend(other_peoples(world, bytes));
    tried.extend(heads_and_texts(world, bytes));
    tried
}

/// Two people's entries swapped, in whole and in part.
fn other_peoples(world: &World, bytes: &[u8]) -> Vec<Tampering> {
    let other = Request { person: Some(Person::Subject(SubjectId([6; 16]))), brand: None, ..request() };
    let mut theirs = Forge::of(&make(world, other));
    let content = theirs.content("entries/00000").clone();
    let lines: Vec<Line> =
        serde_json::Deserializer::from_slice(&content).into_iter().map(|l| l.expect("an entry")).collect();
    let whole = lines.clone();
    vec![
        change(bytes, "another person's chain in this one's place", |l| *l = whole),
        change(bytes, "one entry of another person instead", |l| l[4] = lines[4].clone()),
        change(bytes, "one entry renamed to another person", |l| {
            let mut leaf = Leaf::decode(&l[4].leaf.0).expect("a leaf");
            leaf.subject = SubjectId([6; 16]);
            l[4].leaf.0 = leaf.encode().expect("small");
        }),
    ]
}

/// Checkpoints and texts replaced.
fn heads_and_texts(world: &World, bytes: &[u8]) -> Vec<Tampering> {
    let forge = |what, change: &dyn Fn(&mut Forge)| {
        let mut forge = Forge::of(bytes);
        change(&mut forge);
        Tampering { what, bytes: forge.close() }
    };
    let head = world.books.checkpoint();
    let stranger = LogKey::generate(&origin(), &SeededEntropy::new(99));
    let early = World::with_story();
    vec![
        forge("forge a checkpoint", &|f| {
            let signed = stranger.sign(head.size(), head.root());
            *f.content(names::CHECKPOINT) = signed.note().as_bytes().to_vec();
        }),
        forge("roll back to an older checkpoint", &|f| {
            *f.content(names::CHECKPOINT) = early.books.checkpoint().note().as_bytes().to_vec();
        }),
        forge("another size over the same signature", &|f| {
            let text = String::from_utf8_lossy(f.content(names::CHECKPOINT)).into_owned();
            let size = format!("\n{}\n", head.size());
            let other = format!("\n{}\n", head.size() + 1);
            *f.content(names::CHECKPOINT) = text.replacen(&size, &other, 1).into_bytes();
        }),
        forge("replace a policy file", &|f| *f.content("policy/") = b"{}".to_vec()),
        forge("reword the statement", &|f| {
            let said = f.content(names::STATEMENT);
            *said = String::from_utf8_lossy(said).replace("\"stops\": 1", "\"stops\": 2").into_bytes();
        }),
        forge("leave the statement out", &|f| f.0.retain(|(name, _)| name != names::STATEMENT)),
        forge("replace a wording", &|f| *f.content("disclosures/") = b"I agree to everything.".to_vec()),
        forge("add a part", &|f| f.0.insert(3, ("extra.txt".to_owned(), b"x".to_vec()))),
        forge("leave a table out", &|f| f.0.retain(|(name, _)| !name.starts_with("rows/"))),
        forge("a manifest by hand", &|f| {
            let about = f.content(names::ABOUT);
            *about =
                String::from_utf8_lossy(about).replace("\"tree_size\": ", "\"tree_size\":  ").into_bytes();
        }),
    ]
}

#[test]
fn every_class_of_tampering_is_found() {
    let (world, bytes) = sample();
    assert_eq!(check(&world, &bytes).outcome, Outcome::Valid);
    for Tampering { what, bytes } in all(&world, &bytes) {
        let report = check(&world, &bytes);
        assert_eq!(report.outcome, Outcome::Invalid, "{what}: {report}");
        assert!(!report.failures.is_empty(), "{what}");
    }
}

#[test]
fn a_policy_set_in_anothers_place_is_found_under_any_name() {
    let (world, bytes) = sample();
    let mut forge = Forge::of(&bytes);
    let place = forge.0.iter().position(|(name, _)| name.starts_with("policy/")).expect("a policy");
    forge.0[place] = (names::policy(&policy_hash(b"{}")), b"{}".to_vec());
    let report = check(&world, &forge.close());
    // Its name fits its bytes, so the file is sound; but no engine of the log names it.
    assert_eq!((report.outcome, checks(&report)), (Outcome::Invalid, vec!["engine"]), "{report}");
    forge.0.remove(place);
    let report = check(&world, &forge.close());
    let said = report.not_proved.iter().any(|line| line.contains("policy file missing: policy/"));
    assert!(report.outcome == Outcome::Valid && said, "without any it is said: {report}");
}
