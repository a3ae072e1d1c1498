//! What may have left is cancelled, what cannot have left stays.

use super::*;
use crate::ledger::entry::Kind;
use crate::model::{MessageState, Span};
use crate::writer::ops::fixture::{Accept, shop};

#[test]
fn what_was_due_may_have_left_and_is_cancelled() {
    let mut writer = shop();
    let accept = |n: u8| Accept { id: MessageId([n; 16]), to: n, cart: None, pool: None, link: None };
    // Each is due an hour after it was taken on.
    writer.run(accept(1)).expect("taken");
    writer.advance(Span::minutes(50));
    writer.run(accept(2)).expect("taken");
    writer.advance(Span::minutes(20));
    let body = EpochBody {
        before: "gw.shop.example/log/shop/e1".to_owned(),
        carried: 5,
        signed: Some(9),
        checkpoint: format!("gw.shop.example/log/shop/e1\n9\n{}=\n\n— signed\n", "A".repeat(43)),
        reason: "the disk rotted".to_owned(),
        actor: "operator".to_owned(),
    };
    writer.run(BeginEpoch(body)).expect("taken");
    let cancel = || CancelOverdue { actor: "operator".to_owned() };
    assert_eq!(writer.run(cancel()).expect("cancelled"), 1);
    assert_eq!(writer.run(cancel()).expect("nothing is left"), 0);
    let state = |n: u8| {
        let row = writer.look(|state| state.get::<Message>(&keys::message(&MessageId([n; 16]))));
        row.expect("reads").expect("a message").state
    };
    assert_eq!((state(1), state(2)), (MessageState::Cancelled, MessageState::Held));
    let entries = writer.entries();
    let epoch = entries.iter().find(|e| e.leaf.kind == Kind::Epoch).expect("written down");
    assert_eq!((epoch.leaf.public.covered_size, epoch.leaf.public.root.len()), (9, 32));
    writer.check_fold();
}
