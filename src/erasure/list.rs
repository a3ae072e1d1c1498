//! Who was erased, in a file off the data folder: it survives what takes the folder, and corrects an older backup.
//!
//! Text. The first line names the format and the seller, every further one an erasure: when it was, and the random id of the
//! person's chain. Whoever has the list alone learns of nobody; whoever writes to it can have people erased.
//!
//! Memory: some 20 bytes an erasure.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{DiskError, DiskFile, OpenMode, SharedDisk};
use crate::model::{Instant, SubjectId};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;
/// Longer lines are none of ours.
const LINE_MAX: usize = 256;

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something else is there.
    #[error("{} does not begin with `{expected}`: it is no list of erasures of this seller", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The line that was expected.
        expected: String,
    },
}

/// The list of one seller's erasures.
#[derive(Debug)]
pub struct ErasureList {
    disk: SharedDisk,
    path: PathBuf,
    first_line: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None after a write that failed: then it is read anew.
    file: Option<Arc<dyn DiskFile>>,
    listed: HashSet<SubjectId>,
}

impl ErasureList {
    /// Opens the list at `path` of the seller with this id, or starts it. What a power cut left of its last
    /// lines is cut.
    pub fn open(disk: &SharedDisk, path: &Path, seller: &str) -> Result<ErasureList, ListError> {
        let list = ErasureList {
            disk: disk.clone(),
            path: path.to_owned(),
            first_line: format!("consentry erasures 1 of {seller}"),
            state: Mutex::new(State { file: None, listed: HashSet::new() }),
        };
        list.read(&mut list.state.lock())?;
        Ok(list)
    }

    /// Whoever is listed, in the order of their ids: what is done for each of them is done in the same order every time.
    pub fn subjects(&self) -> Vec<SubjectId> {
        let mut listed: Vec<SubjectId> = self.state.lock().listed.iter().copied().collect();
        listed.sort();
        listed
    }

    /// Whether somebody is listed.
    pub fn has(&self, subject: &SubjectId) -> bool {
        self.state.lock().listed.contains(subject)
    }

    /// Adds erasures that are not listed yet; durable when it returns.
    pub fn note(&self, erased: &[(SubjectId, Instant)]) -> Result<(), ListError> {
        let mut state = self.state.lock();
        let file = match &state.file {
            Some(file) => file.clone(),
            None => self.read(&mut state)?,
        };
        let mut text = String::new();
        let mut new = HashSet::new();
        for (subject, at) in erased {
            if !state.listed.contains(subject) && new.insert(*subject) {
                let _ = writeln!(text, "{at} {subject}");
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        if let Err(e) = file.append(text.as_bytes()).and_then(|()| file.sync_data()) {
            // What of it is there only reading tells.
            state.file = None;
            return Err(e.into());
        }
        state.listed.extend(new);
        Ok(())
    }

    /// Reads the whole list, or writes its first line.
    fn read(&self, state: &mut State) -> Result<Arc<dyn DiskFile>, ListError> {
        if !self.disk.exists(&self.path)? {
            self.disk.write_whole(&self.path, format!("{}\n", self.first_line).as_bytes())?;
        }
        let file = self.disk.open(&self.path, OpenMode::Append)?;
        let (mut listed, mut strange) = (HashSet::new(), 0);
        // Lines that do not read, after the last that does: what a power cut left of a write that was not synced.
        let mut doubtful = 0;
        let (mut begun, mut broken, mut whole, mut at) = (false, false, 0u64, 0u64);
        let mut rest: Vec<u8> = Vec::new();
        let mut piece = vec![0; PIECE];
        loop {
            let read = file.read_at(at, &mut piece)?;
            if read == 0 {
                break;
            }
            at += read as u64;
            rest.extend_from_slice(&piece[..read]);
            let mut start = 0;
            while let Some(end) = rest[start..].iter().position(|b| *b == b'\n') {
                let line = &rest[start..start + end];
                match begun {
                    false if line == self.first_line.as_bytes() => begun = true,
                    false => return Err(self.other()),
                    true => match subject(line) {
                        Some(subject) => {
                            listed.insert(subject);
                            strange += mem::take(&mut doubtful);
                        }
                        None => doubtful += 1,
                    },
                }
                start += end + 1;
                if doubtful == 0 {
                    whole = at - (rest.len() - start) as u64;
                }
            }
            rest.drain(..start);
            broken |= rest.len() > LINE_MAX;
            if broken {
                // Not kept, so that a file of one long line does not fill memory.
                rest.clear();
            }
        }
        if !begun {
            return Err(self.other());
        }
        // Written by hand, or cut just before its end.
        let last = subject(&rest).filter(|_| doubtful == 0 && !broken);
        if let Some(last) = last {
            listed.insert(last);
            file.append(b"\n")?;
            file.sync_data()?;
        } else if whole < at {
            file.truncate(whole)?;
            file.sync_data()?;
        }
        if strange > 0 {
            // Who was erased and is known to the ledger is added again; the others are lost with their lines.
            tracing::error!(file = %self.path.display(), lines = strange, "lines of the list of erasures do not read");
        }
        *state = State { file: Some(file.clone()), listed };
        Ok(file)
    }

    fn other(&self) -> ListError {
        ListError::Other { path: self.path.clone(), expected: self.first_line.clone() }
    }
}

fn subject(line: &[u8]) -> Option<SubjectId> {
    let (at, id) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Instant::parse(at).ok()?;
    id.parse().ok()
}

#[cfg(test)]
mod tests;
