//! A folder put back to before an erasure learns of it from the list.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::api::testing::parts;
use crate::clock::ManualClock;
use crate::disk::{SharedDisk, SimDisk, Tear};
use crate::gateway::Parts;
use crate::model::phone::Digits;
use crate::model::subject::Preferences;
use crate::model::{Instant, SubjectId};
use crate::writer::ops::Target;
use crate::writer::ops::erase::SetLegalHold;
use crate::writer::ops::preferences::SetPreferences;

const LIST: &str = "/far/erasures";

fn folder(disk: &SharedDisk) -> Parts {
    let clock = ManualClock::at(Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339"));
    Parts { disk: disk.clone(), erasures: Some(LIST.into()), ..parts(&clock) }
}

fn target(digits: &str) -> Target {
    Target::Phone(Digits::received(digits, None))
}

fn person(offline: &mut Offline, digits: &str) -> SubjectId {
    let wishes = SetPreferences {
        target: target(digits),
        preferences: Preferences { at_most_per_week: Some(1), ..Preferences::default() },
        hint: None,
        actor: "k1".to_owned(),
    };
    offline.run(wishes).expect("taken")
}

fn erase(offline: &mut Offline, subject: SubjectId) {
    let inventories = vec![inventory::take(&offline.reader(), subject).expect("taken")];
    let op = Erase { inventories, reason: "asked".to_owned(), actor: "k1".to_owned() };
    assert_eq!(offline.run(op).expect("taken"), Erased::Recorded);
    offline.books.keys().destroy(&[subject]).expect("destroyed");
}

#[test]
fn who_was_erased_after_the_backup_is_erased_again_and_nobody_else() {
    let sim = SimDisk::new(1);
    let disk = sim.shared();
    disk.create_dir(Path::new("/far")).expect("a folder");
    let mut offline = Offline::open(folder(&disk)).expect("new");
    let (gone, held) = (person(&mut offline, "+12125550123"), person(&mut offline, "+12125550124"));
    let stays = person(&mut offline, "+12125550125");
    // The hold of that time was cleared before the erasure; the backup knows the hold alone.
    let hold = SetLegalHold {
        target: Some(target("+12125550124")),
        brand: None,
        reason: "Doe v. Fable".to_owned(),
        actor: "k1".to_owned(),
    };
    offline.run(hold).expect("set");
    offline.close().expect("closes");
    // What stands for the backup: the disk of this moment, but for the list.
    let backup = sim.fork(2);
    backup.crash(Tear::Kept);

    let mut offline = Offline::open(folder(&disk)).expect("opens");
    assert_eq!(offline.erased_again, 0);
    erase(&mut offline, gone);
    let list = offline.env.erasures().expect("configured");
    assert!(!list.has(&gone), "the gateway notes it, not the operation");
    offline.close().expect("closes");
    drop(Offline::open(folder(&disk)).expect("the next start writes it down"));
    let text = String::from_utf8(sim.contents(Path::new(LIST)).expect("there")).expect("text");
    assert!(text.contains(&gone.to_string()), "{text}");
    let text = format!("{text}2026-06-02T00:00:00Z {held}\n2026-06-02T00:00:00Z {}\n", SubjectId([9; 16]));

    // The seller's own chain has no person: whoever writes it into the list destroys nothing.
    let text = format!("{text}2026-06-02T00:00:00Z {}\n", crate::ledger::entry::SELLER_CHAIN);
    backup.put(Path::new(LIST), text.as_bytes()).expect("put back");
    let restored = backup.shared();
    let without = Parts { erasures: None, ..folder(&restored) };
    let offline = Offline::open(without).expect("opens");
    assert!(!offline.books.keys().is_destroyed(&gone), "without the list the person is back");
    offline.close().expect("closes");
    let offline = Offline::open(folder(&restored)).expect("opens");
    assert_eq!(offline.erased_again, 2);
    let keys_of = offline.books.keys();
    assert!(keys_of.is_destroyed(&gone) && keys_of.is_destroyed(&held) && !keys_of.is_destroyed(&stays));
    let known = |subject: &SubjectId| {
        offline.reader().look(|cx| cx.get::<Subject>(&keys::subject(subject))).expect("read").is_some()
    };
    assert!(!known(&gone) && !known(&held) && known(&stays));
    offline.close().expect("closes");
    backup.crash(Tear::Lost);
    let offline = Offline::open(folder(&restored)).expect("opens");
    assert_eq!(offline.erased_again, 0, "once");
    assert!(offline.books.keys().is_destroyed(&gone));
}

#[test]
fn a_power_cut_while_people_are_erased_again_is_made_good_by_the_next_start() {
    let sim = SimDisk::new(3);
    let disk = sim.shared();
    disk.create_dir(Path::new("/far")).expect("a folder");
    let mut offline = Offline::open(Parts { erasures: None, ..folder(&disk) }).expect("new");
    let people: Vec<_> = (0..3).map(|n| person(&mut offline, &format!("+1212555012{n}"))).collect();
    offline.close().expect("closes");
    let lines: String = people[..2].iter().map(|id| format!("2026-06-02T00:00:00Z {id}\n")).collect();
    sim.put(Path::new(LIST), format!("consentry erasures 1 of main\n{lines}").as_bytes()).expect("there");
    let dry = sim.fork(0);
    dry.crash(Tear::Kept);
    let before = dry.operations();
    drop(Offline::open(folder(&dry.shared())).expect("opens"));
    for cut in 1..=dry.operations() - before {
        let now = sim.fork(cut);
        now.crash(Tear::Kept);
        now.fail_in(cut, crate::disk::sim::Fault::PowerCut);
        drop(Offline::open(folder(&now.shared())));
        for tear in [Tear::Lost, Tear::Byte] {
            let after = now.fork(cut + 1_000);
            after.crash(tear);
            let offline = Offline::open(folder(&after.shared()))
                .unwrap_or_else(|e| panic!("cut at {cut}, {tear:?}: {e}"));
            let keys_of: &Arc<_> = offline.books.keys();
            assert!(people[..2].iter().all(|id| keys_of.is_destroyed(id)), "cut at {cut}, {tear:?}");
            assert!(!keys_of.is_destroyed(&people[2]), "cut at {cut}, {tear:?}");
        }
    }
}
