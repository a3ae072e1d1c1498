//! Reads entries newest first, a bounded number at a time: the log as a whole, or one person's chain.

use crate::ledger::entry::{Entry, SELLER_CHAIN};
use crate::ledger::rows::{ChainRow, SellerChain, keys};
use crate::model::SubjectId;
use crate::model::subject::Subject;
use crate::writer::{Cx, OpError, Reader, Recorded};

/// Entries read at a time.
const CHUNK: u64 = 256;
/// Entries one call looks at; a page may come back shorter, with a token to go on.
const LOOK_MAX: u64 = 16_384;

/// Which entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Every entry of the log, by index.
    Log,
    /// One person's, by number in their chain.
    Chain(SubjectId),
}

/// A page and where the next one begins.
#[derive(Debug)]
pub struct Walked<T> {
    /// What was kept, newest first.
    pub items: Vec<T>,
    /// Go on below this place; none: that was all.
    pub next: Option<u64>,
}

/// Keeps what `keep` makes of entries below `below` (none: all), newest first, at most `size`.
pub fn newest_first<T>(
    reader: &Reader,
    path: Path,
    below: Option<u64>,
    size: usize,
    mut keep: impl FnMut(&mut Cx<'_>, &Entry) -> Result<Option<T>, OpError>,
) -> Result<Walked<T>, OpError> {
    reader.look(|cx| {
        let end = end_of(cx, reader, path)?;
        let mut place = below.map_or(end, |below| below.min(end));
        let floor = place.saturating_sub(LOOK_MAX);
        let mut items = Vec::new();
        while place > floor && items.len() < size {
            let from = place.saturating_sub(CHUNK).max(floor);
            let entries = read(cx, reader, path, from, place)?;
            for (at, entry) in entries.into_iter().rev() {
                place = at;
                if let Some(entry) = entry
                    && let Some(item) = keep(cx, &entry)?
                {
                    items.push(item);
                    if items.len() == size {
                        break;
                    }
                }
            }
        }
        Ok(Walked { items, next: (place > 0).then_some(place) })
    })
}

/// One past the newest place.
fn end_of(cx: &mut Cx<'_>, reader: &Reader, path: Path) -> Result<u64, OpError> {
    match path {
        Path::Log => Ok(reader.entries().size()),
        // Numbers begin at 1, so places are numbers less one.
        Path::Chain(SELLER_CHAIN) => {
            Ok(cx.get::<SellerChain>(&keys::seller_chain())?.map_or(0, |chain| chain.length))
        }
        Path::Chain(id) => Ok(cx.get::<Subject>(&keys::subject(&id))?.map_or(0, |s| s.chain_length)),
    }
}

type Placed = Vec<(u64, Option<Entry>)>;

fn read(cx: &mut Cx<'_>, reader: &Reader, path: Path, from: u64, to: u64) -> Result<Placed, OpError> {
    match path {
        Path::Log => {
            let read = reader.entries().read(from, (to - from) as usize).map_err(OpError::Fatal)?;
            let opened = read.into_iter().map(|recorded| match recorded {
                Recorded::Open(entry) => Some(entry),
                Recorded::Erased { .. } => None,
            });
            Ok((from..).zip(opened).collect())
        }
        Path::Chain(id) => (from..to)
            .map(|place| {
                let row = cx.get::<ChainRow>(&keys::chain(&id, place + 1))?;
                let entry = match row {
                    Some(row) => reader.entries().entry(row.index).map_err(OpError::Fatal)?,
                    None => None,
                };
                Ok((place, entry))
            })
            .collect(),
    }
}

/// The place a page token stands for.
pub fn place_of(after: &[u8]) -> Option<u64> {
    after.try_into().ok().map(u64::from_be_bytes)
}
