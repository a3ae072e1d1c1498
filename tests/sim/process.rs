//! One life of the gateway: everything a crash ends. Its parts are the product's own, put together as `gateway` and
//! `serve` do; only who polls them, and when, is the simulation's to say.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use consentry::disk::SimDisk;
use consentry::dispatch::{Carrier as Way, Dispatcher, Providers, Waiting};
use consentry::inbound::endpoint::{Endpoint, Endpoints};
use consentry::inbound::hearing::Hearing;
use consentry::inbound::reconcile::Reconciler;
use consentry::inbound::server::Webhooks;
use consentry::ledger::checkpoint::Origin;
use consentry::ledger::entry::Entry;
use consentry::ledger::keys::MasterKey;
use consentry::ledger::rows::{HeardRow, keys};
use consentry::ledger::segment::SegmentOptions;
use consentry::ledger::state::State;
use consentry::model::registry::Reconcile;
use consentry::model::{ConnectionId, Instant, LinkCode, MessageId};
use consentry::provider::SharedProvider;
use consentry::redirect::Redirect;
use consentry::sandbox::carrier::webhooks::signature;
use consentry::store::embedded::{Books, EmbeddedLog, EmbeddedOptions};
use consentry::store::{KvOptions, SharedKv, kv};
use consentry::writer::{
    CallError, Core, CoreError, Durable, EntrySource, Env, Op, QueueLimits, Queues, Reader, WriterHandle,
};
use parking_lot::Mutex;
use tower::ServiceExt;

use crate::carrier::{Carrier, LINES, Post};
use crate::pushes::{PUSH, Pushes};
use crate::shop::{SECRET, SHORT_DOMAIN, TOKEN, connection, id};
use crate::world::Told;

/// Something under way.
type Work = Pin<Box<dyn Future<Output = Told> + Send>>;

pub struct Process {
    env: Arc<Env>,
    core: Core,
    queues: Arc<Queues>,
    pub writer: WriterHandle,
    pub lanes: Dispatcher,
    providers: Arc<Providers>,
    pub hearing: Hearing,
    reconciler: Reconciler,
    router: axum::Router,
    /// Short domains.
    short: axum::Router,
    pub books: Books,
    pub kv: SharedKv,
    /// The adapters, in the order of [`LINES`].
    carriers: Vec<SharedProvider>,
    work: Vec<Work>,
    /// Durable entries in the order they were told.
    news: Arc<Mutex<Vec<Entry>>>,
}

/// The connection of a line.
pub fn line(number: usize) -> ConnectionId {
    id(LINES[number].name)
}

impl Process {
    /// Opens what the disk holds: the same path at the first start and after every crash.
    pub fn start(
        env: &Arc<Env>,
        disk: &SimDisk,
        kv: &SharedKv,
        carriers: &[Carrier],
        pushes: &Pushes,
    ) -> Result<Process, String> {
        let origin = Origin::new("sim.example", &env.seller, 1).map_err(|e| e.to_string())?;
        let options = EmbeddedOptions {
            segments: SegmentOptions { segment_bytes: 64 << 10, ..SegmentOptions::default() },
            reserve: false,
            raw_days: 30,
            public_tiles: false,
        };
        let master = MasterKey::from_bytes([9; 32]);
        let (log, books, _) =
            EmbeddedLog::open(&disk.shared(), Path::new("/data"), &origin, master, &env.entropy, options)
                .map_err(|e| format!("the data folder does not open: {e}"))?;
        let foreign = Core::is_foreign(kv, books.size()).map_err(|e| e.to_string())?;
        let kv = if foreign { empty_index() } else { kv.clone() };
        let source = Arc::new(books.clone());
        let mut core = Core::open(env.clone(), Box::new(log), kv.clone(), source, books.keys().clone())
            .map_err(|e| format!("recovery failed: {e}"))?;
        let news: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let heard = news.clone();
        core.listen(Box::new(move |entries| heard.lock().extend_from_slice(entries)));
        let queues = Arc::new(Queues::new(QueueLimits::default()));
        let writer = WriterHandle::over(queues.clone());
        let providers = Arc::new(Providers::default());
        let lanes = Dispatcher::new(env.clone(), kv.clone(), writer.clone(), providers.clone());
        let told = lanes.clone();
        core.listen(Box::new(move |entries| told.tell(entries)));
        let hearing = Hearing::new(env.clock.clone());
        let endpoints = Arc::new(Endpoints::default());
        for line in LINES {
            let endpoint = Endpoint::new(&connection(line), |_| Some(SECRET.into()));
            endpoints.put(endpoint.map_err(|e| e.to_string())?);
        }
        let webhooks = Webhooks::new(writer.clone(), endpoints, hearing.clone(), env.clock.clone(), 1 << 16);
        let short =
            Redirect::open(kv.clone(), env.clock.clone(), writer.clone()).map_err(|e| e.to_string())?;
        let short = short.in_front_of(axum::Router::new());
        let carriers = carriers.iter().map(|carrier| Arc::new(carrier.clone()) as SharedProvider).collect();
        let reconciler = Reconciler::new(writer.clone(), hearing.clone(), env.clock.clone());
        let process = Process {
            env: env.clone(),
            core,
            queues,
            writer,
            lanes,
            providers,
            hearing,
            reconciler,
            router: webhooks.router(),
            short,
            books,
            kv,
            carriers,
            work: Vec::new(),
            news,
        };
        process.listen()?;
        // A push service says nothing that could be missed, so its line never rests for that.
        let provider = Arc::new(pushes.clone());
        process.providers.put(id(PUSH), Way { provider, slots: 3, paused: false });
        Ok(process)
    }

