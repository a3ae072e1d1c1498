//! One run: what happens next follows from the seed alone.

use std::sync::{Arc, OnceLock};

use consentry::clock::{Clock, ManualClock};
use consentry::decide::Engine;
use consentry::disk::sim::Fault;
use consentry::disk::{SimDisk, Tear};
use consentry::entropy::{Entropy, SeededEntropy, SharedEntropy};
use consentry::ledger::entry::leaf_hash;
use consentry::ledger::tree::Root;
use consentry::model::{Instant, LinkCode, MessageId, Span, SubjectId, Zones};
use consentry::store::SharedKv;
use consentry::store::embedded::destroy_erased;
use consentry::writer::{CoreError, Env, Op, Policies};

use crate::carrier::{Carrier, Habits, LINES, Post, Seen, Text};
use crate::model::{Log, Promises};
use crate::people::{APPS, KEYWORD, Meaning, PEOPLE};
use crate::process::{Process, empty_index, line};
use crate::pushes::Pushes;
use crate::shop::{SetUp, Wish, codes, disclosures, objects, opt_in, pools, report, switched_on};

/// A bug put in on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// The disk says it synced and did not.
    SkippedSync,
    /// One opt-out in three is acknowledged and not recorded.
    LostOptOut,
    /// Intents commit without judging again.
    NoSecondDecision,
    /// A webhook is answered 2xx before its commit.
    EarlyAnswer,
    /// After a gap the lanes go on without the carrier's list.
    SkippedList,
    /// A code is put among the free ones while somebody holds it.
    CouponTwice,
    /// The adapter does not look whether its intent is still valid.
    StaleIntent,
}

/// What somebody outside the process was told.
pub enum Told {
    Nothing,
    /// A message was accepted.
    Accepted(MessageId),
    /// An opt-out from everything was recorded.
    OptedOut(&'static str, Instant),
    /// A code belongs to an order.
    Redeemed {
        code: String,
        order: String,
    },
    Posted {
        line: usize,
        post: Post,
        taken: bool,
    },
    HandedOver(MessageId),
    /// Somebody's erasure is durable; their key is to go.
    Erased(SubjectId),
    /// So many clicks on a link are durable.
    Clicked(LinkCode, u64),
    /// The list of that line was pulled, or not.
    CaughtUp(usize),
}

pub struct World {
    pub planted: Planted,
    chance: SharedEntropy,
    pub clock: ManualClock,
    pub disk: SimDisk,
    pub env: Arc<Env>,
    pub kv: SharedKv,
    pub process: Option<Process>,
    /// In the order of [`LINES`].
    pub carriers: Vec<Carrier>,
    pub pushes: Pushes,
    pub promises: Promises,
    pub log: Log,
    pub wishes: Vec<Wish>,
    pub carts: u64,
    pub operations: u64,
    /// Size and root of the last checkpoint anybody saw.
    pub shown: (u64, Root),
    /// Hand-overs judged so far, and by message how many the carrier did not deny.
    pub judged: ([usize; LINES.len() + 1], std::collections::BTreeMap<MessageId, u32>),
    /// Lists that are being pulled.
    pulling: [bool; LINES.len()],
    /// Something was planned to go wrong with the disk in this life.
    faulty: std::cell::Cell<bool>,
    /// The latest the clock ever said.
    latest: Instant,
    runtime: tokio::runtime::Runtime,
}

/// Compiled once: it takes longer than a run.
fn policies() -> Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    let compile = || {
        let policy = consentry::policy::embedded::load().expect("the packs of this release compile");
        Policies::new(Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit"))
    };
    POLICIES.get_or_init(compile).clone()
}

impl World {
    pub fn new(seed: u64, planted: Planted) -> World {
        World::with(seed, planted, Habits { ignores_validity: planted == Planted::StaleIntent, calm: false })
    }

