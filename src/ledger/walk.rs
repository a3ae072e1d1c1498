//! Reading a file of records from front to back, and telling a torn tail from damage.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{
    FILE_HEADER_BYTES, FileHeader, FileKind, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader, salt_of,
};
use super::{LedgerError, LedgerResult};
use crate::disk::{DiskFile, DiskResult};

/// An open file and what its header says.
#[derive(Debug, Clone)]
pub struct OpenFile {
    pub file: Arc<dyn DiskFile>,
    pub path: PathBuf,
    pub header: FileHeader,
    pub salt: u32,
}

impl OpenFile {
    /// Reads and checks the header of a file of the log `log`.
    pub fn read(kind: FileKind, file: Arc<dyn DiskFile>, path: &Path, log: &[u8; 32]) -> LedgerResult<Self> {
        let mut bytes = [0; FILE_HEADER_BYTES];
        let read = file.read_at(0, &mut bytes)?;
        let header = FileHeader::decode(kind, &bytes[..read], path)?;
        if &header.log != log {
            return Err(LedgerError::OtherLog { file: path.to_owned(), kind: kind.name });
        }
        Ok(Self { file, path: path.to_owned(), header, salt: salt_of(&bytes) })
    }
}

/// Where a walk had to stop.
#[derive(Debug)]
pub enum Stop {
    /// The system refused to read.
    Disk(LedgerError),
    /// No valid record starts at this offset, though the file goes on.
    Bad { offset: u64, why: &'static str },
}

impl Stop {
    /// As an error about the file at `path`.
    pub fn into_error(self, path: &Path) -> LedgerError {
        match self {
            Stop::Disk(e) => e,
            Stop::Bad { offset, why } => LedgerError::damaged(path, offset, why),
        }
    }
}

/// A record in the walk's buffer.
#[derive(Debug)]
pub struct Found<'a> {
    pub offset: u64,
    pub header: RecordHeader,
    pub leaf: &'a [u8],
    pub sealed: &'a [u8],
}

/// Reads records one after another with a buffer of bounded size.
#[derive(Debug)]
pub struct Walk {
    file: Arc<dyn DiskFile>,
    salt: u32,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Bytes of it that were read; what is behind them is old.
    filled: usize,
    /// The offset in the file of the first buffered byte.
    start: u64,
    read_ahead: usize,
}

impl Walk {
    /// Walks from the record at offset `range.start`; nothing at or after `range.end` is looked at.
    pub fn new(open: &OpenFile, range: Range<u64>, read_ahead: usize) -> Self {
        let (at, end) = (range.start, range.end);
        let (file, salt) = (open.file.clone(), open.salt);
        Self { file, salt, at, end, buffer: Vec::new(), filled: 0, start: at, read_ahead }
    }

    /// The offset of the next record.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Moves the end forward: the file has grown.
    pub fn extend_to(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// The `len` bytes from the present offset on, or nothing when the range ends before.
    fn window(&mut self, len: usize) -> DiskResult<Option<Range<usize>>> {
        if self.at + len as u64 > self.end {
            return Ok(None);
        }
        let from = (self.at - self.start) as usize;
        if from + len > self.filled {
            let kept = from.min(self.filled)..self.filled;
            let have = kept.len();
            self.buffer.copy_within(kept, 0);
            (self.start, self.filled) = (self.at, have);
            let want = len.max(self.read_ahead).min((self.end - self.at) as usize);
            if self.buffer.len() < want {
                self.buffer.resize(want, 0);
            }
            self.filled += self.file.read_at(self.start + have as u64, &mut self.buffer[have..want])?;
            return Ok((self.filled >= len).then_some(0..len));
        }
        Ok(Some(from..from + len))
    }

    fn header(&mut self) -> Result<Option<RecordHeader>, Stop> {
        if self.at >= self.end {
            return Ok(None);
        }
        let bad = |offset, why| Stop::Bad { offset, why };
        let window = self.window(RECORD_HEADER_BYTES).map_err(|e| Stop::Disk(e.into()))?;
        let bytes = window.and_then(|w| self.buffer[w].first_chunk().copied());
        let bytes = bytes.ok_or(bad(self.at, "the file ends inside a record header"))?;
        let header = RecordHeader::decode(&bytes);
        header.map(Some).ok_or(bad(self.at, "no record starts here"))
    }

    /// Passes over the next record without reading its content.
    pub fn skip(&mut self) -> Result<Option<RecordHeader>, Stop> {
        let header = self.header()?;
        if let Some(header) = header {
            self.at += header.record_len() as u64;
        }
        Ok(header)
    }

    /// The next record, its checksum compared; nothing at the end.
    pub fn next_record(&mut self) -> Result<Option<Found<'_>>, Stop> {
        let Some(header) = self.header()? else { return Ok(None) };
        let offset = self.at;
        let window = self.window(header.record_len()).map_err(|e| Stop::Disk(e.into()))?;
        let window = window.ok_or(Stop::Bad { offset, why: "the file ends inside a record" })?;
        let record = &self.buffer[window];
        if !header.matches(self.salt, record) {
            return Err(Stop::Bad { offset, why: "the checksum of the record does not match" });
        }
        self.at += record.len() as u64;
        let (leaf, sealed) = record[RECORD_HEADER_BYTES..].split_at(header.leaf_len);
        Ok(Some(Found { offset, header, leaf, sealed }))
    }
}

