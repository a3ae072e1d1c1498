//! Sound bundles and folders pass; each way of tampering is named.

use super::*;
use crate::entropy::SeededEntropy;
use crate::export::bundle::archive::{Archive, Parts};
use crate::export::bundle::format::{BUNDLE_FORMAT, Line, Manifest, json_line, names};
use crate::export::testing::{World, master, origin, person};
use crate::export::{Export, ExportError, Format, Person, Request};
use crate::ledger::checkpoint::{LogKey, VerifierKey};
use crate::ledger::entry::Leaf;
use crate::ledger::keys::MasterKey;
use crate::model::SubjectId;
use crate::model::subject::Address;

mod anchors;
mod closed;
mod complete;
mod replayed;
mod second;
mod stored;
mod tamper;

fn request() -> Request {
    let addresses = vec![Address::Phone("12125550123".to_owned())];
    let (brand, person) = (Some("main".parse().expect("a slug")), Some(Person::Addresses(addresses)));
    Request { brand, person, from: None, to: None, format: Format::Bundle, since: None }
}

fn make(world: &World, request: Request) -> Vec<u8> {
    let export = Export::plan(&world.reader, &world.books, request).expect("planned");
    collect(world, &export, 0)
}

fn collect(world: &World, export: &Export, offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let keep = |piece: Vec<u8>| {
        bytes.extend(piece);
        Ok(())
    };
    export.run(&world.reader, &world.books, offset, keep).expect("made");
    bytes
}

fn keys(world: &World) -> Vec<VerifierKey> {
    vec![world.books.verifier().clone()]
}

fn check(world: &World, bytes: &[u8]) -> Report {
    bundle(bytes, &keys(world), None)
}

/// A bundle taken apart, to be put together again with a manifest that fits.
struct Forge(Vec<(String, Vec<u8>)>);

impl Forge {
    fn of(bytes: &[u8]) -> Forge {
        let mut parts = Parts::new(bytes, 64 << 20);
        let mut all = Vec::new();
        while let Some(part) = parts.next_part().expect("sound") {
            all.push(part);
        }
        Forge(all)
    }

    fn content(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(n, _)| n.starts_with(name)).expect("a part").1
    }

    fn lines(&mut self, change: impl FnOnce(&mut Vec<Line>)) -> &mut Forge {
        let content = self.content("entries/00000");
        let read = serde_json::Deserializer::from_slice(content).into_iter();
        let mut lines: Vec<Line> = read.map(|l| l.expect("an entry")).collect();
        change(&mut lines);
        *content = lines.iter().flat_map(json_line).collect();
        self
    }

    /// Puts it together with counts and hashes that fit what is there: a forger does.
    fn close(&mut self) -> Vec<u8> {
        self.close_as(BUNDLE_FORMAT)
    }

    fn close_as(&mut self, format: u32) -> Vec<u8> {
        let mut manifest = Manifest::of(format);
        for line in serde_json::Deserializer::from_slice(self.content("entries/00000")).into_iter::<Line>() {
            let line = line.expect("an entry");
            if let Ok(leaf) = Leaf::decode(&line.leaf.0) {
                manifest.count(&leaf, line.index, line.closed);
            }
        }
        let mut out = Vec::new();
        let mut archive = Archive::new(&mut out);
        for (name, content) in self.0.iter().filter(|(name, _)| name != names::MANIFEST) {
            archive.add(name, content).expect("memory");
        }
        archive.finish(manifest).expect("memory");
        out
    }
}

fn checks(report: &Report) -> Vec<&'static str> {
    report.failures.iter().map(|f| f.check).collect()
}

/// The report on a bundle whose entries were changed by somebody who knows the format.
fn forged(world: &World, bytes: &[u8], change: impl FnOnce(&mut Vec<Line>)) -> Report {
    let report = check(world, &Forge::of(bytes).lines(change).close());
    assert_eq!(report.outcome, Outcome::Invalid);
    report
}

#[test]
fn a_sound_bundle_is_valid_and_says_what_it_does_not_prove() {
    let world = World::with_story();
    let report = check(&world, &make(&world, request()));
    assert_eq!((report.outcome, report.entries), (Outcome::Valid, 9), "{report}");
    assert_eq!(report.outcome.exit_code(), 0);
    let text = report.to_string();
    assert!(text.contains("rests on the operator's word"), "{text}");
    assert!(text.contains("Of 1 person no entry is missing from the first one recorded"), "{text}");
    for (person, brand) in [(None, None), (None, request().brand), (request().person, None)] {
        let whole = make(&world, Request { person, brand, ..request() });
        let report = check(&world, &whole);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
    }
}

