//! What must hold after every step, and what must hold at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use consentry::audit::replay::replay;
use consentry::clock::Clock;
use consentry::ledger::rows::{AddressRow, FreeCode, keys};
use consentry::ledger::state::{Row, State};
use consentry::model::cart::{Coupon, CouponPool, Link};
use consentry::model::outgoing::Message;
use consentry::model::subject::Subject;
use consentry::model::{Channel, MessageState, Span};
use consentry::store::{KeyRange, Order, SharedKv};

use crate::carrier::{LINES, Seen, Text};
use crate::people::Meaning;
use crate::process::{Process, empty_index};
use crate::shop::{POOLS, brand_id, id, target};
use crate::world::World;

/// How long a STOP whose webhook failed may stay unknown while lanes go on: the longest break that needs no list.
const BREAK: Span = Span::seconds(30);

impl World {
    /// What can be said after every step.
    pub fn check(&mut self) -> Result<(), String> {
        self.check_hand_overs()?;
        if self.process.is_none() {
            return Ok(());
        }
        for id in &self.promises.accepted {
            if self.log.state(id).is_none() && !self.log.is_forgotten(id) {
                return Err(format!("message {id} was acknowledged and is gone"));
            }
        }
        for (code, order) in &self.promises.redeemed {
            if !self.log.coupons.knows(code, order) {
                return Err(format!("order {order} was told that it has {code}, and has not"));
            }
        }
        for (code, clicks) in &self.promises.clicked {
            if self.log.clicks(code) < *clicks {
                return Err(format!(
                    "{clicks} clicks on {code} were acknowledged, {} are there",
                    self.log.clicks(code)
                ));
            }
        }
        self.check_checkpoints()?;
        self.check_coupons()?;
        self.check_stops()
    }

    /// What left since the last look: permitted, once, and to nobody whose STOP we should have known.
    fn check_hand_overs(&mut self) -> Result<(), String> {
        let mut new = Vec::new();
        for (line, carrier) in self.carriers.iter().enumerate() {
            let seen = carrier.seen(self.judged.0[line]);
            self.judged.0[line] += seen.len();
            new.extend(seen);
        }
        let seen = self.pushes.seen(self.judged.0[LINES.len()]);
        self.judged.0[LINES.len()] += seen.len();
        new.extend(seen);
        for seen in new {
            self.log.permits(&seen.message, seen.at, seen.line)?;
            let undenied = self.judged.1.entry(seen.message).or_default();
            if *undenied > 0 {
                return Err(format!("message {} left again, though nobody said it had not", seen.message));
            }
            *undenied += u32::from(!seen.denied);
            let known = self.log.numbers().any(|(_, number)| number == seen.to);
            if !known && !self.log.is_gone(&seen.to) {
                return Err(format!("something left to a number the log does not know, at {}", seen.at));
            }
            self.check_unheard(&seen)?;
        }
        Ok(())
    }

    /// A STOP the carrier could not tell us of is known before anything leaves, or the break was a short one.
    fn check_unheard(&self, seen: &Seen) -> Result<(), String> {
        let texts = self.texts();
        let stops = |m: Meaning| matches!(m, Meaning::Stop | Meaning::Stranger);
        // What one carrier could not tell us keeps back what would leave by it, as the lines rest one by one.
        let theirs = |t: &&Text| t.from == seen.to && t.line.name == seen.line;
        for text in texts.iter().filter(theirs).filter(|t| stops(t.meaning) && !t.acked) {
            let missed = text.failed_at.is_some_and(|failed| seen.at > failed + BREAK);
            let unknown = !self.log.knows_text(&text.id);
            let back = self.promises.is_taken_back(&text.from, text.at);
            if missed && unknown && !back && self.log.is_campaign(&seen.message) {
                return Err(format!(
                    "message {} left at {} although the STOP of {} was with the carrier and could not be told",
                    seen.message, seen.at, text.at
                ));
            }
        }
        Ok(())
    }

