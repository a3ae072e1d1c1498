//! The keys of the subjects: one random data key each, wrapped under a master key, in `keys/00000000.key` and so on.
//!
//! New keys are durable before the entries that are sealed under them; a crash between the two leaves a key that
//! seals nothing, which is harmless. Destroying a key rewrites its file without it; the record that stays behind
//! only says that there was one. What the file system or a backup keeps of the old file is theirs to forget, so
//! backups of this folder must be short-lived.
//!
//! Memory: 20 bytes a subject in a hash table (42 MiB for 1 million, measured; 336 MiB for 10 million) and one open
//! file for 37,448 subjects. Keys themselves are read from the file when asked for and wiped after use.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use super::cipher::{NONCE_BYTES, TAG_BYTES, decrypt, encrypt};
use super::entry::SELLER_CHAIN;
use super::frame::{
    FILE_HEADER_BYTES, FileHeader, FileKind, RECORD_HEADER_BYTES, RecordHeader, encode_record,
};
use super::seal::{DataKey, KeySource};
use super::segment::{Access, create_file, log_id, open_files};
use super::walk::{Checked, Found, OpenFile, check};
use super::{LedgerError, LedgerResult};
use crate::disk::{DiskError, OpenMode, SharedDisk};
use crate::entropy::{Entropy, SharedEntropy};
use crate::model::SubjectId;

mod master;
pub mod rotation;
#[cfg(test)]
mod tests;

pub use master::{MasterKey, MasterKeyId};

const KEY: FileKind = FileKind { magic: b"cstrykey", name: "key", ending: "key" };
/// A file that would grow past this is closed first. Small, because destroying a key rewrites one; smaller still
/// in tests, so that they roll.
const FILE_BYTES_MAX: u64 = if cfg!(test) { 16 << 10 } else { 4 << 20 };
/// More keys than this are written as several batches, so that files fill up evenly.
const BATCH_KEYS_MAX: usize = FILE_BYTES_MAX as usize / RECORD_BYTES / 8;
const ID_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const LEAF_BYTES: usize = ID_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const RECORD_BYTES: usize = RECORD_HEADER_BYTES + LEAF_BYTES;
const TAG: &[u8; 21] = b"consentry/data-key/v1";
/// In the table instead of a place: the key was destroyed.
const DESTROYED: u32 = u32::MAX;

/// The data keys of one seller's subjects. Shared by the writer, who adds and destroys, and everyone who opens seals.
pub struct Keys {
    disk: SharedDisk,
    dir: PathBuf,
    owner: [u8; 32],
    master: MasterKey,
    entropy: SharedEntropy,
    /// Held while files change. Readers do not wait for it.
    writing: Mutex<Writing>,
    view: RwLock<View>,
    /// The key of the seller's own chain, which nearly every send writes to; nobody's personal datum is sealed under it.
    chain: RwLock<Option<DataKey>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.dir.display())
    }
}

#[derive(Debug)]
struct Writing {
    /// Synced length of the last file.
    file_len: u64,
    /// How many records there are in all files.
    next: u64,
    poisoned: bool,
}

#[derive(Debug)]
struct View {
    files: Vec<OpenFile>,
    /// Subject to the number of its record, or [`DESTROYED`].
    places: HashMap<[u8; ID_BYTES], u32>,
}

impl View {
    /// The file that holds record `number`, and its offset there.
    fn locate(&self, number: u32) -> Option<(usize, u64)> {
        let number = u64::from(number);
        let at = self.files.partition_point(|f| f.header.first <= number).checked_sub(1)?;
        let slot = number - self.files[at].header.first;
        Some((at, FILE_HEADER_BYTES as u64 + slot * RECORD_BYTES as u64))
    }
}

impl Keys {
    /// Opens the keys of `owner` (a seller; keys outlive the epochs of its log) in the folder `dir`, or starts them. What a
    /// broken change of the master key left is ended or undone first.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`], and [`LedgerError::OtherMasterKey`] if `master` does not open one key of each file.
    pub fn open(
        disk: &SharedDisk,
        dir: &Path,
        owner: &str,
        master: MasterKey,
        entropy: SharedEntropy,
    ) -> LedgerResult<Self> {
        let owner = log_id(owner);
        disk.create_dir(dir)?;
        rotation::settle(disk, dir)?;
        let mut files = open_files(disk, dir, KEY, &owner, Access::Repair)?;
        if files.is_empty() {
            files.push(create_file(disk, dir, KEY, FileHeader { number: 0, first: 0, log: owner })?);
        }
        let (view, writing, probes) = read_files(files)?;
        let keys = Self {
            disk: disk.clone(),
            dir: dir.to_owned(),
            owner,
            master,
            entropy,
            writing: Mutex::new(writing),
            view: RwLock::new(view),
            chain: RwLock::default(),
        };
        for any in &probes {
            keys.get(any).map_err(|e| match e {
                LedgerError::WrongMasterKey { file } => rotation::refused(disk, dir, file, &keys.master),
                other => other,
            })?;
        }
        if !probes.is_empty() {
            rotation::note(disk, dir, &keys.master)?;
        }
        Ok(keys)
    }

