//! A coupon's life in random order, against a small second model: no code is ever held by two messages, counts are what
//! the rows say, what may have reached a person never comes back, what did not does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::ledger::rows::FreeCode;
use crate::ledger::state::key as row_key;

#[derive(Debug, Clone)]
enum Act {
    Import(u8),
    Accept { generated: bool },
    Step(usize, Step),
    Redeem(usize, u8),
    RedeemTogether(usize),
    Release(usize, u8),
    Void(usize),
    VoidFree,
    Hours(i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let step = prop_oneof![
        4 => Just(Step::Leave),
        1 => Just(Step::Die),
        2 => Just(Step::Outcome(MessageState::Sent)),
        1 => Just(Step::Outcome(MessageState::Unknown)),
        1 => Just(Step::Outcome(MessageState::Rejected)),
        1 => Just(Step::Outcome(MessageState::NotSent)),
        1 => Just(Step::Outcome(MessageState::Queued)),
    ];
    let act = prop_oneof![
        2 => (1u8..6).prop_map(Act::Import),
        5 => any::<bool>().prop_map(|generated| Act::Accept { generated }),
        10 => (any::<usize>(), step).prop_map(|(n, s)| Act::Step(n, s)),
        4 => (any::<usize>(), 0u8..3).prop_map(|(n, o)| Act::Redeem(n, o)),
        1 => any::<usize>().prop_map(Act::RedeemTogether),
        2 => (any::<usize>(), 0u8..3).prop_map(|(n, o)| Act::Release(n, o)),
        2 => any::<usize>().prop_map(Act::Void),
        1 => Just(Act::VoidFree),
        1 => (1i64..50).prop_map(Act::Hours),
    ];
    proptest::collection::vec(act, 1..60)
}

struct World {
    writer: TestWriter,
    /// Messages in the order they were accepted: their code and where they stand.
    messages: Vec<(MessageId, Option<String>, MessageState)>,
    imported: usize,
}

fn possible(from: MessageState, step: Step) -> Option<MessageState> {
    match (from, step) {
        (MessageState::Held | MessageState::Queued, Step::Leave) => Some(MessageState::Sending),
        (MessageState::Held | MessageState::Queued, Step::Die) => Some(MessageState::Expired),
        (MessageState::Sending, Step::Outcome(to)) => Some(to),
        _ => None,
    }
}

impl World {
    fn new() -> World {
        let mut writer = shop();
        writer.run(pool("g", generated())).expect("made");
        writer.run(pool("p", PoolSource::Imported)).expect("made");
        World { writer, messages: Vec::new(), imported: 0 }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Import(n) => {
                let codes: Vec<String> =
                    (0..usize::from(n)).map(|i| format!("C{}", self.imported + i)).collect();
                self.imported += codes.len();
                let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
                self.writer.run(import("p", &codes)).expect("imported");
            }
            Act::Accept { generated } => self.accept(generated),
            Act::Step(n, step) => self.step(n, step),
            Act::Redeem(n, order) => {
                let Some(code) = self.code(n) else { return };
                self.writer.run(redeem(&code, &format!("o{order}"))).expect("answered");
            }
            Act::RedeemTogether(n) => self.redeem_together(n),
            Act::Release(n, order) => {
                let Some(code) = self.code(n) else { return };
                let order_id = format!("o{order}");
                let _ =
                    self.writer.run(ReleaseCoupon { brand: main_brand(), code, order_id, actor: "t".into() });
            }
            Act::Void(n) => {
                let Some(code) = self.code(n) else { return };
                self.void(code);
            }
            Act::VoidFree => {
                if let Some(code) = self.free().into_values().next_back() {
                    self.void(code);
                }
            }
            Act::Hours(n) => self.writer.advance(Span::hours(n)),
        }
    }

    fn void(&mut self, code: String) {
        let _ =
            self.writer.run(VoidCoupon { brand: main_brand(), code, reason: "x".into(), actor: "t".into() });
    }

    fn accept(&mut self, generated: bool) {
        let n = self.messages.len() as u8;
        let id = MessageId([n; 16]);
        let pool = if generated { "g" } else { "p" }.parse().expect("a slug");
        // One person a message: a person's own bounds are another test's.
        let spec = self
            .writer
            .run(Accept { id, to: n, cart: None, pool: Some(pool), link: None })
            .expect("accepted");
        let code = spec.coupon.and_then(|c| c.code);
        assert_eq!(code.is_none(), !generated && self.free_before(&code), "a code as long as there is one");
        self.messages.push((id, code, MessageState::Held));
    }

    /// Whether the pool was empty before this code was taken.
    fn free_before(&self, taken: &Option<String>) -> bool {
        taken.is_none() && self.free().is_empty()
    }