    /// Every checkpoint extends every earlier one.
    fn check_checkpoints(&mut self) -> Result<(), String> {
        let Some(process) = &self.process else { return Ok(()) };
        let newest = process.books.checkpoint();
        let (size, root) = (newest.size(), newest.root());
        let (old_size, old_root) = self.shown;
        if size < old_size {
            return Err(format!("the checkpoint went back from {old_size} to {size}"));
        }
        if old_size > 0 && size > old_size {
            let proof = process.books.tree().consistency(old_size, size).map_err(|e| e.to_string())?;
            proof
                .check(old_root, root)
                .map_err(|e| format!("checkpoint {size} does not extend {old_size}: {e}"))?;
        }
        self.shown = (size, root);
        Ok(())
    }

    /// No code appears, disappears or is counted twice.
    fn check_coupons(&self) -> Result<(), String> {
        for name in POOLS {
            let row = self.row::<CouponPool>(&keys::pool(&brand_id(), &id(name)))?;
            let Some(pool) = row else { return Err(format!("pool {name} is gone")) };
            let counted = [pool.free, pool.reserved, pool.issued, pool.redeemed, pool.voided];
            let expected = self.log.coupons.counts(name);
            let imported = expected.iter().sum::<u64>() == pool.imported || name != "own";
            if counted != expected || !imported {
                return Err(format!("pool {name} counts {counted:?}, its codes are {expected:?}"));
            }
        }
        Ok(())
    }

    fn row<R: consentry::ledger::state::Row>(&self, key: &[u8]) -> Result<Option<Arc<R>>, String> {
        State::over(&*self.kv).get::<R>(key).map_err(|e| e.to_string())
    }

    /// Whoever said STOP last is opted out, whatever crashed.
    fn check_stops(&self) -> Result<(), String> {
        let carts = (id("carts"), Channel::Sms);
        for number in self.promises.stopped() {
            let address = target(number).addresses().pop().expect("a number");
            let row = self.row::<AddressRow>(&self.env.fold.address_key(&address))?;
            let row = row.ok_or("a person who said STOP is unknown")?;
            if row.suppressed {
                continue;
            }
            let subject = row.subject.ok_or("a person who said STOP is unknown")?;
            let subject = self.row::<Subject>(&keys::subject(&subject))?;
            let opt_outs = subject.map(|s| s.opt_outs.clone()).unwrap_or_default();
            if !opt_outs.iter().any(|o| o.lifted_at.is_none() && !o.lifted_for.contains(&carts)) {
                return Err(format!("an acknowledged STOP of {} does not hold: {opt_outs:?}", &number[..5]));
            }
        }
        Ok(())
    }

    /// Lets everything come to rest: whatever was accepted has one end, or is with a carrier that says no more.
    pub fn settle(&mut self) -> Result<(), String> {
        self.disk.lie_on_sync(false);
        for turn in 0..6_000 {
            if self.process.is_none() {
                self.come_back()?;
            }
            self.look_after();
            self.dispatch();
            self.post_all();
            self.work(3)?;
            let quiet = self.process.as_ref().is_some_and(Process::is_idle);
            self.check_hand_overs()?;
            self.pass(if quiet { Span::minutes(11) } else { Span::millis(100) });
            if turn % 64 == 0 {
                self.check()?;
            }
            let open = self.log.messages().any(|(_, state)| !state.is_final() && state != MessageState::Sent);
            if quiet && !open && turn > 300 {
                return Ok(());
            }
        }
        let open: Vec<_> = self.log.messages().filter(|(_, state)| !state.is_final()).collect();
        Err(format!("some accepted message never came to rest: {open:?} at {}", self.clock.now()))
    }