    /// Looks at the keys of `owner` without opening one: who has or had a key. Changes nothing, needs no master key and may
    /// run beside the gateway.
    pub fn inspect(disk: &SharedDisk, dir: &Path, owner: &str) -> LedgerResult<HashSet<SubjectId>> {
        let mut known = HashSet::new();
        for open in open_files(disk, dir, KEY, &log_id(owner), Access::Look)? {
            let mut found = Vec::new();
            let checked = check(&open, open.file.len()?, |record| {
                found.push(record.leaf.first_chunk::<ID_BYTES>().copied().unwrap_or_default());
            })?;
            found.truncate(checked.records as usize);
            known.extend(found.into_iter().map(SubjectId));
        }
        Ok(known)
    }

    /// How many subjects have a key.
    pub fn len(&self) -> usize {
        self.view.read().places.values().filter(|n| **n != DESTROYED).count()
    }

    /// Whether no subject has a key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `subject` has a key, or had one that was destroyed.
    pub fn knows(&self, subject: &SubjectId) -> bool {
        self.view.read().places.contains_key(&subject.0)
    }

    /// Whether the key of `subject` was destroyed.
    pub fn is_destroyed(&self, subject: &SubjectId) -> bool {
        self.view.read().places.get(&subject.0) == Some(&DESTROYED)
    }

    /// The key of `subject`; nothing when it never had one or it was destroyed.
    pub fn get(&self, subject: &SubjectId) -> LedgerResult<Option<DataKey>> {
        if *subject != SELLER_CHAIN {
            return self.read(subject);
        }
        let kept = self.chain.read().clone();
        if kept.is_some() {
            return Ok(kept);
        }
        // Held while it is read: a destruction in between would leave what it destroyed.
        let mut chain = self.chain.write();
        *chain = self.read(subject)?;
        Ok(chain.clone())
    }

    fn read(&self, subject: &SubjectId) -> LedgerResult<Option<DataKey>> {
        let mut record = [0; RECORD_BYTES];
        // The read happens under the lock: a destruction in between would swap the file.
        let view = self.view.read();
        let Some(number) = view.places.get(&subject.0).copied().filter(|n| *n != DESTROYED) else {
            return Ok(None);
        };
        let Some((at, offset)) = view.locate(number) else { return Ok(None) };
        let open = &view.files[at];
        let read = open.file.read_at(offset, &mut record)?;
        let header = record.first_chunk().and_then(RecordHeader::decode);
        let sound = header.is_some_and(|h| {
            read == RECORD_BYTES
                && h.record_len() == RECORD_BYTES
                && h.index == u64::from(number)
                && h.matches(open.salt, &record)
        });
        let leaf = &record[RECORD_HEADER_BYTES..];
        if !sound || leaf[..ID_BYTES] != subject.0 {
            let why = "the record of a key is not what was written";
            return Err(LedgerError::damaged(&open.path, offset, why));
        }
        let key = self.unwrap(subject, leaf);
        key.map(Some).ok_or_else(|| LedgerError::WrongMasterKey { file: open.path.clone() })
    }

    /// Keeps the keys of new subjects; durable when it returns.
    ///
    /// # Errors
    /// [`LedgerError::KnownSubject`] when one of them has or had a key: its entries would no longer open.
    pub fn add(&self, new: &[(SubjectId, DataKey)]) -> LedgerResult<()> {
        if new.is_empty() {
            return Ok(());
        }
        let mut writing = self.writing.lock();
        self.check_new(new)?;
        for batch in new.chunks(BATCH_KEYS_MAX) {
            self.add_batch(&mut writing, batch)?;
        }
        Ok(())
    }

    fn check_new(&self, new: &[(SubjectId, DataKey)]) -> LedgerResult<()> {
        let view = self.view.read();
        let mut seen = HashSet::new();
        match new.iter().find(|(id, _)| view.places.contains_key(&id.0) || !seen.insert(id.0)) {
            Some((id, _)) => Err(LedgerError::KnownSubject(*id)),
            None => Ok(()),
        }
    }

