//! What still reads of a damaged log: whole batches from its first entry on, up to the damage.

use std::path::{Path, PathBuf};

use super::{SEGMENT, Stored, log_id};
use crate::disk::{OpenMode, SharedDisk};
use crate::ledger::LedgerResult;
use crate::ledger::frame::FILE_HEADER_BYTES;
use crate::ledger::walk::{OpenFile, Stop, Walk, later_batch_follows};

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With its last batch.
    Whole,
    /// With a part of a batch that was never acknowledged; opening cuts it off.
    Torn {
        /// Its length.
        bytes: u64,
    },
    /// Acknowledged bytes are missing or wrong.
    Damaged {
        /// The damaged or missing file.
        file: PathBuf,
        /// The first byte that is wrong.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Entries in whole batches before the end.
    pub entries: u64,
    /// What came then.
    pub end: End,
}

/// Reads the log of `origin` in `dir` as far as it is whole, and shows each batch. Changes nothing.
///
/// # Errors
/// Those of `take` and of a disk that does not answer; damage is no error here.
pub fn salvage(
    disk: &SharedDisk,
    dir: &Path,
    origin: &str,
    mut take: impl FnMut(Vec<Stored>) -> LedgerResult<()>,
) -> LedgerResult<Salvaged> {
    let names = match disk.list(dir) {
        Err(e) if e.is_missing() => Vec::new(),
        names => names?,
    };
    let last = names.iter().filter_map(|name| SEGMENT.number_of(name)).max();
    let mut entries = 0;
    for number in 0..=last.unwrap_or(0) {
        let path = dir.join(SEGMENT.file_name(number));
        let file = match disk.open(&path, OpenMode::Read) {
            Err(e) if e.is_missing() && last.is_none() => return Ok(Salvaged { entries, end: End::Whole }),
            Err(e) if e.is_missing() => {
                let why = "the file is missing".to_owned();
                return Ok(Salvaged { entries, end: End::Damaged { file: path, offset: 0, why } });
            }
            file => file?,
        };
        let open = match OpenFile::read(SEGMENT, file, &path, &log_id(origin)) {
            Ok(open) => open,
            Err(e) => {
                let end = End::Damaged { file: path, offset: 0, why: e.to_string() };
                return Ok(Salvaged { entries, end });
            }
        };
        if open.header.first != entries {
            let why = "it does not begin where its predecessor ends".to_owned();
            return Ok(Salvaged { entries, end: End::Damaged { file: path, offset: 16, why } });
        }
        let end = one(&open, Some(number) == last, &mut entries, &mut take)?;
        if end != End::Whole {
            return Ok(Salvaged { entries, end });
        }
    }
    Ok(Salvaged { entries, end: End::Whole })
}

fn one(
    open: &OpenFile,
    is_last: bool,
    entries: &mut u64,
    take: &mut impl FnMut(Vec<Stored>) -> LedgerResult<()>,
) -> LedgerResult<End> {
    let len = open.file.len()?;
    let mut walk = Walk::new(open, FILE_HEADER_BYTES as u64..len, 1 << 20);
    let (mut batch, mut whole): (Vec<Stored>, u64) = (Vec::new(), walk.offset());
    let stopped = loop {
        match walk.next_record() {
            Ok(None) => break None,
            Ok(Some(found)) => {
                let (header, offset) = (found.header, found.offset);
                let due = (*entries + batch.len() as u64, batch.len());
                if (header.index, usize::from(header.position)) != due {
                    break Some((offset, "the records are out of order"));
                }
                batch.push(Stored {
                    index: header.index,
                    leaf: found.leaf.to_vec(),
                    sealed: found.sealed.to_vec(),
                });
                if header.ends_batch() {
                    *entries += batch.len() as u64;
                    take(std::mem::take(&mut batch))?;
                    whole = walk.offset();
                }
            }
            Err(Stop::Bad { offset, why }) => break Some((offset, why)),
            Err(Stop::Disk(e)) => return Err(e),
        }
    };
    if whole == len {
        return Ok(End::Whole);
    }
    let (offset, why) = stopped.unwrap_or((whole, "the file ends inside a batch"));
    let acknowledged = !is_last || later_batch_follows(open, offset + 1..len, *entries)?;
    Ok(match acknowledged {
        true => End::Damaged { file: open.path.clone(), offset, why: why.to_owned() },
        false => End::Torn { bytes: len - whole },
    })
}