    /// What the whole log must say: folded anew, judged again, and nothing left hanging.
    pub fn check_all(&mut self) -> Result<(), String> {
        self.check()?;
        let process = self.process.as_ref().ok_or("closed")?;
        let scratch = empty_index();
        let report = replay(process.env(), &process.books, &scratch).map_err(|e| e.to_string())?;
        if let Some(first) = report.differences.first() {
            let what = format!("{first:?}").chars().take(2_000).collect::<String>();
            return Err(format!("decision {} replays differently: {what}", first.index));
        }
        let rows = |kv: &SharedKv| {
            let all = KeyRange::prefix([]);
            let rows = kv.scan(&all, Order::Forward, usize::MAX)?;
            Ok::<_, consentry::store::KvError>(
                rows.into_iter().filter(|(key, _)| key.first() != Some(&0)).collect::<BTreeMap<_, _>>(),
            )
        };
        let (folded, kept) = (rows(&scratch), rows(&self.kv));
        let (mut folded, mut kept) = (folded.map_err(|e| e.to_string())?, kept.map_err(|e| e.to_string())?);
        if self.log.reached.contains_key("somebody was erased") {
            // In which order free codes wait is not known without the entries of who had them; how many there are is.
            let in_order =
                |key: &Vec<u8>| [FreeCode::TABLE, CouponPool::TABLE, Coupon::TABLE].contains(&key[0]);
            folded.retain(|key, _| !in_order(key));
            kept.retain(|key, _| !in_order(key));
            for name in POOLS {
                let key = keys::pool(&brand_id(), &id(name));
                let pool = State::over(&*scratch).get::<CouponPool>(&key).map_err(|e| e.to_string())?;
                let counts = pool.map(|p| [p.free, p.reserved, p.issued, p.redeemed, p.voided]);
                if counts != Some(self.log.coupons.counts(name)) {
                    return Err(format!(
                        "pool {name} counts {counts:?} folded anew, its codes say otherwise"
                    ));
                }
            }
        }
        if folded != kept {
            let keys = folded.keys().chain(kept.keys()).filter(|key| folded.get(*key) != kept.get(*key));
            let what = |key: &Vec<u8>| {
                let key_text = String::from_utf8_lossy(key).into_owned();
                (key_text, folded.get(key).map(Vec::len), kept.get(key).map(Vec::len))
            };
            let differ: Vec<_> = keys.take(4).map(what).collect();
            return Err(format!("the index is not the fold of the ledger: folded anew, as kept: {differ:?}"));
        }
        self.check_rest()
    }

    /// Rows agree with the second model, and nobody keeps a place for a message that has its end.
    fn check_rest(&self) -> Result<(), String> {
        for (id, state) in self.log.messages() {
            let row = self.row::<Message>(&keys::message(id))?.map(|m| m.state);
            if row != Some(state) {
                return Err(format!("message {id} is {row:?}, its entries say {state:?}"));
            }
        }
        for (subject, number) in self.log.numbers().filter(|(_, number)| !number.is_empty()) {
            let Some(row) = self.row::<Subject>(&keys::subject(subject))? else {
                return Err(format!("{} is gone", &number[..5]));
            };
            let stuck = row.open.iter().find(|o| self.log.state(&o.id).is_none_or(|s| !s.is_waiting()));
            if let Some(stuck) = stuck {
                return Err(format!("message {} has its end and still holds a place", stuck.id));
            }
        }
        for (code, ..) in self.log.links() {
            let row = self.row::<Link>(&keys::link(code))?.map_or(0, |link| link.raw_clicks);
            if row != self.log.clicks(code) {
                return Err(format!(
                    "link {code} counts {row} clicks, its entries {}",
                    self.log.clicks(code)
                ));
            }
        }
        for name in POOLS {
            let [_, reserved, ..] = self.log.coupons.counts(name);
            let waiting = self.log.messages().filter(|(_, s)| s.is_waiting()).count();
            if reserved as usize > waiting {
                return Err(format!("pool {name} keeps {reserved} codes for {waiting} messages"));
            }
        }
        Ok(())
    }
}
