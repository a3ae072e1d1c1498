//! Files of the operating system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DirLock, Disk, DiskError, DiskFile, DiskResult, OpenMode, Space, parent};

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

#[derive(Debug)]
struct RealLock {
    /// The system releases the lock when this handle closes, also when the process dies.
    _file: File,
}

impl DirLock for RealLock {}

fn named<T>(what: &'static str, path: &Path, result: io::Result<T>) -> DiskResult<T> {
    result.map_err(|source| DiskError::new(what, path, source))
}

#[cfg(unix)]
fn read_once(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_once(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

/// New files are for their owner alone: they hold keys and what the law calls personal data.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

impl RealFile {
    fn read_fully(&self, mut offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < out.len() {
            match read_once(&self.file, offset, &mut out[done..]) {
                Ok(0) => break,
                Ok(n) => {
                    done += n;
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

impl DiskFile for RealFile {
    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        named("append to", &self.path, (&self.file).write_all(bytes))
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> DiskResult<usize> {
        named("read", &self.path, self.read_fully(offset, out))
    }
    fn len(&self) -> DiskResult<u64> {
        named("read the length of", &self.path, self.file.metadata().map(|m| m.len()))
    }
    fn truncate(&self, len: u64) -> DiskResult<()> {
        named("cut", &self.path, self.file.set_len(len))
    }
    fn sync_data(&self) -> DiskResult<()> {
        named("sync", &self.path, self.file.sync_data())
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> DiskResult<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Append => {
                options.append(true);
            }
            OpenMode::CreateNew => {
                options.append(true).create_new(true);
            }
        }
        private(&mut options);
        let what = if mode == OpenMode::CreateNew { "create" } else { "open" };
        let file = named(what, path, options.open(path))?;
        Ok(Arc::new(RealFile { file, path: path.to_owned() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()> {
        named("rename to", to, fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> DiskResult<()> {
        named("remove", path, fs::remove_file(path))
    }

    fn list(&self, dir: &Path) -> DiskResult<Vec<String>> {
        let entries =
            named("list", dir, fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>))?;
        // A name that is not UTF-8 is none of ours.
        let mut names: Vec<String> =
            entries.into_iter().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> DiskResult<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let above = parent(dir);
        if above != dir {
            self.create_dir(above)?;
        }
        match private_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            other => named("create", dir, other)?,
        }
        self.sync_dir(above)
    }

    fn sync_dir(&self, dir: &Path) -> DiskResult<()> {
        // Windows has no sync of a folder; its file systems journal names.
        if cfg!(unix) { named("sync", dir, File::open(dir).and_then(|d| d.sync_all())) } else { Ok(()) }
    }

    fn lock_dir(&self, dir: &Path) -> DiskResult<Box<dyn DirLock>> {
        let path = dir.join("LOCK");
        let file = named("open", &path, private(OpenOptions::new().append(true).create(true)).open(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(TryLockError::WouldBlock) => {
                let why = "another consentry process is using this data directory";
                Err(DiskError::new("lock", &path, io::Error::new(io::ErrorKind::WouldBlock, why)))
            }
            Err(TryLockError::Error(e)) => Err(DiskError::new("lock", &path, e)),
        }
    }

    fn space(&self, dir: &Path) -> DiskResult<Space> {
        let stats = named("ask for the free space of", dir, fs4::statvfs(dir))?;
        Ok(Space { available: stats.available_space(), total: stats.total_space() })
    }
}
