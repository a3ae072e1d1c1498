//! A copy of a data folder that opens and verifies, made while the gateway may be writing to it.
//!
//! That works without the gateway's help because of the order in which it writes and this reads. `HEAD` is read first:
//! every entry it covers was durable before it was signed. Then the segments: they only grow, and a batch caught half
//! written is a torn tail, which opening cuts. Keys come last: they are durable before the entries sealed under them, so
//! every entry copied finds its key. Policy sets and snapshots stand between: they are durable before the entries that name them. Receipts of anchors
//! never change once written. Queues of outgoing webhooks come before the segments: behind its log a queue repeats, ahead it
//! would skip. The copy gets its `HEAD` first of all: one that broke off in the middle has fewer
//! entries than its `HEAD` says and does not open. Index and tree are views and are not copied.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::disk::{DiskError, DiskResult, OpenMode, SharedDisk, temporary_name};
use crate::ledger::FILE_HEADER_BYTES;
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::{CheckpointError, Origin, SignedCheckpoint, VerifierKey};
use crate::ledger::entry::Leaf;
use crate::ledger::head::{HeadError, load_key};
use crate::ledger::keys::rotation::{MASTER_ID, is_unsettled, wrapped_under};
use crate::ledger::keys::{Keys, MasterKeyId};
use crate::ledger::segment::Reader;
use crate::ledger::verify::{ChainLink, VerifyError, verify};
use crate::model::SubjectId;
use crate::store::embedded::DataDir;

const HEAD_BYTES_MAX: usize = 100_000;
/// Bytes copied at a time.
const PIECE: usize = 1 << 20;

/// Why there is no sound copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("{} has no HEAD: it is no data folder, or lost its head", dir.display())]
    NoFolder { dir: PathBuf },
    /// The target lies within the folder, or is it.
    #[error("{} lies in the folder it is to be a copy of", dir.display())]
    Inside { dir: PathBuf },
    /// Something else is there.
    #[error("{} is not empty and holds no earlier backup of {origin}; nothing was changed", dir.display())]
    Occupied { dir: PathBuf, origin: Origin },
    /// The backup there covers more than the folder does.
    #[error("{} holds a backup of {there} signed entries, the folder has {here}: it was rolled back; nothing was changed", dir.display())]
    Newer { dir: PathBuf, there: u64, here: u64 },
    /// The keys were being wrapped anew.
    #[error("the master key of {} was rotated meanwhile: a copy may hold keys under both; run it again", dir.display())]
    Rotated { dir: PathBuf },
    /// Another process works on the target.
    #[error("{} is in use by another process", dir.display())]
    InUse { dir: PathBuf },
    /// There is no key to check `HEAD` with.
    #[error("{} cannot be read, so nothing vouches for what would be copied", path.display())]
    NoLogKey { path: PathBuf },
    /// What was copied is not sound: do not rely on it.
    #[error("the copy in {} is not sound, do not rely on it: {why}", dir.display())]
    NotSound { dir: PathBuf, why: String },
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What was copied and found sound.
#[derive(Debug, Clone)]
pub struct Backup {
    pub origin: Origin,
    /// Entries in it; the newest ones may not be under its checkpoint yet.
    pub entries: u64,
    /// Entries its `HEAD` covers.
    pub signed: u64,
    /// Closed segments that an earlier run had copied already.
    pub kept: usize,
    /// Files copied now, and their bytes.
    pub copied: usize,
    pub bytes: u64,
    /// Chains with a key, or with a note that there was one.
    pub keys: usize,
    /// The master key that its `keys/` opens with, as far as the folder says.
    pub master: Option<MasterKeyId>,
    /// What its checkpoints verify with.
    pub verifier: VerifierKey,
    /// Signing key and the like are in it.
    pub secrets: bool,
}

