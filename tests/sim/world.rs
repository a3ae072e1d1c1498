//! One run: what happens next follows from the seed alone.

use std::path::Path;
use std::sync::Arc;

use consentry::audit::replay::replay;
use consentry::clock::{Clock, ManualClock};
use consentry::decide::Engine;
use consentry::disk::sim::Fault;
use consentry::disk::{SimDisk, Tear};
use consentry::dispatch::driver::take_up;
use consentry::dispatch::schedule::{Next, Schedule};
use consentry::entropy::{Entropy, SeededEntropy, SharedEntropy};
use consentry::ledger::checkpoint::Origin;
use consentry::ledger::entry::Entry;
use consentry::ledger::keys::MasterKey;
use consentry::ledger::rows::keys;
use consentry::ledger::segment::SegmentOptions;
use consentry::ledger::state::State;
use consentry::ledger::tree::Root;
use consentry::model::outgoing::Message;
use consentry::model::subject::Subject;
use consentry::model::{Instant, MessageId, MessageState, Span, Zones};
use consentry::provider::{Dispatch, Handover};
use consentry::store::embedded::{Books, EmbeddedLog, EmbeddedOptions};
use consentry::store::{KvOptions, KvRead, SharedKv, kv};
use consentry::writer::ops::cancel::CancelMessage;
use consentry::writer::ops::cart::CloseCart;
use consentry::writer::ops::intent::{Intent, IntentAnswer};
use consentry::writer::ops::outcome::{RecordOutcome, Resolve};
use consentry::writer::ops::send::Send;
use consentry::writer::{Core, Durable, EntrySource, Env, Op, Policies, QueuedOp, Recorded};

use crate::carrier::Carrier;
use crate::model::{Model, judge_log, numbers};
use crate::shop::{Agree, HastyIntent, SetUp, Stop, objects, request};

/// A bug put in on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// The disk says it synced and did not.
    SkippedSync,
    /// One STOP in three is acknowledged and not recorded.
    LostOptOut,
    /// Intents commit without judging again.
    NoSecondDecision,
}

pub struct Plan {
    pub seed: u64,
    pub planted: Planted,
}

const PEOPLE: [&str; 5] = ["+12125550101", "+13055550102", "+14015550103", "+15125550104", "+18085550105"];

pub struct World {
    plan: Plan,
    chance: SharedEntropy,
    clock: ManualClock,
    disk: SimDisk,
    env: Arc<Env>,
    kv: SharedKv,
    core: Option<Core>,
    books: Option<Books>,
    schedule: Schedule,
    carrier: Carrier,
    model: Model,
    keys_used: Vec<(String, &'static str, u32, MessageId)>,
    carts: u32,
    /// Size and root of the last checkpoint anybody saw.
    shown: (u64, Root),
}

impl World {
    pub fn new(plan: Plan) -> World {
        let clock = ManualClock::at(Instant::parse("2026-06-01T15:00:00Z").expect("RFC 3339"));
        let policy = consentry::policy::embedded::load().expect("the packs of this release compile");
        let engine = Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit");
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(plan.seed ^ 0xE17));
        let env = Arc::new(Env::new(
            "shop".parse().expect("a slug"),
            [5; 32],
            [6; 32],
            Policies::new(engine),
            Arc::new(clock.clone()),
            entropy,
        ));
        let disk = SimDisk::new(plan.seed);
        disk.lie_on_sync(plan.planted == Planted::SkippedSync);
        let mut world = World {
            chance: Arc::new(SeededEntropy::new(plan.seed)),
            clock,
            disk,
            env,
            kv: Arc::new(kv::memory::open(&KvOptions::default())),
            core: None,
            books: None,
            schedule: Schedule::default(),
            carrier: Carrier::default(),
            model: Model::default(),
            keys_used: Vec::new(),
            carts: 0,
            shown: (0, Root::EMPTY),
            plan,
        };
        // Setting up is not what is tested: the lie, if there is one, begins with the first step.
        world.disk.lie_on_sync(false);
        world.open().expect("an empty disk opens");
        for object in objects() {
            world.call(SetUp(object)).expect("an object is taken");
        }
        for number in PEOPLE {
            world.call(Agree(number)).expect("a consent is taken");
        }
        world.disk.lie_on_sync(world.plan.planted == Planted::SkippedSync);
        world
    }

