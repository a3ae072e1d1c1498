//! Erased people leave nothing behind that a rebuild would not, and nothing that is given out twice.

use super::*;
use crate::erasure::inventory;
use crate::ledger::rows::{AddressRow, RestrictedRow};
use crate::model::cart::{CouponPool, PoolSource};
use crate::model::subject::Address;
use crate::model::{OptOutScope, OptOutSource, PoolId};
use crate::writer::CallError;
use crate::writer::ops::Target;
use crate::writer::ops::coupon::tests::{import, pool, redeem};
use crate::writer::ops::fixture::{Accept, Next, Step, address, main_brand, shop};
use crate::writer::testing::TestWriter;

fn accept(writer: &mut TestWriter, n: u8, pool: &str) -> String {
    let pool = Some(pool.parse::<PoolId>().expect("a slug"));
    let id = MessageId([n; 16]);
    let spec = writer
        .run(Accept { id, to: n, cart: None, pool, link: Some("https://shop.example/c") })
        .expect("accepted");
    spec.coupon.and_then(|c| c.code).expect("a code")
}

fn send(writer: &mut TestWriter, n: u8, pool: &str) -> String {
    let code = accept(writer, n, pool);
    writer.run(Next(MessageId([n; 16]), Step::Leave)).expect("left");
    writer.run(Next(MessageId([n; 16]), Step::Outcome(MessageState::Sent))).expect("sent");
    code
}

fn subject(writer: &TestWriter, address: &Address) -> SubjectId {
    let key = writer.env.fold.address_key(address);
    let row = writer.look(|state| state.get::<AddressRow>(&key)).expect("read").expect("known");
    row.subject.expect("a person")
}

fn erase(writer: &mut TestWriter, n: u8) -> Result<Erased, CallError> {
    let id = subject(writer, &address(n));
    let inventory = inventory::take(&writer.reader(), id).expect("taken");
    let op = Erase { inventories: vec![inventory], reason: "asked".to_owned(), actor: "k1".to_owned() };
    let done = writer.run(op)?;
    if done == Erased::Recorded {
        writer.log.forget(&id);
    }
    Ok(done)
}

fn pools() -> TestWriter {
    let mut writer = shop();
    writer.run(pool("made", PoolSource::Generated { prefix: "BACK-".to_owned() })).expect("made");
    writer.run(pool("own", PoolSource::Imported)).expect("made");
    writer.run(import("own", &["A1", "A2", "A3", "A4"])).expect("imported");
    writer
}

#[test]
fn a_rebuild_without_the_key_comes_to_the_same_rows() {
    let mut writer = pools();
    let redeemed = send(&mut writer, 1, "made");
    writer.run(redeem(&redeemed, "o1")).expect("redeemed");
    send(&mut writer, 2, "own");
    send(&mut writer, 3, "own");
    accept(&mut writer, 4, "made");
    for n in [1, 2, 4] {
        let before = writer.log.clone();
        assert_eq!(erase(&mut writer, n).expect("taken"), Erased::Recorded, "person {n}");
        drop(before);
        writer.check_fold();
    }
    let stranger = writer.look(|s| s.get::<Message>(&keys::message(&MessageId([1; 16])))).expect("read");
    assert!(stranger.is_none());
    let kept = writer.look(|s| s.get::<Message>(&keys::message(&MessageId([3; 16])))).expect("read");
    assert!(kept.is_some(), "another person's");
}

#[test]
fn codes_of_the_erased_stay_spent_and_what_waited_goes_back() {
    let mut writer = pools();
    assert_eq!(send(&mut writer, 1, "own"), "A1");
    assert_eq!(accept(&mut writer, 2, "own"), "A2");
    for n in [1, 2] {
        erase(&mut writer, n).expect("erased");
    }
    let brand: BrandId = main_brand();
    let own = |writer: &TestWriter| {
        let key = keys::pool(&brand, &"own".parse().expect("a slug"));
        (*writer.look(|s| s.get::<CouponPool>(&key)).expect("read").expect("a pool")).clone()
    };
    let counts = own(&writer);
    assert_eq!((counts.free, counts.reserved, counts.issued), (3, 0, 1), "A2 waits for somebody else");
    let spent = writer.look(|s| s.get::<Coupon>(&keys::coupon(&brand, "A1"))).expect("read").expect("there");
    assert_eq!((spent.state.clone(), spent.subject, spent.message), (CouponState::Issued, None, None));
    let mut next: Vec<String> = (3..6).map(|n| send(&mut writer, n, "own")).collect();
    next.sort();
    assert_eq!(next, ["A2", "A3", "A4"]);
}

