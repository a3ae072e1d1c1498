//! What happens at a seller, told to the shop's own servers: `WatchEvents` as signed webhooks.
//!
//! Signed as Standard Webhooks wants it (standardwebhooks.com, specification 1.0.0), at least once, in order for each
//! person. What cannot be delivered is tried again for three days and then laid aside, to be replayed by hand.

mod body;
mod courier;
pub mod queue;
pub mod shelf;
pub mod signature;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use body::kind_of;
pub use courier::{Courier, Doors, Subscription, Wanted};
pub use queue::{Letter, Position};
pub use shelf::ShelfError;

/// The couriers of one process, by the id of their webhook.
#[derive(Clone, Default)]
pub struct Feeds(Arc<ArcSwap<BTreeMap<String, Arc<Courier>>>>);

impl Feeds {
    /// Adds or replaces one.
    pub fn put(&self, courier: Arc<Courier>) {
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            all.insert(courier.id().to_owned(), courier.clone());
            all
        });
    }

    /// All of them, in the order of their ids.
    pub fn all(&self) -> Vec<Arc<Courier>> {
        self.0.load().values().cloned().collect()
    }

    /// The one of a webhook.
    pub fn get(&self, id: &str) -> Option<Arc<Courier>> {
        self.0.load().get(id).cloned()
    }
}
