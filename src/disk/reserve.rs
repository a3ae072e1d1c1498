//! A file that holds space back, so that an opt-out can still be written on a full volume.

use std::path::{Path, PathBuf};

use super::{DiskResult, OpenMode, SharedDisk, parent};

const PIECE: usize = 1 << 20;

/// Space kept back in a file. Deleting the file gives the space to whoever still has to write.
#[derive(Debug)]
pub struct Reserve {
    disk: SharedDisk,
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// Describes the reserve file at `path`, `bytes` long; touches nothing yet.
    pub fn new(disk: SharedDisk, path: &Path, bytes: u64) -> Self {
        Self { disk, path: path.to_owned(), bytes }
    }

    /// Whether the file stands at its full size.
    pub fn is_held(&self) -> DiskResult<bool> {
        match self.disk.open(&self.path, OpenMode::Read) {
            Ok(file) => Ok(file.len()? >= self.bytes),
            Err(e) if e.is_missing() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Creates the file, or makes it as long as it should be. On error what was written is given back.
    pub fn hold(&self) -> DiskResult<()> {
        if self.is_held()? {
            return Ok(());
        }
        self.disk.remove_if_there(&self.path)?;
        self.fill().inspect_err(|_| {
            // The error that stopped the filling is the one to report.
            let _ = self.disk.remove_if_there(&self.path);
        })
    }

    fn fill(&self) -> DiskResult<()> {
        let file = self.disk.open(&self.path, OpenMode::CreateNew)?;
        let piece = incompressible(PIECE);
        let mut left = self.bytes;
        while left > 0 {
            let n = left.min(PIECE as u64) as usize;
            file.append(&piece[..n])?;
            left -= n as u64;
        }
        file.sync_data()?;
        self.disk.sync_dir(parent(&self.path))
    }

    /// Deletes the file: its space is free for whoever writes next.
    pub fn release(&self) -> DiskResult<()> {
        self.disk.remove_if_there(&self.path)?;
        self.disk.sync_dir(parent(&self.path))
    }
}

/// Bytes a compressing file system cannot shrink (an xorshift sequence; nothing secret rests on it).
fn incompressible(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}
