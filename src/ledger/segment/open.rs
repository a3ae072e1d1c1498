//! Opening a log is recovering it: list, check, cut what was never acknowledged, refuse what is damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{Layout, Meta};
use super::{Reader, SEGMENT, SegmentOptions, Segments, create_file, log_id, side};
use crate::disk::{OpenMode, SharedDisk};
use crate::ledger::frame::{FileHeader, FileKind};
use crate::ledger::walk::{OpenFile, check};
use crate::ledger::{LedgerError, LedgerResult};

/// The largest segment used, whatever the options say: sparse offsets have 32 bits, a batch may come on top.
const SEGMENT_BYTES_MAX: u64 = 2 << 30;

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Durable entries.
    pub entries: u64,
    /// Segment files, the active one included.
    pub segments: usize,
    /// Segments that were read whole.
    pub checked: usize,
    /// Bytes of a torn last batch; it was never acknowledged. [`Segments::open`] cuts them off.
    pub cut_bytes: u64,
}

impl Segments {
    /// Opens the log of `origin` in the folder `dir`, or starts it there. The caller holds the lock of the data folder.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] when acknowledged bytes are missing or wrong; nothing is changed then.
    pub fn open(
        disk: &SharedDisk,
        dir: &Path,
        origin: &str,
        options: SegmentOptions,
    ) -> LedgerResult<(Self, Recovery)> {
        let log = log_id(origin);
        let options =
            SegmentOptions { segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_MAX), ..options };
        disk.create_dir(dir)?;
        let mut files = open_files(disk, dir, SEGMENT, &log, Access::Repair)?;
        if files.is_empty() {
            files.push(create_file(disk, dir, SEGMENT, FileHeader { number: 0, first: 0, log })?);
        }
        let (metas, mut recovery) = read_files(disk, dir, &files, options.check_all, Access::Repair)?;
        let last = files.len() - 1;
        let active = files.swap_remove(last);
        let (file_len, next) = metas.last().map_or((0, 0), |m| (m.len, m.end()));
        recovery.entries = next;
        let layout = Arc::new(Layout::new(metas));
        let (disk, dir, buffer) = (disk.clone(), dir.to_owned(), Vec::new());
        let segments =
            Self { disk, dir, log, options, layout, active, file_len, next, poisoned: false, buffer };
        Ok((segments, recovery))
    }
}

impl Reader {
    /// Reads the log of `origin` in the folder `dir` as it stands, changes nothing and needs no lock: what is being
    /// written meanwhile, and a torn tail, are not seen. It does not grow.
    ///
    /// # Errors
    /// As [`Segments::open`]; a folder without segments is [`LedgerError::Damaged`].
    pub fn open(
        disk: &SharedDisk,
        dir: &Path,
        origin: &str,
        check_all: bool,
    ) -> LedgerResult<(Self, Recovery)> {
        let files = open_files(disk, dir, SEGMENT, &log_id(origin), Access::Look)?;
        if files.is_empty() {
            return Err(LedgerError::damaged(&dir.join(SEGMENT.file_name(0)), 0, "the file is missing"));
        }
        let (metas, mut recovery) = read_files(disk, dir, &files, check_all, Access::Look)?;
        recovery.entries = metas.last().map_or(0, Meta::end);
        Ok((Self::new(disk.clone(), dir, Arc::new(Layout::new(metas))), recovery))
    }
}

/// Whether opening may change files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Access {
    /// Cut torn tails, remove left-overs, write side files.
    Repair,
    /// Read only.
    Look,
}

/// The files of a kind in `dir`, in order and without gaps, their headers checked. Left-overs of interrupted
/// creations are removed.
pub(in crate::ledger) fn open_files(
    disk: &SharedDisk,
    dir: &Path,
    kind: FileKind,
    log: &[u8; 32],
    access: Access,
) -> LedgerResult<Vec<OpenFile>> {
    let mode = if access == Access::Repair { OpenMode::Append } else { OpenMode::Read };
    let mut files = Vec::new();
    for name in disk.list(dir)? {
        if name.ends_with(".tmp") && access == Access::Repair {
            disk.remove_if_there(&dir.join(&name))?;
        }
        let Some(number) = kind.number_of(&name) else { continue };
        let path = dir.join(&name);
        if number as usize != files.len() {
            let missing: PathBuf = dir.join(kind.file_name(files.len() as u32));
            return Err(LedgerError::damaged(&missing, 0, "the file is missing"));
        }
        let open = OpenFile::read(kind, disk.open(&path, mode)?, &path, log)?;
        if open.header.number != number {
            return Err(LedgerError::damaged(&path, 12, "the file carries the number of another one"));
        }
        files.push(open);
    }
    Ok(files)
}

/// What is in each segment: from its side file, or by reading it.
fn read_files(
    disk: &SharedDisk,
    dir: &Path,
    files: &[OpenFile],
    check_all: bool,
    access: Access,
) -> LedgerResult<(Vec<Meta>, Recovery)> {
    let mut recovery = Recovery { segments: files.len(), ..Recovery::default() };
    let mut metas: Vec<Meta> = Vec::with_capacity(files.len());
    for (n, open) in files.iter().enumerate() {
        let expected = metas.last().map_or(0, Meta::end);
        if open.header.first != expected {
            return Err(LedgerError::damaged(&open.path, 16, "it does not begin where its predecessor ends"));
        }
        let is_last = n + 1 == files.len();
        let known = if is_last || check_all { None } else { side::read(disk, dir, open)? };
        if let Some(meta) = known {
            metas.push(meta);
            continue;
        }
        recovery.checked += 1;
        let meta = read_segment(open, is_last, access, &mut recovery)?;
        if !is_last && access == Access::Repair {
            side::write(disk, dir, &meta);
        }
        metas.push(meta);
    }
    Ok((metas, recovery))
}

/// Reads a segment whole. The tail of the last one may be torn: it is cut, and what stays is made durable, because
/// after a mere process crash it may still sit in the system's cache and must not be acknowledged from there.
fn read_segment(open: &OpenFile, last: bool, access: Access, recovery: &mut Recovery) -> LedgerResult<Meta> {
    let len = open.file.len()?;
    let mut meta = Meta::new(open);
    if !last {
        meta.file = None;
    }
    let checked = check(open, len, |found| meta.note(found.offset))?;
    meta.cut(checked.records, checked.len);
    if checked.torn && !last {
        return Err(LedgerError::damaged(&open.path, checked.len, "a closed segment ends inside a batch"));
    }
    if last && access == Access::Repair {
        if checked.torn {
            open.file.truncate(checked.len)?;
        }
        open.file.sync_data()?;
    }
    recovery.cut_bytes += len - checked.len;
    Ok(meta)
}
