//! What is where: shared by the writer, who extends it after each sync, and the readers.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::disk::DiskFile;
use crate::ledger::frame::FILE_HEADER_BYTES;
use crate::ledger::walk::OpenFile;

/// One offset is kept for this many records.
pub(super) const STRIDE: u64 = 16;

/// One segment.
#[derive(Debug, Clone)]
pub(super) struct Meta {
    pub number: u32,
    pub first: u64,
    /// Durable entries in it.
    pub count: u64,
    /// Durable bytes in it.
    pub len: u64,
    pub salt: u32,
    /// Offsets of records `first`, `first + STRIDE`, …
    pub offsets: Vec<u32>,
    /// The active segment stays open; closed ones are opened when read.
    pub file: Option<Arc<dyn DiskFile>>,
}

impl Meta {
    /// An empty segment, active.
    pub fn new(open: &OpenFile) -> Self {
        Self {
            number: open.header.number,
            first: open.header.first,
            count: 0,
            len: FILE_HEADER_BYTES as u64,
            salt: open.salt,
            offsets: Vec::new(),
            file: Some(open.file.clone()),
        }
    }

    /// Takes note of the next record's offset.
    pub fn note(&mut self, offset: u64) {
        if self.count.is_multiple_of(STRIDE) {
            // Segments are capped at 2 GiB, so offsets fit.
            self.offsets.push(offset as u32);
        }
        self.count += 1;
    }

    /// Forgets records beyond the first `count`.
    pub fn cut(&mut self, count: u64, len: u64) {
        self.count = count;
        self.len = len;
        self.offsets.truncate(count.div_ceil(STRIDE) as usize);
    }

    /// The index after its last entry.
    pub fn end(&self) -> u64 {
        self.first + self.count
    }
}

/// Where one record can be found: walk from `offset`, where record `index` starts, up to `len`.
#[derive(Debug)]
pub(super) struct Place {
    pub number: u32,
    pub first: u64,
    pub salt: u32,
    pub index: u64,
    pub offset: u64,
    pub len: u64,
    /// The index after the last durable entry before `len`.
    pub end: u64,
    pub file: Option<Arc<dyn DiskFile>>,
}

/// All segments of a log.
#[derive(Debug)]
pub(super) struct Layout(RwLock<Vec<Meta>>);

impl Layout {
    /// At least one segment, the last one active.
    pub fn new(segments: Vec<Meta>) -> Self {
        Self(RwLock::new(segments))
    }

    /// Durable entries in all segments.
    pub fn entries(&self) -> u64 {
        self.0.read().last().map_or(0, Meta::end)
    }

    /// The active segment now ends with entry `end` at offset `len`; `offsets` are those of its new records.
    pub fn grow(&self, end: u64, len: u64, offsets: &[u64]) {
        let mut segments = self.0.write();
        if let Some(active) = segments.last_mut() {
            offsets.iter().for_each(|offset| active.note(*offset));
            active.len = len;
            debug_assert_eq!(active.end(), end);
        }
    }

    /// Closes the active segment, starts `next`, and answers the closed one.
    pub fn roll(&self, next: Meta) -> Meta {
        let mut segments = self.0.write();
        let closed = segments.last_mut().map(|active| {
            active.file = None;
            active.clone()
        });
        segments.push(next.clone());
        closed.unwrap_or(next)
    }

    /// Where to look for entry `index`; nothing if it is not durable yet.
    pub fn find(&self, index: u64) -> Option<Place> {
        let segments = self.0.read();
        let at = segments.partition_point(|s| s.first <= index).checked_sub(1)?;
        // Of an empty segment and its successor with the same first index the later one holds the entry.
        let segment = &segments[at];
        if index >= segment.end() {
            return None;
        }
        let slot = (index - segment.first) / STRIDE;
        Some(Place {
            number: segment.number,
            first: segment.first,
            salt: segment.salt,
            index: segment.first + slot * STRIDE,
            offset: u64::from(*segment.offsets.get(slot as usize)?),
            len: segment.len,
            end: segment.end(),
            file: segment.file.clone(),
        })
    }
}
