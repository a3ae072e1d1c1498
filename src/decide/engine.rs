//! What judges: a policy set, zone data and the rules of this release, named by one hash.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::model::phone::PHONE_DATA;
use crate::model::{ZoneName, Zones};
use crate::policy::{PolicySet, Problem, Value, compile};

/// Raised whenever a rule of this folder may judge the same facts differently than before.
pub const RULES_VERSION: u32 = 2;

/// A policy set and zone data that fit each other. Cheap to clone; swapped whole when either is reloaded.
#[derive(Clone)]
pub struct Engine {
    policy: Arc<PolicySet>,
    zones: Zones,
    hash: [u8; 32],
}

impl Engine {
    /// Joins them. Fails with the zones the policy names and the data lacks, sorted.
    pub fn new(policy: Arc<PolicySet>, zones: Zones) -> Result<Engine, Vec<ZoneName>> {
        let clocks = policy.rules().iter().filter_map(|rule| match &rule.value {
            Value::Hours(hours) => hours.clock.as_ref(),
            _ => None,
        });
        let named = policy.places().values().flat_map(|place| &place.zones).chain(clocks);
        let mut missing: Vec<ZoneName> = named.filter(|zone| zones.get(zone).is_none()).cloned().collect();
        missing.sort();
        missing.dedup();
        if !missing.is_empty() {
            return Err(missing);
        }
        let hash = hash(&policy, &zones);
        Ok(Engine { policy, zones, hash })
    }

    /// Reads packs and joins them with zone data, whole or not at all: what a start, a reload and `consentry policy check` do.
    pub fn load<P, B>(files: impl IntoIterator<Item = (P, B)>, zones: Zones) -> Result<Engine, Vec<Problem>>
    where
        P: AsRef<str>,
        B: AsRef<[u8]>,
    {
        let policy = compile(files)?;
        let missing = |zone: ZoneName| Problem {
            file: "zone data".to_owned(),
            problem: format!("release {} has no {zone}, which the packs name", zones.version()),
        };
        Engine::new(Arc::new(policy), zones.clone()).map_err(|names| names.into_iter().map(missing).collect())
    }

    /// The policy set.
    pub fn policy(&self) -> &PolicySet {
        &self.policy
    }
    /// The zone data.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }
    /// SHA-256 over release, rules version, policy hash, zone data version and numbering data version: two engines
    /// with the same hash give the same verdict for the same arguments.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

fn hash(policy: &PolicySet, zones: &Zones) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"consentry/engine/v1");
    for part in [env!("CARGO_PKG_VERSION"), zones.version(), PHONE_DATA] {
        hasher.update((part.len() as u32).to_be_bytes());
        hasher.update(part);
    }
    hasher.update(RULES_VERSION.to_be_bytes());
    hasher.update(policy.hash());
    hasher.finalize().into()
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({:?}, {:?})", self.policy, self.zones)
    }
}
