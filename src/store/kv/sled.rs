//! sled 0.34: one tree, atomic batches, snapshots through `History`.
//!
//! Its readme calls it beta and its memory grows past the cache (measured: 14.5 GB at 5 million keys); as a view
//! that can be rebuilt this costs speed and memory, not data.

use std::path::Path;

use sled::{Db, Error};

use super::history::{Base, History};
use crate::store::{Batch, Engine, KeyRange, KvError, KvOptions, KvResult, Order, Row};

/// Opens or creates the index in `dir`.
pub fn open(dir: &Path, options: &KvOptions) -> KvResult<History<Sled>> {
    let config = sled::Config::new().path(dir).cache_capacity(options.cache_bytes);
    let database = config.open().map_err(failed_to_open)?;
    Ok(History::new(Sled(database), options.history_bytes))
}

/// The newest state, kept by sled.
#[derive(Debug)]
pub struct Sled(Db);

fn failed(error: Error) -> KvError {
    match error {
        Error::Corruption { .. } => Engine::Sled.damaged(error),
        other => Engine::Sled.failed(other),
    }
}

fn failed_to_open(error: Error) -> KvError {
    match error {
        // sled reports a taken lock as an error whose text is all there is to tell it by.
        Error::Io(e) if e.to_string().contains("could not acquire lock") => KvError::Locked(Engine::Sled),
        Error::Io(e) => Engine::Sled.failed(e),
        other => Engine::Sled.damaged(other),
    }
}

impl Base for Sled {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        Ok(self.0.get(key).map_err(failed)?.map(|v| v.to_vec()))
    }

    fn rows<'a>(&'a self, range: &KeyRange, order: Order) -> Box<dyn Iterator<Item = KvResult<Row>> + 'a> {
        let rows = self.0.range::<&[u8], _>(range.bounds());
        let owned = |row: sled::Result<(sled::IVec, sled::IVec)>| {
            row.map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(failed)
        };
        match order {
            Order::Forward => Box::new(rows.map(owned)),
            Order::Reverse => Box::new(rows.rev().map(owned)),
        }
    }

    fn apply(&mut self, batch: Batch) -> KvResult<()> {
        let mut write = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => write.insert(key, value),
                None => write.remove(key),
            }
        }
        self.0.apply_batch(write).map_err(failed)
    }

    fn flush(&self) -> KvResult<()> {
        self.0.flush().map(drop).map_err(failed)
    }
}
