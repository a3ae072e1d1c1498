//! The queue of a subscriber on disk, replaced whole: what was told, what waits, what was laid aside. No event's words.

use std::path::PathBuf;

use super::queue::Queue;
use crate::disk::{DiskError, OpenMode, SharedDisk};
use crate::store::embedded::DataDir;

/// Why a queue could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is something else.
    #[error("{} does not read as a webhook's queue ({reason}); without it, telling begins with what happens next", path.display())]
    Damaged { path: PathBuf, reason: String },
}

/// Where one subscriber's queue lies.
#[derive(Debug, Clone)]
pub struct Shelf {
    disk: SharedDisk,
    folder: PathBuf,
    path: PathBuf,
}

impl Shelf {
    /// The shelf of a webhook in the folder `webhooks` of a data folder.
    pub fn new(disk: SharedDisk, data_dir: &std::path::Path, id: &str) -> Shelf {
        let folder = DataDir(data_dir.to_owned()).webhooks();
        Shelf { disk, path: folder.join(format!("{id}.json")), folder }
    }

    /// The queue as it was kept; none: this webhook is new.
    pub fn load(&self) -> Result<Option<Queue>, ShelfError> {
        let file = match self.disk.open(&self.path, OpenMode::Read) {
            Err(e) if e.is_missing() => return Ok(None),
            other => other?,
        };
        let damaged = |reason: String| ShelfError::Damaged { path: self.path.clone(), reason };
        let length = usize::try_from(file.len()?).map_err(|e| damaged(e.to_string()))?;
        let mut bytes = vec![0; length];
        let read = file.read_at(0, &mut bytes)?;
        serde_json::from_slice(&bytes[..read]).map(Some).map_err(|e| damaged(e.to_string()))
    }

    /// Keeps the queue.
    pub fn save(&self, queue: &Queue) -> Result<(), ShelfError> {
        let bytes = serde_json::to_vec(queue)
            .map_err(|e| ShelfError::Damaged { path: self.path.clone(), reason: e.to_string() })?;
        self.disk.create_dir(&self.folder)?;
        Ok(self.disk.write_whole(&self.path, &bytes)?)
    }
}