/// What checking a file from its first record on found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whole batches hold this many records.
    pub records: u64,
    /// And end at this offset.
    pub len: u64,
    /// What follows up to the end of the file is a torn tail: one batch that was never acknowledged.
    pub torn: bool,
}

/// Checks all records of a file up to offset `end` and shows each to `see`, also those of a torn last batch.
///
/// # Errors
/// Damage that is not a torn tail: a wrong record followed by one of a later batch, or records out of order.
pub fn check(open: &OpenFile, end: u64, mut see: impl FnMut(&Found<'_>)) -> LedgerResult<Checked> {
    let mut walk = Walk::new(open, FILE_HEADER_BYTES as u64..end, 1 << 20);
    let first = open.header.first;
    let mut next = first;
    let mut whole = Checked { records: 0, len: FILE_HEADER_BYTES as u64, torn: false };
    let mut batch: Option<RecordHeader> = None;
    loop {
        match walk.next_record() {
            Ok(None) => break,
            Ok(Some(found)) => {
                let header = found.header;
                let expected =
                    batch.map_or((next, 0, header.count), |b| (b.batch_first(), b.position + 1, b.count));
                if (header.batch_first(), header.position, header.count) != expected || header.index != next {
                    return Err(LedgerError::damaged(
                        &open.path,
                        found.offset,
                        "the records are out of order",
                    ));
                }
                see(&found);
                next += 1;
                batch = (!header.ends_batch()).then_some(header);
                if batch.is_none() {
                    whole = Checked { records: next - first, len: walk.offset(), torn: false };
                }
            }
            Err(Stop::Bad { offset, why }) => {
                if later_batch_follows(open, offset + 1..end, first + whole.records)? {
                    return Err(LedgerError::damaged(&open.path, offset, why));
                }
                break;
            }
            Err(Stop::Disk(e)) => return Err(e),
        }
    }
    whole.torn = whole.len < end;
    Ok(whole)
}

/// How far after the expected index a record may claim to be and still be believed, in records.
const INDEX_REACH: u64 = 1 << 28;

/// Whether a valid record of a batch later than the one that starts at `torn_batch` lies anywhere in `range`.
///
/// The writer starts no batch before the last one is durable, so such a record proves that the damage before it
/// hit acknowledged bytes.
pub(super) fn later_batch_follows(open: &OpenFile, range: Range<u64>, torn_batch: u64) -> LedgerResult<bool> {
    const PIECE: usize = 4 << 20;
    let mut at = range.start;
    let mut piece = Vec::new();
    while at < range.end {
        piece.resize((PIECE + RECORD_BYTES_MAX).min((range.end - at) as usize), 0);
        let read = open.file.read_at(at, &mut piece)?;
        piece.truncate(read);
        for start in 0..read.min(PIECE) {
            let Some(bytes) = piece[start..].first_chunk() else { break };
            let Some(header) = RecordHeader::decode(bytes) else { continue };
            let later =
                header.batch_first().checked_sub(torn_batch).is_some_and(|d| (1..INDEX_REACH).contains(&d));
            let record = piece.get(start..start + header.record_len());
            if later && record.is_some_and(|r| header.matches(open.salt, r)) {
                return Ok(true);
            }
        }
        if read == 0 {
            break;
        }
        at += PIECE as u64;
    }
    Ok(false)
}
