//! A day's webhook bodies stay their time, then cannot be opened again by anyone, whatever is restored.

use std::path::Path;

use super::*;
use crate::clock::ManualClock;
use crate::disk::SimDisk;
use crate::entropy::SeededEntropy;
use crate::export::testing::{master, origin};
use crate::gateway::{Gateway, Parts, Secrets};
use crate::inbound::event::{InboundEvent, InboundText};
use crate::ledger::body::{Body, Object, RegistryBody};
use crate::ledger::entry::{Kind, Public, SELLER_CHAIN};
use crate::ledger::rows::{HeardRow, keys};
use crate::model::registry::{Connection, Reconcile, Validity};
use crate::model::{ConnectionId, Instant, Span, Zones};
use crate::store::embedded::EmbeddedOptions;
use crate::store::{KeyRange, KvOptions, Order, Row};
use crate::writer::ops::webhook::{Delivery, Raw, ReceiveTexts};
use crate::writer::{Cx, EntrySource, Op, OpError, Policies, Priority, QueueLimits, Recorded};

const KEY_FILE: &str = "/data/keys/00000000.key";

fn start(sim: &SimDisk, clock: &ManualClock) -> Gateway {
    let policy = crate::policy::embedded::load().expect("the packs of this release compile");
    let engine = crate::decide::Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit");
    Gateway::start(Parts {
        disk: sim.shared(),
        erasures: None,
        data_dir: "/data".into(),
        // In memory: every start folds the whole ledger anew.
        index: crate::store::Engine::Memory,
        index_options: KvOptions::default(),
        // The test looks itself, when it has moved the clock.
        embedded: EmbeddedOptions { reserve: false, raw_days: 365, ..EmbeddedOptions::default() },
        origin: origin(),
        seller: "shop".parse().expect("a slug"),
        secrets: Secrets { master: master(), pepper: [1; 32], coupons: [2; 32] },
        policies: Policies::new(engine),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SeededEntropy::new(sim.operations())),
        queues: QueueLimits::default(),
        drain: Duration::ZERO,
    })
    .expect("it starts")
}

struct Connect;

impl Op for Connect {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let connection = Connection {
            id: id(),
            provider: "sandbox".to_owned(),
            settings: Vec::new(),
            secrets: Vec::new(),
            public_url: String::new(),
            token_sha256: [0; 32],
            validity: Validity::None { queue_seconds: 60 },
            reconcile: Reconcile::List,
            slots: 4,
            prices: Vec::new(),
        };
        let object = Object::Connection(connection);
        let body = RegistryBody { object, reason: String::new(), actor: "test".to_owned() };
        cx.emit(SELLER_CHAIN, None, Public::default(), Body::Registry(body)).map(drop)
    }
}

fn id() -> ConnectionId {
    "carrier".parse().expect("a slug")
}

async fn deliver(gateway: &Gateway, n: u32) {
    let text = InboundText {
        provider_id: format!("IN{n}"),
        from: "+12125550123".to_owned(),
        to: "+18005550100".to_owned(),
        text: "when does it ship?".to_owned(),
        provider_flag: None,
        received_at: None,
        weak: false,
    };
    let raw = Raw {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: "application/json".to_owned(),
        body: format!("number {n}").into_bytes(),
    };
    let events = vec![InboundEvent::Text(text)];
    let delivery = Delivery { connection: id(), raw: Some(raw), events, listening: true };
    gateway.writer.call(ReceiveTexts(delivery)).await.expect("taken");
}

/// Raw bodies that open, and those that do not.
fn raw(gateway: &Gateway) -> (usize, usize) {
    let all = gateway.books.read(0, usize::MAX).expect("reads");
    let open = |r: &&Recorded| matches!(r, Recorded::Open(e) if e.leaf.kind == Kind::Raw);
    let closed = |r: &&Recorded| matches!(r, Recorded::Erased { leaf, .. } if leaf.kind == Kind::Raw);
    (all.iter().filter(open).count(), all.iter().filter(closed).count())
}

fn rows(gateway: &Gateway) -> Vec<Row> {
    gateway.kv.scan(&KeyRange::all(), Order::Forward, usize::MAX).expect("memory")
}

fn heard(gateway: &Gateway) -> Option<Instant> {
    let row = gateway.reader.look(|cx| cx.get::<HeardRow>(&keys::heard(&id()))).expect("reads");
    row.map(|row| row.until)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_past_its_retention_is_forgotten_for_good() {
    let sim = SimDisk::new(3);
    let clock = ManualClock::at(Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339"));
    let gateway = start(&sim, &clock);
    gateway.writer.call(Connect).await.expect("taken");
    deliver(&gateway, 1).await;
    deliver(&gateway, 2).await;
    clock.advance(Span::hours(20));
    deliver(&gateway, 3).await;
    let word = heard(&gateway);
    let forget = async |gateway: &Gateway| {
        forget_past(&gateway.writer, gateway.books.keys(), 30).await.expect("forgotten")
    };

    clock.set(Instant::parse("2026-07-01T23:59:59Z").expect("RFC 3339"));
    assert_eq!(forget(&gateway).await, 0, "the 30th day after it is not over");
    assert_eq!(raw(&gateway), (3, 0));
    clock.advance(Span::seconds(1));
    let before = sim.contents(Path::new(KEY_FILE)).expect("keys");
    assert_eq!(forget(&gateway).await, 1);
    assert_eq!((raw(&gateway), forget(&gateway).await), ((1, 2), 0));
    clock.advance(Span::days(2));
    assert_eq!(forget(&gateway).await, 1);
    assert_eq!(raw(&gateway), (0, 3));
    assert_eq!(heard(&gateway), word, "how far we heard does not rest on what is forgotten");
    deliver(&gateway, 4).await;
    let left = rows(&gateway);
    gateway.stop().await.expect("ends well");

    // A fold that cannot open the bodies makes the same index; keys put back from a backup are gone again.
    for put_back in [false, true] {
        if put_back {
            let mut keys = before.clone();
            let now = sim.contents(Path::new(KEY_FILE)).expect("keys");
            // What was added since stays; only what was destroyed comes back.
            keys.extend_from_slice(&now[keys.len()..]);
            sim.put(Path::new(KEY_FILE), &keys).expect("put back");
        }
        let gateway = start(&sim, &clock);
        assert_eq!(raw(&gateway), (1, 3), "keys put back: {put_back}");
        assert!(rows(&gateway) == left, "the index is not the fold, keys put back: {put_back}");
        gateway.stop().await.expect("ends well");
    }
}

/// The entry is durable before the key goes. A crash between the two must not leave the key for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_entry_and_the_destruction_is_made_good() {
    let sim = SimDisk::new(4);
    let clock = ManualClock::at(Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339"));
    let gateway = start(&sim, &clock);
    gateway.writer.call(Connect).await.expect("taken");
    deliver(&gateway, 1).await;
    clock.advance(Span::days(40));
    let past = gateway.writer.call(ForgetRawDays { keep_days: 30 }).await.expect("recorded").answer;
    assert_eq!((past.len(), raw(&gateway)), (1, (1, 0)), "the key is still there");
    gateway.stop().await.expect("ends well");
    let gateway = start(&sim, &clock);
    assert_eq!(raw(&gateway), (0, 1));
    assert!(gateway.books.keys().is_destroyed(&past[0]));
    gateway.stop().await.expect("ends well");
}
