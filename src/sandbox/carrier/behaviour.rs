//! How the carrier treats a number: how fast, how honest, how broken. Data, so that a test or a person can set it.

use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;
use crate::sandbox::carrier::record::Status;

/// Longest wait that can be asked for, ten minutes.
const WAIT_MS_MAX: u32 = 600_000;

/// A range of milliseconds, both ends included, written `[from, to]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "[u32; 2]", into = "[u32; 2]")]
pub struct Between {
    /// The shortest.
    pub from: u32,
    /// The longest.
    pub to: u32,
}

impl Between {
    /// The range `from..=to`.
    pub const fn new(from: u32, to: u32) -> Self {
        Self { from, to }
    }
    /// One of its values.
    pub fn pick(self, entropy: &dyn Entropy) -> u32 {
        let width = u64::from(self.to.saturating_sub(self.from)) + 1;
        self.from.saturating_add(entropy.below(width) as u32)
    }
}

impl From<[u32; 2]> for Between {
    fn from([from, to]: [u32; 2]) -> Self {
        Self { from, to }
    }
}

impl From<Between> for [u32; 2] {
    fn from(range: Between) -> Self {
        [range.from, range.to]
    }
}

/// What can go wrong with one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 422 `opted_out`: the network itself holds a STOP for this pair.
    OptedOut,
    /// 422 `unknown_subscriber`: the number is not in service.
    UnknownSubscriber,
    /// 422 `content_blocked`: a filter dislikes the text.
    ContentBlocked,
    /// 422 `sender_unregistered`.
    SenderUnregistered,
    /// 429, with `Retry-After` when seconds are given. Not accepted.
    Throttled {
        /// Seconds for `Retry-After`; none leaves the header out.
        #[serde(default)]
        retry_after_seconds: Option<u32>,
    },
    /// 503, not accepted.
    Unavailable,
    /// 500, although the text was accepted: the trap that makes blind resending wrong.
    FailsAfterAccept,
    /// Accepted, then the connection closes without an answer.
    ResetAfterAccept,
    /// Accepted, but the answer takes this long.
    SlowAnswer {
        /// Milliseconds until the answer.
        millis: u32,
    },
    /// Accepted, but the answer is a page of HTML with status 200.
    BadContentType,
    /// Accepted, but the answer's body has 4 MiB.
    OversizedBody,
}

/// A fault and how often it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultChance {
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
    /// In how many of 100 submissions.
    pub percent: u8,
}

/// How receipts come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiptHabits {
    /// In how many of 100 texts the final receipt comes twice.
    pub duplicate_percent: u8,
    /// In how many of 100 texts the final receipt overtakes the one before it.
    pub reorder_percent: u8,
    /// In how many of 100 texts no final receipt ever comes (the text itself arrives).
    pub lose_percent: u8,
    /// In how many of 100 texts the final receipt is late.
    pub late_percent: u8,
    /// How late then, in milliseconds.
    pub late_ms: Between,
}

/// How texts to one number, or to all, are treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Milliseconds until the submission is answered.
    pub answer_ms: Between,
    /// Milliseconds from acceptance to the network.
    pub sent_ms: Between,
    /// Milliseconds from the network to the final word.
    pub final_ms: Between,
    /// The final word: `delivered`, `undelivered`, `failed`, `rejected`, `expired` or `unknown`.
    pub outcome: Status,
    /// The error code that goes with a bad outcome, as in `opted_out`.
    pub outcome_error: Option<String>,
    /// How receipts come back.
    pub receipts: ReceiptHabits,
    /// What may go wrong with a submission; the first that strikes counts.
    pub faults: Vec<FaultChance>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answer_ms: Between::new(5, 25),
            sent_ms: Between::new(100, 300),
            final_ms: Between::new(300, 900),
            outcome: Status::Delivered,
            outcome_error: None,
            receipts: ReceiptHabits::default(),
            faults: Vec::new(),
        }
    }
}

impl Behaviour {
    /// Answers at once and delivers at once: for load, and for tests that look elsewhere.
    pub fn instant() -> Self {
        let now = Between::new(0, 0);
        Self { answer_ms: now, sent_ms: now, final_ms: now, ..Self::default() }
    }

    /// A carrier on a bad day, drawn from `entropy`: every fault somewhere between rare and common.
    pub fn bad_day(entropy: &dyn Entropy) -> Self {
        let percent = |max: u64| entropy.below(max + 1) as u8;
        let faults = [
            Fault::OptedOut,
            Fault::UnknownSubscriber,
            Fault::ContentBlocked,
            Fault::Throttled { retry_after_seconds: Some(1) },
            Fault::Throttled { retry_after_seconds: None },
            Fault::Unavailable,
            Fault::FailsAfterAccept,
            Fault::ResetAfterAccept,
            Fault::SlowAnswer { millis: 3_000 },
            Fault::BadContentType,
            Fault::OversizedBody,
        ];
        let outcomes =
            [Status::Delivered, Status::Delivered, Status::Undelivered, Status::Failed, Status::Unknown];
        Self {
            outcome: outcomes[entropy.below(outcomes.len() as u64) as usize],
            receipts: ReceiptHabits {
                duplicate_percent: percent(40),
                reorder_percent: percent(40),
                lose_percent: percent(20),
                late_percent: percent(40),
                late_ms: Between::new(1_000, 1_000 + entropy.below(30_000) as u32),
            },
            faults: faults.map(|fault| FaultChance { fault, percent: percent(8) }).to_vec(),
            ..Self::default()
        }
    }

    /// The fault that strikes this submission, if any.
    pub fn strike(&self, entropy: &dyn Entropy) -> Option<Fault> {
        self.faults.iter().find(|f| chance(f.percent, entropy)).map(|f| f.fault)
    }

    /// Everything wrong with it, as `field: what`.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let ranges = [
            ("answer_ms", self.answer_ms),
            ("sent_ms", self.sent_ms),
            ("final_ms", self.final_ms),
            ("receipts.late_ms", self.receipts.late_ms),
        ];
        for (name, range) in ranges {
            if range.from > range.to || range.to > WAIT_MS_MAX {
                found.push(format!("{name}: needs [from, to] with from ≤ to ≤ {WAIT_MS_MAX}"));
            }
        }
        if self.outcome.rank() < 2 || self.outcome == Status::Received {
            found.push("outcome: must be a final state of an outbound text".to_owned());
        }
        let r = self.receipts;
        let percents = [r.duplicate_percent, r.reorder_percent, r.lose_percent, r.late_percent];
        if percents.iter().chain(self.faults.iter().map(|f| &f.percent)).any(|p| *p > 100) {
            found.push("percent: must be 0 to 100".to_owned());
        }
        if self.faults.len() > 32 {
            found.push("faults: at most 32".to_owned());
        }
        if self.faults.iter().any(|f| matches!(f.fault, Fault::SlowAnswer { millis } if millis > WAIT_MS_MAX))
        {
            found.push(format!("faults: slow_answer takes at most {WAIT_MS_MAX} millis"));
        }
        found
    }
}

/// Whether something that happens `percent` times in 100 happens now.
pub(super) fn chance(percent: u8, entropy: &dyn Entropy) -> bool {
    percent > 0 && entropy.below(100) < u64::from(percent)
}
