//! The one door to files: append, read, sync, rename, lock. The simulated twin in [`sim`] loses power on demand.
//!
//! Files here only ever grow, are cut, or are replaced whole, because those are the changes whose state after a
//! power cut can be reasoned about. A name is durable only after the folder that holds it was synced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod real;
pub mod reserve;
pub mod sim;

pub use real::RealDisk;
pub use reserve::Reserve;
pub use sim::{SimDisk, Tear};

/// A shared disk.
pub type SharedDisk = Arc<dyn Disk>;

/// Why a file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct DiskError {
    /// The operation, as in "append to".
    pub what: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// Names the operation and the path that failed.
    pub fn new(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self { what, path: path.to_owned(), source }
    }
    /// Whether the file or folder does not exist.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
    /// Whether the volume (or a quota on it) is full; nothing is broken, space helps.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
    /// Whether another process holds the lock.
    pub fn is_locked(&self) -> bool {
        self.source.kind() == io::ErrorKind::WouldBlock
    }
}

/// The result of a file operation.
pub type DiskResult<T> = Result<T, DiskError>;

/// Room on the volume that holds a folder, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What an unprivileged process may still write.
    pub available: u64,
    /// The size of the volume.
    pub total: u64,
}

impl Space {
    /// Available space in hundredths of the volume, rounded down; 100 for a volume of no size.
    pub fn percent_available(self) -> u64 {
        (u128::from(self.available) * 100).checked_div(u128::from(self.total)).map_or(100, |p| p as u64)
    }
}

/// Holds a folder for this process until dropped.
pub trait DirLock: Send + Sync + fmt::Debug {}

/// An open file. Readers may use it while one writer appends.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` at the end. On error some of them may be there.
    fn append(&self, bytes: &[u8]) -> DiskResult<()>;
    /// Reads at `offset` until `out` is full or the file ends; answers how many bytes were read.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> DiskResult<usize>;
    /// The length in bytes, synced or not.
    fn len(&self) -> DiskResult<u64>;
    /// Whether the file holds nothing.
    fn is_empty(&self) -> DiskResult<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file to `len` bytes; durable after the next [`DiskFile::sync_data`].
    fn truncate(&self, len: u64) -> DiskResult<()>;
    /// Makes content and length durable. After an error nobody knows what is durable: stop and reopen.
    fn sync_data(&self) -> DiskResult<()>;
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; only reads are allowed.
    Read,
    /// It must exist; appends go to its end.
    Append,
    /// It must not exist.
    CreateNew,
}

/// The operations on names. Paths are used as given; the caller keeps them inside its data folder.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Opens a file. A created one is durable after its own sync and [`Disk::sync_dir`] of its folder.
    fn open(&self, path: &Path, mode: OpenMode) -> DiskResult<Arc<dyn DiskFile>>;
    /// Replaces `to` by `from` at once; durable after [`Disk::sync_dir`]. A folder may be renamed to a name that is free.
    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()>;
    /// Removes a file; durable after [`Disk::sync_dir`].
    fn remove(&self, path: &Path) -> DiskResult<()>;
    /// Names (not paths) of the files and folders in `dir`, sorted.
    fn list(&self, dir: &Path) -> DiskResult<Vec<String>>;
    /// Creates `dir` and what is missing above it, and makes them durable.
    fn create_dir(&self, dir: &Path) -> DiskResult<()>;
    /// Makes names created, renamed or removed in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> DiskResult<()>;
    /// Takes `dir` for this process alone; an error for which [`DiskError::is_locked`] holds when it is taken.
    fn lock_dir(&self, dir: &Path) -> DiskResult<Box<dyn DirLock>>;
    /// Room on the volume of `dir`.
    fn space(&self, dir: &Path) -> DiskResult<Space>;
}

impl dyn Disk {
    /// Opens to append, creating the file and making its name durable when it is missing.
    pub fn open_or_create(&self, path: &Path) -> DiskResult<Arc<dyn DiskFile>> {
        match self.open(path, OpenMode::Append) {
            Err(e) if e.is_missing() => {
                let file = self.open(path, OpenMode::CreateNew)?;
                self.sync_dir(parent(path))?;
                Ok(file)
            }
            other => other,
        }
    }

    /// Whether a file can be opened at `path`.
    pub fn exists(&self, path: &Path) -> DiskResult<bool> {
        match self.open(path, OpenMode::Read) {
            Ok(_) => Ok(true),
            Err(e) if e.is_missing() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Removes a file unless it is missing already.
    pub fn remove_if_there(&self, path: &Path) -> DiskResult<()> {
        match self.remove(path) {
            Err(e) if e.is_missing() => Ok(()),
            other => other,
        }
    }

    /// Replaces the file at `path` by `bytes`, durably, or leaves it as it was. A crash leaves the old or the new
    /// content, and perhaps a file `….tmp` that the next call replaces.
    pub fn write_whole(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        let temporary = temporary_name(path);
        self.remove_if_there(&temporary)?;
        let file = self.open(&temporary, OpenMode::CreateNew)?;
        file.append(bytes)?;
        file.sync_data()?;
        self.rename(&temporary, path)?;
        self.sync_dir(parent(path))
    }

    /// The whole file, at most `limit` bytes, or nothing when it is missing.
    pub fn read_whole(&self, path: &Path, limit: usize) -> DiskResult<Option<Vec<u8>>> {
        let file = match self.open(path, OpenMode::Read) {
            Err(e) if e.is_missing() => return Ok(None),
            other => other?,
        };
        let len = file.len()?;
        if len > limit as u64 {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, format!("{len} bytes, at most {limit}"));
            return Err(DiskError::new("read", path, source));
        }
        let mut bytes = vec![0; len as usize];
        let read = file.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }
}

/// Where [`Disk::write_whole`](trait.Disk.html) prepares the new content of `path`.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The folder of `path`; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
