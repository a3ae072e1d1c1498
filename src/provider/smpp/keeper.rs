//! Keeps one bind up: connects, binds, serves, and tries again with growing waits; takes leave in order at the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::dial::{DialError, dial};
use super::session::{BindError, Inflow, Outlet, Session};
use super::settings::Settings;
use super::wire::Frame;
use super::{Bind, Shared, status};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::model::{Instant, Span};
use crate::provider::line::{Listener, Said};

/// What the SMSC may say before it is told to wait, and how much of it is made durable at once.
const SAID_MAX: usize = 256;
const AT_ONCE: usize = 16;
/// A session shorter than this counts as a failure.
const SHORT: Duration = Duration::from_secs(10);
/// How long a refusal that somebody has to mend is left alone, at least.
const FAULT_WAIT: Duration = Duration::from_secs(60);
/// An acknowledgement this old when the line broke has arrived.
const SURE_AFTER: Duration = Duration::from_secs(60);
/// How long repetitions are looked for, and most of what is remembered.
const REPEATED_WITHIN: Span = Span::hours(24);
const UNSURE_MAX: usize = 1_024;
/// Longest wait for hand-overs under way before the line is given up.
const DRAIN_MAX: Duration = Duration::from_secs(20);
const DRAIN_TICK: Duration = Duration::from_millis(50);
/// Ticks without a hand-over after which none comes any more.
const DRAIN_QUIET: u32 = 4;

/// Why a bind is down.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl Trouble {
    /// Whether nothing changes until somebody mends the configuration, or the account.
    pub fn is_fault(&self) -> bool {
        match self {
            Trouble::Dial(error) => matches!(error, DialError::PrivateAddress),
            Trouble::Bind(error) => matches!(error, BindError::Refused(code) if status::is_fault(*code)),
        }
    }
}

/// What was taken and perhaps not acknowledged, or refused for now: should it come again, it is no new word of the person.
#[derive(Debug, Default)]
pub struct Unsure(VecDeque<([u8; 8], Instant)>);

impl Unsure {
    fn add(&mut self, hash: [u8; 8], now: Instant) {
        self.0.push_back((hash, now));
        if self.0.len() > UNSURE_MAX {
            self.0.pop_front();
        }
    }

    fn knows(&self, hash: [u8; 8], now: Instant) -> bool {
        self.0.iter().any(|(known, at)| *known == hash && now.since(*at) <= REPEATED_WITHIN)
    }
}

