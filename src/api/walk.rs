//! Reads entries newest first, a bounded number at a time: the log as a whole, one chain, or the chains of all addresses of
//! a person at once.

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
        let end = match path {
            Path::Log => reader.entries().size(),
            Path::Chain(id) => length_of(cx, &id)?,
        };
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

/// The same of several chains as if they were one: places are those in the log. Of a person with several addresses, each
/// is looked at.
pub fn newest_of_all<T>(
    reader: &Reader,
    chains: &[SubjectId],
    below: Option<u64>,
    size: usize,
    mut keep: impl FnMut(&mut Cx<'_>, &Entry) -> Result<Option<T>, OpError>,
) -> Result<Walked<T>, OpError> {
    reader.look(|cx| {
        let mut heads = Vec::with_capacity(chains.len());
        for id in chains {
            heads.extend(head_below(cx, id, below)?);
        }
        let (mut items, mut looked, mut place) = (Vec::new(), 0, 0);
        while items.len() < size && looked < LOOK_MAX {
            let Some(newest) = heads.iter().max_by_key(|head| head.index).map(|head| head.index) else {
                return Ok(Walked { items, next: None });
            };
            (place, looked) = (newest, looked + 1);
            if let Some(entry) = reader.entries().entry(newest).map_err(OpError::Fatal)?
                && let Some(item) = keep(cx, &entry)?
            {
                items.push(item);
            }
            let mut older = Vec::with_capacity(heads.len());
            for head in heads {
                match head.index == newest {
                    true => older.extend(head.before(cx)?),
                    false => older.push(head),
                }
            }
            heads = older;
        }
        Ok(Walked { items, next: (!heads.is_empty()).then_some(place) })
    })
}

/// The newest entry of a chain that was not looked at.
struct Head {
    chain: SubjectId,
    number: u64,
    index: u64,
}

impl Head {
    fn at(cx: &mut Cx<'_>, chain: &SubjectId, number: u64) -> Result<Option<Head>, OpError> {
        let row = cx.get::<ChainRow>(&keys::chain(chain, number))?;
        Ok(row.map(|row| Head { chain: *chain, number, index: row.index }))
    }

    fn before(self, cx: &mut Cx<'_>) -> Result<Option<Head>, OpError> {
        if self.number > 1 { Head::at(cx, &self.chain, self.number - 1) } else { Ok(None) }
    }
}

/// The newest entry of a chain below a place in the log, found by halves: within a chain, later numbers lie later.
fn head_below(cx: &mut Cx<'_>, chain: &SubjectId, below: Option<u64>) -> Result<Option<Head>, OpError> {
    let (mut low, mut high) = (0, length_of(cx, chain)?);
    let Some(below) = below else { return if high > 0 { Head::at(cx, chain, high) } else { Ok(None) } };
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match Head::at(cx, chain, middle)?.is_some_and(|head| head.index < below) {
            true => low = middle,
            false => high = middle - 1,
        }
    }
    if low > 0 { Head::at(cx, chain, low) } else { Ok(None) }
}

/// Entries of a chain.
fn length_of(cx: &mut Cx<'_>, chain: &SubjectId) -> Result<u64, OpError> {
    match *chain {
        // Numbers begin at 1, so places are numbers less one.
        SELLER_CHAIN => Ok(cx.get::<SellerChain>(&keys::seller_chain())?.map_or(0, |chain| chain.length)),
        id => Ok(cx.get::<Subject>(&keys::subject(&id))?.map_or(0, |s| s.chain_length)),
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