#[test]
fn a_hold_forbids_it_until_it_is_cleared() {
    let mut writer = pools();
    send(&mut writer, 1, "made");
    let hold =
        |target, brand| SetLegalHold { target, brand, reason: "Doe".to_owned(), actor: "k1".to_owned() };
    let person = Target::Phone(crate::model::phone::Digits::received("+12125550101", None));
    let own = writer.run(hold(Some(person.clone()), None)).expect("set");
    let again = writer.run(hold(Some(person), None)).expect("set");
    assert_eq!(own.id, again.id, "the same matter twice is one hold");
    let brand = writer.run(hold(None, Some(main_brand()))).expect("set");
    let entries = writer.entries().len();
    let Erased::Held(grounds) = erase(&mut writer, 1).expect("answered") else { panic!("it is held") };
    assert_eq!((grounds.len(), writer.entries().len()), (2, entries), "nothing was written");
    for id in [own.id, brand.id] {
        let clear = |id| ClearLegalHold { id, reason: "settled".to_owned(), actor: "k1".to_owned() };
        writer.run(clear(id)).expect("cleared");
        assert!(matches!(writer.run(clear(id)), Err(CallError::Refused(OpError::NotFound { .. }))));
    }
    assert_eq!(erase(&mut writer, 1).expect("answered"), Erased::Recorded);
}

#[test]
fn what_is_being_handed_over_comes_first_and_a_grown_chain_is_looked_at_again() {
    let mut writer = pools();
    accept(&mut writer, 1, "made");
    let id = subject(&writer, &address(1));
    let old = inventory::take(&writer.reader(), id).expect("taken");
    writer.run(Next(MessageId([1; 16]), Step::Leave)).expect("left");
    let op = Erase { inventories: vec![old], reason: "asked".to_owned(), actor: "k1".to_owned() };
    assert_eq!(writer.run(op).expect("answered"), Erased::Moved);
    assert!(matches!(erase(&mut writer, 1), Err(CallError::Refused(OpError::Unavailable { .. }))));
    writer.run(Next(MessageId([1; 16]), Step::Outcome(MessageState::Sent))).expect("sent");
    assert_eq!(erase(&mut writer, 1).expect("answered"), Erased::Recorded);
}

#[test]
fn a_restriction_opts_out_at_once_and_says_until_when() {
    let mut writer = pools();
    send(&mut writer, 1, "made");
    let digits = crate::model::phone::Digits::received("+12125550101", None);
    let op = || Restrict {
        target: Target::Phone(digits.clone()),
        reason: "asked by letter".to_owned(),
        actor: "k1".to_owned(),
    };
    let first = writer.run(op()).expect("restricted");
    assert!(first.erase_after >= crate::clock::Clock::now(&writer.clock) + Span::days(1_827), "{first:?}");
    assert!(first.grounds.iter().any(|g| g.rule == "us/retention" && g.citation.contains("310.5")));
    let id = subject(&writer, &address(1));
    let row = writer.look(|s| s.get::<Subject>(&keys::subject(&id))).expect("read").expect("there");
    assert!(row.opt_outs.iter().any(|o| o.scope == OptOutScope::All && o.lifted_at.is_none()));
    let entries = writer.entries().len();
    let second = writer.run(op()).expect("restricted");
    assert_eq!((second.erase_after, writer.entries().len()), (first.erase_after, entries));
    writer.check_fold();
    erase(&mut writer, 1).expect("erased");
    writer.check_fold();
    let key = writer.env.fold.address_key(&address(1));
    let address = writer.look(|s| s.get::<AddressRow>(&key)).expect("read").expect("a suppression stays");
    assert_eq!(*address, AddressRow { subject: None, suppressed: true });
}

/// A person with texts, requests, carts and codes in plenty.
fn busy(writer: &mut TestWriter) -> SubjectId {
    use crate::writer::ops::fixture::{opt_out, text_shop};
    *writer = text_shop();
    writer.run(pool("own", PoolSource::Imported)).expect("made");
    writer.run(import("own", &["A1", "A2", "A3", "A4", "A5", "A6", "A7"])).expect("imported");
    writer.run(pool("made", PoolSource::Generated { prefix: "BACK-".to_owned() })).expect("made");
    for n in 1..=7 {
        // What waits has a code of its own making: an imported one that goes back stands elsewhere after a rebuild.
        let pool = if n < 7 { "own" } else { "made" };
        let (id, pool) = (MessageId([n; 16]), Some(pool.parse::<PoolId>().expect("a slug")));
        let link = Some("https://shop.example/c");
        writer.run(Accept { id, to: 1, cart: None, pool, link }).expect("accepted");
        if n < 7 {
            writer.run(Next(id, Step::Leave)).expect("left");
            writer.run(Next(id, Step::Outcome(MessageState::Sent))).expect("sent");
        }
    }
    for n in 0..9 {
        writer.run(opt_out(1, OptOutScope::All, OptOutSource::Web, &n.to_string())).expect("taken");
    }
    subject(writer, &address(1))
}

