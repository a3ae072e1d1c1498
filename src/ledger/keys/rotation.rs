//! A new master key: every data key is wrapped anew, the entries sealed under them are not touched.
//!
//! | step | what it does | a crash in it leaves a folder that opens with |
//! |---|---|---|
//! | prepare | writes each `00000000.key` once more, under the next master key, as `00000000.next` | the former key; opening removes what was prepared |
//! | commit | writes `master.next`, once all of those are durable | the former or the next key, as `master.next` is there or not |
//! | settle | puts each `.next` in the place of its `.key`, then `master.next` in the place of `master.id` | the next key; opening goes on with it |
//!
//! Settling needs no key, so opening does it, whichever key it was given, and then says which one it wants. Notes that a
//! key was destroyed are carried over as they are.

use std::path::{Path, PathBuf};

use super::{
    ID_BYTES, KEY, LEAF_BYTES, MasterKey, MasterKeyId, RECORD_BYTES, check_file, is_empty_leaf, unwrap, wrap,
};
use crate::disk::{DiskError, DiskResult, SharedDisk};
use crate::entropy::Entropy;
use crate::ledger::frame::{FILE_HEADER_BYTES, RECORD_HEADER_BYTES, RecordHeader, encode_record};
use crate::ledger::segment::{Access, log_id, open_files};
use crate::ledger::walk::OpenFile;
use crate::ledger::{LedgerError, LedgerResult};
use crate::model::SubjectId;

/// Says under which master key the folder's keys are wrapped. A hint: only the cipher decides.
pub const MASTER_ID: &str = "master.id";
/// The same of a change that has happened and is not settled.
pub const MASTER_NEXT: &str = "master.next";
const NEXT: &str = ".next";
const ID_FILE_BYTES_MAX: usize = 64;

/// What became of the keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Keys wrapped anew.
    pub wrapped: u64,
    /// Keys that were under the next master key already.
    pub already: u64,
    /// Notes that there was a key; there is none.
    pub destroyed: u64,
}

/// Wraps every key of `owner` in `dir` that is under `former` anew under `next`. The caller holds the data folder. `progress`
/// gets how many keys were looked at, and how many there are. Memory: two copies of one file, 8 MiB.
///
/// Calling it again after it broke off, or after it ended, is harmless.
///
/// # Errors
/// [`LedgerError::WrongMasterKey`] when a key is under neither; then, as after every error before the commit, the folder
/// opens with `former`.
pub fn rotate(
    disk: &SharedDisk,
    dir: &Path,
    owner: &str,
    (former, next): (&MasterKey, &MasterKey),
    entropy: &dyn Entropy,
    progress: &mut dyn FnMut(u64, u64),
) -> LedgerResult<Rotated> {
    settle(disk, dir)?;
    let files = open_files(disk, dir, KEY, &log_id(owner), Access::Repair)?;
    let mut lengths = Vec::with_capacity(files.len());
    for (n, open) in files.iter().enumerate() {
        let mut strange = false;
        let checked = check_file(open, n + 1 == files.len(), |found| {
            strange |= found.leaf.len() != LEAF_BYTES || !found.sealed.is_empty();
        })?;
        if strange {
            return Err(LedgerError::damaged(&open.path, 0, "a record is no key"));
        }
        lengths.push(checked.len);
    }
    let bytes: u64 = lengths.iter().sum();
    if disk.space(dir)?.available < bytes + bytes / 8 {
        let full = std::io::ErrorKind::StorageFull.into();
        return Err(DiskError::new("make room for a second copy of the keys in", dir, full).into());
    }
    let total = lengths.iter().map(|len| (len - FILE_HEADER_BYTES as u64) / RECORD_BYTES as u64).sum();
    let mut sum = Rotated::default();
    for (open, len) in files.iter().zip(lengths) {
        let (bytes, found) = rewrap(open, len, (former, next), entropy)?;
        if found.wrapped > 0 {
            prepare(disk, open, &bytes)?;
        }
        sum.wrapped += found.wrapped;
        sum.already += found.already;
        sum.destroyed += found.destroyed;
        progress(sum.wrapped + sum.already + sum.destroyed, total);
    }
    drop(files);
    if sum.wrapped > 0 {
        disk.sync_dir(dir)?;
        disk.write_whole(&dir.join(MASTER_NEXT), id_text(next).as_bytes())?;
    }
    settle(disk, dir)?;
    if sum.wrapped == 0 {
        note(disk, dir, next)?;
    }
    Ok(sum)
}

