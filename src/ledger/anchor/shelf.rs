//! Receipts on disk, beside the ledger: one small file each, numbered, written once, never changed.
//!
//! `anchors/e<epoch>/<number>.<size>.<microseconds>.<anchor>.json`: what has to be found again stands in the name, so
//! opening reads no file. Losing them loses what they prove, and nothing else.

use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};

use super::{Receipt, is_name};
use crate::disk::{DiskError, DiskResult, SharedDisk};
use crate::model::Instant;

/// The largest file: a checkpoint with signatures and a proof in base64.
const FILE_BYTES_MAX: usize = 256 << 10;

/// One receipt, as its name tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Its place among the receipts of this log, from 0.
    pub number: u64,
    /// Entries its checkpoint covers.
    pub size: u64,
    /// When the gateway got it.
    pub recorded_at: Instant,
    /// From which anchor.
    pub anchor: String,
}

impl Filed {
    fn name(&self) -> String {
        let Filed { number, size, recorded_at, anchor } = self;
        format!("{number:08}.{size}.{}.{anchor}.json", recorded_at.as_micros())
    }

    fn parse(name: &str) -> Option<Filed> {
        let mut parts = name.strip_suffix(".json")?.splitn(4, '.');
        let mut next = || parts.next();
        let (number, size, micros, anchor) = (next()?, next()?, next()?, next()?);
        let filed = Filed {
            number: number.parse().ok()?,
            size: size.parse().ok()?,
            recorded_at: Instant::from_micros(micros.parse().ok()?),
            anchor: anchor.to_owned(),
        };
        (is_name(anchor) && filed.name() == name).then_some(filed)
    }
}

/// The receipts of one log.
#[derive(Debug)]
pub struct Shelf {
    disk: SharedDisk,
    dir: PathBuf,
    filed: RwLock<Vec<Filed>>,
    /// Held while one is written, so that numbers are given once.
    writing: Mutex<()>,
}

impl Shelf {
    /// Looks what is in `dir`, which need not be there yet. Files of other names are left alone.
    pub fn open(disk: &SharedDisk, dir: &Path) -> DiskResult<Shelf> {
        let names = match disk.list(dir) {
            Err(e) if e.is_missing() => Vec::new(),
            names => names?,
        };
        let mut filed: Vec<Filed> = names.iter().filter_map(|name| Filed::parse(name)).collect();
        filed.sort_by_key(|one| one.number);
        Ok(Shelf {
            disk: disk.clone(),
            dir: dir.to_owned(),
            filed: RwLock::new(filed),
            writing: Mutex::default(),
        })
    }

    /// Keeps a receipt, durably, before anybody is shown it. `size` is what its checkpoint covers.
    pub fn add(&self, receipt: &Receipt, size: u64) -> DiskResult<Filed> {
        let _turn = self.writing.lock();
        let number = self.filed.read().last().map_or(0, |last| last.number + 1);
        let filed = Filed { number, size, recorded_at: receipt.recorded_at, anchor: receipt.anchor.clone() };
        self.disk.create_dir(&self.dir)?;
        self.disk.write_whole(&self.dir.join(filed.name()), &receipt.encode())?;
        self.filed.write().push(filed.clone());
        Ok(filed)
    }

    /// All of them, oldest first.
    pub fn list(&self) -> Vec<Filed> {
        self.filed.read().clone()
    }

    /// How many there are; a number not given yet.
    pub fn next_number(&self) -> u64 {
        self.filed.read().last().map_or(0, |last| last.number + 1)
    }

    /// The newest of each anchor, by name.
    pub fn newest(&self) -> Vec<Filed> {
        let mut newest: Vec<Filed> = Vec::new();
        for one in self.filed.read().iter() {
            match newest.iter_mut().find(|other| other.anchor == one.anchor) {
                Some(other) => other.clone_from(one),
                None => newest.push(one.clone()),
            }
        }
        newest.sort_by(|a, b| a.anchor.cmp(&b.anchor));
        newest
    }

    /// The newest of an anchor.
    pub fn newest_of(&self, anchor: &str) -> Option<Filed> {
        self.filed.read().iter().rev().find(|one| one.anchor == anchor).cloned()
    }

    /// Reads one.
    pub fn read(&self, filed: &Filed) -> DiskResult<Receipt> {
        let path = self.dir.join(filed.name());
        let broken = |why: String| DiskError::new("read", &path, std::io::Error::other(why));
        let bytes = self.disk.read_whole(&path, FILE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| broken("it is gone".to_owned()))?;
        let receipt = Receipt::decode(&bytes).map_err(|e| broken(e.to_string()))?;
        match receipt.anchor == filed.anchor && receipt.recorded_at == filed.recorded_at {
            true => Ok(receipt),
            false => Err(broken("it is another receipt than its name says".to_owned())),
        }
    }

    /// The one with this number.
    pub fn numbered(&self, number: u64) -> Option<Filed> {
        let filed = self.filed.read();
        filed.binary_search_by_key(&number, |one| one.number).ok().map(|at| filed[at].clone())
    }
}
