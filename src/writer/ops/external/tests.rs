use super::*;
use crate::ledger::fold::medium;
use crate::ledger::rows::keys;
use crate::model::{CustomerId, MessageState};
use crate::writer::op::CallError;
use crate::writer::ops::fixture::{key, main_brand, shop};
use crate::writer::testing::TestWriter;

fn send(writer: &TestWriter, ago: Span, name: &str) -> RecordExternalSend {
    let now = crate::clock::Clock::now(&writer.clock);
    RecordExternalSend {
        brand: main_brand(),
        to: Target::Device { app: "web".to_owned(), installation: "i1".to_owned() },
        medium: "EMAIL".to_owned(),
        at: Some(now - ago),
        cart: Some("c1".parse().expect("a name")),
        tool: "mailer".to_owned(),
        idempotency: key("RecordExternalSend", name),
        actor: "test".to_owned(),
    }
}

fn touches(writer: &TestWriter) -> Vec<crate::model::Touch> {
    let entry = writer.entries().pop().expect("entries");
    let key = keys::subject(&entry.leaf.subject);
    writer.look(|s| s.get::<Subject>(&key)).expect("memory").expect("the person").touches.clone()
}

#[test]
fn late_reports_count_in_their_own_order_and_repeats_count_once() {
    let mut writer = shop();
    for (ago, name) in [(Span::hours(2), "a"), (Span::days(3), "b"), (Span::hours(2), "a")] {
        writer.run(send(&writer, ago, name)).expect("taken");
    }
    let found = touches(&writer);
    assert_eq!(found.len(), 2);
    assert!(found[0].at < found[1].at && found.iter().all(|t| t.external && t.state == MessageState::Sent));
    assert_eq!((found[0].medium, found[0].message), (medium("EMAIL"), None));
    writer.check_fold();
}

#[test]
fn what_lies_ahead_or_too_far_back_is_refused() {
    let mut writer = shop();
    for (ago, good) in [
        (Span::minutes(-5), true),
        (Span::minutes(-6), false),
        (Span::days(30), true),
        (Span::seconds(30 * 86_400 + 1), false),
    ] {
        let taken = writer.run(send(&writer, ago, &format!("{ago:?}"))).is_ok();
        assert_eq!(taken, good, "{ago:?}");
    }
    let nameless = RecordExternalSend { medium: "PIGEON".to_owned(), ..send(&writer, Span::ZERO, "x") };
    assert!(matches!(writer.run(nameless), Err(CallError::Refused(OpError::Problems(_)))));
    let nobody: CustomerId = "nobody".parse().expect("a name");
    let nobody = RecordExternalSend { to: Target::Customer(nobody), ..send(&writer, Span::ZERO, "y") };
    assert!(matches!(writer.run(nobody), Err(CallError::Refused(OpError::NotFound { .. }))));
}

#[test]
fn a_flood_of_reports_cannot_push_our_own_sends_out_of_the_caps() {
    let mut writer = shop();
    for n in 0..48 {
        writer.run(send(&writer, Span::hours(n), &n.to_string())).expect("room");
    }
    let over = writer.run(send(&writer, Span::ZERO, "over"));
    assert!(matches!(over, Err(CallError::Refused(OpError::SubjectBusy(_)))));
    writer.advance(Span::days(31));
    writer.run(send(&writer, Span::ZERO, "later")).expect("room again");
}