    fn step(&mut self, n: usize, step: Step) {
        if self.messages.is_empty() {
            return;
        }
        let n = n % self.messages.len();
        if let Some(to) = possible(self.messages[n].2, step) {
            self.writer.run(Next(self.messages[n].0, step)).expect("folds");
            self.messages[n].2 = to;
        }
    }

    fn redeem_together(&mut self, n: usize) {
        let Some(code) = self.code(n) else { return };
        let before = self.coupon(&code).is_some_and(|c| matches!(c.state, CouponState::Redeemed { .. }));
        let both = vec![redeem(&code, "left"), redeem(&code, "right")];
        let won = self.writer.run_together(both).into_iter();
        let won = won.filter(|a| a.as_ref().expect("answered").result == RedeemResult::Redeemed).count();
        assert!(won <= 1 || before, "two orders redeemed {code}");
    }

    fn code(&self, n: usize) -> Option<String> {
        let with_code: Vec<&String> = self.messages.iter().filter_map(|m| m.1.as_ref()).collect();
        with_code.get(n.checked_rem(with_code.len())?).map(|c| (*c).clone())
    }

    fn coupon(&self, code: &str) -> Option<Arc<Coupon>> {
        self.writer.look(|s| s.get::<Coupon>(&keys::coupon(&main_brand(), code))).expect("memory")
    }

    fn coupons(&self) -> Vec<Arc<Coupon>> {
        let all = self.writer.look(|s| s.scan::<Coupon>(&row_key::<Coupon>(&[]), None, usize::MAX - 1_000));
        all.expect("memory").into_iter().map(|(_, c)| c).collect()
    }

    fn free(&self) -> BTreeMap<Vec<u8>, String> {
        let all =
            self.writer.look(|s| s.scan::<FreeCode>(&row_key::<FreeCode>(&[]), None, usize::MAX - 1_000));
        all.expect("memory").into_iter().map(|(k, f)| (k, f.code.clone())).collect()
    }

    fn check(&self) {
        self.check_promises();
        self.check_counts();
    }

    fn check_promises(&self) {
        let mut held = BTreeSet::new();
        for (id, code, state) in &self.messages {
            let Some(code) = code else { continue };
            if state.is_waiting() || state.reached_out() {
                assert!(held.insert(code), "{code} is promised to two messages");
                let coupon = self.coupon(code).expect("a promised code has a row");
                assert_eq!(coupon.message, Some(*id), "{code} belongs to the message that holds it");
                assert_ne!(coupon.state, CouponState::Free, "{code} is with somebody");
            }
        }
    }

    fn check_counts(&self) {
        let coupons = self.coupons();
        for id in ["g", "p"] {
            let pool_id: PoolId = id.parse().expect("a slug");
            let row = self.writer.look(|s| s.get::<CouponPool>(&keys::pool(&main_brand(), &pool_id)));
            let row = row.expect("memory").expect("the pool");
            let count = |fits: fn(&CouponState) -> bool| {
                coupons.iter().filter(|c| c.pool == pool_id && fits(&c.state)).count() as u64
            };
            assert_eq!(row.free, count(|s| matches!(s, CouponState::Free)), "{id} free");
            assert_eq!(row.reserved, count(|s| matches!(s, CouponState::Reserved)), "{id} reserved");
            assert_eq!(row.issued, count(|s| matches!(s, CouponState::Issued)), "{id} issued");
            assert_eq!(row.redeemed, count(|s| matches!(s, CouponState::Redeemed { .. })), "{id} redeemed");
            assert_eq!(row.voided, count(|s| matches!(s, CouponState::Voided { .. })), "{id} voided");
            if id == "p" {
                let all = row.free + row.reserved + row.issued + row.redeemed + row.voided;
                assert_eq!(all, row.imported, "no code is lost");
            }
        }
        let free: BTreeSet<String> = self.free().into_values().collect();
        let standing: BTreeSet<String> =
            coupons.iter().filter(|c| c.state == CouponState::Free).map(|c| c.code.clone()).collect();
        assert_eq!(free, standing, "the free slots are the free codes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_code_is_promised_twice_and_every_count_is_true(acts in acts()) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
            world.check();
        }
        world.writer.check_fold();
    }
}

#[test]
fn a_code_that_reached_nobody_goes_to_the_next() {
    let mut world = World::new();
    world.act(Act::Import(1));
    for ending in [Step::Die, Step::Outcome(MessageState::Rejected), Step::Outcome(MessageState::NotSent)] {
        world.accept(false);
        let last = world.messages.len() - 1;
        assert_eq!(world.messages[last].1.as_deref(), Some("C0"));
        if ending != Step::Die {
            world.step(last, Step::Leave);
        }
        world.step(last, ending);
        world.check();
    }
    world.accept(false);
    let last = world.messages.len() - 1;
    world.step(last, Step::Leave);
    world.step(last, Step::Outcome(MessageState::Unknown));
    world.accept(false);
    assert_eq!(world.messages[last + 1].1, None, "what may have arrived is gone");
}
