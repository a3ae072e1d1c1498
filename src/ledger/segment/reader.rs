//! The reading end: single entries by index, and a stream from an index on.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SEGMENT;
use super::layout::{Layout, Place};
use crate::disk::{OpenMode, SharedDisk};
use crate::ledger::frame::FileHeader;
use crate::ledger::walk::{Found, OpenFile, Walk};
use crate::ledger::{LedgerError, LedgerResult};

/// Read ahead for a single entry: 16 records of the usual size.
const GET_READ_AHEAD: usize = 16 << 10;
/// Read ahead for a stream.
const STREAM_READ_AHEAD: usize = 256 << 10;

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its index in the log.
    pub index: u64,
    /// The public bytes.
    pub leaf: Vec<u8>,
    /// The sealed blob; empty when there is none.
    pub sealed: Vec<u8>,
}

/// An entry where it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lying<'a> {
    /// Its index in the log.
    pub index: u64,
    /// The public bytes.
    pub leaf: &'a [u8],
    /// The sealed blob; empty when there is none.
    pub sealed: &'a [u8],
}

impl Lying<'_> {
    fn to_stored(self) -> Stored {
        Stored { index: self.index, leaf: self.leaf.to_vec(), sealed: self.sealed.to_vec() }
    }
}

/// Reads durable entries while the writer appends. Clones are cheap and may go to any thread.
#[derive(Debug, Clone)]
pub struct Reader {
    disk: SharedDisk,
    dir: Arc<PathBuf>,
    layout: Arc<Layout>,
}

impl Reader {
    pub(super) fn new(disk: SharedDisk, dir: &Path, layout: Arc<Layout>) -> Self {
        Self { disk, dir: Arc::new(dir.to_owned()), layout }
    }

    /// How many entries are durable.
    pub fn len(&self) -> u64 {
        self.layout.entries()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry with this index; nothing if it is not durable yet. Reads about 16 records to find it.
    pub fn get(&self, index: u64) -> LedgerResult<Option<Stored>> {
        let Some(place) = self.layout.find(index) else { return Ok(None) };
        let mut walk = self.walk(&place, index, GET_READ_AHEAD)?;
        walk.next(index).map(|lying| Some(lying.to_stored()))
    }

    /// Shows the entries of `range` to `see`, in their order and where they lie: nothing is copied. Ends with the last durable
    /// entry, with an error, or when `see` answers that it has seen enough.
    pub fn visit<E: From<LedgerError>>(
        &self,
        range: Range<u64>,
        mut see: impl FnMut(Lying<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut entries = self.entries(range.start);
        while entries.next < range.end {
            match entries.step()? {
                Some(lying) if see(lying)? => {}
                _ => break,
            }
        }
        Ok(())
    }

    /// The entries from `from` on, up to those durable when the stream gets there.
    pub fn entries(&self, from: u64) -> Entries {
        Entries { reader: self.clone(), next: from, walk: None, known: 0, failed: false }
    }

    /// A walk that stands before entry `index`, which is in the segment of `place`.
    fn walk(&self, place: &Place, index: u64, read_ahead: usize) -> LedgerResult<SegmentWalk> {
        let path = self.dir.join(SEGMENT.file_name(place.number));
        let file = match &place.file {
            Some(file) => file.clone(),
            None => self.disk.open(&path, OpenMode::Read)?,
        };
        let header = FileHeader { number: place.number, first: place.first, log: [0; 32] };
        let open = OpenFile { file, path, header, salt: place.salt };
        let mut walk = Walk::new(&open, place.offset..place.len, read_ahead);
        for _ in place.index..index {
            let skipped = walk.skip().map_err(|stop| stop.into_error(&open.path))?;
            skipped
                .ok_or_else(|| LedgerError::damaged(&open.path, place.len, "the segment ends too early"))?;
        }
        Ok(SegmentWalk { walk, path: open.path, number: place.number })
    }
}

/// A walk through one segment.
#[derive(Debug)]
struct SegmentWalk {
    walk: Walk,
    path: PathBuf,
    number: u32,
}

impl SegmentWalk {
    fn next(&mut self, index: u64) -> LedgerResult<Lying<'_>> {
        let offset = self.walk.offset();
        let found = self.walk.next_record().map_err(|stop| stop.into_error(&self.path))?;
        let found =
            found.ok_or_else(|| LedgerError::damaged(&self.path, offset, "the segment ends too early"))?;
        if found.header.index != index {
            return Err(LedgerError::damaged(&self.path, offset, "another entry stands here"));
        }
        let Found { leaf, sealed, .. } = found;
        Ok(Lying { index, leaf, sealed })
    }
}

/// A stream of entries with flat memory. It ends at the last durable entry and, asked again, goes on from there.
#[derive(Debug)]
pub struct Entries {
    reader: Reader,
    next: u64,
    walk: Option<SegmentWalk>,
    /// The walk goes up to the entry with this index.
    known: u64,
    failed: bool,
}

impl Entries {
    fn step(&mut self) -> LedgerResult<Option<Lying<'_>>> {
        if self.next >= self.known && !self.look()? {
            return Ok(None);
        }
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let entry = walk.next(self.next)?;
        self.next += 1;
        Ok(Some(entry))
    }
}

impl Entries {
    /// Looks how far the log goes by now, and stands before the next entry if there is one.
    fn look(&mut self) -> LedgerResult<bool> {
        let Some(place) = self.reader.layout.find(self.next) else { return Ok(false) };
        let standing = self.walk.take().filter(|walk| walk.number == place.number);
        let walk = match standing {
            Some(walk) => walk,
            None => self.reader.walk(&place, self.next, STREAM_READ_AHEAD)?,
        };
        self.walk.insert(walk).walk.extend_to(place.len);
        self.known = place.end;
        Ok(true)
    }
}

impl Iterator for Entries {
    type Item = LedgerResult<Stored>;

    /// The next entry. After an error the stream has ended.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = self.step().map(|lying| lying.map(Lying::to_stored));
        self.failed = step.is_err();
        step.transpose()
    }
}
