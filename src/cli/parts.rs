//! From a configuration to the parts of a gateway: secrets read, packs compiled, zones loaded. Opens nothing.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::failure::Failure;
use crate::clock::SystemClock;
use crate::config::{Config, SecretRef};
use crate::decide::Engine;
use crate::disk::RealDisk;
use crate::entropy::SystemEntropy;
use crate::gateway::{Parts, Secrets};
use crate::ledger::checkpoint::Origin;
use crate::ledger::keys::MasterKey;
use crate::model::Zones;
use crate::policy::{self, PolicySet, reload};
use crate::store::KvOptions;
use crate::store::embedded::EmbeddedOptions;
use crate::writer::{Policies, QueueLimits};

/// Looks variables up, as [`crate::config::process_env`] does.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The parts of the gateway that `config` describes, on this machine's disk and clock.
pub fn parts(config: &Config, env: Variables<'_>) -> Result<Parts, Failure> {
    let seller = config.seller.id.clone();
    let limits = &config.limits;
    Ok(Parts {
        disk: Arc::new(RealDisk),
        erasures: config.retention.erasures.clone(),
        data_dir: config.data_dir.clone(),
        index: config.store.engine,
        index_options: KvOptions { cache_bytes: config.store.cache_mib << 20, ..KvOptions::default() },
        embedded: EmbeddedOptions {
            // 1 to 365.
            raw_days: config.retention.raw_inbound_days as u32,
            public_tiles: config.ledger.public_tiles,
            ..EmbeddedOptions::default()
        },
        origin: Origin::new(&config.seller.host, &seller, config.seller.epoch).map_err(Failure::unusable)?,
        seller,
        secrets: secrets(config, env)?,
        policies: policies(config)?,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        queues: QueueLimits {
            waiting: [limits.queue_inbound, limits.queue_outcome, limits.queue_intent, limits.queue_api],
            batch: limits.batch,
        },
        drain: Duration::from_secs(limits.drain_seconds),
    })
}

/// The gateway's own keys.
pub fn secrets(config: &Config, env: Variables<'_>) -> Result<Secrets, Failure> {
    let key = |name: &str, at: &SecretRef| {
        at.resolve_key(env).map_err(|e| Failure::unusable(format!("keys.{name}: {e}")))
    };
    let keys = &config.keys;
    Ok(Secrets {
        master: MasterKey::from_bytes(*key("master", &keys.master)?.expose_secret()),
        pepper: *key("pepper", &keys.pepper)?.expose_secret(),
        coupons: *key("coupons", &keys.coupons)?.expose_secret(),
    })
}

/// The rule packs and zone data it names, or those of this release.
pub fn policies(config: &Config) -> Result<Policies, Failure> {
    let zones = match &config.time_zones {
        Some(folder) => {
            reload::load_zoneinfo(folder).map_err(|e| Failure::unusable(format!("time_zones: {e}")))?
        }
        None => Zones::bundled(),
    };
    let packs = packs(config)?.with_staleness(config.policy.staleness);
    let engine = Engine::new(Arc::new(packs), zones).map_err(|lacking| {
        Failure::unusable(format!("the zone data lacks {lacking:?}"))
            .hint("update the folder time_zones names")
    })?;
    Ok(Policies::new(engine))
}

fn packs(config: &Config) -> Result<PolicySet, Failure> {
    if config.policy.dirs.is_empty() {
        return policy::embedded::load().map_err(|problems| {
            Failure::unusable(format!("the built-in packs have {} problems", problems.len()))
        });
    }
    let set = reload::load_folders(&config.policy.dirs);
    set.map_err(|e| {
        Failure::unusable(format!("policy.dirs: {e}"))
            .hint("`consentry policy check DIR` lists every problem")
    })
}
