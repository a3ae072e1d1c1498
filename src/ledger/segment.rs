//! Segments: leaves and sealed blobs in append-only files, the only thing a commit has to sync.
//!
//! `ledger/00000000.seg` and so on. A batch is written whole, then synced once; a crash before the sync leaves all
//! of it, none of it or a torn part, and opening cuts the part. A file is rolled when it is full; its successor is
//! durable before it is used. For a closed segment a side file keeps every 16th offset, so that opening reads only
//! the newest segment; a side file that is missing or does not fit is made again.
//!
//! Memory: 4 bytes for 16 entries. Opening: the newest segment is read whole (256 MiB at most by default).

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::frame::{
    BATCH_RECORDS_MAX, FILE_HEADER_BYTES, FileHeader, FileKind, LEAF_BYTES_MAX, RECORD_HEADER_BYTES,
    SEALED_BYTES_MAX, encode_record,
};
use super::walk::OpenFile;
use super::{LedgerError, LedgerResult};
use crate::disk::{OpenMode, SharedDisk};

mod layout;
mod open;
mod reader;
mod salvage;
mod side;
#[cfg(test)]
mod tests;

use layout::{Layout, Meta};
pub use open::Recovery;
pub(super) use open::{Access, open_files};
pub use reader::{Entries, Lying, Reader, Stored};
pub use salvage::{End, Salvaged, salvage};

/// Segment files.
pub(super) const SEGMENT: FileKind = FileKind { magic: b"cstryseg", name: "segment", ending: "seg" };

/// The most bytes one batch may take (64 MiB): a writer batches for a few milliseconds, not for gigabytes.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// How segments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentOptions {
    /// A segment that would grow past this is closed first, in bytes. Default 256 MiB; at most 2 GiB is used.
    pub segment_bytes: u64,
    /// Read every segment on opening instead of trusting the side files. Default false.
    pub check_all: bool,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { segment_bytes: 256 << 20, check_all: false }
    }
}

/// One entry to be appended.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'a> {
    /// The public bytes, hashed into the tree; at most 3 KiB.
    pub leaf: &'a [u8],
    /// The sealed blob beside it, or nothing; at most `SEALED_BYTES_MAX`.
    pub sealed: &'a [u8],
}

/// The writing end of a log's segments. There is one; [`Segments::reader`] gives any number of reading ends.
#[derive(Debug)]
pub struct Segments {
    disk: SharedDisk,
    dir: PathBuf,
    log: [u8; 32],
    options: SegmentOptions,
    layout: Arc<Layout>,
    active: OpenFile,
    /// Synced length of the active file.
    file_len: u64,
    /// Index of the next entry.
    next: u64,
    poisoned: bool,
    buffer: Vec<u8>,
}

/// The bytes that tie files to the log of this origin.
pub fn log_id(origin: &str) -> [u8; 32] {
    Sha256::digest(origin.as_bytes()).into()
}

/// Creates file `number` of a kind, empty but for its header, durable under its name.
pub(super) fn create_file(
    disk: &SharedDisk,
    dir: &Path,
    kind: FileKind,
    header: FileHeader,
) -> LedgerResult<OpenFile> {
    let path = dir.join(kind.file_name(header.number));
    disk.write_whole(&path, &header.encode(kind))?;
    OpenFile::read(kind, disk.open(&path, OpenMode::Append)?, &path, &header.log)
}

impl Segments {
    /// How many entries are durable.
    pub fn len(&self) -> u64 {
        self.next
    }

    /// Whether the log has no entry yet.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// A reading end. It sees entries once they are durable.
    pub fn reader(&self) -> Reader {
        Reader::new(self.disk.clone(), &self.dir, self.layout.clone())
    }

    /// Appends a batch and answers its indices. When it returns, the batch is durable; when it fails, none of it
    /// will be there, unless the error is [`LedgerError::Poisoned`] or the process dies: then a restart tells.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`] and a full disk leave the log as it was and usable. Any other failure poisons it.
    pub fn append(&mut self, batch: &[NewEntry<'_>]) -> LedgerResult<Range<u64>> {
        self.check(batch)?;
        if batch.is_empty() {
            return Ok(self.next..self.next);
        }
        let bytes = batch.iter().map(record_len).sum::<u64>();
        if self.file_len > FILE_HEADER_BYTES as u64 && self.file_len + bytes > self.options.segment_bytes {
            self.roll()?;
        }
        let first = self.next;
        let offsets = self.encode(batch);
        self.write()?;
        self.file_len += self.buffer.len() as u64;
        self.next += batch.len() as u64;
        self.layout.grow(self.next, self.file_len, &offsets);
        Ok(first..self.next)
    }

    fn check(&self, batch: &[NewEntry<'_>]) -> LedgerResult<()> {
        if self.poisoned {
            return Err(LedgerError::Poisoned { file: self.active.path.clone() });
        }
        let limit = |what, bytes, max| {
            if bytes > max { Err(LedgerError::TooLarge { what, bytes, max }) } else { Ok(()) }
        };
        limit("a batch (in entries)", batch.len(), BATCH_RECORDS_MAX)?;
        for entry in batch {
            limit("a leaf", entry.leaf.len(), LEAF_BYTES_MAX)?;
            limit("a sealed blob", entry.sealed.len(), SEALED_BYTES_MAX)?;
        }
        limit("a batch", batch.iter().map(record_len).sum::<u64>() as usize, BATCH_BYTES_MAX)
    }

    /// Fills the buffer with the batch; answers the offset of each record.
    fn encode(&mut self, batch: &[NewEntry<'_>]) -> Vec<u64> {
        self.buffer.clear();
        let count = batch.len() as u16;
        let mut offsets = Vec::with_capacity(batch.len());
        for (position, entry) in batch.iter().enumerate() {
            offsets.push(self.file_len + self.buffer.len() as u64);
            let place = (self.next + position as u64, position as u16, count);
            encode_record(&mut self.buffer, self.active.salt, place, entry.leaf, entry.sealed);
        }
        offsets
    }

    fn write(&mut self) -> LedgerResult<()> {
        if let Err(e) = self.active.file.append(&self.buffer) {
            // A part may be there. It was never acknowledged, so it is cut off; if that fails too, nobody may
            // append behind it, for a reader of the file would take it for damage.
            self.poisoned = !e.is_full() || self.active.file.truncate(self.file_len).is_err();
            return Err(e.into());
        }
        // After a failed sync the system may have dropped the bytes and forgotten it: asking again proves nothing.
        self.active.file.sync_data().map_err(|e| {
            self.poisoned = true;
            e.into()
        })
    }

    /// Closes the active segment and starts the next one.
    fn roll(&mut self) -> LedgerResult<()> {
        let header = FileHeader { number: self.active.header.number + 1, first: self.next, log: self.log };
        // A crash in here leaves the old segment, closed or not, and perhaps an empty successor; both are fine.
        let opened = create_file(&self.disk, &self.dir, SEGMENT, header);
        self.active = opened.inspect_err(|e| self.poisoned = !e.is_full())?;
        let closed = self.layout.roll(Meta::new(&self.active));
        side::write(&self.disk, &self.dir, &closed);
        self.file_len = FILE_HEADER_BYTES as u64;
        Ok(())
    }
}

fn record_len(entry: &NewEntry<'_>) -> u64 {
    (RECORD_HEADER_BYTES + entry.leaf.len() + entry.sealed.len()) as u64
}
