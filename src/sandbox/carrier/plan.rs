//! What will happen to an accepted text and when its receipts go out: drawn once, at acceptance, so that one seed
//! gives one story.

use crate::entropy::Entropy;
use crate::sandbox::carrier::behaviour::{Behaviour, chance};
use crate::sandbox::carrier::record::Status;

/// One thing that happens to a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds after acceptance.
    pub after_ms: u64,
    /// What happens.
    pub what: What,
}

/// Either the truth changes or a receipt tells about it; the two are rarely at the same instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The text reaches this state.
    Becomes(Status, Option<String>),
    /// A receipt about this state goes out.
    Tell(Status, Option<String>),
}

/// Draws the story of a text that may wait `validity_ms` for its final word.
pub fn story(behaviour: &Behaviour, validity_ms: u64, entropy: &dyn Entropy) -> Vec<Step> {
    let sent = u64::from(behaviour.sent_ms.pick(entropy));
    let planned = sent + u64::from(behaviour.final_ms.pick(entropy));
    let (last, word, error) = if planned > validity_ms {
        (validity_ms, Status::Expired, Some("validity_expired".to_owned()))
    } else {
        (planned, behaviour.outcome, behaviour.outcome_error.clone())
    };
    let mut steps = Vec::with_capacity(6);
    let mut add = |after_ms: u64, what: What| steps.push(Step { after_ms, what });
    let (tell_sent, tell_last) = receipt_times(behaviour, sent, last, entropy);
    if sent < last || word != Status::Expired {
        add(sent, What::Becomes(Status::Sent, None));
        add(tell_sent, What::Tell(Status::Sent, None));
    }
    add(last, What::Becomes(word, error.clone()));
    if !chance(behaviour.receipts.lose_percent, entropy) {
        add(tell_last, What::Tell(word, error.clone()));
        if chance(behaviour.receipts.duplicate_percent, entropy) {
            add(tell_last + 1 + entropy.below(2_000), What::Tell(word, error));
        }
    }
    steps.sort_by_key(|s| s.after_ms);
    steps
}

/// When the two receipts go out: in order, late, or the last before the first.
fn receipt_times(behaviour: &Behaviour, sent: u64, last: u64, entropy: &dyn Entropy) -> (u64, u64) {
    let habits = &behaviour.receipts;
    let late = match chance(habits.late_percent, entropy) {
        true => u64::from(habits.late_ms.pick(entropy)),
        false => 0,
    };
    match chance(habits.reorder_percent, entropy) {
        true => (last + late + 50, last + late),
        false => (sent, last + late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;
    use crate::sandbox::carrier::behaviour::{Between, ReceiptHabits};

    const DAY: u64 = 86_400_000;

    fn told(steps: &[Step]) -> Vec<Status> {
        let told = |s: &Step| match &s.what {
            What::Tell(status, _) => Some(*status),
            What::Becomes(..) => None,
        };
        steps.iter().filter_map(told).collect()
    }

    fn with(receipts: ReceiptHabits) -> Vec<Step> {
        story(&Behaviour { receipts, ..Behaviour::default() }, DAY, &SeededEntropy::new(7))
    }

    #[test]
    fn a_quiet_carrier_tells_sent_then_delivered() {
        assert_eq!(told(&with(ReceiptHabits::default())), [Status::Sent, Status::Delivered]);
    }

    #[test]
    fn habits_duplicate_reorder_and_lose_the_final_receipt() {
        let twice = with(ReceiptHabits { duplicate_percent: 100, ..Default::default() });
        assert_eq!(told(&twice), [Status::Sent, Status::Delivered, Status::Delivered]);
        let turned = with(ReceiptHabits { reorder_percent: 100, ..Default::default() });
        assert_eq!(told(&turned), [Status::Delivered, Status::Sent]);
        let lost = with(ReceiptHabits { lose_percent: 100, ..Default::default() });
        assert_eq!(told(&lost), [Status::Sent]);
        assert!(
            lost.iter().any(|s| s.what == What::Becomes(Status::Delivered, None)),
            "it arrives all the same"
        );
    }

    #[test]
    fn a_late_receipt_tells_of_an_earlier_truth() {
        let late_ms = Between::new(60_000, 60_000);
        let steps = with(ReceiptHabits { late_percent: 100, late_ms, ..Default::default() });
        let becomes =
            steps.iter().find(|s| s.what == What::Becomes(Status::Delivered, None)).expect("delivered");
        let tells = steps.iter().find(|s| s.what == What::Tell(Status::Delivered, None)).expect("told");
        assert_eq!(tells.after_ms, becomes.after_ms + 60_000);
    }

    #[test]
    fn a_short_validity_ends_in_expired() {
        let slow = Behaviour { final_ms: Between::new(5_000, 5_000), ..Behaviour::default() };
        let steps = story(&slow, 1_000, &SeededEntropy::new(7));
        assert_eq!(told(&steps).last(), Some(&Status::Expired));
        assert_eq!(steps.iter().map(|s| s.after_ms).max(), Some(1_000));
    }

    #[test]
    fn one_seed_gives_one_story() {
        for seed in 0..50 {
            let draw = || {
                let entropy = SeededEntropy::new(seed);
                story(&Behaviour::bad_day(&entropy), DAY, &entropy)
            };
            assert_eq!(draw(), draw(), "seed {seed}");
        }
    }
}
