//! One process put together: data folder, writer, lanes, and what everyone else reads. Servers are attached by who runs it.

mod meter;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::meter::Meter;
use crate::anchor::keeper::Keeper;
use crate::audit::heads;
use crate::clock::SharedClock;
use crate::disk::SharedDisk;
use crate::dispatch::{Dispatcher, Providers};
use crate::entropy::SharedEntropy;
use crate::erasure::{self, again};
use crate::feed::Feeds;
use crate::inbound::retention::forget_raw;
use crate::ledger::checkpoint::Origin;
use crate::ledger::entry::Entry;
use crate::ledger::keys::MasterKey;
use crate::model::SellerId;
use crate::store::embedded::{Books, EmbeddedLog, EmbeddedOptions, OpenError, Opened};
use crate::store::{self, Engine as IndexEngine, KvError, KvOptions, SharedKv};
use crate::writer::{
    CallError, Core, CoreError, Cx, Env, Op, OpError, Policies, Priority, QueueLimits, Reader, WriterHandle,
    spawn,
};

pub mod offline;

use offline::Offline;

/// Batches of committed entries that a slow listener may fall behind by; then it reads the ledger instead.
const NEWS_BUFFER: usize = 1_024;
/// How often the ledger is given a chance to sign a checkpoint when nothing else happens: with the store's own pause, every
/// entry can be proved within a second.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// What a gateway is made of.
pub struct Parts {
    pub disk: SharedDisk,
    pub data_dir: PathBuf,
    /// Where erasures are written down outside the folder.
    pub erasures: Option<PathBuf>,
    pub index: IndexEngine,
    pub index_options: KvOptions,
    pub embedded: EmbeddedOptions,
    pub seller: SellerId,
    pub origin: Origin,
    pub secrets: Secrets,
    pub policies: Policies,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub queues: QueueLimits,
    /// How long hand-overs under way are waited for at the end.
    pub drain: Duration,
}