#[test]
fn what_lies_outside_the_question_is_there_and_stays_closed() {
    let mut world = World::with_story();
    world.person(SubjectId([7; 16]), "14045550111", "main", 7);
    world.sign();
    let start = crate::model::Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339");
    let later = start + crate::model::Span::seconds(7 * 8);
    for person in [None, request().person] {
        let bytes = make(&world, Request { person, from: Some(later), ..request() });
        let report = check(&world, &bytes);
        assert_eq!(report.outcome, Outcome::Valid, "{report}");
    }
    let other = Request { brand: Some("other".parse().expect("a slug")), ..request() };
    let report = check(&world, &make(&world, other));
    assert_eq!((report.outcome, report.entries), (Outcome::Valid, 9), "{report}");
    assert!(
        report.to_string().contains("What is in 6 entries that stay closed, because they lie outside"),
        "{report}"
    );
    let nobody = Person::Addresses(vec![Address::Phone("19175550100".to_owned())]);
    let unknown = Export::plan(&world.reader, &world.books, Request { person: Some(nobody), ..request() });
    assert!(matches!(unknown.err(), Some(ExportError::UnknownPerson)));
}

#[test]
fn equal_requests_give_equal_bytes_from_any_offset() {
    let mut world = World::with_story();
    let export = Export::plan(&world.reader, &world.books, request()).expect("planned");
    let whole = collect(&world, &export, 0);
    let id = export.id();
    world.person(SubjectId([9; 16]), "14045550111", "main", 9);
    world.sign();
    let again = Export::resume(&world.reader, &world.books, request(), &id).expect("the same export");
    assert_eq!(again.checkpoint().note(), export.checkpoint().note());
    for offset in [0, 1, 70_000, whole.len() as u64] {
        assert_eq!(collect(&world, &again, offset), &whole[offset as usize..], "from {offset}");
    }
    let beyond = again.run(&world.reader, &world.books, whole.len() as u64 + 1, |_| Ok(()));
    assert!(matches!(beyond, Err(ExportError::Offset { .. })));
    let other = Request { person: None, ..request() };
    let other = Export::resume(&world.reader, &world.books, other, &id);
    assert!(matches!(other.err(), Some(ExportError::Resume(_))));
    assert!(Export::resume(&world.reader, &world.books, request(), "AAAA").is_err());
}

#[test]
fn no_bit_of_a_bundle_is_free() {
    let world = World::with_story();
    let bytes = make(&world, request());
    let find = |text: &[u8]| bytes.windows(text.len()).position(|w| w == text).expect("a part");
    let policy = find(b"policy/") + 512..find(b"entries/00000");
    let (mut at, mut tried) = (0, 0usize);
    while at < bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (tried % 8);
        let report = check(&world, &other);
        assert_ne!(report.outcome, Outcome::Valid, "byte {at}, bit {} is free", tried % 8);
        tried += 1;
        // The policy set is one large text under one hash: a few samples say as much as all.
        at += if policy.contains(&at) { 9_973 } else { 31 };
    }
    assert!(tried > 500, "{tried}");
    assert_ne!(check(&world, &bytes[..bytes.len() - 1024]).outcome, Outcome::Valid);
}

#[test]
fn entries_that_are_dropped_moved_or_repeated_are_missed() {
    let world = World::with_story();
    let bytes = make(&world, request());
    let forged = |change: fn(&mut Vec<Line>)| checks(&forged(&world, &bytes, change));
    assert!(forged(|l| drop(l.remove(4))).contains(&"chain"), "one in the middle");
    assert!(forged(|l| drop(l.remove(1))).contains(&"chain"), "the first of the person");
    assert!(forged(|l| drop(l.remove(0))).contains(&"engine"), "the engine");
    assert!(forged(|l| l.swap(3, 4)).contains(&"order"));
    assert!(forged(|l| l.insert(3, l[3].clone())).contains(&"order"));
    assert!(forged(|l| l.truncate(1)).contains(&"people"));
    // Without a recorded root, the last entry of a person can be left out by a forger who also redoes table, statement
    // and page: the report says so.
    assert_eq!(forged(|l| l.truncate(8)), ["table", "statement", "page"]);
}

