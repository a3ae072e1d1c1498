//! After damage or loss: what is there, and the ways on. Looking changes nothing.
//!
//! | way on | when | loses |
//! |---|---|---|
//! | [`trim_tail`] | the newest batch is torn: it was never acknowledged. Every start does the same | nothing |
//! | [`restore`] | a backup has what is missing here | nothing that was signed |
//! | [`begin_epoch`] | nobody has it | everything from the damage on, and the log's name |

use std::path::{Path, PathBuf};

use crate::disk::{DiskError, DiskResult, SharedDisk};
use crate::entropy::Entropy;
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::{LogKey, Origin, SignedCheckpoint};
use crate::ledger::entry::leaf_hash;
use crate::ledger::head::load_key;
use crate::ledger::keys::{Keys, MasterKeyId, rotation};
use crate::ledger::segment::{End, NewEntry, SegmentOptions, Segments, salvage};
use crate::ledger::tree::{Edge, Root};
use crate::store::embedded::DataDir;

const HEAD_BYTES_MAX: usize = 100_000;

/// Why a way on was not taken. Nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The way does not lead on from here.
    #[error("{0}; nothing was changed")]
    Refused(String),
}

/// What `HEAD` says about the entries that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadState {
    /// There is none, nor an entry.
    Fresh,
    /// It covers this many entries, and they are those that were signed.
    Covers { signed: u64 },
    /// Entries it was signed over are gone.
    Shorter { signed: u64 },
    /// The entries are not those that were signed.
    OtherHistory { signed: u64 },
    /// It is missing, or does not verify, or there is no key to verify it with.
    Unreadable { why: String },
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub origin: Origin,
    /// Entries in whole batches before any damage.
    pub entries: u64,
    /// The root over them.
    pub root: Root,
    pub end: End,
    pub head: HeadState,
    /// Chains with a key, or why `keys/` does not read.
    pub keys: Result<usize, String>,
    /// The master key that `keys/` says it opens with.
    pub master: Option<MasterKeyId>,
}

impl Found {
    /// Whether the next start will open it. A torn tail does not hinder that.
    pub fn is_sound(&self) -> bool {
        let head = matches!(self.head, HeadState::Fresh | HeadState::Covers { .. });
        head && !matches!(self.end, End::Damaged { .. }) && self.keys.is_ok()
    }
}

/// Looks at the folder `dir` of the log `origin`.
pub fn look(disk: &SharedDisk, dir: &DataDir, origin: &Origin) -> Result<Found, RecoverError> {
    let note = disk.read_whole(&dir.head(), HEAD_BYTES_MAX)?;
    let head = note.as_deref().map(|note| verified(disk, dir, origin, note));
    let signed = head.as_ref().and_then(|head| head.as_ref().ok()).map(SignedCheckpoint::size);
    let mut edge = Edge::new();
    let mut at_head = signed.filter(|size| *size == 0).map(|_| Root::EMPTY);
    let salvaged = salvage(disk, &dir.ledger(), origin.as_str(), |batch| {
        for entry in batch {
            edge.push(leaf_hash(&entry.leaf), |_| {});
            if Some(edge.size()) == signed {
                at_head = Some(edge.root());
            }
        }
        Ok(())
    })?;
    let keys = Keys::inspect(disk, &dir.keys(), origin.seller()).map(|known| known.len());
    let empty = salvaged.entries == 0 && salvaged.end == End::Whole && matches!(keys, Ok(0));
    let head = match head {
        None if empty => HeadState::Fresh,
        None => HeadState::Unreadable { why: "it is missing".to_owned() },
        Some(Err(why)) => HeadState::Unreadable { why },
        Some(Ok(head)) => match at_head {
            None => HeadState::Shorter { signed: head.size() },
            Some(root) if root == head.root() => HeadState::Covers { signed: head.size() },
            Some(_) => HeadState::OtherHistory { signed: head.size() },
        },
    };
    Ok(Found {
        origin: origin.clone(),
        entries: salvaged.entries,
        root: edge.root(),
        end: salvaged.end,
        head,
        keys: keys.map_err(|e| e.to_string()),
        master: rotation::wrapped_under(disk, &dir.keys())?,
    })
}

fn verified(
    disk: &SharedDisk,
    dir: &DataDir,
    origin: &Origin,
    note: &[u8],
) -> Result<SignedCheckpoint, String> {
    let key = load_key(disk, &dir.log_key(), origin).map_err(|e| e.to_string())?;
    let key = key.ok_or_else(|| format!("{} is missing", dir.log_key().display()))?;
    let text = std::str::from_utf8(note).map_err(|_| "it is not UTF-8".to_owned())?;
    SignedCheckpoint::verify(text, std::slice::from_ref(key.verifier())).map_err(|e| e.to_string())
}