    fn below(&self, bound: u64) -> u64 {
        let chance: &dyn Entropy = &*self.chance;
        chance.below(bound)
    }

    /// Opens what the disk holds: the same path at the first start and after every crash.
    fn open(&mut self) -> Result<(), String> {
        let origin = Origin::new("sim.example", &self.env.seller, 1).map_err(|e| e.to_string())?;
        let options = EmbeddedOptions {
            segments: SegmentOptions { segment_bytes: 64 << 10, ..SegmentOptions::default() },
            reserve: false,
            raw_days: 30,
            public_tiles: false,
        };
        let master = MasterKey::from_bytes([9; 32]);
        let (log, books, _) = EmbeddedLog::open(
            &self.disk.shared(),
            Path::new("/data"),
            &origin,
            master,
            &self.env.entropy,
            options,
        )
        .map_err(|e| format!("the data folder does not open: {e}"))?;
        let foreign = Core::is_foreign(&self.kv, books.size()).map_err(|e| e.to_string())?;
        if foreign || self.below(2) == 0 {
            // The index is disposable: losing it must lose nothing.
            self.kv = Arc::new(kv::memory::open(&KvOptions::default()));
        }
        let source = Arc::new(books.clone());
        let core = Core::open(self.env.clone(), Box::new(log), self.kv.clone(), source, books.keys().clone())
            .map_err(|e| format!("recovery failed: {e}"))?;
        self.core = Some(core);
        self.books = Some(books);
        self.schedule = Schedule::default();
        self.schedule.set_connection(&"virtual".parse().expect("a slug"), 3, false);
        Ok(())
    }

    /// Carries out one operation in a batch of its own. None: the power went, or the store failed, before an answer.
    fn call<O: Op>(&mut self, op: O) -> Option<Durable<O::Answer>> {
        let core = self.core.as_mut()?;
        let (queued, mut told) = QueuedOp::new(op);
        let failed = core.run(vec![queued]).is_err();
        let answer = told.try_recv().ok().and_then(Result::ok);
        if failed {
            self.core = None;
        }
        answer
    }

    fn restart(&mut self) -> Result<(), String> {
        self.core = None;
        self.books = None;
        let tear = match self.below(8) {
            0 => Tear::Lost,
            1 => Tear::Byte,
            2 => Tear::Sector,
            3 => Tear::Page,
            4 => Tear::SectorHole,
            5 => Tear::PageHole,
            6 => Tear::Noise,
            _ => Tear::Kept,
        };
        self.disk.crash(tear);
        self.open()
    }

    pub fn step(&mut self) -> Result<(), String> {
        if self.core.is_none() {
            return self.restart();
        }
        match self.below(100) {
            0..=24 => self.send(),
            25..=29 => self.repeat(),
            30..=37 => self.stop(),
            38..=43 => self.agree(),
            44..=47 => self.close_cart(),
            48..=49 => self.cancel(),
            50..=77 => self.dispatch(),
            78..=86 => self.clock.advance(Span::seconds(self.below(90) as i64)),
            87..=91 => self.clock.advance(Span::minutes(self.below(240) as i64)),
            92..=93 => self.clock.advance(Span::seconds(-(self.below(4) as i64))),
            94..=96 => {
                let fault = if self.below(3) == 0 { Fault::Error } else { Fault::PowerCut };
                self.disk.fail_in(1 + self.below(6), fault);
            }
            _ => return self.restart(),
        }
        Ok(())
    }