#[test]
fn what_entries_say_cannot_be_changed() {
    let world = World::with_story();
    let bytes = make(&world, request());
    let reworded = forged(&world, &bytes, |l| {
        let opening = l[2].opening.as_mut().expect("open");
        let text = String::from_utf8(opening.plaintext.0.clone()).expect("JSON");
        opening.plaintext.0 = text.replace("192.0.2.7", "192.0.2.8").into_bytes();
    });
    let first = &reworded.failures[0];
    assert_eq!(
        (first.entry.is_some(), first.check, first.field.as_str()),
        (true, "opening", "opening.plaintext")
    );
    let swapped = forged(&world, &bytes, |l| {
        let (a, b) = (l[3].opening.clone(), l[4].opening.clone());
        (l[3].opening, l[4].opening) = (b, a);
    });
    assert!(checks(&swapped).contains(&"opening"));
    let renamed = forged(&world, &bytes, |l| {
        let mut leaf = Leaf::decode(&l[8].leaf.0).expect("a leaf");
        leaf.subject = SubjectId([6; 16]);
        l[8].leaf.0 = leaf.encode().expect("small");
    });
    assert!(checks(&renamed).contains(&"inclusion") && checks(&renamed).contains(&"people"));
    let dated = forged(&world, &bytes, |l| {
        let mut leaf = Leaf::decode(&l[8].leaf.0).expect("a leaf");
        leaf.instant = leaf.instant + crate::model::Span::hours(1);
        l[8].leaf.0 = leaf.encode().expect("small");
    });
    assert_eq!(checks(&dated)[0], "inclusion");
    assert_eq!(checks(&forged(&world, &bytes, |l| l[8].index += 1))[0], "inclusion");
}

#[test]
fn texts_tables_and_page_cannot_be_replaced() {
    let world = World::with_story();
    let bytes = make(&world, request());
    for (name, named) in
        [("disclosures/", "hash"), ("policy/", "hash"), ("rows/", "table"), (names::PAGE, "page")]
    {
        let mut forge = Forge::of(&bytes);
        let content = forge.content(name);
        let at = content.len() / 2;
        content[at] = if content[at] == b'x' { b'y' } else { b'x' };
        let report = check(&world, &forge.close());
        assert_eq!((report.outcome, checks(&report).contains(&named)), (Outcome::Invalid, true), "{name}");
    }
    let mut forge = Forge::of(&bytes);
    forge.0.retain(|(name, _)| !name.starts_with("rows/"));
    assert_eq!(check(&world, &forge.close()).outcome, Outcome::Invalid, "without its table");
}

#[test]
fn another_key_or_a_forged_checkpoint_proves_nothing() {
    let world = World::with_story();
    let bytes = make(&world, request());
    let other = LogKey::generate(&origin(), &SeededEntropy::new(99));
    let report = bundle(bytes.as_slice(), std::slice::from_ref(other.verifier()), None);
    assert_eq!((report.outcome, checks(&report)), (Outcome::Invalid, vec!["signature"]));
    let mut forge = Forge::of(&bytes);
    let head = world.books.checkpoint();
    *forge.content(names::CHECKPOINT) = other.sign(head.size(), head.root()).note().as_bytes().to_vec();
    assert_eq!(checks(&check(&world, &forge.close())), ["signature"]);
    assert_eq!(check(&world, b"no tar at all").outcome, Outcome::Unreadable);
    let mut newer = Forge::of(&bytes);
    let about = newer.content(names::ABOUT);
    let text = String::from_utf8(about.clone()).expect("JSON");
    let (newest, next) = (BUNDLE_FORMAT, BUNDLE_FORMAT + 1);
    let raised = text.replace(&format!("\"format\": {newest}"), &format!("\"format\": {next}"));
    assert_ne!(raised, text);
    *about = raised.into_bytes();
    assert_eq!(check(&world, &newer.close()).outcome, Outcome::Unreadable);
}