    fn add_batch(&self, writing: &mut Writing, batch: &[(SubjectId, DataKey)]) -> LedgerResult<()> {
        let last = self.active(writing, (batch.len() * RECORD_BYTES) as u64)?;
        let mut bytes = Vec::with_capacity(batch.len() * RECORD_BYTES);
        for (position, (subject, key)) in batch.iter().enumerate() {
            let place = (writing.next + position as u64, position as u16, batch.len() as u16);
            encode_record(&mut bytes, last.salt, place, &self.wrap(subject, key), &[]);
        }
        if let Err(e) = last.file.append(&bytes) {
            // Whatever part was written seals nothing and is cut off again.
            writing.poisoned = !e.is_full() || last.file.truncate(writing.file_len).is_err();
            return Err(e.into());
        }
        last.file.sync_data().inspect_err(|_| writing.poisoned = true)?;
        let mut view = self.view.write();
        for (subject, _) in batch {
            view.places.insert(subject.0, writing.next as u32);
            writing.next += 1;
        }
        writing.file_len += bytes.len() as u64;
        Ok(())
    }

    /// The file to append `bytes` to: the last one, or a new one when that is full.
    fn active(&self, writing: &mut Writing, bytes: u64) -> LedgerResult<OpenFile> {
        let last = self.view.read().files.last().cloned().expect("there is always a file");
        if writing.poisoned {
            return Err(LedgerError::Poisoned { file: last.path });
        }
        if writing.next + bytes / RECORD_BYTES as u64 >= u64::from(DESTROYED) {
            return Err(LedgerError::TooLarge {
                what: "a key table",
                bytes: usize::MAX,
                max: DESTROYED as usize,
            });
        }
        if writing.file_len == FILE_HEADER_BYTES as u64 || writing.file_len + bytes <= FILE_BYTES_MAX {
            return Ok(last);
        }
        let header = FileHeader { number: last.header.number + 1, first: writing.next, log: self.owner };
        let opened = create_file(&self.disk, &self.dir, KEY, header);
        let opened = opened.inspect_err(|e| writing.poisoned = !e.is_full())?;
        self.view.write().files.push(opened.clone());
        writing.file_len = FILE_HEADER_BYTES as u64;
        Ok(opened)
    }

    /// Destroys the keys of `subjects`, durably; answers how many there were. Calling it again is harmless, and
    /// after a crash it must be called again for whoever the ledger says is erased.
    pub fn destroy(&self, subjects: &[SubjectId]) -> LedgerResult<usize> {
        let mut writing = self.writing.lock();
        let mut by_file: BTreeMap<usize, BTreeMap<u64, SubjectId>> = BTreeMap::new();
        let view = self.view.read();
        for subject in subjects {
            let number = view.places.get(&subject.0).copied().filter(|n| *n != DESTROYED);
            if let Some((at, offset)) = number.and_then(|n| view.locate(n)) {
                by_file.entry(at).or_default().insert(offset, *subject);
            }
        }
        drop(view);
        let mut destroyed = 0;
        for (at, records) in by_file {
            destroyed += records.len();
            self.rewrite(&mut writing, at, &records)?;
        }
        *self.chain.write() = None;
        Ok(destroyed)
    }

    /// Replaces a file by one in which these records hold no key. A crash leaves the old or the new file.
    fn rewrite(
        &self,
        writing: &mut Writing,
        at: usize,
        records: &BTreeMap<u64, SubjectId>,
    ) -> LedgerResult<()> {
        let (open, is_last) = {
            let view = self.view.read();
            (view.files[at].clone(), at + 1 == view.files.len())
        };
        let len = if is_last { writing.file_len } else { open.file.len()? };
        if self.disk.space(&self.dir)?.available < 2 * len {
            // Found out half way, nobody could tell which file stands there, and nothing could be added any more.
            let full = std::io::ErrorKind::StorageFull.into();
            return Err(DiskError::new("make room to rewrite", &open.path, full).into());
        }
        // Wrapped keys only, so the copy needs no wiping.
        let mut bytes = vec![0; len as usize];
        open.file.read_at(0, &mut bytes)?;
        for (offset, subject) in records {
            let record = *offset as usize..*offset as usize + RECORD_BYTES;
            let header =
                bytes.get(record.clone()).and_then(|r| r.first_chunk()).and_then(RecordHeader::decode);
            let header =
                header.ok_or_else(|| LedgerError::damaged(&open.path, *offset, "no record starts here"))?;
            let mut empty = [0; LEAF_BYTES];
            empty[..ID_BYTES].copy_from_slice(&subject.0);
            let mut replaced = Vec::with_capacity(RECORD_BYTES);
            encode_record(
                &mut replaced,
                open.salt,
                (header.index, header.position, header.count),
                &empty,
                &[],
            );
            bytes[record].copy_from_slice(&replaced);
        }
        let written = self
            .disk
            .write_whole(&open.path, &bytes)
            .and_then(|()| self.disk.open(&open.path, OpenMode::Append));
        // After a failure the name may stand for either file; appending to the other one would be lost.
        let file = written.inspect_err(|_| writing.poisoned = true)?;
        let mut view = self.view.write();
        view.files[at] = OpenFile { file, ..open };
        for subject in records.values() {
            view.places.insert(subject.0, DESTROYED);
        }
        Ok(())
    }

    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> [u8; LEAF_BYTES] {
        wrap(&self.master, subject, key, &*self.entropy)
    }

