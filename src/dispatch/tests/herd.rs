//! Everybody who waits for the same opening of the window leaves evenly, the earliest deadline first.

use super::*;
use crate::model::MessageId;

const PEOPLE: usize = 90;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("RFC 3339")
}

/// It is 22:00 in New York; the window opens at nine.
fn night() -> (House, Instant) {
    let mut house = House::open();
    for n in 0..PEOPLE {
        let number: &'static str = Box::leak(number(n).into_boxed_str());
        house.writer.run(Grant(number, ConsentState::Granted)).expect("granted");
    }
    house.writer.clock.set(at("2026-06-02T02:00:00Z"));
    (house, at("2026-06-02T13:00:00Z"))
}

fn number(n: usize) -> String {
    format!("+121255501{n:02}")
}

fn asleep(house: &mut House, n: usize, expires_at: Option<Instant>) -> SendAnswer {
    let link_url = "https://acme.example/new".to_owned();
    let asked = request(&format!("k{n}"), &number(n), "c1", house.now());
    let asked = SendRequest { cart: None, link_url, expires_at, ..asked };
    house.writer.run(Send::new(asked)).expect("answered")
}

#[test]
fn a_herd_that_wakes_at_one_instant_leaves_evenly_over_a_quarter_of_an_hour() {
    let (mut house, opens) = night();
    let held: Vec<SendAnswer> = (0..PEOPLE).map(|n| asleep(&mut house, n, None)).collect();
    for answer in &held {
        assert_eq!(answer.verdict.hold_until, Some(opens), "{:?}", answer.verdict.reasons);
        let due = answer.message.due.expect("it waits");
        assert!(due >= opens && due < opens + Span::minutes(15), "{due}");
    }
    house.writer.clock.set(opens - Span::seconds(1));
    assert!(house.turn().is_empty(), "nobody before nine");
    house.writer.clock.set(opens);
    let mut left = Vec::new();
    for _ in 0..15 {
        let mut this_minute = 0;
        for _ in 0..6 {
            house.writer.advance(Span::seconds(10));
            // The carrier takes four at once.
            loop {
                let answers = house.turn();
                assert!(answers.iter().all(|a| matches!(a, IntentAnswer::Go(_))), "{answers:?}");
                this_minute += answers.len();
                if answers.is_empty() {
                    break;
                }
            }
        }
        left.push(this_minute);
    }
    assert_eq!(left.iter().sum::<usize>(), PEOPLE, "everybody, within the quarter: {left:?}");
    // Six a minute on average; binomial, so none of these is met by chance once in a thousand seeds.
    assert!(left.iter().all(|n| *n <= 16), "{left:?}");
    for third in left.chunks(5) {
        assert!((15..=45).contains(&third.iter().sum::<usize>()), "{left:?}");
    }
    house.writer.check_fold();
    house.writer.check_replay();
}

#[test]
fn of_those_that_are_due_the_earliest_deadline_leaves_first() {
    let (mut house, opens) = night();
    // The later they are asked for, the sooner they lose their purpose; a spread reaches at most a quarter of the way there.
    let ends = |n: usize| opens + Span::hours(1) + Span::minutes(60 - 4 * n as i64);
    let mut expected: Vec<MessageId> =
        (0..12).map(|n| asleep(&mut house, n, Some(ends(n))).message.spec.id).collect();
    expected.reverse();
    house.writer.clock.set(opens + Span::minutes(16));
    let mut order = Vec::new();
    for _ in 0..60 {
        let entries = house.writer.entries();
        house.lanes.tell(&entries[house.told..]);
        house.told = entries.len();
        for waiting in house.lanes.turn().expect("memory answers").go {
            order.push(waiting.message);
            let ask = Intent { message: waiting.message, stands_in: waiting.stands_in };
            assert!(matches!(house.writer.run(ask).expect("asked"), IntentAnswer::Go(_)));
            house.lanes.done(&waiting.message);
        }
        house.writer.advance(Span::seconds(1));
    }
    assert_eq!(order, expected);
}