    pub fn with(seed: u64, planted: Planted, habits: Habits) -> World {
        let clock = ManualClock::at(Instant::parse("2026-06-01T15:00:00Z").expect("RFC 3339"));
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(seed ^ 0xE17));
        let seller = "shop".parse().expect("a slug");
        let env = Env::new(seller, [5; 32], [6; 32], policies(), Arc::new(clock.clone()), entropy);
        let carriers = LINES.iter().enumerate().map(|(number, line)| {
            let chance = Arc::new(SeededEntropy::new(seed ^ (0xCA1 + number as u64)));
            Carrier::new(*line, clock.clone(), chance, habits)
        });
        let carriers = carriers.collect();
        let pushes = Pushes::new(clock.clone(), Arc::new(SeededEntropy::new(seed ^ 0xFC3)), habits);
        // Timers are only looked at, never waited for: nothing here depends on how fast the machine is.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut world = World {
            planted,
            chance: Arc::new(SeededEntropy::new(seed)),
            clock,
            disk: SimDisk::new(seed),
            env: Arc::new(env),
            kv: empty_index(),
            process: None,
            carriers,
            pushes,
            promises: Promises::default(),
            log: Log::default(),
            wishes: Vec::new(),
            carts: 0,
            operations: 0,
            shown: (0, Root::EMPTY),
            judged: Default::default(),
            pulling: Default::default(),
            faulty: false.into(),
            latest: Instant::EPOCH,
            runtime,
        };
        world.begin();
        world.disk.lie_on_sync(planted == Planted::SkippedSync);
        world
    }

    /// Sets the shop up; everybody agrees by keyword. Not what is tested: a planted lie begins after it.
    fn begin(&mut self) {
        self.open().expect("an empty disk opens");
        objects().into_iter().for_each(|object| self.ask_now(SetUp(object)));
        disclosures().into_iter().for_each(|disclosure| self.ask_now(disclosure));
        pools().into_iter().for_each(|pool| self.ask_now(pool));
        self.ask_now(codes());
        let now = self.clock.now();
        for person in &PEOPLE {
            let name = format!("first-{}", person.number);
            self.ask_now(opt_in(person, "orders", now, false, &name));
            if !person.language.is_empty() {
                self.ask_now(crate::steps::speaks(person));
            }
            self.write(0, person.number, Some(KEYWORD), Meaning::Agree);
        }
        for (n, app) in APPS.iter().enumerate() {
            self.ask_now(report(app, Some(format!("token-{n}")), true, true, now));
            self.ask_now(switched_on(app, now, &format!("first-{}", app.installation)));
        }
        for _ in 0..600 {
            self.clock.advance(Span::seconds(1));
            self.post(0);
            self.settle_work().expect("nothing fails yet");
        }
    }

    pub fn below(&self, bound: u64) -> u64 {
        let chance: &dyn Entropy = &*self.chance;
        chance.below(bound)
    }

    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn open(&mut self) -> Result<(), String> {
        if self.one_in(4) {
            // The index is disposable: losing it must lose nothing.
            self.kv = empty_index();
        }
        let process = Process::start(&self.env, &self.disk, &self.kv, &self.carriers, &self.pushes)?;
        self.kv = process.kv.clone();
        self.pulling = Default::default();
        self.faulty.set(false);
        if self.planted == Planted::SkippedList {
            for number in 0..LINES.len() {
                process.hearing.caught_up(&line(number), self.clock.now() + Span::micros(1));
            }
            process.pause_or_go_on();
        }
        self.relearn(&process)?;
        self.process = Some(process);
        Ok(())
    }

    /// What was durable is still there, word for word; what comes after it was durable too, though nobody was told.
    fn relearn(&mut self, process: &Process) -> Result<(), String> {
        use consentry::writer::{EntrySource, Recorded};
        let (known, size) = (self.log.size, process.books.size());
        if size < known {
            return Err(format!("{known} entries were durable, {size} are left"));
        }
        let from = known.saturating_sub(1);
        for recorded in process.books.read(from, usize::MAX)? {
            let (index, hash) = match recorded {
                Recorded::Open(entry) if entry.index >= known => {
                    self.log.apply(&entry)?;
                    continue;
                }
                Recorded::Open(entry) => (entry.index, entry.hash),
                // Of somebody who was erased: nobody can read it, and it is still the same.
                Recorded::Erased { index, leaf } => {
                    (index, leaf_hash(&leaf.encode().map_err(|e| e.to_string())?))
                }
            };
            if index >= known {
                return Err(format!("entry {index} does not open, and nobody was told of it"));
            }
            if self.log.last != Some(hash) {
                return Err(format!("entry {index} is another than it was"));
            }
        }
        // Now that it was seen what was durable: keys of the erased that a crash left behind.
        destroy_erased(&process.kv, process.books.keys()).map_err(|e| e.to_string())?;
        self.log.check_erased(&process.books)
    }

    /// Something is asked of the writer; whatever it answers is of no interest.
    pub fn ask<O: Op>(&mut self, op: O) {
        if let Some(process) = &mut self.process {
            process.ask(op, |_| Told::Nothing);
        }
    }

    /// The same while the shop is set up: it must be taken.
    fn ask_now<O: Op>(&mut self, op: O) {
        let process = self.process.as_mut().expect("set up while it runs");
        process.ask(op, |answer| match answer {
            Ok(_) => Told::Nothing,
            Err(e) => panic!("setting up: {e}"),
        });
        self.settle_work().expect("nothing fails yet");
    }

    fn settle_work(&mut self) -> Result<(), String> {
        for _ in 0..40 {
            self.work(1)?;
            if self.process.as_ref().is_none_or(Process::is_idle) {
                break;
            }
        }
        Ok(())
    }

    /// Lets what is under way go on, and carries out batches of what it asks for.
    pub fn work(&mut self, rounds: u64) -> Result<(), String> {
        for _ in 0..rounds {
            let Some(process) = &mut self.process else { return Ok(()) };
            let told = {
                let _timers = self.runtime.enter();
                process.poll()
            };
            let pumped = process.pump();
            let news = process.news();
            for entry in news {
                self.log.apply(&entry)?;
            }
            told.into_iter().for_each(|told| self.hear(told));
            if let Err(error) = pumped {
                return self.died(error);
            }
        }
        if let Some(process) = &mut self.process {
            let told = {
                let _timers = self.runtime.enter();
                process.poll()
            };
            told.into_iter().for_each(|told| self.hear(told));
        }
        Ok(())
    }

    /// The store failed: at times those who wait are still told so.
    fn died(&mut self, error: CoreError) -> Result<(), String> {
        let planned = matches!(error, CoreError::Log(_)) || self.faulty.get();
        if !planned {
            return Err(format!("the writer stopped: {error}"));
        }
        if self.one_in(2)
            && let Some(process) = &mut self.process
        {
            let told = {
                let _timers = self.runtime.enter();
                process.poll()
            };
            told.into_iter().for_each(|told| self.hear(told));
        }
        self.process = None;
        Ok(())
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Nothing => {}
            Told::Accepted(id) => {
                self.promises.accepted.insert(id);
            }
            Told::OptedOut(number, at) => self.promises.recorded(number, at),
            Told::Redeemed { code, order } => {
                self.promises.redeemed.insert(code, order);
            }
            Told::Posted { line, post, taken } => self.posted(line, post, taken),
            Told::HandedOver(message) => {
                if let Some(process) = &self.process {
                    process.lanes.done(&message);
                }
            }
            Told::Erased(subject) => {
                if let Some(process) = &self.process {
                    // Where the disk fails, the next start makes it good.
                    let _ = process.books.keys().destroy(&[subject]);
                }
            }
            Told::Clicked(code, count) => *self.promises.clicked.entry(code).or_default() += count,
            Told::CaughtUp(line) => self.pulling[line] = false,
        }
    }

    fn posted(&mut self, line: usize, post: Post, taken: bool) {
        let texts = self.carriers[line].texts();
        for text in post.texts.iter().filter(|_| taken).map(|number| &texts[*number]) {
            self.promises.heard(&text.from, text.meaning, text.at);
        }
        self.carriers[line].posted(post, taken);
    }

    /// Everything people wrote, whether the gateway knows it or not.
    pub fn texts(&self) -> Vec<Text> {
        self.carriers.iter().flat_map(Carrier::texts).collect()
    }

    /// Everything any carrier saw.
    pub fn seen(&self) -> Vec<Seen> {
        self.carriers.iter().flat_map(|carrier| carrier.seen(0)).chain(self.pushes.seen(0)).collect()
    }

    /// A person writes to one of our lines.
    pub fn write(&mut self, line: usize, number: &str, words: Option<&'static str>, meaning: Meaning) {
        let text = self.carriers[line].write(number, words, meaning);
        self.promises.written(number, meaning, text.at);
    }

    /// The carrier of a line posts a webhook that is due, whether anybody is there or not.
    pub fn post(&mut self, line: usize) {
        let Some(post) = self.carriers[line].next_post() else { return };
        let Some(process) = &mut self.process else { return self.posted(line, post, false) };
        process.post(line, post.clone(), self.clock.now());
        if self.planted == Planted::EarlyAnswer {
            self.posted(line, post, true);
        }
    }

    /// Each carrier posts one webhook that is due.
    pub fn post_all(&mut self) {
        (0..LINES.len()).for_each(|line| self.post(line));
    }

    /// Any line, most often the shop's own.
    pub fn some_line(&self) -> usize {
        usize::from(self.one_in(4))
    }

    /// As the reconciler's loop does: a list where one is needed, and rest until it is pulled.
    pub fn look_after(&mut self) {
        let now = self.clock.now();
        let Some(process) = &mut self.process else { return };
        process.hearing.awake();
        for number in 0..LINES.len() {
            let since = process.hearing.of(&line(number)).and_then(|ear| ear.list_since(now));
            if let Some(since) = since.filter(|_| !self.pulling[number]) {
                self.pulling[number] = true;
                process.catch_up(number, since);
            }
        }
        process.pause_or_go_on();
    }

    pub fn crash(&mut self) {
        self.process = None;
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
    }

    /// Nobody is there for a while; then it starts again.
    pub fn come_back(&mut self) -> Result<(), String> {
        self.crash();
        self.open()
    }

    /// The process ends in order.
    pub fn stop(&mut self) -> Result<(), String> {
        let Some(process) = self.process.take() else { return Ok(()) };
        if let Err(error) = process.close()
            && !self.faulty.get()
        {
            return Err(format!("it did not end in order: {error}"));
        }
        Ok(())
    }

    /// Time goes by while everything runs.
    pub fn pass(&mut self, span: Span) {
        let mut left = span;
        while left > Span::ZERO {
            let step = left.min(Span::seconds(25));
            self.clock.advance(step);
            left = Span::micros(left.as_micros() - step.as_micros());
            if let Some(process) = &self.process {
                process.hearing.awake();
            }
        }
    }

    /// The machine sleeps, and whoever calls meets nobody.
    pub fn sleep(&mut self, span: Span) {
        self.pass(Span::ZERO);
        self.clock.advance(span);
        for _ in 0..3 {
            for line in 0..LINES.len() {
                if let Some(post) = self.carriers[line].next_post() {
                    self.posted(line, post, false);
                }
            }
        }
    }

    /// The clock is put back a little, never so far that it could not be trusted.
    pub fn step_back(&mut self, span: Span) {
        self.latest = self.latest.max(self.clock.now());
        self.clock.set((self.clock.now() - span).max(self.latest - Span::seconds(4)));
    }

    /// Something goes wrong with the disk soon.
    pub fn plan_fault(&self) {
        self.faulty.set(true);
        let fault = if self.one_in(3) { Fault::Error } else { Fault::PowerCut };
        self.disk.fail_in(1 + self.below(6), fault);
    }
}
