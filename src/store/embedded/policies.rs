//! Policy sets that judged, each in a file named by its hash: `policies/<hash>.json`, the canonical form and nothing else.
//!
//! Entries name the set by that hash, so a file needs no other protection than its name.

use std::path::{Path, PathBuf};

use crate::disk::{DiskResult, SharedDisk};
use crate::policy::set::policy_hash;

/// Largest set that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 32 << 20;

/// The folder of policy sets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyShelf {
    disk: SharedDisk,
    dir: PathBuf,
}

impl PolicyShelf {
    /// A shelf in `dir`, which may not exist yet.
    pub fn new(disk: &SharedDisk, dir: &Path) -> PolicyShelf {
        PolicyShelf { disk: disk.clone(), dir: dir.to_owned() }
    }

    fn path(&self, hash: &[u8; 32]) -> PathBuf {
        self.dir.join(format!("{}.json", hex::encode(hash)))
    }

    /// Keeps a set durably; one that is there and whole stays.
    pub fn keep(&self, hash: &[u8; 32], canonical: &[u8]) -> DiskResult<()> {
        if self.get(hash)?.is_some() {
            return Ok(());
        }
        self.disk.create_dir(&self.dir)?;
        self.disk.write_whole(&self.path(hash), canonical)
    }

    /// The canonical form of a set; none: it is not here, or what is here is not it.
    pub fn get(&self, hash: &[u8; 32]) -> DiskResult<Option<Vec<u8>>> {
        let found = self.disk.read_whole(&self.path(hash), POLICY_BYTES_MAX)?;
        Ok(found.filter(|bytes| policy_hash(bytes) == *hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    #[test]
    fn a_set_is_found_by_its_hash_and_a_damaged_one_is_written_again() {
        let sim = SimDisk::new(3);
        let shelf = PolicyShelf::new(&sim.shared(), Path::new("/data/policies"));
        let (text, hash) = (b"{\"pack\":{}}", policy_hash(b"{\"pack\":{}}"));
        assert_eq!(shelf.get(&hash).expect("reads"), None);
        shelf.keep(&hash, text).expect("kept");
        assert_eq!(shelf.get(&hash).expect("reads").as_deref(), Some(&text[..]));
        assert!(sim.flip_bit(&shelf.path(&hash), 3, 1));
        assert_eq!(shelf.get(&hash).expect("reads"), None, "it is not what its name says");
        shelf.keep(&hash, text).expect("kept again");
        assert!(shelf.get(&hash).expect("reads").is_some());
    }
}