    fn person(&self) -> &'static str {
        PEOPLE[self.below(PEOPLE.len() as u64) as usize]
    }

    fn send(&mut self) {
        let (number, now) = (self.person(), self.clock.now());
        if self.carts == 0 || self.below(3) > 0 {
            self.carts += 1;
        }
        let (cart, key) = (self.carts, format!("k{}", self.keys_used.len()));
        let id = MessageId::derive(&self.env.seller, &key);
        self.keys_used.push((key.clone(), number, cart, id));
        if let Some(done) = self.call(Send(request(&key, number, cart, now))) {
            self.model.accepted.insert(done.answer.message.spec.id);
        }
    }

    /// A caller that got no answer asks again with the same key.
    fn repeat(&mut self) {
        let Some(last) = self.keys_used.last().cloned() else { return };
        let (key, number, cart, id) = last;
        let now = self.clock.now();
        if let Some(done) = self.call(Send(request(&key, number, cart, now))) {
            assert_eq!(done.answer.message.spec.id, id, "a key names one message");
            self.model.accepted.insert(id);
        }
    }

    fn stop(&mut self) {
        let number = self.person();
        if self.plan.planted == Planted::LostOptOut && self.below(3) == 0 {
            self.model.stopped.insert(number.to_owned());
            return;
        }
        if self.call(Stop(number)).is_some() {
            self.model.stopped.insert(number.to_owned());
            *self.model.stops.entry(number.to_owned()).or_default() += 1;
        }
    }

    fn agree(&mut self) {
        let number = self.person();
        // Whether or not the answer came, the person did agree: from here on texts to them are no fault.
        self.model.stopped.remove(number);
        self.call(Agree(number));
    }

    fn close_cart(&mut self) {
        if self.carts == 0 {
            return;
        }
        let cart = format!("cart-{}", 1 + self.below(u64::from(self.carts)));
        self.call(CloseCart {
            brand: "acme".parse().expect("a slug"),
            id: cart.parse().expect("a name"),
            state: consentry::model::facts::CartState::Purchased,
            order_id: "o1".to_owned(),
            closed_at: None,
            actor: "sim".to_owned(),
        });
    }

    fn cancel(&mut self) {
        let Some((.., id)) = self.keys_used.last() else { return };
        let op = CancelMessage { message: *id, reason: "sim".to_owned(), actor: "sim".to_owned() };
        self.call(op);
    }

    /// One turn of the lanes: take up what is due, hand over at most one message, give up what is overdue.
    fn dispatch(&mut self) {
        let now = self.clock.now();
        let kv = self.kv.clone();
        let mut state = State::over(&*kv as &dyn KvRead);
        let Ok(overdue) = take_up(&mut state, &mut self.schedule, now) else { return };
        drop(state);
        for message in overdue {
            self.call(Resolve { message });
        }
        if let Next::Go(waiting) = self.schedule.next(now) {
            self.hand_over(waiting.message);
            self.schedule.done(&waiting.message);
        }
    }

    fn hand_over(&mut self, message: MessageId) {
        if self.plan.planted == Planted::NoSecondDecision {
            self.call(HastyIntent(message));
            return;
        }
        let Some(asked) = self.call(Intent { message }) else { return };
        let IntentAnswer::Go(draft) = asked.answer else { return };
        // A pause between commit and socket: sometimes longer than an intent lives.
        self.clock.advance(Span::millis(self.below(2_600) as i64));
        let dispatch = Dispatch::seal(*draft, &asked.proof).expect("its commit is durable");
        let chance = self.below(1_000);
        let handover = self.carrier.hand_over(dispatch, self.clock.now(), chance);
        if self.below(12) == 0 {
            // The process dies before it can write down what the carrier said.
            self.core = None;
            return;
        }
        let accepted = matches!(handover, Handover::Accepted { .. });
        let op = RecordOutcome { message, handover, handed_over_at: None };
        if self.call(op).is_some() && accepted {
            self.model.sent.insert(message);
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, String> {
        let Some(books) = &self.books else { return Ok(Vec::new()) };
        let all = books.read(0, usize::MAX)?;
        Ok(all
            .into_iter()
            .filter_map(|r| match r {
                Recorded::Open(entry) => Some(entry),
                Recorded::Erased { .. } => None,
            })
            .collect())
    }

    fn message(&self, id: &MessageId) -> Result<Option<Arc<Message>>, String> {
        State::over(&*self.kv).get::<Message>(&keys::message(id)).map_err(|e| e.to_string())
    }

    /// What can be said after every step.
    pub fn check(&mut self) -> Result<(), String> {
        if self.core.is_none() {
            return Ok(());
        }
        for id in &self.model.accepted {
            if self.message(id)?.is_none() {
                return Err(format!("message {id} was acknowledged and is gone"));
            }
        }
        for id in &self.model.sent {
            let state = self.message(id)?.map(|m| m.state);
            if state.is_none_or(MessageState::is_waiting) {
                return Err(format!("message {id} was recorded as sent and is now {state:?}"));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for over in self.carrier.seen.iter().filter(|s| s.took) {
            if !seen.insert(over.message) {
                return Err(format!("message {} was handed over twice", over.message));
            }
        }
        self.check_checkpoints()?;
        self.check_stops()
    }

    /// Every checkpoint extends every earlier one.
    fn check_checkpoints(&mut self) -> Result<(), String> {
        let Some(books) = &self.books else { return Ok(()) };
        let newest = books.checkpoint();
        let (size, root) = (newest.size(), newest.root());
        let (old_size, old_root) = self.shown;
        if size < old_size {
            return Err(format!("the checkpoint went back from {old_size} to {size}"));
        }
        if old_size > 0 && size > old_size {
            let proof = books.tree().consistency(old_size, size).map_err(|e| e.to_string())?;
            proof
                .check(old_root, root)
                .map_err(|e| format!("checkpoint {size} does not extend {old_size}: {e}"))?;
        }
        self.shown = (size, root);
        Ok(())
    }

    /// Whoever said STOP last is opted out, whatever crashed.
    fn check_stops(&self) -> Result<(), String> {
        for number in &self.model.stopped {
            let mut state = State::over(&*self.kv);
            let address = crate::shop::target(number).addresses().remove(0);
            let key = self.env.fold.address_key(&address);
            let row = state.get::<consentry::ledger::rows::AddressRow>(&key).map_err(|e| e.to_string())?;
            let id = row.and_then(|r| r.subject).ok_or("a person who said STOP is unknown")?;
            let subject = state.get::<Subject>(&keys::subject(&id)).map_err(|e| e.to_string())?;
            let holds = subject
                .is_some_and(|s| s.opt_outs.iter().any(|o| o.lifted_at.is_none() && o.lifted_for.is_empty()));
            if !holds {
                return Err(format!("an acknowledged STOP of {} does not hold", &number[..5]));
            }
        }
        Ok(())
    }

    /// What the whole log must say: read by other eyes, folded anew, judged again.
    pub fn check_all(&mut self) -> Result<(), String> {
        self.check()?;
        let entries = self.entries()?;
        judge_log(&entries)?;
        let by_subject = numbers(&entries);
        for over in &self.carrier.seen {
            let known = by_subject.values().any(|n| *n == over.to);
            if !known {
                return Err(format!("something left to a number the log does not know, at {}", over.at));
            }
        }
        let books = self.books.as_ref().ok_or("closed")?;
        let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        let report = replay(&self.env, books, &scratch).map_err(|e| e.to_string())?;
        if let Some(first) = report.differences.first() {
            return Err(format!("decision {} replays differently: {first:?}", first.index));
        }
        let rows = |kv: &SharedKv| {
            let all = consentry::store::KeyRange::prefix([]);
            kv.scan(&all, consentry::store::Order::Forward, usize::MAX)
                .map(|rows| rows.into_iter().filter(|(key, _)| key.first() != Some(&0)).collect::<Vec<_>>())
        };
        if rows(&scratch).map_err(|e| e.to_string())? != rows(&self.kv).map_err(|e| e.to_string())? {
            return Err("the index is not the fold of the ledger".to_owned());
        }
        Ok(())
    }

    /// Lets everything come to rest: whatever was accepted ends in exactly one final state, or is with the carrier.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..4_000 {
            if self.core.is_none() {
                self.restart()?;
            }
            self.dispatch();
            self.clock.advance(Span::minutes(7));
            let ids: Vec<MessageId> = self.model.accepted.iter().copied().collect();
            let mut open = 0;
            for id in ids {
                let state = self.message(&id)?.map(|m| m.state);
                open += usize::from(state.is_some_and(|s| !s.is_final() && s != MessageState::Sent));
            }
            if open == 0 && self.core.is_some() {
                return Ok(());
            }
        }
        Err("some accepted message never came to rest".to_owned())
    }
}
