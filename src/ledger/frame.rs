//! The bytes of segment and key files: a header of 64 bytes, then framed records.
//!
//! Every record names its entry, and its place in the batch it was written with. A batch is synced before the next
//! one is started, so damage in the newest batch is a torn tail, and damage followed by a later batch never is.
//! All numbers are little-endian. The checksum of a record starts from that of its file's header, so that a record
//! of another file, left in a reused disk block, does not pass for one of this file.

use std::path::Path;

use super::entry::BODY_BYTES_MAX;
pub use super::entry::LEAF_BYTES_MAX;
use super::{LedgerError, LedgerResult};

/// The format this release writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// The length of a file header.
pub const FILE_HEADER_BYTES: usize = 64;
/// The length of a record before its leaf.
pub const RECORD_HEADER_BYTES: usize = 24;
/// The longest sealed blob in bytes: the longest body, its randomness, nonce and tag, and some room.
pub const SEALED_BYTES_MAX: usize = BODY_BYTES_MAX + 1024;
/// The most records one batch may hold.
pub const BATCH_RECORDS_MAX: usize = u16::MAX as usize;
/// The longest record.
pub const RECORD_BYTES_MAX: usize = RECORD_HEADER_BYTES + LEAF_BYTES_MAX + SEALED_BYTES_MAX;

/// What a file of this family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileKind {
    /// The first eight bytes.
    pub magic: &'static [u8; 8],
    /// As called in errors.
    pub name: &'static str,
    /// The ending of its file names, without the dot.
    pub ending: &'static str,
}

impl FileKind {
    /// The name of file `number`.
    pub fn file_name(&self, number: u32) -> String {
        format!("{number:08}.{}", self.ending)
    }
    /// The number in a file name of this kind.
    pub fn number_of(&self, name: &str) -> Option<u32> {
        let digits = name.strip_suffix(self.ending)?.strip_suffix('.')?;
        let number = digits.parse().ok()?;
        (self.file_name(number) == name).then_some(number)
    }
}

/// The header of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// Position among its siblings, from 0.
    pub number: u32,
    /// Index of the first record.
    pub first: u64,
    /// SHA-256 of the origin of the log it belongs to.
    pub log: [u8; 32],
}

impl FileHeader {
    /// The header as bytes.
    pub fn encode(&self, kind: FileKind) -> [u8; FILE_HEADER_BYTES] {
        let mut out = [0; FILE_HEADER_BYTES];
        out[..8].copy_from_slice(kind.magic);
        out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..56].copy_from_slice(&self.log);
        let crc = crc32c::crc32c(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header of `file` from its first bytes.
    pub fn decode(kind: FileKind, bytes: &[u8], file: &Path) -> LedgerResult<Self> {
        let Some(bytes) = bytes.first_chunk::<FILE_HEADER_BYTES>() else {
            return Err(LedgerError::damaged(file, bytes.len() as u64, "the file header is cut short"));
        };
        if &bytes[..8] != kind.magic {
            return Err(LedgerError::OtherLog { file: file.to_owned(), kind: kind.name });
        }
        // The version comes before the checksum: a later format may place it elsewhere.
        let found = u32_at(bytes, 8);
        if found > FORMAT_VERSION {
            return Err(LedgerError::NewerFormat { file: file.to_owned(), found, known: FORMAT_VERSION });
        }
        if found == 0 || salt_of(bytes) != crc32c::crc32c(&bytes[..60]) {
            return Err(LedgerError::damaged(file, 0, "the checksum of the file header does not match"));
        }
        let mut log = [0; 32];
        log.copy_from_slice(&bytes[24..56]);
        Ok(Self { number: u32_at(bytes, 12), first: u64_at(bytes, 16), log })
    }
}

/// What the checksums of the records of a file start from.
pub fn salt_of(header: &[u8; FILE_HEADER_BYTES]) -> u32 {
    u32_at(header, 60)
}

/// What a record says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its index in the log.
    pub index: u64,
    /// Its place in its batch, from 0.
    pub position: u16,
    /// How many records its batch holds.
    pub count: u16,
    /// Bytes of leaf.
    pub leaf_len: usize,
    /// Bytes of sealed blob.
    pub sealed_len: usize,
    crc: u32,
}

impl RecordHeader {
    /// Reads a header; nothing when no record starts with these bytes.
    pub fn decode(bytes: &[u8; RECORD_HEADER_BYTES]) -> Option<Self> {
        let header = Self {
            crc: u32_at(bytes, 0),
            leaf_len: usize::from(u16_at(bytes, 4)),
            position: u16_at(bytes, 6),
            count: u16_at(bytes, 8),
            sealed_len: u32_at(bytes, 12) as usize,
            index: u64_at(bytes, 16),
        };
        let plausible = u16_at(bytes, 10) == 0
            && header.position < header.count
            && u64::from(header.position) <= header.index
            && header.leaf_len <= LEAF_BYTES_MAX
            && header.sealed_len <= SEALED_BYTES_MAX;
        plausible.then_some(header)
    }
    /// The length of the whole record.
    pub fn record_len(&self) -> usize {
        RECORD_HEADER_BYTES + self.leaf_len + self.sealed_len
    }
    /// The index of the first record of its batch.
    pub fn batch_first(&self) -> u64 {
        self.index - u64::from(self.position)
    }
    /// Whether its batch ends with it.
    pub fn ends_batch(&self) -> bool {
        self.position + 1 == self.count
    }
    /// Whether the checksum of `record`, the whole of it, matches.
    pub fn matches(&self, salt: u32, record: &[u8]) -> bool {
        self.crc == crc32c::crc32c_append(salt, &record[4..])
    }
}

/// Adds a record to `out`. The lengths were checked by the caller.
pub fn encode_record(out: &mut Vec<u8>, salt: u32, place: (u64, u16, u16), leaf: &[u8], sealed: &[u8]) {
    let (index, position, count) = place;
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(leaf.len() as u16).to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&(sealed.len() as u32).to_le_bytes());
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(leaf);
    out.extend_from_slice(sealed);
    let crc = crc32c::crc32c_append(salt, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
