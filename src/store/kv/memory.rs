//! A tree in memory: gone with the process, the same on every run.

use std::collections::BTreeMap;

use super::history::{Base, History};
use crate::store::{Batch, KeyRange, KvOptions, KvResult, Order, Row};

/// An empty index in memory.
pub fn open(options: &KvOptions) -> History<Memory> {
    History::new(Memory::default(), options.history_bytes)
}

/// The newest state, in an ordered map.
#[derive(Debug, Default)]
pub struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Base for Memory {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        Ok(self.0.get(key).cloned())
    }

    fn rows<'a>(&'a self, range: &KeyRange, order: Order) -> Box<dyn Iterator<Item = KvResult<Row>> + 'a> {
        let rows = self.0.range::<[u8], _>(range.bounds());
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| Ok((key.clone(), value.clone()));
        match order {
            Order::Forward => Box::new(rows.map(owned)),
            Order::Reverse => Box::new(rows.rev().map(owned)),
        }
    }

    fn apply(&mut self, batch: Batch) -> KvResult<()> {
        for (key, value) in batch {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> KvResult<()> {
        Ok(())
    }
}
