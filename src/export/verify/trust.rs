//! Whose word a verifier takes, besides the log's key: witnesses, time-stamping authorities, a `tlog-policy`.

use crate::ledger::cosignature::WitnessKey;
use crate::ledger::timestamp::TsaRoots;
use crate::ledger::tlog_policy::TlogPolicy;

/// From sources the verifier trusts; empty: nobody's.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys of witnesses.
    pub witnesses: Vec<WitnessKey>,
    /// Certificates that vouch for time-stamping authorities.
    pub roots: TsaRoots,
    /// Which witnesses must have cosigned.
    pub policy: Option<TlogPolicy>,
}

impl Trust {
    /// Takes a policy: its witnesses are believed, and its quorum must be met.
    pub fn set_policy(&mut self, policy: TlogPolicy) {
        self.witnesses.extend(policy.witnesses().iter().cloned());
        self.witnesses.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        self.witnesses.dedup();
        self.policy = Some(policy);
    }

    /// Whether there is anybody to believe.
    pub fn is_empty(&self) -> bool {
        self.witnesses.is_empty() && self.roots.is_empty()
    }
}