/// A world in which these people came, in this order.
fn world_of(people: &[(SubjectId, &str, u8)]) -> World {
    let mut world = World::new();
    for (id, digits, n) in people {
        world.person(*id, digits, "main", *n);
        world.sign();
    }
    world
}

#[test]
fn a_kept_checkpoint_shows_a_log_that_was_rewritten_or_rolled_back() {
    let ada = (person(), "12125550123", 1);
    let bob = (SubjectId([6; 16]), "13125550145", 2);
    let early = world_of(&[ada]);
    let old = early.books.checkpoint();
    let world = world_of(&[ada, bob]);
    let since = |world: &World| make(world, Request { since: Some(old.size()), ..request() });
    let report = bundle(since(&world).as_slice(), &keys(&world), Some(old.note()));
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert!(report.proved.iter().any(|line| line.contains("extends")), "{report}");
    let without = bundle(make(&world, request()).as_slice(), &keys(&world), Some(old.note()));
    assert_eq!(without.outcome, Outcome::Unreadable, "{without}");
    let beyond = Export::plan(&world.reader, &world.books, Request { since: Some(1_000), ..request() });
    assert!(matches!(beyond.err(), Some(ExportError::Since { .. })));

    let rewritten = world_of(&[bob, ada]);
    assert_eq!(
        rewritten.books.verifier().as_str(),
        world.books.verifier().as_str(),
        "the operator's own key"
    );
    let forged = since(&rewritten);
    assert_eq!(check(&rewritten, &forged).outcome, Outcome::Valid, "alone it looks sound");
    let report = bundle(forged.as_slice(), &keys(&world), Some(old.note()));
    assert_eq!((report.outcome, checks(&report)[0]), (Outcome::Invalid, "consistency"));
    let new = world.books.checkpoint();
    let twice = bundle(forged.as_slice(), &keys(&world), Some(new.note()));
    assert_eq!(twice.outcome, Outcome::Invalid, "two histories of one length");
    let rolled_back = bundle(make(&early, request()).as_slice(), &keys(&world), Some(new.note()));
    assert_eq!(rolled_back.outcome, Outcome::Invalid, "{rolled_back}");
}

#[test]
fn a_data_folder_is_checked_with_and_without_its_keys() {
    let world = World::with_story();
    let key = world.books.verifier().clone();
    let entries = world.books.stored().len();
    let (sim, dir) = world.stop();
    let look = |sim: &crate::disk::SimDisk, master| directory(&sim.shared(), &dir, &key, master, None);
    for master in [None, Some(master())] {
        let report = look(&sim, master);
        assert_eq!((report.outcome, report.entries), (Outcome::Valid, entries), "{report}");
    }
    assert_eq!(look(&sim, Some(MasterKey::from_bytes([1; 32]))).outcome, Outcome::Unreadable);
    for name in ["ledger/00000000.seg", "HEAD"] {
        let len = sim.contents(&dir.join(name)).expect("there").len();
        for at in (0..len).step_by(97) {
            let other = stored::without_policies(&sim, &dir);
            assert!(other.flip_bit(&dir.join(name), at as u64, (at % 8) as u8));
            assert_ne!(look(&other, None).outcome, Outcome::Valid, "{name} byte {at}");
        }
    }
    let policies = sim.shared().list(&dir.join("policies")).expect("a folder");
    assert!(!policies.is_empty());
    for name in policies {
        let path = dir.join("policies").join(&name);
        for (master, told) in [(Some(master()), name.as_str()), (None, "are sealed. 0 lie there")] {
            let without = sim.fork(1);
            without.shared().remove(&path).expect("removed");
            let report = look(&without, master);
            let said = report.not_proved.iter().any(|line| line.contains(told));
            assert!(report.outcome == Outcome::Valid && said, "{name} removed: {report}");
        }
        for at in (0..sim.contents(&path).expect("there").len()).step_by(40_009) {
            let other = sim.fork(1);
            assert!(other.flip_bit(&path, at as u64, (at % 8) as u8));
            let report = look(&other, None);
            let named =
                report.failures.iter().any(|f| f.field == format!("policies/{name}") && f.check == "hash");
            assert!(report.outcome == Outcome::Invalid && named, "{name} byte {at}: {report}");
        }
    }
    sim.shared().remove(&dir.join("HEAD")).expect("removed");
    assert_eq!(look(&sim, None).outcome, Outcome::Unreadable);
}
