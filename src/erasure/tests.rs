//! Over real files: after an erasure nothing opens, everything still verifies, and the end of retention comes by itself.

use super::*;
use crate::export::testing::{World, origin, person};
use crate::export::verify::{self, Outcome};
use crate::export::{Export, ExportError, Format, Person, Request};
use crate::model::subject::Address;
use crate::model::{MessageState, Span};

fn request(person: Person) -> Request {
    let brand = Some("main".parse().expect("a slug"));
    Request { brand, person: Some(person), from: None, to: None, format: Format::Bundle, since: None }
}

fn bundle(world: &World, request: Request) -> Result<Vec<u8>, ExportError> {
    let export = Export::plan(&world.reader, &world.books, request)?;
    let mut bytes = Vec::new();
    export.run(&world.reader, &world.books, 0, |piece| {
        bytes.extend(piece);
        Ok(())
    })?;
    Ok(bytes)
}

/// Erases the person of the story as [`erase`] does, without a writer's thread.
fn gone(world: &mut World) {
    let inventory = inventory::take(&world.reader, person()).expect("taken");
    assert!(!inventory.rows.is_empty() && inventory.rows.messages.len() == 1);
    let op = Erase { inventories: vec![inventory], reason: "asked".to_owned(), actor: "k1".to_owned() };
    assert_eq!(world.run(op), Erased::Recorded);
    assert_eq!(world.books.keys().destroy(&[person()]).expect("destroyed"), 1);
}