/// Ends a change that had happened, and removes what one that had not prepared. The caller holds the data folder.
pub fn settle(disk: &SharedDisk, dir: &Path) -> LedgerResult<()> {
    let names = disk.list(dir)?;
    let happened = names.iter().any(|name| name == MASTER_NEXT);
    let mut changed = false;
    for name in names.iter().filter(|name| *name != MASTER_NEXT) {
        let Some(stem) = name.strip_suffix(NEXT) else { continue };
        match happened {
            true => disk.rename(&dir.join(name), &dir.join(format!("{stem}.{}", KEY.ending)))?,
            false => disk.remove_if_there(&dir.join(name))?,
        }
        changed = true;
    }
    if changed {
        // Before the mark goes, and before another change prepares files of the same names.
        disk.sync_dir(dir)?;
    }
    if happened {
        disk.rename(&dir.join(MASTER_NEXT), &dir.join(MASTER_ID))?;
        disk.sync_dir(dir)?;
    }
    Ok(())
}

/// The master key that the folder says it opens with. Nothing vouches for it; one that was never opened with
/// a key in it does not say.
pub fn wrapped_under(disk: &SharedDisk, dir: &Path) -> DiskResult<Option<MasterKeyId>> {
    for name in [MASTER_NEXT, MASTER_ID] {
        if let Some(bytes) = disk.read_whole(&dir.join(name), ID_FILE_BYTES_MAX)? {
            return Ok(std::str::from_utf8(&bytes).ok().and_then(MasterKeyId::parse));
        }
    }
    Ok(None)
}

/// Whether a change of the master key has happened and is not settled: the files are partly under the one, partly under the
/// other key.
pub fn is_unsettled(disk: &SharedDisk, dir: &Path) -> DiskResult<bool> {
    disk.exists(&dir.join(MASTER_NEXT))
}

/// Writes down which key opened the folder. On a full volume the next opening does.
pub(super) fn note(disk: &SharedDisk, dir: &Path, master: &MasterKey) -> LedgerResult<()> {
    if wrapped_under(disk, dir)? == Some(master.id()) {
        return Ok(());
    }
    match disk.write_whole(&dir.join(MASTER_ID), id_text(master).as_bytes()) {
        Err(e) if !e.is_full() => Err(e.into()),
        _ => Ok(()),
    }
}

/// Why `master` does not open `file`, as far as the folder tells.
pub(super) fn refused(disk: &SharedDisk, dir: &Path, file: PathBuf, master: &MasterKey) -> LedgerError {
    let wrapped = wrapped_under(disk, dir).ok().flatten();
    LedgerError::OtherMasterKey { file, given: master.id(), wrapped }
}

fn id_text(master: &MasterKey) -> String {
    format!("{}\n", master.id())
}

/// The content of a file with its keys under `next`. Each was opened under it before this returns.
fn rewrap(
    open: &OpenFile,
    len: u64,
    (former, next): (&MasterKey, &MasterKey),
    entropy: &dyn Entropy,
) -> LedgerResult<(Vec<u8>, Rotated)> {
    let damaged = |offset: usize, why| LedgerError::damaged(&open.path, offset as u64, why);
    let mut bytes = vec![0; len as usize];
    if open.file.read_at(0, &mut bytes)? != bytes.len() {
        return Err(damaged(0, "it is shorter than a moment ago"));
    }
    let mut found = Rotated::default();
    let mut replaced = Vec::with_capacity(RECORD_BYTES);
    for offset in (FILE_HEADER_BYTES..bytes.len()).step_by(RECORD_BYTES) {
        let record = bytes.get_mut(offset..offset + RECORD_BYTES);
        let record = record.ok_or_else(|| damaged(offset, "the file ends inside a record"))?;
        let header = record.first_chunk().and_then(RecordHeader::decode);
        let header = header.ok_or_else(|| damaged(offset, "no record starts here"))?;
        let leaf = &record[RECORD_HEADER_BYTES..];
        let subject = SubjectId(leaf.first_chunk::<ID_BYTES>().copied().unwrap_or_default());
        if is_empty_leaf(leaf) {
            found.destroyed += 1;
            continue;
        }
        let Some(key) = unwrap(former, &subject, leaf) else {
            let known = unwrap(next, &subject, leaf).is_some();
            found.already += 1;
            match known {
                true => continue,
                false => return Err(LedgerError::WrongMasterKey { file: open.path.clone() }),
            }
        };
        let anew = wrap(next, &subject, &key, entropy);
        if unwrap(next, &subject, &anew).is_none_or(|again| again.expose() != key.expose()) {
            return Err(damaged(offset, "its key does not come back from the next master key"));
        }
        replaced.clear();
        let place = (header.index, header.position, header.count);
        encode_record(&mut replaced, open.salt, place, &anew, &[]);
        record.copy_from_slice(&replaced);
        found.wrapped += 1;
    }
    Ok((bytes, found))
}

/// Writes the file that is to take the place of `open`, and reads it back: a key that is lost here is lost for ever.
fn prepare(disk: &SharedDisk, open: &OpenFile, bytes: &[u8]) -> LedgerResult<()> {
    let path = open.path.with_extension(&NEXT[1..]);
    disk.write_whole(&path, bytes)?;
    match disk.read_whole(&path, bytes.len())? {
        Some(back) if back == bytes => Ok(()),
        _ => Err(LedgerError::damaged(&path, 0, "what was written does not come back")),
    }
}

#[cfg(test)]
mod tests;