/// Keeps a bind up until `stop`.
pub async fn keep(shared: Arc<Shared>, at: usize, listener: Arc<dyn Listener>, stop: CancellationToken) {
    let bind = &shared.binds[at];
    let mut failures = 0;
    loop {
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            opened = open(&shared, bind) => opened,
        };
        let floor = match opened {
            Ok((session, inflow)) => {
                let begun = tokio::time::Instant::now();
                tracing::info!(role = bind.role.name(), "bound to the SMSC");
                let session = Arc::new(session);
                shared.up(bind, session.clone());
                serve(&shared, &session, inflow, &listener, &stop).await;
                shared.down(bind);
                failures = if begun.elapsed() < SHORT { failures + 1 } else { 0 };
                Duration::ZERO
            }
            Err(trouble) => {
                failures += 1;
                let floor = if trouble.is_fault() { FAULT_WAIT } else { Duration::ZERO };
                shared.troubled(bind, &trouble);
                floor
            }
        };
        let wait = wait(&shared.settings, &shared.entropy, failures).max(floor);
        shared.tries_again(bind, wait);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn open(shared: &Shared, bind: &Bind) -> Result<(Session, Inflow), Trouble> {
    let settings = &shared.settings;
    let stream = dial(&settings.place, shared.addresses, settings.waits.connect).await?;
    Ok(Session::bind(stream, settings, bind.role).await?)
}

/// Doubles from the first wait to the longest; then half of it is left to chance, so that many do not come at once.
fn wait(settings: &Settings, entropy: &SharedEntropy, failures: u32) -> Duration {
    let (first, longest) = settings.waits.again;
    let whole = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    let half = whole / 2;
    half + Duration::from_micros(entropy.below(half.as_micros() as u64 + 1))
}

async fn serve(
    shared: &Arc<Shared>,
    session: &Session,
    inflow: Inflow,
    listener: &Arc<dyn Listener>,
    stop: &CancellationToken,
) {
    let (said, heard) = mpsc::channel(SAID_MAX);
    let outlet = Outlet {
        said,
        refused: {
            let shared = shared.clone();
            Box::new(move |frame: &Frame| shared.unsure.lock().add(hash_of(frame), shared.clock.now()))
        },
        listener: listener.clone(),
        ids: shared.settings.ids,
        opted_out: shared.settings.opted_out.clone(),
    };
    let leave = async {
        tokio::select! {
            biased;
            () = session.ended() => {}
            () = stop.cancelled() => {
                drained(shared, session).await;
                session.unbind().await;
            }
        }
    };
    tokio::join!(session.run(inflow, outlet), take_in(shared, session, heard, &**listener), leave);
}

/// Waits until hand-overs under way have their answers.
async fn drained(shared: &Shared, session: &Session) {
    let waits = async {
        let mut quiet = 0;
        while quiet < DRAIN_QUIET {
            tokio::time::sleep(DRAIN_TICK).await;
            let busy = shared.in_flight.load(Ordering::SeqCst) > 0 || session.in_window() > 0;
            quiet = if busy { 0 } else { quiet + 1 };
        }
    };
    let _ = tokio::time::timeout(DRAIN_MAX, waits).await;
}

/// Makes what the SMSC says durable, some at once and in order, and acknowledges each then.
async fn take_in(shared: &Shared, session: &Session, heard: mpsc::Receiver<Frame>, listener: &dyn Listener) {
    let key = hex::encode(shared.entropy.bytes::<8>());
    let mut recent: VecDeque<([u8; 8], tokio::time::Instant)> = VecDeque::new();
    let numbered = ReceiverStream::new(heard).enumerate();
    let kept = numbered.map(|(n, frame)| {
        let hash = hash_of(&frame);
        let again = shared.unsure.lock().knows(hash, shared.clock.now());
        *shared.said_at.lock() = tokio::time::Instant::now();
        let said = Said { id: format!("{key}-{n}"), bytes: frame.octets().clone(), again };
        async move { (frame, hash, listener.heard(said).await) }
    });
    let mut kept = std::pin::pin!(kept.buffered(AT_ONCE));
    while let Some((frame, hash, outcome)) = kept.next().await {
        let code = match outcome {
            Ok(()) => {
                recent.push_back((hash, tokio::time::Instant::now()));
                if recent.len() > UNSURE_MAX {
                    recent.pop_front();
                }
                status::OK
            }
            Err(_) => {
                // By the time it comes again, its person may have said something else.
                shared.unsure.lock().add(hash, shared.clock.now());
                status::TRY_LATER
            }
        };
        session.acknowledge(&frame, code).await;
    }
    remember(&shared.unsure, &shared.clock, recent);
}

/// What was acknowledged just before the line broke may come again.
fn remember(
    unsure: &parking_lot::Mutex<Unsure>,
    clock: &SharedClock,
    recent: VecDeque<([u8; 8], tokio::time::Instant)>,
) {
    let (now, mut unsure) = (clock.now(), unsure.lock());
    for (hash, _) in recent.into_iter().filter(|(_, at)| at.elapsed() < SURE_AFTER) {
        unsure.add(hash, now);
    }
}

/// Names what a PDU says, whatever its number.
fn hash_of(frame: &Frame) -> [u8; 8] {
    let digest = Sha256::digest(frame.body());
    digest[..8].try_into().expect("of 32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_come_again_is_known_for_a_day_and_bounded() {
        let (mut unsure, at) = (Unsure::default(), Instant::from_seconds(1_780_000_000));
        unsure.add([1; 8], at);
        assert!(unsure.knows([1; 8], at + Span::hours(24)) && !unsure.knows([2; 8], at));
        assert!(!unsure.knows([1; 8], at + Span::hours(25)));
        (0..2_000u64).for_each(|n| unsure.add(n.to_be_bytes(), at));
        assert_eq!(unsure.0.len(), UNSURE_MAX);
    }
}
