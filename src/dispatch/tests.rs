//! The lanes over a writer in memory: what leaves, what rests, and what is written down meanwhile.

mod herd;

use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::ledger::body::Object;
use crate::ledger::rows::keys;
use crate::model::outgoing::Message;
use crate::model::registry::Sender;
use crate::model::{
    ConnectionId, ConsentState, Instant, MessageState, OptOutScope, OptOutSource, Outcome, Span,
};
use crate::provider::{BoxFuture, Dispatch, Handover, Provider, ReconcileError, Taker};
use crate::writer::ops::Target;
use crate::writer::ops::intent::{Intent, IntentAnswer};
use crate::writer::ops::opt_out::RecordOptOut;
use crate::writer::ops::send::tests::{Grant, request, shop};
use crate::writer::ops::send::{Send, SendAnswer, SendRequest};
use crate::writer::testing::TestWriter;
use crate::writer::{QueueLimits, Queues, WriterHandle};

const PHONE: &str = "+12125550123";

/// A provider that is never asked: intents are as far as these tests go.
struct Nobody;

impl Provider for Nobody {
    fn send(&self, _: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(async { Handover::Void })
    }
    fn reconcile<'a>(&'a self, _: Instant, _: &'a dyn Taker) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A shop, its lanes, and how many of its entries the lanes were told of.
struct House {
    writer: TestWriter,
    lanes: Dispatcher,
    providers: Arc<Providers>,
    told: usize,
}

fn line() -> ConnectionId {
    "virtual".parse().expect("a slug")
}

fn sender(paused: bool) -> Object {
    let found = shop().into_iter().find_map(|object| match object {
        Object::Sender(sender) => Some(sender),
        _ => None,
    });
    Object::Sender(Sender { paused, ..found.expect("the shop has one") })
}

impl House {
    fn open() -> House {
        let mut writer = TestWriter::new();
        writer.set_up(shop());
        writer.run(Grant(PHONE, ConsentState::Granted)).expect("granted");
        let handle = WriterHandle::over(Arc::new(Queues::new(QueueLimits::default())));
        let providers = Arc::new(Providers::default());
        let carrier = Carrier { provider: Arc::new(Nobody), slots: 4, paused: false };
        providers.put(line(), carrier);
        let lanes = Dispatcher::new(writer.env.clone(), writer.kv.clone(), handle, providers.clone());
        House { writer, lanes, providers, told: 0 }
    }

    fn now(&self) -> Instant {
        self.writer.clock.now()
    }

    /// A text without a cart, whose window would end it sooner.
    fn send(&mut self, key: &str) -> SendAnswer {
        let link_url = "https://acme.example/new".to_owned();
        let asked = SendRequest { cart: None, link_url, ..request(key, PHONE, "c1", self.now()) };
        self.writer.run(Send::new(asked)).expect("answered")
    }

    fn pause(&mut self, paused: bool) {
        self.writer.set_up([sender(paused)]);
    }

    /// One look at the lanes, told what was committed; every permit is used. Answers what came of each.
    fn turn(&mut self) -> Vec<IntentAnswer> {
        let entries = self.writer.entries();
        self.lanes.tell(&entries[self.told..]);
        self.told = entries.len();
        let turn = self.lanes.turn().expect("memory answers");
        let mut answers = Vec::new();
        for waiting in turn.go {
            let ask = Intent { message: waiting.message, stands_in: waiting.stands_in };
            answers.push(self.writer.run(ask).expect("asked"));
            self.lanes.done(&waiting.message);
        }
        answers
    }

    fn entries(&self) -> usize {
        self.writer.entries().len()
    }

    fn state(&self, answer: &SendAnswer) -> MessageState {
        let key = keys::message(&answer.message.spec.id);
        self.writer.look(|state| state.get::<Message>(&key).expect("readable").expect("kept").state)
    }
}

/// Every five minutes a message behind a paused sender was judged again, and every time that was an entry of 3.5 kB.
#[test]
fn behind_a_paused_sender_nothing_is_written_until_it_is_resumed() {
    let mut house = House::open();
    house.pause(true);
    let held = house.send("k1");
    assert_eq!((held.verdict.outcome, held.verdict.hold_until), (Outcome::Hold, None));
    let before = house.entries();
    for _ in 0..40 {
        assert!(house.turn().is_empty());
        house.writer.advance(Span::minutes(7));
    }
    assert_eq!(house.entries(), before, "nothing changed, so nothing is said");
    house.pause(false);
    let answers = house.turn();
    assert!(matches!(answers[..], [IntentAnswer::Go(_)]), "at the next look: {answers:?}");
    house.writer.check_fold();
    house.writer.check_replay();
}

#[test]
fn a_sender_paused_under_a_waiting_message_lets_it_rest_too() {
    let mut house = House::open();
    let queued = house.send("k1");
    house.providers.set_paused(&line(), true);
    assert!(house.turn().is_empty(), "its connection rests, so it is ready and stays");
    house.pause(true);
    house.providers.set_paused(&line(), false);
    let before = house.entries();
    assert!(house.turn().is_empty());
    assert_eq!((house.state(&queued), house.entries()), (MessageState::Queued, before));
    house.pause(false);
    assert!(matches!(house.turn()[..], [IntentAnswer::Go(_)]));
}

#[test]
fn a_stop_ends_at_once_what_rests_behind_a_paused_sender() {
    let mut house = House::open();
    house.pause(true);
    let held = house.send("k1");
    assert!(house.turn().is_empty());
    let digits = crate::model::phone::Digits::received(PHONE, None);
    let stop = RecordOptOut {
        brand: None,
        target: Target::Phone(digits),
        scope: OptOutScope::All,
        source: OptOutSource::Web,
        text: String::new(),
        received_at: None,
        idempotency: crate::writer::ops::fixture::key("RecordOptOut", "s"),
        actor: "test".to_owned(),
    };
    house.writer.run(stop).expect("recorded");
    let answers = house.turn();
    assert!(matches!(answers[..], [IntentAnswer::Ended(MessageState::Cancelled)]), "{answers:?}");
    assert_eq!(house.state(&held), MessageState::Cancelled);
}

/// Its end ends it, with one entry; the end of its window is worth one, too, for the next one opens tomorrow.
#[test]
fn what_rests_is_judged_at_the_end_of_its_window_and_ends_at_its_own() {
    let mut house = House::open();
    house.pause(true);
    let held = house.send("k1");
    let closes = held.verdict.send_not_after.expect("a window closes");
    let ends = held.message.spec.expires_at.expect("a day");
    assert!(closes < ends);
    house.writer.clock.set(closes);
    let answers = house.turn();
    assert!(matches!(answers[..], [IntentAnswer::Held { until }] if until > closes), "{answers:?}");
    let before = house.entries();
    while house.now() + Span::minutes(10) < ends {
        house.writer.advance(Span::minutes(10));
        assert!(house.turn().is_empty(), "{}", house.now());
    }
    assert_eq!(house.entries(), before);
    house.writer.clock.set(ends);
    let answers = house.turn();
    assert!(matches!(answers[..], [IntentAnswer::Ended(MessageState::Expired)]), "{answers:?}");
    assert_eq!(house.entries(), before + 1);
    house.writer.check_replay();
}

/// Others in the lane of a paused sender are not in its way.
#[test]
fn what_rests_takes_no_permit() {
    let mut house = House::open();
    house.pause(true);
    (0..3).for_each(|n| drop(house.send(&format!("k{n}"))));
    assert!(house.turn().is_empty());
    assert_eq!(house.lanes.will_miss(house.now() + Span::days(9)), [], "nothing of them is in a lane");
}