/// Cuts a torn tail off, as the next start would; answers how many bytes. The caller holds the folder.
pub fn trim_tail(disk: &SharedDisk, dir: &DataDir, found: &Found) -> Result<u64, RecoverError> {
    let refused = |why: &str| Err(RecoverError::Refused(why.to_owned()));
    match (&found.end, &found.head) {
        (End::Damaged { .. }, _) => {
            refused("acknowledged entries are damaged, this is no torn tail: cutting would forget them")
        }
        (_, HeadState::Shorter { .. } | HeadState::OtherHistory { .. }) => {
            refused("entries that were signed are gone; cutting more brings none back")
        }
        (End::Whole, _) => Ok(0),
        (End::Torn { bytes }, _) => {
            Segments::open(disk, &dir.ledger(), found.origin.as_str(), SegmentOptions::default())?;
            Ok(*bytes)
        }
    }
}

/// Puts the ledger of the backup `from` in the place of this one's, which stays beside it as `ledger.damaged`. `HEAD` and
/// keys stay: they are never older than the backup's. The caller holds the folder. Answers the entries there now.
///
/// A crash in here leaves the folder without a ledger, or with the backup's; the same call ends it.
pub fn restore(disk: &SharedDisk, dir: &DataDir, from: &DataDir, found: &Found) -> Result<u64, RecoverError> {
    let refused = |why: String| Err(RecoverError::Refused(why));
    let signed = match &found.head {
        HeadState::Covers { signed } | HeadState::Shorter { signed } | HeadState::OtherHistory { signed } => {
            *signed
        }
        HeadState::Fresh => {
            return refused("the folder is empty: start the gateway on the backup itself".to_owned());
        }
        HeadState::Unreadable { why } => {
            return refused(format!("without HEAD nobody can tell whether the backup is newer ({why})"));
        }
    };
    let head = disk.read_whole(&dir.head(), HEAD_BYTES_MAX)?.unwrap_or_default();
    let head = verified(disk, dir, &found.origin, &head).map_err(RecoverError::Refused)?;
    let (mut edge, mut same, mut here) = (Edge::new(), signed == 0, found.entries == 0);
    let there = salvage(disk, &from.ledger(), found.origin.as_str(), |batch| {
        for entry in batch {
            edge.push(leaf_hash(&entry.leaf), |_| {});
            same |= edge.size() == signed && edge.root() == head.root();
            here |= edge.size() == found.entries && edge.root() == found.root;
        }
        Ok(())
    })?;
    if let End::Damaged { file, why, .. } = &there.end {
        return refused(format!("the backup is damaged, too: {}: {why}", file.display()));
    }
    if there.entries < signed {
        return refused(format!("the backup has {} entries, {signed} were signed for", there.entries));
    }
    if !same {
        return refused(
            "the backup's entries are not those that were signed: it is another history".to_owned(),
        );
    }
    if !here && found.entries <= there.entries {
        return refused("the backup and what reads here are two histories".to_owned());
    }
    if found.entries > there.entries {
        return refused(format!(
            "what reads here has {} entries, the backup only {}: it would lose some",
            found.entries, there.entries
        ));
    }
    let (next, damaged) = (dir.0.join("ledger.next"), dir.0.join("ledger.damaged"));
    clear(disk, &next)?;
    let mut segments = fresh(disk, &next, &found.origin)?;
    salvage(disk, &from.ledger(), found.origin.as_str(), |batch| append(&mut segments, &batch))?;
    drop(segments);
    set_aside(disk, &dir.ledger(), &damaged)?;
    disk.rename(&next, &dir.ledger())?;
    disk.sync_dir(&dir.0)?;
    forget_views(disk, dir)?;
    Ok(there.entries)
}

/// What an epoch begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Entries carried over: all that read before the damage. Their leaves are the same, so every checkpoint of the old
    /// epoch up to here still proves them.
    pub carried: u64,
    /// Entries the old epoch's last checkpoint covered, if it could be read.
    pub signed: Option<u64>,
    /// Its text.
    pub checkpoint: String,
    /// An earlier run had come this far already; only that it is written down may be missing.
    pub was_there: bool,
}

