//! Pictures of pages on which wordings were shown, each in a file named by its SHA-256: `snapshots/<hash>`, the bytes as they
//! were registered.
//!
//! The entry that registers a wording names its snapshot by that hash, so a file needs no other protection than its name. A
//! snapshot is kept before that entry is made: whatever hash the log names, its picture is there. It shows a page and no
//! person, so no erasure concerns it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::disk::{DiskResult, SharedDisk};

/// Largest snapshot, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 1 << 20;

/// The folder of snapshots. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SnapshotShelf {
    disk: SharedDisk,
    dir: PathBuf,
}

impl SnapshotShelf {
    /// A shelf in `dir`, which may not exist yet.
    pub fn new(disk: &SharedDisk, dir: &Path) -> SnapshotShelf {
        SnapshotShelf { disk: disk.clone(), dir: dir.to_owned() }
    }

    /// The file of a snapshot.
    pub fn path(&self, sha256: &[u8; 32]) -> PathBuf {
        self.dir.join(hex::encode(sha256))
    }

    /// Keeps a snapshot durably; one that is there and whole stays. Answers its SHA-256.
    pub fn keep(&self, snapshot: &[u8]) -> DiskResult<[u8; 32]> {
        let sha256 = Sha256::digest(snapshot).into();
        if self.get(&sha256)?.is_none() {
            self.disk.create_dir(&self.dir)?;
            self.disk.write_whole(&self.path(&sha256), snapshot)?;
        }
        Ok(sha256)
    }

    /// A snapshot; none: it is not here, or what is here is not it.
    pub fn get(&self, sha256: &[u8; 32]) -> DiskResult<Option<Vec<u8>>> {
        let found = self.disk.read_whole(&self.path(sha256), SNAPSHOT_BYTES_MAX)?;
        Ok(found.filter(|bytes| Sha256::digest(bytes)[..] == sha256[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    #[test]
    fn a_snapshot_is_found_by_its_hash_and_a_damaged_one_is_written_again() {
        let sim = SimDisk::new(3);
        let shelf = SnapshotShelf::new(&sim.shared(), Path::new("/data/snapshots"));
        let sha256 = shelf.keep(b"a picture").expect("kept");
        assert_eq!(shelf.get(&sha256).expect("reads").as_deref(), Some(&b"a picture"[..]));
        assert_eq!(shelf.get(&[0; 32]).expect("reads"), None);
        assert!(sim.flip_bit(&shelf.path(&sha256), 3, 1));
        assert_eq!(shelf.get(&sha256).expect("reads"), None, "it is not what its name says");
        shelf.keep(b"a picture").expect("kept again");
        assert!(shelf.get(&sha256).expect("reads").is_some());
    }
}