#[test]
fn a_long_erasure_goes_in_small_commits_and_on_after_a_crash() {
    let mut writer = shop();
    let id = busy(&mut writer);
    let begin = || BeginErasure { subjects: vec![id], reason: "asked".to_owned(), actor: "k1".to_owned() };
    assert_eq!(writer.run(begin()).expect("begun"), []);
    let due = writer.look(|s| s.get::<RestrictedRow>(&keys::restricted(&id))).expect("read").expect("hidden");
    assert!(
        due.erase_after <= crate::clock::Clock::now(&writer.clock),
        "the job that looks who is due finds it"
    );
    let begun = writer.entries().len();
    writer.run(begin()).expect("begun");
    assert_eq!(writer.entries().len(), begun, "once");
    let (step, mut commits) = (3, 0);
    loop {
        // Each time as after a crash: nothing is known but what the ledger says.
        let mut inventory = inventory::take(&writer.rebuilt_reader(), id).expect("taken");
        let Some(piece) = inventory.next_piece(step) else {
            let op =
                Erase { inventories: vec![inventory], reason: "asked".to_owned(), actor: "k1".to_owned() };
            assert_eq!(writer.run(op).expect("answered"), Erased::Recorded);
            break;
        };
        assert!(piece.rows.len() <= step && piece.coupons.len() <= step, "{piece:?}");
        let before = writer.entries().len();
        assert_eq!(writer.run(Forget { piece, again: false }).expect("answered"), Erased::Recorded);
        assert!(writer.entries().len() <= before + 2, "a bounded commit");
        writer.check_fold();
        commits += 1;
    }
    assert!(commits >= 7, "{commits}: seven messages and links, nine requests");
    writer.log.forget(&id);
    writer.check_fold();
    let counts = |pool: &str| {
        let key = keys::pool(&main_brand(), &pool.parse().expect("a slug"));
        let pool = writer.look(|s| s.get::<CouponPool>(&key)).expect("read").expect("a pool");
        (pool.free, pool.reserved, pool.issued)
    };
    assert_eq!((counts("own"), counts("made")), ((1, 0, 6), (0, 0, 0)), "all stay spent but what waited");
    let left = writer.look(|s| s.get::<Message>(&keys::message(&MessageId([2; 16])))).expect("read");
    assert!(left.is_none());
}

#[test]
fn a_hold_set_in_between_stops_a_long_erasure() {
    let mut writer = shop();
    let id = busy(&mut writer);
    let begin = BeginErasure { subjects: vec![id], reason: "asked".to_owned(), actor: "k1".to_owned() };
    assert_eq!(writer.run(begin).expect("begun"), []);
    let mut inventory = inventory::take(&writer.reader(), id).expect("taken");
    let piece = inventory.next_piece(3).expect("it is long");
    let hold = SetLegalHold {
        target: Some(Target::Phone(crate::model::phone::Digits::received("+12125550101", None))),
        brand: None,
        reason: "Doe".to_owned(),
        actor: "k1".to_owned(),
    };
    writer.run(hold).expect("set");
    let held = writer.run(Forget { piece, again: false }).expect("answered");
    assert!(matches!(held, Erased::Held(grounds) if grounds.len() == 1));
}

/// Ids of texts are the provider's, and long ones once made an entry too large to be written: that person was never erased.
#[test]
fn entries_of_an_erasure_fit_by_bytes_as_well_as_by_count() {
    let rows = ForgottenBody {
        messages: (0..2_500u32).map(|n| MessageId([n as u8; 16])).collect(),
        inbound: (0..4_000)
            .map(|n| ("main".parse().expect("a slug"), format!("{n} {}", "x".repeat(1_000))))
            .collect(),
        ..ForgottenBody::default()
    };
    let whole = rows.len();
    let mut inventory = Inventory::default();
    inventory.rows = rows;
    let mut found = 0;
    while let Some(piece) = inventory.next_piece(STEP) {
        found += piece.rows.len();
        let body = Body::Forgotten(Box::new(piece.rows));
        assert!(body.encode().expect("it fits").len() < 400_000);
    }
    assert!(Body::Forgotten(Box::new(inventory.rows.clone())).encode().is_ok());
    assert_eq!(found + inventory.rows.len(), whole, "nothing twice, nothing left out");
}