    /// Ears first, then lanes; those rest until nothing can have been missed.
    fn listen(&self) -> Result<(), String> {
        for (number, provider) in self.carriers.iter().enumerate() {
            let line = line(number);
            let row = State::over(&*self.kv).get::<HeardRow>(&keys::heard(&line));
            let row = row.map_err(|e| e.to_string())?;
            self.hearing.begin(&line, Reconcile::List, row.map(|row| row.until));
            let paused = self.hearing.is_paused(&line);
            let slots = connection(LINES[number]).slots;
            self.providers.put(line, Way { provider: provider.clone(), slots, paused });
        }
        Ok(())
    }

    /// Entries that became durable since the last question.
    pub fn news(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.news.lock())
    }

    pub fn is_idle(&self) -> bool {
        self.work.is_empty()
    }

    fn begin(&mut self, work: impl Future<Output = Told> + Send + 'static) {
        self.work.push(Box::pin(work));
    }

    /// Somebody asks the writer for something.
    pub fn ask<O: Op>(
        &mut self,
        op: O,
        tell: impl FnOnce(Result<Durable<O::Answer>, CallError>) -> Told + Send + 'static,
    ) {
        let writer = self.writer.clone();
        self.begin(async move { tell(writer.call(op).await) });
    }

    /// As [`Process::ask`], but the operation reaches the writer only after so many looks at what is under way.
    pub fn ask_after<O: Op>(
        &mut self,
        mut looks: u64,
        op: O,
        tell: impl FnOnce(Result<Durable<O::Answer>, CallError>) -> Told + Send + 'static,
    ) {
        let writer = self.writer.clone();
        self.begin(async move {
            std::future::poll_fn(|_| {
                looks = looks.saturating_sub(1);
                if looks == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            tell(writer.call(op).await)
        });
    }

    /// For those who think an operation out before its turn.
    pub fn reader(&self) -> Reader {
        let source = Arc::new(self.books.clone());
        Reader::new(self.env.clone(), self.kv.clone(), source, self.books.keys().clone())
    }

    /// The carrier of a line posts a webhook, signed.
    pub fn post(&mut self, number: usize, post: Post, now: Instant) {
        let body = serde_json::json!({ "events": post.events }).to_string();
        let signed = signature(SECRET, now.as_seconds(), body.as_bytes());
        let request = axum::http::Request::post(format!("/webhooks/{}/{TOKEN}", line(number)))
            .header("content-type", "application/json")
            .header("x-sandbox-signature", signed)
            .body(Body::from(body))
            .expect("a request");
        let router = self.router.clone();
        self.begin(async move {
            let status = router.oneshot(request).await.map(|response| response.status());
            Told::Posted { line: number, post, taken: status.is_ok_and(|s| s.is_success()) }
        });
    }

    /// Somebody stops on the page behind a link of theirs.
    pub fn stop_by_page(&mut self, code: &LinkCode, number: Option<&'static str>, now: Instant) {
        let request = axum::http::Request::post(format!("https://{SHORT_DOMAIN}/opt-out/{code}"))
            .body(Body::empty())
            .expect("a request");
        let router = self.short.clone();
        self.begin(async move {
            let status = router.oneshot(request).await.map(|response| response.status());
            match number.filter(|_| status.is_ok_and(|s| s.is_success())) {
                Some(number) => Told::OptedOut(number, now),
                None => Told::Nothing,
            }
        });
    }

    /// Uses a permit of a lane.
    pub fn hand_over(&mut self, waiting: Waiting) {
        let lanes = self.lanes.clone();
        self.begin(async move {
            let _ = lanes.attempt(&waiting).await;
            Told::HandedOver(waiting.message)
        });
    }

    pub fn resolve(&mut self, message: MessageId) {
        let lanes = self.lanes.clone();
        self.begin(async move {
            lanes.resolve(message).await;
            Told::Nothing
        });
    }

    /// Pulls the list of a line's carrier, from the given instant on.
    pub fn catch_up(&mut self, number: usize, since: Instant) {
        let (reconciler, provider) = (self.reconciler.clone(), self.carriers[number].clone());
        self.begin(async move {
            let _ = reconciler.catch_up(&*provider, &line(number), since).await;
            Told::CaughtUp(number)
        });
    }

    /// As the reconciler's loop does each second.
    pub fn pause_or_go_on(&self) {
        for number in 0..LINES.len() {
            self.providers.set_paused(&line(number), self.hearing.is_paused(&line(number)));
        }
    }

    /// Carries a batch out. An error: nothing more becomes durable in this life.
    pub fn pump(&mut self) -> Result<(), CoreError> {
        let batch = self.queues.try_take();
        if batch.is_empty() {
            return Ok(());
        }
        match self.core.run(batch) {
            Ok(()) => {
                self.queues.set_room(self.core.room());
                Ok(())
            }
            Err(e) => {
                self.queues.close();
                self.core.refuse(self.queues.try_take(), &e.to_string());
                Err(e)
            }
        }
    }

    /// Lets everything under way go on until it waits.
    pub fn poll(&mut self) -> Vec<Told> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut told = Vec::new();
        self.work.retain_mut(|work| match work.as_mut().poll(&mut cx) {
            Poll::Ready(what) => {
                told.push(what);
                false
            }
            Poll::Pending => true,
        });
        told
    }

    /// Ends in order, as on SIGTERM.
    pub fn close(mut self) -> Result<(), String> {
        self.core.close().map_err(|e| e.to_string())
    }

    pub fn env(&self) -> &Arc<Env> {
        &self.env
    }
}

pub fn empty_index() -> SharedKv {
    Arc::new(kv::memory::open(&KvOptions::default()))
}
