//! Side files: the sparse offsets of a closed segment. Not synced, and made again when they do not fit.

use std::path::{Path, PathBuf};

use super::SEGMENT;
use super::layout::{Meta, STRIDE};
use crate::disk::{DiskResult, OpenMode, SharedDisk};
use crate::ledger::frame::{u32_at, u64_at};
use crate::ledger::walk::OpenFile;

const MAGIC: &[u8; 8] = b"cstryidx";
const HEAD_BYTES: usize = 32;
const FILE_BYTES_MAX: usize = 64 << 20;

fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(SEGMENT.file_name(number)).with_extension("idx")
}

/// Writes the side file of a closed segment. That it could not be written costs a scan at the next start, no more.
pub(super) fn write(disk: &SharedDisk, dir: &Path, closed: &Meta) {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + 4 * closed.offsets.len() + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&closed.salt.to_le_bytes());
    bytes.extend_from_slice(&(STRIDE as u32).to_le_bytes());
    bytes.extend_from_slice(&closed.count.to_le_bytes());
    bytes.extend_from_slice(&closed.len.to_le_bytes());
    closed.offsets.iter().for_each(|o| bytes.extend_from_slice(&o.to_le_bytes()));
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let put = || -> DiskResult<()> {
        let path = path(dir, closed.number);
        disk.remove_if_there(&path)?;
        disk.open(&path, OpenMode::CreateNew)?.append(&bytes)
    };
    let _ = put();
}

/// The closed segment as its side file describes it, if that fits the segment file.
pub(super) fn read(disk: &SharedDisk, dir: &Path, open: &OpenFile) -> DiskResult<Option<Meta>> {
    let bytes = disk.read_whole(&path(dir, open.header.number), FILE_BYTES_MAX)?;
    let Some(bytes) = bytes.filter(|b| b.len() >= HEAD_BYTES + 4) else { return Ok(None) };
    let (content, crc) = bytes.split_at(bytes.len() - 4);
    let known = &content[..8] == MAGIC && u32_at(content, 12) == STRIDE as u32;
    if !known || crc32c::crc32c(content) != u32_at(crc, 0) || u32_at(content, 8) != open.salt {
        return Ok(None);
    }
    let offsets: Vec<u32> = content[HEAD_BYTES..].chunks_exact(4).map(|o| u32_at(o, 0)).collect();
    let meta = Meta {
        number: open.header.number,
        first: open.header.first,
        count: u64_at(content, 16),
        len: u64_at(content, 24),
        salt: open.salt,
        offsets,
        file: None,
    };
    let fits = meta.len == open.file.len()? && meta.offsets.len() as u64 == meta.count.div_ceil(STRIDE);
    Ok(fits.then_some(meta))
}
