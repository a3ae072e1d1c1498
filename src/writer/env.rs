//! What every operation may use besides state: policy, zones, secrets, randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use super::backlog::Backlog;
use crate::clock::SharedClock;
use crate::decide::{Engine, RULES_VERSION};
use crate::entropy::SharedEntropy;
use crate::erasure::list::ErasureList;
use crate::inbound::reply;
use crate::ledger::body::EngineBody;
use crate::ledger::fold::Fold;
use crate::ledger::rows::RegistryRow;
use crate::ledger::state::KeptRows;
use crate::model::phone::PHONE_DATA;
use crate::model::{Instant, MessageId, PoolId, SellerId, Span, Zones};

/// The policy in force and the zone data it is judged with, swapped together and whole.
#[derive(Clone)]
pub struct Policies {
    /// Judges.
    pub engine: Engine,
    /// What it is made of, in words: the content of an `ENGINE` entry.
    pub described: EngineBody,
    /// What stands in each entry as `engine`: SHA-256 of the description.
    pub engine_hash: [u8; 32],
}

impl Policies {
    /// What every engine of this release over this zone data has in common; the policy is left empty.
    pub fn parts_of_this_release(zones: &Zones) -> EngineBody {
        EngineBody {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            rules: RULES_VERSION.to_string(),
            policy_version: String::new(),
            policy_sha256: String::new(),
            time_zones: zones.version().to_owned(),
            phone_numbers: PHONE_DATA.to_owned(),
            replies: reply::version().to_owned(),
        }
    }

    /// Names an engine.
    pub fn new(engine: Engine) -> Policies {
        let described = EngineBody {
            policy_version: engine.policy().version().to_owned(),
            policy_sha256: hex::encode(engine.policy().hash()),
            ..Policies::parts_of_this_release(engine.zones())
        };
        let bytes = serde_json::to_vec(&described).expect("strings always encode");
        Policies { engine, described, engine_hash: Sha256::digest(bytes).into() }
    }
}

/// The surroundings of the writer and of everyone who judges without writing.
pub struct Env {
    pub seller: SellerId,
    pub fold: Fold,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    policies: ArcSwap<Policies>,
    coupon_key: SecretBox<[u8; 32]>,
    /// What waits in each lane.
    pub backlog: Backlog,
    commits: AtomicU64,
    /// Days a backup lives; 0: nobody said.
    backup_days: AtomicU64,
    erasures: ArcSwapOption<ErasureList>,
    pub(super) objects: KeptRows,
}

impl Env {
    /// Surroundings with the given policies and secrets.
    pub fn new(
        seller: SellerId,
        pepper: [u8; 32],
        coupon_key: [u8; 32],
        policies: Policies,
        clock: SharedClock,
        entropy: SharedEntropy,
    ) -> Env {
        Env {
            seller,
            fold: Fold::new(pepper),
            clock,
            entropy,
            policies: ArcSwap::from_pointee(policies),
            coupon_key: SecretBox::new(Box::new(coupon_key)),
            backlog: Backlog::default(),
            commits: AtomicU64::new(0),
            backup_days: AtomicU64::new(0),
            erasures: ArcSwapOption::empty(),
            objects: KeptRows::of::<RegistryRow>(),
        }
    }

    /// Lets answers about erasure say when the last backup expires. 0: not known.
    pub fn set_backup_days(&self, days: u64) {
        self.backup_days.store(days, Ordering::Relaxed);
    }

    /// When the last backup made before `erased` expires; none: nobody said how long they live.
    pub fn backups_until(&self, erased: Instant) -> Option<Instant> {
        match self.backup_days.load(Ordering::Relaxed) {
            0 => None,
            days => Some(erased + Span::days(days as i64)),
        }
    }

    /// Lets erasures be written down outside the data folder.
    pub fn set_erasures(&self, list: Arc<ErasureList>) {
        self.erasures.store(Some(list));
    }

    /// Where erasures are written down outside the data folder, if anywhere.
    pub fn erasures(&self) -> Option<Arc<ErasureList>> {
        self.erasures.load_full()
    }

    /// Commits of the index that every later snapshot shows.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// The commit of that number is visible.
    pub(super) fn set_commits(&self, newest: u64) {
        self.commits.store(newest, Ordering::Release);
    }

    /// The policies in force now.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.load_full()
    }

    /// Puts other policies in force, whole.
    pub fn set_policies(&self, policies: Policies) {
        self.policies.store(Arc::new(policies));
    }

    /// The generated code of a message in a pool: 10 characters that tell nothing about the next (keyed hash).
    pub fn generated_code(&self, pool: &PoolId, prefix: &str, message: &MessageId) -> String {
        use hmac::Mac;
        // Crockford's alphabet: no I, L, O or U to mistype.
        const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut mac = <hmac::Hmac<Sha256> as Mac>::new_from_slice(self.coupon_key.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(&[pool.as_str().len() as u8]);
        mac.update(pool.as_str().as_bytes());
        mac.update(&message.0);
        let hash = mac.finalize().into_bytes();
        let tail: String = hash[..10].iter().map(|b| LETTERS[usize::from(b & 31)] as char).collect();
        format!("{prefix}{tail}")
    }
}
