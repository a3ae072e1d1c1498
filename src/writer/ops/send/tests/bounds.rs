//! What is bounded about one person, and about receipts nobody's message answers to.

use super::routes::receipt;
use super::*;
use crate::ledger::rows::{ParkedReceipt, ParkedSince};
use crate::ledger::state::Row;
use crate::model::message::{Medium, Touch};
use crate::model::subject::{Address, Subject};

fn touch(at: Instant) -> Touch {
    Touch {
        message: None,
        at,
        medium: Medium::Sms,
        brand: "acme".parse().expect("a slug"),
        program: None,
        category: Category::Transactional,
        cart: None,
        subject_matter: None,
        parts: 1,
        state: MessageState::Sent,
        external: false,
    }
}

/// The record keeps 64 touches, and the 65th once pushed the oldest out of what caps count: a month of order updates made
/// room for marketing.
#[test]
fn no_touch_is_pushed_out_of_what_caps_count() {
    let now = crate::clock::Clock::now(&TestWriter::new().clock);
    let mut person =
        Subject::new(crate::model::SubjectId([1; 16]), Address::Phone("12125550123".to_owned()), now);
    person.touches = (0..63).map(|n| touch(now - Span::hours(n))).collect();
    assert!(has_room(&person, now).is_ok(), "one place is left");
    person.touches.push(touch(now));
    assert!(matches!(has_room(&person, now), Err(OpError::SubjectBusy(_))));
    assert!(has_room(&person, now + Span::days(31)).is_ok(), "what is older counts for nothing");
    person.touches.truncate(60);
    let open = |n: u8| crate::model::subject::OpenMessage {
        id: MessageId([n; 16]),
        automatic: n > 3,
        touch: touch(now),
    };
    person.open = (0..6).map(open).collect();
    assert!(has_room(&person, now).is_err(), "what waits will be a touch, automatic texts will not");
    person.open.remove(0);
    assert!(has_room(&person, now).is_ok());
}

/// Rows of receipts that nothing ever matched stayed for good.
#[test]
fn a_receipt_nobody_claims_is_given_up_after_a_day() {
    let mut writer = writer();
    let parked = |writer: &TestWriter| {
        let rows = |s: &mut crate::ledger::state::State<'_>| {
            let parked = s.scan::<ParkedReceipt>(&[ParkedReceipt::TABLE], None, 100).expect("memory").len();
            let since = s.scan::<ParkedSince>(&[ParkedSince::TABLE], None, 100).expect("memory").len();
            (parked, since)
        };
        writer.look(rows)
    };
    for n in 0..20 {
        let told = writer.run(receipt(&format!("p{n}"), MessageState::Failed)).expect("taken");
        assert_eq!((told.parked, told.outlived), (1, 0));
    }
    // A better word for one of them takes its place.
    writer.run(receipt("p0", MessageState::Delivered)).expect("taken");
    assert_eq!(parked(&writer), (20, 20));
    writer.advance(Span::hours(23));
    assert_eq!(writer.run(receipt("q1", MessageState::Failed)).expect("taken").outlived, 0);
    writer.advance(Span::hours(2));
    let outlived =
        ["q2", "q3", "q4"].map(|id| writer.run(receipt(id, MessageState::Failed)).expect("taken").outlived);
    assert_eq!(outlived, [8, 8, 4], "several with each that comes");
    assert_eq!(parked(&writer), (4, 4));
    writer.check_fold();
    // One that is claimed in time is, and leaves nothing behind.
    let id = send(&mut writer, "k1", "c1").message.spec.id;
    writer.run(Intent::of(id)).expect("asked");
    writer.run(receipt("r1", MessageState::Delivered)).expect("taken");
    let handover = Handover::Accepted { ids: vec!["r1".to_owned()] };
    let outcome = RecordOutcome { message: id, handover, handed_over_at: None };
    writer.run(outcome).expect("recorded");
    assert_eq!(state_of(&writer, &id), MessageState::Delivered);
    assert_eq!(parked(&writer), (4, 4));
    writer.check_fold();
}
