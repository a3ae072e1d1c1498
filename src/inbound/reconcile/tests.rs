//! Lists that break off, a writer that has no room, connections whose lists take for ever.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::inbound::event::InboundText;
use crate::ledger::body::{Body, Object};
use crate::model::Span;
use crate::model::registry::Reconcile;
use crate::provider::{Dispatch, Handover, faults};
use crate::writer::ops::fixture::shop;
use crate::writer::testing::MemoryLog;
use crate::writer::{Core, EntrySource, QueueLimits, Queues, Recorded};

const SOON: Duration = Duration::from_millis(1);

type Page = Result<Vec<InboundEvent>, ReconcileError>;

/// A provider that gives each page once.
#[derive(Default)]
struct Inbox(Mutex<VecDeque<Page>>);

impl Provider for Inbox {
    fn send(&self, _: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(std::future::ready(Handover::Void))
    }

    fn reconcile<'a>(
        &'a self,
        _: Instant,
        taker: &'a dyn Taker,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(async move {
            loop {
                let page = self.0.lock().pop_front();
                let Some(page) = page else { return Ok(()) };
                taker.take(page?).await?;
            }
        })
    }
}

/// A provider whose list never ends, and how often it was asked for.
#[derive(Default)]
struct Endless(AtomicUsize);

impl Provider for Endless {
    fn send(&self, _: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(std::future::ready(Handover::Void))
    }

    fn reconcile<'a>(&'a self, _: Instant, _: &'a dyn Taker) -> BoxFuture<'a, Result<(), ReconcileError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }
}

fn stop_from(n: u8) -> InboundEvent {
    InboundEvent::Text(InboundText {
        provider_id: format!("m{n}"),
        from: format!("121255501{n:02}"),
        to: "18555550100".to_owned(),
        text: "STOP".to_owned(),
        provider_flag: None,
        received_at: None,
        weak: false,
    })
}

/// A gateway's writer, whose operations are carried out when the test says so.
struct World {
    clock: ManualClock,
    hearing: Hearing,
    reconciler: Reconciler,
    writer: WriterHandle,
    queues: Arc<Queues>,
    core: Core,
    log: MemoryLog,
    line: ConnectionId,
}

impl World {
    fn new(limits: QueueLimits) -> World {
        let mut writer = shop();
        writer.set_up([Object::Connection(faults::connection("infobip", &[]))]);
        let (clock, log) = (writer.clock.clone(), writer.log.clone());
        let (queues, shared): (_, SharedClock) = (Arc::new(Queues::new(limits)), Arc::new(clock.clone()));
        let (handle, hearing) = (WriterHandle::over(queues.clone()), Hearing::new(shared.clone()));
        let reconciler = Reconciler::new(handle.clone(), hearing.clone(), shared);
        let line = "main".parse().expect("a slug");
        World { clock, hearing, reconciler, writer: handle, queues, core: writer.into_core(), log, line }
    }

    /// Pulls the list while the writer works.
    async fn catch_up(&mut self, provider: &dyn Provider) -> Result<CaughtUp, CatchUpError> {
        let (queues, core) = (&self.queues, &mut self.core);
        let works = async {
            loop {
                let batch = queues.try_take();
                if !batch.is_empty() {
                    core.run(batch).expect("memory");
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            caught = self.reconciler.catch_up(provider, &self.line, Instant::EPOCH) => caught,
            () = works => unreachable!("it works for ever"),
        }
    }

    fn opt_outs(&self) -> usize {
        let all = self.log.read(0, usize::MAX).expect("memory");
        let is =
            |one: &&Recorded| matches!(one, Recorded::Open(entry) if matches!(entry.body, Body::OptOut(_)));
        all.iter().filter(is).count()
    }
}

#[tokio::test]
async fn a_page_is_durable_before_the_next_one_is_asked_for() {
    let mut world = World::new(QueueLimits::default());
    let broken = || Err(ReconcileError("the provider answered 500".to_owned()));
    let inbox = Inbox(Mutex::new([Ok(vec![stop_from(1)]), Ok(vec![stop_from(2)]), broken()].into()));
    let caught = world.catch_up(&inbox).await;
    assert!(matches!(caught, Err(CatchUpError::List(_))), "{caught:?}");
    assert_eq!(world.opt_outs(), 2, "what was given once is not lost with what came after it");
    assert_eq!(world.catch_up(&inbox).await.expect("whole"), CaughtUp::default());
}

#[tokio::test]
async fn what_a_full_writer_did_not_take_is_kept_and_recorded_the_next_time() {
    let mut world = World::new(QueueLimits { waiting: [1; 4], batch: 16 });
    let inbox = Inbox(Mutex::new([Ok(vec![stop_from(1), stop_from(2)]), Ok(vec![stop_from(3)])].into()));
    // Nobody works, and one operation waits already.
    let first = Delivery { connection: world.line.clone(), raw: None, events: Vec::new(), listening: false };
    let writer = world.writer.clone();
    let mut waits = std::pin::pin!(writer.call(ReceiveTexts(first)));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    for _ in 0..2 {
        let caught = world.reconciler.catch_up(&inbox, &world.line, Instant::EPOCH).await;
        assert!(matches!(caught, Err(CatchUpError::Commit(CallError::Overloaded))), "{caught:?}");
        assert_eq!(inbox.0.lock().len(), 1, "no further page is asked for before this one is durable");
    }
    assert_eq!(world.opt_outs(), 0);
    let found = world.catch_up(&inbox).await.expect("whole");
    assert_eq!((found, world.opt_outs()), (CaughtUp { missed: 3, stopped: 3 }, 3));
}

#[tokio::test]
async fn a_deaf_connection_rests_while_anothers_list_is_pulled() {
    let World { clock, hearing, reconciler, .. } = World::new(QueueLimits::default());
    let id = |name: &str| -> ConnectionId { name.parse().expect("a slug") };
    let lists: HashMap<ConnectionId, Arc<Endless>> =
        ["slow", "slower"].into_iter().map(|name| (id(name), Arc::default())).collect();
    for line in lists.keys() {
        hearing.begin(line, Reconcile::List, Some(clock.now() - Span::hours(1)));
    }
    hearing.begin(&id("deaf"), Reconcile::Operator, None);
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let provider = |(id, list): (&ConnectionId, &Arc<Endless>)| {
        let provider: SharedProvider = list.clone();
        (id.clone(), provider)
    };
    let known: HashMap<ConnectionId, SharedProvider> = lists.iter().map(provider).collect();
    let stop = CancellationToken::new();
    let find = move |id: &ConnectionId| known.get(id).cloned();
    let pause = move |id: &ConnectionId, paused: bool| drop(said.send((id.clone(), paused)));
    let runs = tokio::spawn(reconciler.run_at(SOON, SOON, find, pause, stop.clone()));
    hearing.failed(&id("deaf"));
    let (mut last, mut rounds) = (HashMap::new(), 0);
    // A round is ten seconds of the world's here.
    while last.get(&id("deaf")) != Some(&true) {
        let (line, paused) = heard.recv().await.expect("it runs");
        if line == id("deaf") {
            clock.advance(Span::seconds(10));
            rounds += 1;
            assert!(rounds < 10, "it does not rest");
        }
        last.insert(line, paused);
    }
    assert!(lists.values().all(|list| list.0.load(Ordering::Relaxed) == 1), "both lists are pulled at once");
    assert!(lists.keys().all(|line| last.get(line) == Some(&true)), "their own lanes rest meanwhile");
    stop.cancel();
    runs.await.expect("it ends although the lists do not");
}
