//! A disk in memory that forgets what was not synced, fails on order, and repeats itself for the same seed.
//!
//! Tests and the simulation run the ledger on it: the power goes at any write, and what comes back is any state a
//! real disk may show: unsynced bytes lost, kept, cut at any byte, or with sectors or pages missing in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use super::{DirLock, Disk, DiskError, DiskFile, DiskResult, OpenMode, Space, parent};

mod tear;

pub use tear::Tear;

/// What happens to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an input/output error; an append may have written a part.
    Error,
    /// It fails because the volume is full; an append may have written a part.
    Full,
    /// The power goes in the middle of it. Everything fails until [`SimDisk::crash`].
    PowerCut,
}

/// A disk in memory. Clones share one disk; [`SimDisk::fork`] makes a separate copy.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Clone)]
struct State {
    rng: StdRng,
    /// Counts crashes: handles opened before the last one are dead.
    generation: u64,
    powered: bool,
    files: Vec<Content>,
    dirs: BTreeMap<PathBuf, Names>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    syncs_lie: bool,
    capacity: Option<u64>,
}

/// The bytes of one file, as readers see them and as a power cut would leave them.
#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Bytes before this offset are the same in both.
    dirty_from: usize,
}

impl Content {
    fn sync(&mut self) {
        self.durable.truncate(self.dirty_from);
        self.durable.extend_from_slice(&self.now[self.dirty_from..]);
        self.dirty_from = self.now.len();
    }
    fn truncate(&mut self, len: usize) {
        self.now.resize(len, 0);
        self.dirty_from = self.dirty_from.min(len);
    }
}

/// The names in one folder. Changes become durable in order.
#[derive(Debug, Clone, Default)]
struct Names {
    now: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, usize),
    Remove(String),
    Rename(String, String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl Names {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }
    fn sync(&mut self) {
        self.pending.clear();
        self.durable = self.now.clone();
    }
}

