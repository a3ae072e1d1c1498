//! What outside anchors prove about a log, in the eyes of somebody who brought their keys.

use serde::Serialize;

use super::{Report, Trust};
use crate::ledger::anchor::Kind;
use crate::ledger::cosignature::{CosignatureError, WitnessKey};
use crate::ledger::timestamp::{TimestampError, Token};
use crate::model::Instant;

const CHECK: &str = "anchor";
/// Lines told about verified checkpoints; the rest is counted.
const LINES_MAX: usize = 6;

/// What became of one receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnchorReport {
    /// What the operator calls the anchor.
    pub anchor: String,
    pub kind: Kind,
    /// It speaks of the first so many entries.
    pub covers: u64,
    /// They were recorded no later than this, by the word of somebody the verifier believes; none: not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Instant>,
    /// What was found.
    pub said: String,
}

impl AnchorReport {
    fn line(&self) -> String {
        let at = self.not_after.map(|at| at.to_string()).unwrap_or_default();
        format!(
            "The first {} entries of the log were recorded no later than {at}: {}.",
            self.covers, self.said
        )
    }
}

/// A receipt, with its checkpoint already shown to be one of this log.
pub struct Claim<'a> {
    pub anchor: &'a str,
    pub kind: Kind,
    pub size: u64,
    pub checkpoint: &'a str,
    pub proof: &'a [u8],
    /// Names it in failures.
    pub field: String,
}

/// What is gathered about all receipts. Bounded by their number.
#[derive(Debug, Default)]
pub struct Anchored {
    found: Vec<AnchorReport>,
    /// How far each witness believed has cosigned.
    witnessed: Vec<(WitnessKey, u64)>,
    /// Entries shown below each verified size, smallest size first.
    shown: Vec<(u64, u64)>,
    all_shown: u64,
}

impl Anchored {
    /// Checks a receipt against what the verifier believes.
    pub fn check(&mut self, claim: &Claim<'_>, trust: &Trust, report: &mut Report) {
        let judged = match claim.kind {
            Kind::Witness => self.witness(claim, trust),
            Kind::Timestamp => stamp(claim, trust),
            Kind::File => Ok((None, format!("written to {}, says the operator", printable(claim.proof)))),
            Kind::Command => Ok((None, format!("given to a command that said: {}", printable(claim.proof)))),
        };
        match judged {
            Ok((not_after, said)) => {
                let (anchor, kind) = (claim.anchor.to_owned(), claim.kind);
                self.found.push(AnchorReport { anchor, kind, covers: claim.size, not_after, said });
            }
            Err(why) => report.fail(None, claim.field.clone(), CHECK, why),
        }
    }

    fn witness(&mut self, claim: &Claim<'_>, trust: &Trust) -> Result<(Option<Instant>, String), String> {
        let mut seen: Option<(Instant, String)> = None;
        for key in &trust.witnesses {
            let at = key.cosigned(claim.checkpoint).map_err(|e: CosignatureError| e.to_string())?;
            let Some(at) = at else { continue };
            self.witnessed.push((key.clone(), claim.size));
            // The earliest word counts: the others say no less.
            if seen.as_ref().is_none_or(|(known, _)| at < *known) {
                seen = Some((at, key.name().to_owned()));
            }
        }
        Ok(match seen {
            Some((at, name)) => {
                (Some(at), format!("the witness {name} saw them then, and no other history of this log"))
            }
            None => (None, "said to be cosigned by a witness whose key you did not give".to_owned()),
        })
    }

    /// Takes note of an entry that is in the log.
    pub fn see(&mut self, index: u64) {
        if self.all_shown == 0 {
            let mut sizes: Vec<u64> =
                self.found.iter().filter(|f| f.not_after.is_some()).map(|f| f.covers).collect();
            sizes.sort_unstable();
            sizes.dedup();
            self.shown = sizes.into_iter().map(|size| (size, 0)).collect();
        }
        self.all_shown += 1;
        let first = self.shown.partition_point(|(size, _)| *size <= index);
        self.shown.iter_mut().skip(first).for_each(|(_, count)| *count += 1);
    }

    /// The policy's quorum, once all receipts were checked.
    pub fn end(&self, trust: &Trust, report: &mut Report) {
        let Some(policy) = trust.policy.as_ref().filter(|policy| policy.asks_for_witnesses()) else { return };
        match self.quorum(policy) {
            Some(size) => report.proved.push(format!(
                "The quorum of your policy is met for the first {size} entries of the log: its witnesses saw no other history of them."
            )),
            None => report.fail(
                None,
                "anchors",
                CHECK,
                "the quorum of your policy is not met: too few of its witnesses have cosigned this log",
            ),
        }
    }