/// Copies the folder `from` to the folder `to`, which is missing, empty, or holds an earlier backup of the same log; then
/// only what is new is copied. `secrets` names files with secrets that are copied, too; none: none are.
pub fn backup(
    disk: &SharedDisk,
    from: &DataDir,
    to: &DataDir,
    secrets: &[PathBuf],
) -> Result<Backup, BackupError> {
    if to.0.starts_with(&from.0) {
        return Err(BackupError::Inside { dir: to.0.clone() });
    }
    let note = disk.read_whole(&from.head(), HEAD_BYTES_MAX)?;
    let note = note.ok_or_else(|| BackupError::NoFolder { dir: from.0.clone() })?;
    let (origin, head, verifier) = read_head(disk, from, &note)?;
    disk.create_dir(&to.0)?;
    let _lock = disk.lock_dir(&to.0).map_err(|e| match e.is_locked() {
        true => BackupError::InUse { dir: to.0.clone() },
        false => e.into(),
    })?;
    check_target(disk, to, &origin, head.size())?;
    disk.write_whole(&to.head(), &note)?;
    let mut work = Work { disk, copied: 0, kept: 0, bytes: 0 };
    work.queues(&from.webhooks(), &to.webhooks())?;
    work.segments(&from.ledger(), &to.ledger())?;
    work.named_by_hash(&from.policies(), &to.policies(), ".json")?;
    work.named_by_hash(&from.snapshots(), &to.snapshots(), "")?;
    let master = work.keys(&from.keys(), &to.keys())?;
    work.receipts(&from.anchors(origin.epoch()), &to.anchors(origin.epoch()))?;
    for path in secrets {
        let name = path.file_name().unwrap_or_default();
        if disk.exists(path)? {
            work.copy(path, &to.0.join(name))?;
        }
    }
    disk.sync_dir(&to.0)?;
    let Work { copied, kept, bytes, .. } = work;
    let (entries, keys) = check_copy(disk, to, &origin, &head)
        .map_err(|why| BackupError::NotSound { dir: to.0.clone(), why })?;
    let (signed, secrets) = (head.size(), !secrets.is_empty());
    Ok(Backup { origin, entries, signed, kept, copied, bytes, keys, master, verifier, secrets })
}

fn read_head(
    disk: &SharedDisk,
    from: &DataDir,
    note: &[u8],
) -> Result<(Origin, SignedCheckpoint, VerifierKey), BackupError> {
    let unreadable = |source: CheckpointError| HeadError::Unreadable { path: from.head(), source };
    let text = std::str::from_utf8(note).map_err(|_| unreadable(CheckpointError::Text("it is not UTF-8")))?;
    let origin: Origin = text.lines().next().unwrap_or_default().parse().map_err(unreadable)?;
    let key = load_key(disk, &from.log_key(), &origin)?;
    let key = key.ok_or_else(|| BackupError::NoLogKey { path: from.log_key() })?;
    let verifier = key.verifier().clone();
    let head = SignedCheckpoint::verify(text, std::slice::from_ref(&verifier)).map_err(unreadable)?;
    Ok((origin, head, verifier))
}

/// Whether the target may be written to: it must not be somebody else's, nor newer.
fn check_target(disk: &SharedDisk, to: &DataDir, origin: &Origin, here: u64) -> Result<(), BackupError> {
    let occupied = || BackupError::Occupied { dir: to.0.clone(), origin: origin.clone() };
    let Some(note) = disk.read_whole(&to.head(), HEAD_BYTES_MAX)? else {
        // What a run that broke off before its first file left: the lock, and a file not named yet.
        let other = disk.list(&to.0)?.into_iter().any(|name| name != "LOCK" && !name.ends_with(".tmp"));
        return if other { Err(occupied()) } else { Ok(()) };
    };
    let text = String::from_utf8_lossy(&note);
    let mut lines = text.lines();
    if lines.next() != Some(origin.as_str()) {
        return Err(occupied());
    }
    match lines.next().and_then(|size| size.parse::<u64>().ok()) {
        Some(there) if there > here => Err(BackupError::Newer { dir: to.0.clone(), there, here }),
        Some(_) => Ok(()),
        None => Err(occupied()),
    }
}

struct Work<'a> {
    disk: &'a SharedDisk,
    copied: usize,
    kept: usize,
    bytes: u64,
}

