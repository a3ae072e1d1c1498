//! API keys in memory, for every call asks: read at start, kept fresh by the entries that change them.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::auth::{ApiKey, KeySource};
use super::service::Hands;
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::Entry;
use crate::model::SellerId;
use crate::writer::{OpError, Reader};

/// Keys one seller may have.
const KEYS_MAX: usize = 100_000;

type Table = HashMap<String, Arc<ApiKey>>;

/// The seller's keys. A key that was revoked is refused from the next call on.
pub struct KeyTable {
    seller: SellerId,
    keys: ArcSwap<Table>,
}

impl KeyTable {
    /// Reads every key.
    pub fn load(reader: &Reader) -> Result<Arc<KeyTable>, OpError> {
        let table = ArcSwap::from_pointee(read(reader)?);
        Ok(Arc::new(KeyTable { seller: reader.env().seller.clone(), keys: table }))
    }

    /// Keeps the table fresh until `stop`. Begin it before anybody may change a key.
    pub async fn follow(self: Arc<Self>, hands: Hands, stop: CancellationToken) {
        let mut news = hands.news();
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = news.recv() => heard,
            };
            match heard {
                Ok(entries) => self.learn(&entries),
                Err(RecvError::Lagged(_)) => match read(hands.reader()) {
                    Ok(table) => self.keys.store(Arc::new(table)),
                    Err(error) => {
                        tracing::error!(%error, "API keys cannot be read again; the known ones stay")
                    }
                },
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Takes changed keys over at once: before the caller who changed them has an answer to act on, where it follows.
    pub fn learn(&self, entries: &[Entry]) {
        let changed = entries.iter().filter_map(|entry| match &entry.body {
            Body::Registry(body) => match &body.object {
                Object::ApiKey(key) => Some(key.clone()),
                _ => None,
            },
            _ => None,
        });
        let changed: Vec<ApiKey> = changed.collect();
        if changed.is_empty() {
            return;
        }
        let mut table = (**self.keys.load()).clone();
        table.extend(changed.into_iter().map(|key| (key.id.clone(), Arc::new(ApiKey::clone(&key)))));
        self.keys.store(Arc::new(table));
    }
}

impl KeySource for KeyTable {
    fn key(&self, id: &str) -> Option<(Arc<ApiKey>, SellerId)> {
        let key = self.keys.load().get(id).cloned()?;
        Some((key, self.seller.clone()))
    }
}

fn read(reader: &Reader) -> Result<Table, OpError> {
    let keys = reader.look(|cx| cx.api_keys(KEYS_MAX))?;
    Ok(keys.into_iter().map(|key| (key.id.clone(), Arc::new(ApiKey::clone(&key)))).collect())
}