/// Gives this history up from the damage on: the log of the next epoch `new` starts with what still reads of `old`, under
/// a new key. The old ledger, head and key stay beside it (`ledger.e1`, `HEAD.e1`, `log.key.e1`). The caller holds the
/// folder, and records the epoch afterwards.
///
/// The old files are set aside one by one, and the new `HEAD` is written last: whatever a crash leaves opens neither as
/// the old epoch nor as the new one, and the same call ends it.
pub fn begin_epoch(
    disk: &SharedDisk,
    dir: &DataDir,
    old: &Origin,
    new: &Origin,
    entropy: &dyn Entropy,
) -> Result<Begun, RecoverError> {
    let aside = |name: &str| dir.0.join(format!("{name}.e{}", old.epoch()));
    let (next, old_ledger) = (dir.0.join("ledger.next"), aside("ledger"));
    let old_head = || -> DiskResult<(String, Option<u64>)> {
        let note = disk.read_whole(&aside("HEAD"), HEAD_BYTES_MAX)?.unwrap_or_default();
        let note = String::from_utf8_lossy(&note).into_owned();
        let signed = note.lines().nth(1).and_then(|size| size.parse().ok());
        Ok((note, signed))
    };
    let head = disk.read_whole(&dir.head(), HEAD_BYTES_MAX)?;
    if let Some(Ok(head)) = head.map(|note| verified(disk, dir, new, &note)) {
        // From here on only opening may say whether the entries are those that were signed.
        let (checkpoint, signed) = old_head()?;
        return Ok(Begun { carried: head.size(), signed, checkpoint, was_there: true });
    }
    for name in ["HEAD", "log.key"] {
        let known = disk.read_whole(&dir.0.join(name), HEAD_BYTES_MAX)?.map(zeroize::Zeroizing::new);
        if let Some(bytes) = known.filter(|_| !disk.exists(&aside(name)).unwrap_or(false)) {
            disk.write_whole(&aside(name), &bytes)?;
        }
    }
    if disk.list(&old_ledger).is_err() {
        clear(disk, &next)?;
        let mut segments = fresh(disk, &next, new)?;
        salvage(disk, &dir.ledger(), old.as_str(), |batch| append(&mut segments, &batch))?;
        drop(segments);
        disk.sync_dir(&next)?;
        match disk.rename(&dir.ledger(), &old_ledger) {
            Err(e) if e.is_missing() => disk.create_dir(&old_ledger)?,
            renamed => renamed?,
        }
        disk.sync_dir(&dir.0)?;
    }
    if disk.list(&next).is_ok() {
        // A start that was tried meanwhile left an empty ledger of the old epoch in its place, and nothing else.
        if salvage(disk, &dir.ledger(), old.as_str(), |_| Ok(()))?.entries > 0 {
            return Err(RecoverError::Refused(format!("{} holds entries again", dir.ledger().display())));
        }
        clear(disk, &dir.ledger())?;
        disk.rename(&next, &dir.ledger())?;
        disk.sync_dir(&dir.0)?;
    }
    forget_views(disk, dir)?;
    let mut edge = Edge::new();
    salvage(disk, &dir.ledger(), new.as_str(), |batch| {
        batch.iter().for_each(|entry| edge.push(leaf_hash(&entry.leaf), |_| {}));
        Ok(())
    })?;
    let key = match load_key(disk, &dir.log_key(), new) {
        Ok(Some(key)) => key,
        _ => {
            let key = LogKey::generate(new, entropy);
            disk.write_whole(&dir.log_key(), key.expose().as_bytes())?;
            key
        }
    };
    let head = key.sign(edge.size(), edge.root());
    disk.write_whole(&dir.head(), head.note().as_bytes())?;
    let (checkpoint, signed) = old_head()?;
    Ok(Begun { carried: edge.size(), signed, checkpoint, was_there: false })
}

fn fresh(disk: &SharedDisk, dir: &Path, origin: &Origin) -> Result<Segments, RecoverError> {
    Ok(Segments::open(disk, dir, origin.as_str(), SegmentOptions::default())?.0)
}

fn append(segments: &mut Segments, batch: &[crate::ledger::segment::Stored]) -> Result<(), LedgerError> {
    let batch: Vec<NewEntry<'_>> =
        batch.iter().map(|e| NewEntry { leaf: &e.leaf, sealed: &e.sealed }).collect();
    segments.append(&batch).map(drop)
}

/// Removes what an earlier, broken run left in a folder.
fn clear(disk: &SharedDisk, dir: &Path) -> DiskResult<()> {
    match disk.list(dir) {
        Err(e) if e.is_missing() => Ok(()),
        Err(e) => Err(e),
        Ok(names) => names.iter().try_for_each(|name| disk.remove_if_there(&dir.join(name))),
    }
}

/// Renames a folder that may be gone already; an older one under the new name gets a number.
fn set_aside(disk: &SharedDisk, dir: &Path, name: &Path) -> DiskResult<()> {
    let mut target = PathBuf::from(name);
    for n in 2.. {
        if disk.list(&target).is_err() {
            break;
        }
        target.set_extension(format!("damaged-{n}"));
    }
    match disk.rename(dir, &target) {
        Err(e) if e.is_missing() => Ok(()),
        other => other,
    }
}

/// Tree hashes are of the ledger that was there before.
fn forget_views(disk: &SharedDisk, dir: &DataDir) -> DiskResult<()> {
    ["mark", "hashes"].iter().try_for_each(|view| disk.remove_if_there(&dir.tree().join(view)))
}

#[cfg(test)]
mod tests;