    fn unwrap(&self, subject: &SubjectId, leaf: &[u8]) -> Option<DataKey> {
        unwrap(&self.master, subject, leaf)
    }
}

/// The leaf of a key under `master`: `id ‖ nonce ‖ key ‖ tag`, the key encrypted, bound to the id.
fn wrap(master: &MasterKey, subject: &SubjectId, key: &DataKey, entropy: &dyn Entropy) -> [u8; LEAF_BYTES] {
    let nonce: [u8; NONCE_BYTES] = entropy.bytes();
    let mut leaf = [0; LEAF_BYTES];
    leaf[..ID_BYTES].copy_from_slice(&subject.0);
    leaf[ID_BYTES..ID_BYTES + NONCE_BYTES].copy_from_slice(&nonce);
    let (wrapped, tag) = leaf[ID_BYTES + NONCE_BYTES..].split_at_mut(KEY_BYTES);
    wrapped.copy_from_slice(key.expose());
    tag.copy_from_slice(&encrypt(master.bytes(), &nonce, &bound_to(subject), wrapped));
    leaf
}

fn unwrap(master: &MasterKey, subject: &SubjectId, leaf: &[u8]) -> Option<DataKey> {
    let (nonce, wrapped) = leaf[ID_BYTES..].split_first_chunk()?;
    let (wrapped, tag) = wrapped.split_first_chunk()?;
    let mut key = Zeroizing::new(*wrapped);
    decrypt(master.bytes(), nonce, &bound_to(subject), &mut *key, tag.first_chunk()?)?;
    Some(DataKey::from_bytes(*key))
}

/// What a wrapped key is bound to.
fn bound_to(subject: &SubjectId) -> [u8; TAG.len() + ID_BYTES] {
    let mut bound = [0; TAG.len() + ID_BYTES];
    bound[..TAG.len()].copy_from_slice(TAG);
    bound[TAG.len()..].copy_from_slice(&subject.0);
    bound
}

/// Whether a leaf holds the note that there was a key, and no key.
fn is_empty_leaf(leaf: &[u8]) -> bool {
    leaf.iter().skip(ID_BYTES).all(|b| *b == 0)
}

impl KeySource for Keys {
    fn data_key(&self, subject: &SubjectId) -> Result<Option<DataKey>, String> {
        self.get(subject).map_err(|e| e.to_string())
    }
}

/// Reads a file whole. The torn tail of the last one is cut: it was never acknowledged.
fn check_file(open: &OpenFile, is_last: bool, see: impl FnMut(&Found<'_>)) -> LedgerResult<Checked> {
    let checked = check(open, open.file.len()?, see)?;
    if checked.torn && !is_last {
        return Err(LedgerError::damaged(&open.path, checked.len, "a closed file ends inside a batch"));
    }
    if checked.torn {
        open.file.truncate(checked.len)?;
    }
    if is_last {
        open.file.sync_data()?;
    }
    Ok(checked)
}

/// Reads all files: every checksum, and who has a key where. Answers somebody with a key of each file, too.
fn read_files(files: Vec<OpenFile>) -> LedgerResult<(View, Writing, Vec<SubjectId>)> {
    let (mut places, mut probes) = (HashMap::new(), Vec::new());
    let mut next = 0;
    let mut file_len = 0;
    let last = files.len() - 1;
    for (n, open) in files.iter().enumerate() {
        if open.header.first != next {
            return Err(LedgerError::damaged(&open.path, 16, "it does not begin where its predecessor ends"));
        }
        let mut found = Vec::new();
        let checked = check_file(open, n == last, |record| {
            let destroyed = is_empty_leaf(record.leaf);
            found.push((record.leaf.first_chunk::<ID_BYTES>().copied(), record.leaf.len(), destroyed));
        })?;
        found.truncate(checked.records as usize);
        let mut probe = None;
        for (id, leaf_len, destroyed) in found {
            let id = id.filter(|_| leaf_len == LEAF_BYTES);
            let id = id.ok_or_else(|| LedgerError::damaged(&open.path, 0, "a record is no key"))?;
            probe = probe.or((!destroyed).then_some(SubjectId(id)));
            places.insert(id, if destroyed { DESTROYED } else { next as u32 });
            next += 1;
        }
        probes.extend(probe);
        file_len = checked.len;
    }
    Ok((View { files, places }, Writing { file_len, next, poisoned: false }, probes))
}