#[test]
fn erased_entries_are_shown_closed_and_prove_as_much_as_before() {
    let mut world = World::with_story();
    gone(&mut world);
    world.record_heads();
    world.sign();
    let by_number = Person::Addresses(vec![Address::Phone("12125550123".to_owned())]);
    assert!(matches!(bundle(&world, request(by_number)), Err(ExportError::UnknownPerson)));
    let bytes = bundle(&world, request(Person::Subject(person()))).expect("made");
    let keys = [world.books.verifier().clone()];
    let report = verify::bundle(bytes.as_slice(), &keys, None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    let said = report.to_string();
    assert!(said.contains("Nothing is missing of 1 person") && said.contains("erased"), "{said}");
    assert!(!said.contains("CALLED ERASED"), "the log records that the person was forgotten: {said}");
    for secret in ["12125550123", "Ada Example", "192.0.2.7"] {
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{secret} is still told");
    }
    let whole = Request { person: None, ..request(Person::Subject(person())) };
    let report = verify::bundle(bundle(&world, whole).expect("made").as_slice(), &keys, None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
}

#[test]
fn a_folder_with_erased_people_opens_folds_and_verifies() {
    let mut world = World::with_story();
    gone(&mut world);
    let rows =
        |world: &World| world.kv.scan(&KeyRange::all(), Order::Forward, usize::MAX).expect("memory answers");
    let (before, key) = (rows(&world), world.books.verifier().clone());
    let (sim, dir) = world.stop();
    let again = World::at(sim.clone(), sim.shared(), &dir);
    assert_eq!(rows(&again), before, "folded anew without the key");
    drop(again);
    let master = crate::export::testing::master();
    let report = verify::directory(&sim.shared(), &dir, &key, Some(master), None);
    assert_eq!(report.outcome, Outcome::Valid, "{report}");
    assert_eq!(key.name(), origin().as_str());
}

#[tokio::test]
async fn whoever_is_due_is_erased_and_nobody_else() {
    use crate::api::testing::Shop;
    use crate::ledger::rows::keys;
    use crate::model::subject::Subject;
    use crate::writer::ops::erase::Restrict;
    use crate::writer::ops::preferences::SetPreferences;
    let shop = Shop::open().await;
    let gateway = &shop.gateway;
    let target = |digits: &str| {
        let digits = crate::model::phone::Digits::received(digits, None);
        crate::writer::ops::Target::Phone(digits)
    };
    let mut ids = Vec::new();
    for digits in ["+12125550123", "+12125550124"] {
        let wishes = SetPreferences {
            target: target(digits),
            preferences: crate::model::subject::Preferences {
                at_most_per_week: Some(1),
                ..Default::default()
            },
            hint: None,
            actor: "k1".to_owned(),
        };
        ids.push(gateway.writer.call(wishes).await.expect("taken").answer);
    }
    let restrict =
        Restrict { target: target("+12125550123"), reason: "asked".to_owned(), actor: "k1".to_owned() };
    let restricted = gateway.writer.call(restrict).await.expect("taken").answer;
    let keys_of = gateway.books.keys();
    let due = || erase_due(&gateway.reader, &gateway.writer, keys_of);
    assert_eq!(due().await.expect("looked"), 0, "not yet");
    shop.clock.advance(restricted.erase_after.since(gateway.env.clock.now()));
    shop.clock.advance(Span::hours(1));
    assert_eq!(due().await.expect("looked"), 1);
    assert_eq!(due().await.expect("looked"), 0, "once");
    assert!(keys_of.is_destroyed(&ids[0]) && !keys_of.is_destroyed(&ids[1]));
    let left = gateway.reader.look(|cx| cx.get::<Subject>(&keys::subject(&ids[1]))).expect("read");
    assert!(left.is_some_and(|s| s.open.iter().all(|o| o.touch.state != MessageState::Sending)));
    shop.close().await;
}

/// A person with more rows than one commit takes, whose erasure a crash broke off: the job that looks who is due ends it.
#[tokio::test]
async fn what_was_broken_off_is_ended_by_the_next_look() {
    use crate::api::testing::Shop;
    use crate::model::{OptOutScope, OptOutSource};
    use crate::writer::ops::fixture::opt_out;
    let shop = Shop::open().await;
    let gateway = &shop.gateway;
    let mut subject = None;
    for n in 0..7 {
        let out = opt_out(1, OptOutScope::All, OptOutSource::Web, &n.to_string());
        subject = Some(gateway.writer.call(out).await.expect("taken").answer.subject);
    }
    let id = subject.expect("a person");
    let begin = BeginErasure { subjects: vec![id], reason: "asked".to_owned(), actor: "k1".to_owned() };
    assert_eq!(gateway.writer.call(begin).await.expect("taken").answer, []);
    let mut inventory = inventory::take(&gateway.reader, id).expect("taken");
    let piece = inventory.next_piece(3).expect("it is long");
    gateway.writer.call(Forget { piece, again: false }).await.expect("taken");
    let keys_of = gateway.books.keys();
    assert_eq!(erase_due(&gateway.reader, &gateway.writer, keys_of).await.expect("looked"), 1);
    assert!(keys_of.is_destroyed(&id));
    shop.close().await;
}

#[tokio::test]
async fn somebody_with_very_many_rows_is_erased_in_one_call() {
    use crate::api::testing::Shop;
    use crate::model::{OptOutScope, OptOutSource};
    use crate::writer::ops::fixture::opt_out;
    let shop = Shop::open().await;
    let gateway = &shop.gateway;
    let mut subject = None;
    for n in 0..20 {
        let out = opt_out(1, OptOutScope::All, OptOutSource::Web, &n.to_string());
        subject = Some(gateway.writer.call(out).await.expect("taken").answer.subject);
    }
    let id = subject.expect("a person");
    let before = gateway.reader.entries().size();
    let keys_of = gateway.books.keys();
    let done = erase_in_steps(&gateway.reader, &gateway.writer, keys_of, vec![id], ("asked", "k1"), 4).await;
    assert!(matches!(done.expect("erased"), Done::Erased(_)) && keys_of.is_destroyed(&id));
    // A restriction, four pieces of four, what is left, the address, the erasure.
    assert_eq!(gateway.reader.entries().size() - before, 9);
    shop.close().await;
}