impl Work<'_> {
    /// Segments in order. All but the newest never change: those that are there with the same header and length stay.
    fn segments(&mut self, from: &Path, to: &Path) -> Result<(), BackupError> {
        self.disk.create_dir(to)?;
        let mut names = self.disk.list(from)?;
        names.retain(|name| name.ends_with(".seg"));
        let last = names.last().cloned();
        for name in names {
            let (source, target) = (from.join(&name), to.join(&name));
            if Some(&name) != last.as_ref() && self.is_same(&source, &target)? {
                self.kept += 1;
            } else {
                self.copy(&source, &target)?;
            }
        }
        Ok(self.disk.sync_dir(to)?)
    }

    /// Policy sets, or snapshots of pages, that are not there yet: a name stands for one content for ever. Older folders have
    /// none.
    fn named_by_hash(&mut self, from: &Path, to: &Path, ending: &str) -> Result<(), BackupError> {
        let names = match self.disk.list(from) {
            Err(e) if e.is_missing() => return Ok(()),
            names => names?,
        };
        self.disk.create_dir(to)?;
        let is_hash = |name: &str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        for name in names.iter().filter(|name| name.strip_suffix(ending).is_some_and(is_hash)) {
            if !self.disk.exists(&to.join(name))? {
                self.copy(&from.join(name), &to.join(name))?;
            }
        }
        Ok(self.disk.sync_dir(to)?)
    }

    /// Every key file, and the name of the master key that all of them are under.
    fn keys(&mut self, from: &Path, to: &Path) -> Result<Option<MasterKeyId>, BackupError> {
        self.disk.create_dir(to)?;
        let master = self.settled(from)?;
        for name in self.disk.list(from)?.iter().filter(|name| name.ends_with(".key")) {
            self.copy(&from.join(name), &to.join(name))?;
        }
        if self.settled(from)? != master {
            return Err(BackupError::Rotated { dir: from.to_owned() });
        }
        match master {
            Some(_) => self.copy(&from.join(MASTER_ID), &to.join(MASTER_ID))?,
            None => self.disk.remove_if_there(&to.join(MASTER_ID))?,
        }
        self.disk.sync_dir(to)?;
        Ok(master)
    }

    fn settled(&self, keys: &Path) -> Result<Option<MasterKeyId>, BackupError> {
        let master = wrapped_under(self.disk, keys)?;
        match is_unsettled(self.disk, keys)? {
            true => Err(BackupError::Rotated { dir: keys.to_owned() }),
            false => Ok(master),
        }
    }

    /// What is still to be told to outgoing webhooks. Before the segments: a queue that is behind its log tells some things
    /// twice, one that is ahead would skip them.
    fn queues(&mut self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let names = match self.disk.list(from) {
            Err(e) if e.is_missing() => return Ok(()),
            names => names?,
        };
        self.disk.create_dir(to)?;
        for name in names.iter().filter(|name| name.ends_with(".json")) {
            self.copy(&from.join(name), &to.join(name))?;
        }
        Ok(self.disk.sync_dir(to)?)
    }

    /// Receipts that are not there yet: one written has one content for ever.
    fn receipts(&mut self, from: &Path, to: &Path) -> Result<(), BackupError> {
        let names = match self.disk.list(from) {
            Err(e) if e.is_missing() => return Ok(()),
            names => names?,
        };
        self.disk.create_dir(to)?;
        let there: HashSet<String> = self.disk.list(to)?.into_iter().collect();
        for name in names.iter().filter(|name| name.ends_with(".json") && !there.contains(*name)) {
            self.copy(&from.join(name), &to.join(name))?;
        }
        Ok(self.disk.sync_dir(to)?)
    }

    fn is_same(&self, source: &Path, target: &Path) -> DiskResult<bool> {
        let target = match self.disk.open(target, OpenMode::Read) {
            Err(e) if e.is_missing() => return Ok(false),
            other => other?,
        };
        let source = self.disk.open(source, OpenMode::Read)?;
        let mut headers = [[0; FILE_HEADER_BYTES]; 2];
        source.read_at(0, &mut headers[0])?;
        target.read_at(0, &mut headers[1])?;
        Ok(headers[0] == headers[1] && source.len()? == target.len()?)
    }

    /// Copies what a file holds when it is opened; the copy appears whole under its name, or not at all.
    fn copy(&mut self, source: &Path, target: &Path) -> DiskResult<()> {
        let file = self.disk.open(source, OpenMode::Read)?;
        let temporary = temporary_name(target);
        self.disk.remove_if_there(&temporary)?;
        let copy = self.disk.open(&temporary, OpenMode::CreateNew)?;
        let (len, mut at) = (file.len()?, 0);
        let mut piece = vec![0; PIECE];
        while at < len {
            let want = (len - at).min(PIECE as u64) as usize;
            let read = file.read_at(at, &mut piece[..want])?;
            if read == 0 {
                break;
            }
            copy.append(&piece[..read])?;
            at += read as u64;
        }
        copy.sync_data()?;
        self.disk.rename(&temporary, target)?;
        self.copied += 1;
        self.bytes += at;
        Ok(())
    }
}

/// Reads the copy as an auditor would: every checksum, every chain, the root under `HEAD`, and a key for every chain.
fn check_copy(
    disk: &SharedDisk,
    to: &DataDir,
    origin: &Origin,
    head: &SignedCheckpoint,
) -> Result<(u64, usize), String> {
    let text = |e: LedgerError| e.to_string();
    let (reader, _) = Reader::open(disk, &to.ledger(), origin.as_str(), true).map_err(text)?;
    let keys = Keys::inspect(disk, &to.keys(), origin.seller()).map_err(text)?;
    let mut keyless: HashSet<SubjectId> = HashSet::new();
    let link = |_: u64, leaf: &[u8]| {
        let leaf = Leaf::decode(leaf).map_err(|e| e.to_string())?;
        if !keys.contains(&leaf.subject) {
            keyless.insert(leaf.subject);
        }
        Ok(ChainLink { subject: leaf.subject, number: leaf.number, previous: leaf.previous })
    };
    let found = verify(reader.entries(0), std::slice::from_ref(head), link);
    let found = found.map_err(|e: VerifyError| e.to_string())?;
    match keyless.len() {
        0 => Ok((found.entries, keys.len())),
        n => Err(format!("keys/ lacks the keys of {n} subjects")),
    }
}

#[cfg(test)]
mod tests;