impl State {
    /// Counts an operation that changes something, and meets the fault planned for it.
    fn operation(&mut self) -> Option<Fault> {
        self.operations += 1;
        self.faults.remove(&self.operations)
    }
    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % (bound as u64).max(1)) as usize
    }
    fn used(&self) -> u64 {
        let linked: BTreeSet<usize> = self.dirs.values().flat_map(|d| d.now.values().copied()).collect();
        linked.into_iter().map(|f| self.files[f].now.len() as u64).sum()
    }
    fn dir(&mut self, path: &Path) -> io::Result<&mut Names> {
        self.dirs.get_mut(parent(path)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn find(&self, path: &Path) -> Option<usize> {
        self.dirs.get(parent(path))?.now.get(&name_of(path).ok()?).copied()
    }
    /// Folders are durable once made here, and so are their new names.
    fn rename_dir(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.dirs.get(to).is_some_and(|names| !names.now.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let below: Vec<PathBuf> = self.dirs.keys().filter(|dir| dir.starts_with(from)).cloned().collect();
        for dir in below {
            let names = self.dirs.remove(&dir).unwrap_or_default();
            let rest = dir.strip_prefix(from).unwrap_or(Path::new(""));
            let moved = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.dirs.insert(moved, names);
        }
        Ok(())
    }

    fn check_power(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(io::Error::other("the simulated power is off")) }
    }

    /// Runs `change` as one operation on names: planned errors happen before it, a power cut before or after it.
    fn name_operation(&mut self, change: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.check_power()?;
        match self.operation() {
            None => change(self),
            Some(Fault::PowerCut) => {
                if self.below(2) == 0 {
                    change(self)?;
                }
                self.powered = false;
                self.check_power()
            }
            Some(fault) => Err(fault_error(fault)),
        }
    }

    fn append(&mut self, file: usize, bytes: &[u8]) -> io::Result<()> {
        self.check_power()?;
        let room = self.capacity.map_or(u64::MAX, |c| c.saturating_sub(self.used()));
        let mut fault = self.operation();
        let mut keep = bytes.len();
        if fault.is_some() {
            keep = self.below(bytes.len() + 1);
        } else if (bytes.len() as u64) > room {
            fault = Some(Fault::Full);
            keep = room as usize;
        }
        self.files[file].now.extend_from_slice(&bytes[..keep]);
        match fault {
            None => Ok(()),
            Some(fault) => {
                self.powered = fault != Fault::PowerCut;
                Err(fault_error(fault))
            }
        }
    }

    fn sync(&mut self, sync: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let lie = self.syncs_lie;
        self.name_operation(|state| if lie { Ok(()) } else { sync(state) })
    }
}

fn fault_error(fault: Fault) -> io::Error {
    match fault {
        Fault::Error => io::Error::other("a simulated input/output error"),
        Fault::Full => io::Error::new(io::ErrorKind::StorageFull, "the simulated volume is full"),
        Fault::PowerCut => io::Error::other("the simulated power is off"),
    }
}

fn name_of(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|n| n.to_str());
    name.map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl SimDisk {
    /// An empty disk whose accidents follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: StdRng::seed_from_u64(seed),
            generation: 0,
            powered: true,
            files: Vec::new(),
            dirs: BTreeMap::from([
                (PathBuf::from("."), Names::default()),
                (PathBuf::from("/"), Names::default()),
            ]),
            locks: BTreeSet::new(),
            operations: 0,
            faults: BTreeMap::new(),
            syncs_lie: false,
            capacity: None,
        })))
    }

    /// This disk as a port.
    pub fn shared(&self) -> super::SharedDisk {
        Arc::new(self.clone())
    }

    /// A separate copy in the same state, whose further accidents follow from `seed`. Open handles stay with the
    /// original; the copy must be [crashed](SimDisk::crash) or opened afresh.
    pub fn fork(&self, seed: u64) -> Self {
        let mut state = self.0.lock().clone();
        state.rng = StdRng::seed_from_u64(seed);
        Self(Arc::new(Mutex::new(state)))
    }

    /// How many changing operations (create, append, cut, sync, rename, remove) were tried so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Plans `fault` for the `nth` changing operation from now; 1 is the next one.
    pub fn fail_in(&self, nth: u64, fault: Fault) {
        let mut state = self.0.lock();
        let at = state.operations + nth.max(1);
        state.faults.insert(at, fault);
    }

    /// Lets every sync answer "done" and do nothing, until switched off.
    pub fn lie_on_sync(&self, lie: bool) {
        self.0.lock().syncs_lie = lie;
    }

    /// Limits the bytes of all files together; `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Cuts the power (if a fault has not yet) and restores it. What was not synced is treated as `tear` says.
    /// Open files are dead, locks are free, planned faults are forgotten.
    pub fn crash(&self, tear: Tear) {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        for names in state.dirs.values_mut() {
            tear.names(&mut state.rng, names);
        }
        for file in &mut state.files {
            tear.content(&mut state.rng, file);
        }
        state.generation += 1;
        state.powered = true;
        state.locks.clear();
        state.faults.clear();
    }

    /// Whether a planned power cut has happened.
    pub fn is_off(&self) -> bool {
        !self.0.lock().powered
    }

    /// Flips one bit of the byte at `offset`, on the platter and in the cache. Answers whether there was such a byte.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> bool {
        let mut state = self.0.lock();
        let Some(file) = state.find(path) else { return false };
        let content = &mut state.files[file];
        let mut flipped = false;
        for bytes in [&mut content.now, &mut content.durable] {
            if let Some(byte) = bytes.get_mut(offset as usize) {
                *byte ^= 1 << (bit % 8);
                flipped = true;
            }
        }
        flipped
    }

    /// The bytes of a file as readers see them.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.find(path).map(|f| state.files[f].now.clone())
    }

    /// Puts a file with these bytes at `path`, durably; its folder must exist.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        (self as &dyn Disk).write_whole(path, bytes)
    }

    /// Runs `f` on the state and names the path in its error.
    fn run<T>(
        &self,
        what: &'static str,
        path: &Path,
        f: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> DiskResult<T> {
        f(&mut self.0.lock()).map_err(|source| DiskError::new(what, path, source))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    generation: u64,
    file: usize,
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    fn run<T>(&self, what: &'static str, f: impl FnOnce(&mut State) -> io::Result<T>) -> DiskResult<T> {
        self.disk.run(what, &self.path, |state| {
            state.check_power()?;
            if state.generation != self.generation {
                return Err(io::Error::other("this handle was opened before the simulated crash"));
            }
            f(state)
        })
    }
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for SimFile {
    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        self.run("append to", |state| self.check_writable().and_then(|()| state.append(self.file, bytes)))
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> DiskResult<usize> {
        self.run("read", |state| {
            let bytes = &state.files[self.file].now;
            let from = bytes.len().min(offset as usize);
            let n = out.len().min(bytes.len() - from);
            out[..n].copy_from_slice(&bytes[from..from + n]);
            Ok(n)
        })
    }
    fn len(&self) -> DiskResult<u64> {
        self.run("read the length of", |state| Ok(state.files[self.file].now.len() as u64))
    }
    fn truncate(&self, len: u64) -> DiskResult<()> {
        self.run("cut", |state| {
            self.check_writable()?;
            state.name_operation(|state| {
                state.files[self.file].truncate(len as usize);
                Ok(())
            })
        })
    }
    fn sync_data(&self) -> DiskResult<()> {
        self.run("sync", |state| {
            state.sync(|state| {
                state.files[self.file].sync();
                Ok(())
            })
        })
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    generation: u64,
    dir: PathBuf,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        // A lock from before a crash must not free the one taken after it.
        if state.generation == self.generation {
            state.locks.remove(&self.dir);
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> DiskResult<Arc<dyn DiskFile>> {
        let (file, generation) = self.run("open", path, |state| {
            state.check_power()?;
            let found = state.find(path);
            let file = match (mode, found) {
                (OpenMode::CreateNew, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                (OpenMode::CreateNew, None) => {
                    let file = state.files.len();
                    state.dir(path)?;
                    state.files.push(Content::default());
                    let name = name_of(path)?;
                    state.name_operation(|state| {
                        state.dir(path)?.change(NameChange::Set(name, file));
                        Ok(())
                    })?;
                    file
                }
                (_, None) => return Err(io::ErrorKind::NotFound.into()),
                (_, Some(file)) => file,
            };
            Ok((file, state.generation))
        })?;
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(SimFile { disk: self.clone(), generation, file, path: path.to_owned(), writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()> {
        self.run("rename to", to, |state| {
            if parent(from) != parent(to) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a rename stays in its folder"));
            }
            if state.dirs.contains_key(from) {
                let (from, to) = (from.to_owned(), to.to_owned());
                return state.name_operation(|state| state.rename_dir(&from, &to));
            }
            state.find(from).ok_or(io::ErrorKind::NotFound)?;
            let change = NameChange::Rename(name_of(from)?, name_of(to)?);
            state.name_operation(|state| {
                state.dir(to)?.change(change);
                Ok(())
            })
        })
    }

    fn remove(&self, path: &Path) -> DiskResult<()> {
        self.run("remove", path, |state| {
            state.check_power()?;
            state.find(path).ok_or(io::ErrorKind::NotFound)?;
            let change = NameChange::Remove(name_of(path)?);
            state.name_operation(|state| {
                state.dir(path)?.change(change);
                Ok(())
            })
        })
    }

    fn list(&self, dir: &Path) -> DiskResult<Vec<String>> {
        self.run("list", dir, |state| {
            state.check_power()?;
            let names = state.dirs.get(dir).ok_or(io::ErrorKind::NotFound)?;
            let folders = state.dirs.keys().filter(|d| d.as_path() != dir && parent(d) == dir);
            let folders = folders.filter_map(|d| name_of(d).ok());
            let mut all: Vec<String> = names.now.keys().cloned().chain(folders).collect();
            all.sort();
            Ok(all)
        })
    }

    fn create_dir(&self, dir: &Path) -> DiskResult<()> {
        if self.0.lock().dirs.contains_key(dir) {
            return Ok(());
        }
        self.create_dir(parent(dir))?;
        self.run("create", dir, |state| {
            state.name_operation(|state| {
                state.dirs.insert(dir.to_owned(), Names::default());
                Ok(())
            })
        })
    }

    fn sync_dir(&self, dir: &Path) -> DiskResult<()> {
        self.run("sync", dir, |state| {
            state.sync(|state| {
                state.dirs.get_mut(dir).ok_or(io::ErrorKind::NotFound)?.sync();
                Ok(())
            })
        })
    }

    fn lock_dir(&self, dir: &Path) -> DiskResult<Box<dyn DirLock>> {
        let generation = self.run("lock", dir, |state| {
            state.check_power()?;
            if !state.locks.insert(dir.to_owned()) {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "the simulated lock is taken"));
            }
            Ok(state.generation)
        })?;
        Ok(Box::new(SimLock { disk: self.clone(), generation, dir: dir.to_owned() }))
    }

    fn space(&self, dir: &Path) -> DiskResult<Space> {
        self.run("ask for the free space of", dir, |state| {
            let total = state.capacity.unwrap_or(1 << 40);
            Ok(Space { available: total.saturating_sub(state.used()), total })
        })
    }
}
