//! What STOP does to the codes a person was sent.

use super::*;
use crate::model::subject::bounds;
use crate::model::{CustomerId, OptOutScope, OptOutSource};
use crate::writer::ops::consent::RecordOptIn;
use crate::writer::ops::erase::{Erase, Erased};
use crate::writer::ops::fixture::{opt_in, opt_out, subject, text_shop, ticked};

fn pools(writer: &mut TestWriter) {
    let good = |pool| CreateCouponPool { valid_for: Span::days(400), ..pool };
    writer.run(good(pool("keep", generated()))).expect("made");
    let ends = CreateCouponPool { on_opt_out: OnOptOut::Void, ..pool("ends", PoolSource::Imported) };
    writer.run(good(ends)).expect("made");
    writer.run(import("ends", &["A1", "A2", "A3", "A4", "A5", "A6"])).expect("imported");
}

/// Accepts the m-th message, to the n-th person; answers its code.
fn promised(writer: &mut TestWriter, m: u8, n: u8, pool: &str) -> String {
    let (id, pool) = (MessageId([m; 16]), Some(pool.parse::<PoolId>().expect("a slug")));
    let spec = writer.run(Accept { id, to: n, cart: None, pool, link: None }).expect("accepted");
    spec.coupon.and_then(|c| c.code).expect("a code")
}

fn left(writer: &mut TestWriter, m: u8, n: u8, pool: &str) -> String {
    let code = promised(writer, m, n, pool);
    writer.run(Next(MessageId([m; 16]), Step::Leave)).expect("left");
    writer.run(Next(MessageId([m; 16]), Step::Outcome(MessageState::Sent))).expect("sent");
    code
}

fn counts(writer: &TestWriter, id: &str) -> (u64, u64, u64, u64) {
    let key = keys::pool(&main_brand(), &id.parse().expect("a slug"));
    let pool = writer.look(|s| s.get::<CouponPool>(&key)).expect("memory").expect("the pool");
    (pool.free, pool.reserved, pool.issued, pool.voided)
}

fn joined(writer: &mut TestWriter, n: u8) {
    let now = crate::clock::Clock::now(&writer.clock);
    let customer: Option<CustomerId> = Some("ada".parse().expect("a name"));
    let agrees = RecordOptIn { customer, ..opt_in(n, ticked(now), &format!("in {n}")) };
    writer.run(agrees).expect("taken");
}

/// Once only codes of texts of the last 30 days ended: a code may be good for 400.
#[test]
fn stop_ends_every_code_of_the_whole_reach_however_old() {
    let mut writer = text_shop();
    pools(&mut writer);
    for n in [1, 2] {
        joined(&mut writer, n);
    }
    let old = left(&mut writer, 1, 1, "ends");
    let others = left(&mut writer, 2, 2, "ends");
    writer.advance(Span::days(45));
    let newer = left(&mut writer, 3, 1, "ends");
    let kept = left(&mut writer, 4, 1, "keep");
    let strangers = left(&mut writer, 5, 3, "ends");
    let waits = promised(&mut writer, 6, 1, "ends");
    let spent = left(&mut writer, 7, 1, "ends");
    assert_eq!(result(&mut writer, redeem(&spent, "o7")), RedeemResult::Redeemed);
    writer.run(opt_out(1, OptOutScope::All, OptOutSource::Web, "out")).expect("taken");
    writer.check_fold();
    for code in [&old, &others, &newer] {
        assert_eq!(result(&mut writer, redeem(code, "late")), RedeemResult::Voided, "{code}");
    }
    assert_eq!(result(&mut writer, redeem(&waits, "late")), RedeemResult::NotIssued, "nobody saw it");
    assert_eq!(counts(&writer, "ends"), (0, 1, 1, 3));
    writer.run(Next(MessageId([6; 16]), Step::Die)).expect("it dies when it wakes");
    assert_eq!(counts(&writer, "ends"), (1, 0, 1, 3), "and its code goes back");
    for code in [&kept, &strangers] {
        assert_eq!(result(&mut writer, redeem(code, "fine")), RedeemResult::Redeemed, "{code}");
    }
    // An order that fell through after the STOP gives nothing back either.
    let release = ReleaseCoupon {
        brand: main_brand(),
        code: spent.clone(),
        order_id: "o7".to_owned(),
        actor: "test".to_owned(),
    };
    writer.run(release).expect("released");
    assert_eq!(result(&mut writer, redeem(&spent, "again")), RedeemResult::Voided);
    writer.check_fold();
    // The other person's code stays void when whoever said STOP is erased and the index is folded anew.
    let gone = subject(&writer, 1).id;
    let inventories = vec![crate::erasure::inventory::take(&writer.reader(), gone).expect("readable")];
    let erase = Erase { inventories, reason: "asked".to_owned(), actor: "test".to_owned() };
    assert_eq!(writer.run(erase).expect("recorded"), Erased::Recorded);
    writer.log.forget(&gone);
    let coupon = writer.rebuilt_reader().look(|cx| coupon_of(cx, &main_brand(), &others));
    let coupon = coupon.expect("readable").expect("the code");
    assert!(matches!(coupon.state, CouponState::Voided { .. }), "{coupon:?}");
}

#[test]
fn a_narrow_opt_out_ends_what_it_covers_and_nothing_else() {
    let mut writer = text_shop();
    pools(&mut writer);
    joined(&mut writer, 1);
    let code = left(&mut writer, 1, 1, "ends");
    writer.run(opt_out(1, OptOutScope::Channel(Channel::Push), OptOutSource::App, "push")).expect("taken");
    assert_eq!(counts(&writer, "ends"), (5, 0, 1, 0), "it came by text");
    let program = OptOutScope::Program("carts".parse().expect("a slug"));
    writer.run(opt_out(1, program, OptOutSource::Web, "carts")).expect("taken");
    assert_eq!(result(&mut writer, redeem(&code, "late")), RedeemResult::Voided);
}

struct Room(u8);
impl Op for Room {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let person = cx.subject_for(&crate::writer::ops::fixture::address(self.0))?;
        has_room(cx, &person)
    }
}

#[test]
fn nobody_holds_more_codes_than_one_opt_out_can_end() {
    let mut writer = text_shop();
    let short = CreateCouponPool { valid_for: Span::days(10), ..pool("made", generated()) };
    writer.run(short).expect("made");
    for m in 1..=bounds::COUPONS as u8 {
        writer.run(Room(1)).expect("room");
        left(&mut writer, m, 1, "made");
    }
    assert!(matches!(writer.run(Room(1)), Err(CallError::Refused(OpError::SubjectBusy(_)))));
    writer.run(Room(2)).expect("somebody else");
    writer.advance(Span::days(11));
    writer.run(Room(1)).expect("what has run out holds no place");
    left(&mut writer, 65, 1, "made");
    let row = keys::held_coupons(&subject(&writer, 1).id);
    let held = writer.look(|s| s.get::<crate::ledger::rows::HeldCoupons>(&row)).expect("memory");
    assert_eq!(held.expect("a row").codes.len(), 1, "and is forgotten");
    writer.check_fold();
}