    /// The largest size that enough witnesses stand behind: each stands behind everything below what it cosigned.
    fn quorum(&self, policy: &crate::ledger::tlog_policy::TlogPolicy) -> Option<u64> {
        let mut sizes: Vec<u64> = self.witnessed.iter().map(|(_, size)| *size).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.into_iter().find(|size| {
            policy.is_met(|key| self.witnessed.iter().any(|(known, seen)| known == key && seen >= size))
        })
    }

    /// Says what is proved and what is not. `shown`: entries are told apart; else the log as a whole.
    pub fn say(&self, trust: &Trust, report: &mut Report) {
        report.anchors.clone_from(&self.found);
        let mut verified: Vec<&AnchorReport> = self.found.iter().filter(|f| f.not_after.is_some()).collect();
        verified.sort_by_key(|f| (f.covers, f.not_after));
        // What covers more and is no later makes a word superfluous.
        let needed = |(n, one): &(usize, &&AnchorReport)| {
            !verified[n + 1..].iter().any(|later| later.not_after <= one.not_after && later.kind == one.kind)
        };
        let needed: Vec<_> = verified.iter().enumerate().filter(needed).map(|(_, one)| *one).collect();
        let hidden = needed.len().saturating_sub(LINES_MAX);
        let (first, last) = needed.split_at(LINES_MAX.div_ceil(2).min(needed.len()));
        first.iter().for_each(|one| report.proved.push(one.line()));
        if hidden > 0 {
            report.proved.push(format!("{hidden} more anchored checkpoints between these say so of entries between them (--json lists them)."));
        }
        last.iter().skip(hidden).for_each(|one| report.proved.push(one.line()));
        let covered = verified.last().map_or(0, |last| last.covers);
        if verified.is_empty() {
            report.not_proved.push(self.operators_word(trust));
            return;
        }
        let in_doubt = self.all_shown - self.shown.last().map_or(0, |(_, count)| *count);
        if in_doubt > 0 {
            report.not_proved.push(format!(
                "When {in_doubt} of the {} entries shown were recorded, those from number {covered} on: no anchor you can check covers them \
                 yet, so that rests on the operator's word.",
                self.all_shown
            ));
        } else if report.tree_size > covered {
            report.not_proved.push(format!(
                "When the entries of the log from number {covered} on were recorded: no anchor you can check covers them yet, so that rests \
                 on the operator's word."
            ));
        }
        if !verified.iter().any(|one| one.kind == Kind::Witness) {
            report.not_proved.push(
                "That no other history of this log was signed: a time stamp does not show that, a witness would. It rests on the \
                 operator's word."
                    .to_owned(),
            );
        }
        report.not_proved.push(EARLIEST.to_owned());
    }

    fn operators_word(&self, trust: &Trust) -> String {
        let outside = self.found.iter().filter(|f| f.kind.is_outside()).count();
        let why = match (self.found.len(), outside) {
            (0, _) => "no anchor has taken a checkpoint of this log".to_owned(),
            (_, 0) => {
                "only files or commands of the operator's own have taken checkpoints of this log".to_owned()
            }
            (_, n) if trust.is_empty() => format!(
                "{n} receipts of witnesses and time-stamping authorities are here, and you gave nothing to check them with \
                 (--witness, --tsa-roots, --policy)"
            ),
            (_, n) => {
                format!("none of the {n} receipts here is by a witness or an authority that you believe")
            }
        };
        format!(
            "When entries were recorded, and that no other history was signed: {why}. That rests on the operator's word."
        )
    }
}

/// What no anchor shows.
const EARLIEST: &str = "That entries were recorded no earlier than they say: anchors show that something was there, not that it was not there before.";

/// A time stamp. What it stamps and who signed it is checked in any case; who that is only with roots.
fn stamp(claim: &Claim<'_>, trust: &Trust) -> Result<(Option<Instant>, String), String> {
    let token =
        Token::read(claim.proof, claim.checkpoint.as_bytes()).map_err(|e| format!("the time stamp: {e}"))?;
    let name = token.authority();
    if trust.roots.is_empty() {
        return Ok((None, format!("stamped by {name}, and you gave no roots to check that with")));
    }
    match token.check_chain(&trust.roots) {
        Ok(()) => Ok((
            Some(token.not_after()),
            format!(
                "the time-stamping authority {name}, for which a root you gave vouches, was shown them then"
            ),
        )),
        Err(TimestampError::Untrusted(why)) => {
            Ok((None, format!("stamped by {name}, for which no root you gave vouches ({why})")))
        }
        Err(other) => Err(format!("the time stamp: {other}")),
    }
}

/// A line of what somebody wrote, without what would confuse a terminal.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
