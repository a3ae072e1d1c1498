//! `WatchEvents`: the log told as events, from any place in it, for as long as the caller listens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::auth::Caller;
use super::convert::{audit, timestamp};
use super::field::Fields;
use super::service::Hands;
use super::standing::Standing;
use super::status::ApiError;
use crate::feed::Wanted;
use crate::ledger::entry::Entry;
use crate::model::BrandId;
use crate::pb::consentry::v1 as wire;
use crate::writer::Recorded;

/// The stream a caller gets.
pub type Events = BoxStream<'static, Result<wire::Event, Status>>;

/// Events that wait for a slow caller; the log holds the rest.
const WAITING_MAX: usize = 64;
/// Entries read at a time.
const CHUNK: usize = 256;
/// A caller hears at least so often, and can keep the checkpoint as a witness.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// Brands and kinds a caller may name.
const NAMED_MAX: usize = 64;

/// A place between two events: the next entry, and how many of its events were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    entry: u64,
    told: usize,
}

impl Position {
    fn text(self) -> String {
        format!("{}.{}", self.entry, self.told)
    }
    fn read(f: &mut Fields, text: &str) -> Option<Position> {
        let parsed = text.split_once('.').and_then(|(entry, told)| {
            Some(Position { entry: entry.parse().ok()?, told: told.parse().ok()? })
        });
        match parsed {
            Some(position) => Some(position),
            None => f.refuse("after", "must be the position of an event, as it was given"),
        }
    }
}

/// Begins to tell, for as long as the caller's key is good.
pub fn events(
    hands: &Hands,
    caller: &Arc<Caller>,
    standing: Standing,
    request: wire::WatchEventsRequest,
) -> Result<Events, ApiError> {
    let mut f = hands.fields();
    let brands = f.each("brands", request.brands, 0..=NAMED_MAX, |f, id| f.id::<BrandId>("", &id));
    let kinds = f.each("kinds", request.kinds, 0..=NAMED_MAX, |f, raw| {
        f.choice::<wire::EventKind>("", raw).map(|kind| kind as i32)
    });
    let after = match request.after.as_str() {
        "" => Some(None),
        text => Position::read(&mut f, text).map(Some),
    };
    let read = (|| Some((brands?, kinds?, after?)))();
    let (brands, kinds, after) = f.finish(read)?;
    for brand in &brands {
        caller.check_brand(brand)?;
    }
    let size = hands.reader().entries().size();
    let from = match after {
        Some(after) if after.entry > size => {
            return Err(ApiError::OutOfRange {
                message: "that position lies beyond this log: begin again from the oldest".to_owned(),
                oldest: Some(Position { entry: 0, told: 0 }.text()),
            });
        }
        Some(after) => after,
        None if request.from_beginning => Position { entry: 0, told: 0 },
        None => Position { entry: size, told: 0 },
    };
    let brands = if brands.is_empty() {
        caller.brands.iter().cloned().collect()
    } else {
        brands.into_iter().collect()
    };
    let wanted = Arc::new(Wanted { brands, kinds: kinds.into_iter().collect() });
    let (send, receive) = mpsc::channel(WAITING_MAX);
    let caller = Arc::clone(caller);
    tokio::spawn(tell(hands.clone(), caller, from, wanted, send));
    Ok(standing.guard(ReceiverStream::new(receive)))
}

type Out = mpsc::Sender<Result<wire::Event, Status>>;

/// Tells until the caller goes or the server drains. Subscribes before it reads, so that nothing falls between.
async fn tell(hands: Hands, caller: Arc<Caller>, mut at: Position, wanted: Arc<Wanted>, out: Out) {
    let mut news = hands.news();
    let stop = hands.stop().clone();
    // The first at once, so that who looks in briefly keeps a checkpoint, too. Not since the last event: so does a caller that is
    // kept busy.
    let mut beats = tokio::time::interval(HEARTBEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        match tell_known(&hands, &caller, &mut at, &wanted, &out).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // The caller may be gone, too; then nobody needs to know.
                let _ = out.send(Err(error.into())).await;
                return;
            }
        }
        let beat = tokio::select! {
            // A beat that is due goes before news, of which there may be no end.
            biased;
            () = stop.cancelled() => return,
            () = out.closed() => return,
            _ = beats.tick() => true,
            heard = heard(&mut news) => if heard { false } else { return },
        };
        if beat && out.send(Ok(heartbeat(&hands, at))).await.is_err() {
            return;
        }
    }
}

/// Whether there is news; false when the writer is gone.
async fn heard(news: &mut broadcast::Receiver<Arc<[Entry]>>) -> bool {
    !matches!(news.recv().await, Err(RecvError::Closed))
}

/// Tells everything up to the newest durable entry; false when the caller is gone.
async fn tell_known(
    hands: &Hands,
    caller: &Caller,
    at: &mut Position,
    wanted: &Arc<Wanted>,
    out: &Out,
) -> Result<bool, ApiError> {
    loop {
        let (from, wanted) = (at.entry, Arc::clone(wanted));
        let told: Vec<(u64, Vec<(usize, wire::Event)>)> = hands
            .see(caller, "WatchEvents", move |reader, eyes| {
                let read = reader.settled(from, CHUNK)?;
                reader.look(|cx| {
                    let tell = |recorded| match recorded {
                        Recorded::Open(entry) => Ok((entry.index, eyes.events(cx, &entry, &wanted)?)),
                        Recorded::Erased { index, .. } => Ok((index, Vec::new())),
                    };
                    read.into_iter().map(tell).collect()
                })
            })
            .await?;
        if told.is_empty() {
            return Ok(true);
        }
        for (index, events) in told {
            for (n, mut event) in events {
                if n < at.told {
                    continue;
                }
                event.position = Position { entry: index, told: n + 1 }.text();
                if out.send(Ok(event)).await.is_err() {
                    return Ok(false);
                }
            }
            *at = Position { entry: index + 1, told: 0 };
        }
    }
}

fn heartbeat(hands: &Hands, at: Position) -> wire::Event {
    let heartbeat = wire::Heartbeat { checkpoint: Some(audit::checkpoint(&hands.checkpoint())) };
    wire::Event {
        position: at.text(),
        occurred_at: Some(timestamp(hands.now())),
        brand: String::new(),
        event: Some(wire::event::Event::Heartbeat(heartbeat)),
    }
}
