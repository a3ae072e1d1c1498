//! What others shared with somebody who was erased.

use super::*;
use crate::clock::Clock;
use crate::erasure::inventory;
use crate::writer::ops::erase::{Erase, Erased};

/// Found by the simulation: a cart that two people had was judged for the one with what had left for the other. Once that
/// other one was erased, a replay of the whole ledger called the recorded decision a wrong one.
#[test]
fn a_decision_about_a_cart_shared_with_somebody_erased_still_replays() {
    let mut writer = writer();
    let other = "+12125550124";
    writer.run(Grant(other, ConsentState::Granted)).expect("granted");
    let now = writer.clock.now();
    let gone = writer.run(Send::new(request("k1", "+12125550123", "c1", now))).expect("answered").message;
    writer.run(Intent::of(gone.spec.id)).expect("asked");
    let refused = Handover::Rejected(Failure {
        class: ErrorClass::PermanentContent,
        code: "BLOCKED".to_owned(),
        text: String::new(),
    });
    let theirs = writer.run(Send::new(request("k2", other, "c1", now))).expect("answered");
    assert_eq!(theirs.verdict.outcome, Outcome::Refuse, "one text a cart, whoever gets it");
    let told = RecordOutcome { message: gone.spec.id, handover: refused, handed_over_at: Some(now) };
    writer.run(told).expect("recorded");
    writer.check_replay();

    let taken = inventory::take(&writer.reader(), gone.spec.subject).expect("readable");
    let erase = Erase { inventories: vec![taken], reason: "asked".to_owned(), actor: "test".to_owned() };
    assert_eq!(writer.run(erase).expect("recorded"), Erased::Recorded);
    writer.log.forget(&gone.spec.subject);
    writer.check_fold();
    writer.check_replay();
}
