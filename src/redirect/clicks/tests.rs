use proptest::prelude::*;

use super::*;
use crate::model::Instant;

fn click(human: bool) -> Click {
    let class = if human { "human" } else { "scanner" }.to_owned();
    Click { at: Instant::EPOCH, human, class, classifier: 1, user_agent: "x".repeat(1_000) }
}

fn code(n: usize) -> LinkCode {
    format!("code{n}").parse().expect("a slug")
}

fn totals(batches: &[RecordClicks]) -> (u64, u64) {
    let links = batches.iter().flat_map(|b| &b.links);
    links.fold((0, 0), |(human, raw), link| {
        let kept = link.clicks.iter().filter(|c| c.human).count() as u64;
        (human + kept + link.uncounted.0, raw + clicks_of(link))
    })
}

#[test]
fn one_popular_link_keeps_twenty_and_the_first_person() {
    let buffer = ClickBuffer::default();
    for n in 0..100 {
        buffer.push(code(1), click(n > 50));
    }
    let batches = buffer.take();
    assert_eq!(totals(&batches), (49, 100));
    let link = &batches[0].links[0];
    assert_eq!(link.clicks.len(), 21);
    assert_eq!(link.clicks.iter().filter(|c| c.human).count(), 1);
    assert!(link.clicks.iter().all(|c| c.user_agent.len() == USER_AGENT_MAX));
    assert!(buffer.is_empty());
}

#[test]
fn memory_is_bounded_and_batches_fit_the_writer() {
    let buffer = ClickBuffer::default();
    for n in 0..LINKS_MAX + 10 {
        buffer.push(code(n), click(false));
    }
    buffer.push(code(0), click(true));
    let kept: usize = buffer.waiting.lock().links.values().map(|l| l.clicks.len()).sum();
    assert_eq!(kept, CLICKS_KEPT_MAX, "the others are only counted");
    let batches = buffer.take();
    assert!(batches.iter().all(|b| (1..=LINKS_A_BATCH).contains(&b.links.len())));
    assert_eq!(
        totals(&batches),
        (1, LINKS_MAX as u64 + 1),
        "links beyond the bound are lost, known ones are not"
    );
}

proptest! {
    #[test]
    fn nothing_is_lost_by_putting_back(clicks in proptest::collection::vec((0usize..5, any::<bool>()), 0..300)) {
        let buffer = ClickBuffer::default();
        for (n, human) in &clicks {
            buffer.push(code(*n), click(*human));
        }
        let before = buffer.take();
        let expected = (clicks.iter().filter(|c| c.1).count() as u64, clicks.len() as u64);
        prop_assert_eq!(totals(&before), expected);
        for batch in before {
            buffer.put_back(batch);
        }
        prop_assert_eq!(totals(&buffer.take()), expected);
    }
}