/// The seller's secrets.
pub struct Secrets {
    /// Wraps data keys.
    pub master: MasterKey,
    /// Keys addresses. Lost: suppressions can no longer be read, and sending must stop.
    pub pepper: [u8; 32],
    /// Makes generated coupon codes.
    pub coupons: [u8; 32],
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The index did not open.
    #[error(transparent)]
    Index(#[from] KvError),
    /// The ledger did not fold.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The list of erasures is not readable, or what it names could not be erased again.
    #[error("retention.erasures: {0}")]
    Erasures(#[from] again::AgainError),
    /// No thread.
    #[error("the writer's thread did not start: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running gateway, without its servers.
pub struct Gateway {
    pub env: Arc<Env>,
    pub writer: WriterHandle,
    pub reader: Reader,
    pub books: Books,
    pub kv: SharedKv,
    pub providers: Arc<Providers>,
    pub dispatcher: Dispatcher,
    /// Outgoing webhooks.
    pub feeds: Feeds,
    /// Outside anchors.
    pub anchors: Keeper,
    /// What opening found and did.
    pub opened: Opened,
    /// The key its checkpoints verify with.
    pub verifier_key: String,
    news: broadcast::Sender<Arc<[Entry]>>,
    shutdown: CancellationToken,
    ended: CancellationToken,
    tasks: TaskTracker,
    thread: thread::JoinHandle<Result<Core, String>>,
}

impl Gateway {
    /// Opens everything and starts the writer and the lanes. Must be called within a tokio runtime.
    pub fn start(parts: Parts) -> Result<Gateway, StartError> {
        let (queues, drain, raw_days) = (parts.queues, parts.drain, parts.embedded.raw_days);
        let Offline { env, books, kv, opened, verifier_key, mut core, .. } = Offline::open(parts)?;
        let (news, _) = broadcast::channel(NEWS_BUFFER);
        let tell = news.clone();
        core.listen(Box::new(move |entries: &Arc<[Entry]>| {
            // Nobody listening is no fault.
            let _ = tell.send(entries.clone());
        }));
        let (writer, thread) = spawn(core, queues)?;
        let reader = Reader::new(env.clone(), kv.clone(), Arc::new(books.clone()), books.keys().clone());
        let providers = Arc::new(Providers::default());
        let dispatcher = Dispatcher::new(env.clone(), kv.clone(), writer.clone(), providers.clone());
        let (shutdown, ended, tasks) =
            (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        tasks.spawn(beat(writer.clone(), shutdown.clone(), ended.clone()));
        let forget = forget_raw(writer.clone(), books.keys().clone(), raw_days, shutdown.clone());
        tasks.spawn(forget);
        tasks.spawn(wake_lanes(dispatcher.clone(), news.subscribe(), shutdown.clone()));
        tasks.spawn(erasure::daily(reader.clone(), writer.clone(), books.keys().clone(), shutdown.clone()));
        tasks.spawn(heads::daily(reader.clone(), books.clone(), writer.clone(), shutdown.clone()));
        tasks.spawn(meter::follow(news.subscribe(), shutdown.clone()));
        let meter = Meter { writer: writer.clone(), reader: reader.clone(), dispatcher: dispatcher.clone() };
        tasks.spawn(meter.run(shutdown.clone()));
        let (lanes, stop) = (dispatcher.clone(), shutdown.clone());
        tasks.spawn(async move { lanes.run(stop, drain).await });
        Ok(Gateway {
            env,
            writer,
            reader,
            books,
            kv,
            providers,
            dispatcher,
            feeds: Feeds::default(),
            anchors: Keeper::default(),
            opened,
            verifier_key,
            news,
            shutdown,
            ended,
            tasks,
            thread,
        })
    }

    /// Every batch of committed entries from now on, in order. Who falls behind reads [`Gateway::books`] instead.
    pub fn watch(&self) -> broadcast::Receiver<Arc<[Entry]>> {
        self.news.subscribe()
    }

    /// Where batches of committed entries are told, for those who begin to listen later.
    pub fn news(&self) -> broadcast::Sender<Arc<[Entry]>> {
        self.news.clone()
    }

    /// What the services of the contract work with.
    pub fn hands(&self) -> crate::api::service::Hands {
        crate::api::service::Hands::on(self)
    }

    /// Cancelled when the gateway begins to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs a task that is waited for at the end; it should watch [`Gateway::stopping`].
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Stops in order: no new hand-overs, those under way recorded, the queues worked off, the last checkpoint signed.
    pub async fn stop(self) -> Result<(), String> {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.writer.close();
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(result)) => result.map(|_| ()),
            Ok(Err(_)) => Err("the writer panicked".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Returns when the writer has stopped by itself, at most a heartbeat later. Then the process should end: nothing can
    /// be made durable any more, and the next start is the recovery.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// Opens the index and folds what it lacks. An index that is damaged, foreign or ahead of its ledger is deleted and
/// folded anew: it is only a view.
fn open_core(
    env: &Arc<Env>,
    log: EmbeddedLog,
    books: &Books,
    engine: IndexEngine,
    dir: &std::path::Path,
    options: &KvOptions,
) -> Result<(Core, SharedKv), StartError> {
    let source = Arc::new(books.clone());
    let opened = store::open_or_wipe(engine, dir, options)?;
    if let Some(why) = opened.wiped {
        tracing::warn!(why, "the index was damaged and is folded anew from the ledger");
    }
    if Core::is_foreign(&opened.kv, books.stored().len())? {
        tracing::warn!("the index is of another release or ahead of its ledger; it is folded anew");
        drop(opened.kv);
        store::wipe(engine, dir)?;
        let kv = store::open(engine, dir, options)?;
        let core = Core::open(env.clone(), Box::new(log), kv.clone(), source, books.keys().clone())?;
        return Ok((core, kv));
    }
    let core = Core::open(env.clone(), Box::new(log), opened.kv.clone(), source, books.keys().clone())?;
    Ok((core, opened.kv))
}

/// Does nothing, so that the writer looks up now and then and signs a checkpoint if one is due.
struct Heartbeat;

impl Op for Heartbeat {
    type Answer = ();
    // Not the callers' queue: on a full volume nothing of that is taken in, and only a beat finds out that there is room again.
    const PRIORITY: Priority = Priority::Outcome;
    fn run(self, _: &mut Cx<'_>) -> Result<(), OpError> {
        Ok(())
    }
}

async fn beat(writer: WriterHandle, shutdown: CancellationToken, ended: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        if let Err(CallError::Unavailable(why)) = writer.call(Heartbeat).await {
            tracing::error!(why, "the writer has stopped");
            ended.cancel();
            return;
        }
    }
}

/// Tells the lanes when something may have become due.
async fn wake_lanes(
    dispatcher: Dispatcher,
    mut news: broadcast::Receiver<Arc<[Entry]>>,
    shutdown: CancellationToken,
) {
    loop {
        let heard = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            heard = news.recv() => heard,
        };
        match heard {
            Ok(entries) => dispatcher.tell(&entries),
            // A sweep finds what was not told.
            Err(broadcast::error::RecvError::Lagged(_)) => dispatcher.wake(),
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
