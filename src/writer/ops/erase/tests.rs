//! Erased people leave nothing behind that a rebuild would not, and nothing that is given out twice.

use super::*;
use crate::erasure::inventory;
use crate::ledger::rows::AddressRow;
use crate::model::cart::{CouponPool, PoolSource};
use crate::model::subject::Address;
use crate::model::{BrandId, MessageId, PoolId};
use crate::writer::CallError;
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
    assert!(first.grounds.iter().any(|g| g.rule == "retention/us" && g.citation.contains("310.5")));
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

#[test]
fn long_lists_are_cut_into_entries_that_fit() {
    let many = |n: u32| (0..n).map(|n| MessageId([n as u8; 16])).collect::<Vec<_>>();
    let texts: Vec<u64> = (0..9_000).collect();
    let rows =
        ForgottenBody { messages: many(9_001), operations: many(10), texts, ..ForgottenBody::default() };
    let pieces = pieces(&rows);
    assert_eq!(pieces.len(), 3 + 1 + 3);
    assert_eq!(pieces.iter().map(|p| p.len()).sum::<usize>(), rows.len());
    for piece in pieces {
        assert!(Body::Forgotten(Box::new(piece)).encode().is_ok());
    }
}
