//! Adapters as the lanes use them, by connection.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::route::Health;
use crate::model::{ConnectionId, Instant};
use crate::provider::SharedProvider;

/// One connection as the dispatcher uses it.
#[derive(Clone)]
pub struct Carrier {
    pub provider: SharedProvider,
    /// Hand-overs at once.
    pub slots: u32,
    /// Its lanes rest: a gap in hearing is not closed yet, or an operator paused it.
    pub paused: bool,
}

impl Carrier {
    /// How it is now: paused by order, or resting because the account asks for it.
    pub fn health(&self, now: Instant) -> Health {
        if self.paused {
            Health::Paused
        } else if self.provider.resting_until().is_some_and(|until| until > now) {
            Health::Rests
        } else {
            Health::Open
        }
    }
}

/// Adapters by connection; replaced whole when the configuration changes.
#[derive(Default)]
pub struct Providers(ArcSwap<HashMap<ConnectionId, Carrier>>);

impl Providers {
    /// The adapters of now.
    pub fn all(&self) -> Arc<HashMap<ConnectionId, Carrier>> {
        self.0.load_full()
    }
    /// The adapter of a connection.
    pub fn get(&self, connection: &ConnectionId) -> Option<Carrier> {
        self.0.load().get(connection).cloned()
    }
    /// Adds or replaces one.
    pub fn put(&self, connection: ConnectionId, carrier: Carrier) {
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            all.insert(connection.clone(), carrier.clone());
            all
        });
    }
    /// Lets a connection's lanes rest or go on.
    pub fn set_paused(&self, connection: &ConnectionId, paused: bool) {
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            if let Some(carrier) = all.get_mut(connection) {
                carrier.paused = paused;
            }
            all
        });
    }
}
