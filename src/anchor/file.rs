//! A folder that gets one file a checkpoint and never changes one. On a medium that is written once, or on one that others
//! keep, it shows what the log was; on the volume of the data it shows nothing to anybody who distrusts the operator.

use std::path::PathBuf;

use futures_util::future::BoxFuture;

use super::{Anchor, AnchorError, Taken};
use crate::disk::{DiskResult, OpenMode, SharedDisk};
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::ledger::tree::TreeReader;

/// More than any checkpoint has.
const FILE_BYTES_MAX: usize = 100_000;

/// A folder.
pub struct Folder {
    disk: SharedDisk,
    dir: PathBuf,
}

impl Folder {
    /// The folder `dir`, made when it is missing.
    pub fn new(disk: SharedDisk, dir: PathBuf) -> Folder {
        Folder { disk, dir }
    }
}

/// `<origin with _ for />.<size>.checkpoint`; sizes have 20 digits, so that names sort.
pub fn file_name(checkpoint: &Checkpoint) -> String {
    format!("{}.{:020}.checkpoint", checkpoint.origin.replace('/', "_"), checkpoint.size)
}

/// Writes the checkpoint unless it is there. A file that says something else is left as it is.
fn write(
    disk: &SharedDisk,
    dir: &std::path::Path,
    checkpoint: &SignedCheckpoint,
) -> Result<PathBuf, AnchorError> {
    disk.create_dir(dir)?;
    let path = dir.join(file_name(checkpoint.checkpoint()));
    match disk.read_whole(&path, FILE_BYTES_MAX)? {
        None => create(disk, dir, &path, checkpoint)?,
        // Torn by a crash: nobody was told that it is there.
        Some(known) if !whole(&known) => disk.write_whole(&path, checkpoint.note().as_bytes())?,
        Some(known) if !known.starts_with(checkpoint.checkpoint().text().as_bytes()) => {
            return Err(AnchorError::OtherHistory(format!(
                "{} holds another checkpoint of {} entries: the log was rewritten",
                path.display(),
                checkpoint.size()
            )));
        }
        Some(_) => {}
    }
    Ok(path)
}

/// Whether a file ends as a signed note does.
fn whole(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.ends_with('\n') && text.contains("\n\n— "))
}

fn create(
    disk: &SharedDisk,
    dir: &std::path::Path,
    path: &std::path::Path,
    checkpoint: &SignedCheckpoint,
) -> DiskResult<()> {
    // No rename: on a medium that is written once there is none.
    let file = disk.open(path, OpenMode::CreateNew)?;
    file.append(checkpoint.note().as_bytes())?;
    file.sync_data()?;
    disk.sync_dir(dir)
}

impl Anchor for Folder {
    fn kind(&self) -> Kind {
        Kind::File
    }

    fn submit<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        _: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>> {
        let (disk, dir, signed) = (self.disk.clone(), self.dir.clone(), checkpoint.clone());
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&disk, &dir, &signed)).await;
            let path = written.map_err(|e| AnchorError::Ledger(e.to_string()))??;
            // Its name and not its path: a bundle must not tell strangers how the machine is laid out.
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Ok(Taken { checkpoint: checkpoint.note().to_owned(), proof: name.into_bytes() })
        })
    }
}
