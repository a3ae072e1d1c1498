//! Events in the order of number and time, whatever order they came in. They lie in an index on disk, so that memory does
//! not grow with them.

use serde::{Deserialize, Serialize};

use super::ShadowError;
use crate::model::consent::{Basis, DoubleOptIn};
use crate::model::location::LocationHint;
use crate::model::{Category, Instant};
use crate::store::{Batch, KeyRange, Order, SharedKv};

/// Rows written, and read, at once.
const PAGE: usize = 1_000;

/// Something that happened to one number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// The person agreed.
    Consent { basis: Basis, double_opt_in: DoubleOptIn, expires_at: Option<Instant> },
    /// The person opted out of everything.
    Stop,
    /// The person came back by their own act.
    Start,
    /// The person asked for help.
    Help,
    /// A message left.
    Sent(Box<Sent>),
}

/// A message that left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    pub id: String,
    pub from: String,
    /// None: the log has no texts.
    pub body: Option<String>,
    pub category: Option<Category>,
    pub cart: Option<String>,
    pub matter: Option<String>,
    pub hint: Option<LocationHint>,
}

/// What happened, when, and in which row.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub line: u64,
    pub at: Instant,
    pub what: What,
}

/// The events.
pub struct Sorted {
    kv: SharedKv,
    batch: Batch,
    waiting: usize,
    next: u64,
}

impl Sorted {
    pub fn new(kv: SharedKv) -> Sorted {
        Sorted { kv, batch: Batch::new(), waiting: 0, next: 0 }
    }

    /// Adds one. What happened at the same instant stays in this order: consents, opt-outs, messages.
    pub fn add(&mut self, number: &str, line: u64, (at, what): (Instant, What)) -> Result<(), ShadowError> {
        let rank: u8 = match &what {
            What::Consent { .. } => 0,
            What::Start => 1,
            What::Stop => 2,
            What::Help => 3,
            What::Sent(_) => 4,
        };
        let mut key = number.as_bytes().to_vec();
        key.push(0);
        // With the sign turned round, instants before 1970 come first.
        key.extend(((at.as_micros() as u64) ^ (1 << 63)).to_be_bytes());
        key.push(rank);
        key.extend(self.next.to_be_bytes());
        let value = postcard::to_stdvec(&(line, what)).expect("plain values always encode");
        self.batch.put(key, value);
        self.next += 1;
        self.waiting += 1;
        if self.waiting == PAGE { self.settle() } else { Ok(()) }
    }

    /// Writes what waits.
    pub fn settle(&mut self) -> Result<(), ShadowError> {
        self.waiting = 0;
        Ok(self.kv.commit(std::mem::take(&mut self.batch))?)
    }

    /// Shows every event, number by number, oldest first.
    pub fn each(
        &self,
        mut see: impl FnMut(&str, Event) -> Result<(), ShadowError>,
    ) -> Result<(), ShadowError> {
        let mut range = KeyRange::all();
        loop {
            let page = self.kv.scan(&range, Order::Forward, PAGE)?;
            for (key, value) in &page {
                if let Some((number, event)) = read(key, value) {
                    see(number, event)?;
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => range = range.after(key),
                _ => return Ok(()),
            }
        }
    }
}

fn read<'a>(key: &'a [u8], value: &[u8]) -> Option<(&'a str, Event)> {
    let end = key.iter().position(|b| *b == 0)?;
    let number = std::str::from_utf8(&key[..end]).ok()?;
    let at = key.get(end + 1..end + 9)?.try_into().ok().map(u64::from_be_bytes)?;
    let (line, what) = postcard::from_bytes(value).ok()?;
    Some((number, Event { line, at: Instant::from_micros((at ^ (1 << 63)) as i64), what }))
}
