//! When anchors are asked, what is kept, and what happens when they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::anchor::keeper::{Keeper, Turn};
use crate::entropy::{SeededEntropy, SharedEntropy};
use crate::ledger::anchor::{Filed, Shelf};
use crate::model::Span;

/// Takes everything, or nothing.
#[derive(Clone, Default)]
struct Puppet {
    asked: Arc<AtomicUsize>,
    sulks: Arc<AtomicBool>,
}

impl Anchor for Puppet {
    fn kind(&self) -> Kind {
        Kind::Command
    }
    fn submit<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        _: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = match self.sulks.load(Ordering::Relaxed) {
            true => Err(AnchorError::Refused("not today".to_owned())),
            false => Ok(Taken { checkpoint: checkpoint.note().to_owned(), proof: b"kept".to_vec() }),
        };
        Box::pin(async move { answer })
    }
}

impl Puppet {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn turn(world: &World, puppet: &Puppet) -> Turn {
    let anchor = Box::new(puppet.clone());
    let configured = Configured {
        name: "puppet".to_owned(),
        every: Duration::from_secs(3_600),
        deadline: DEADLINE,
        anchor,
    };
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(1));
    Turn::new(configured, world.books.clone(), Arc::new(world.clock.clone()), entropy)
}

fn filed(world: &World) -> Vec<Filed> {
    world.books.anchors().list()
}

#[tokio::test]
async fn checkpoints_are_anchored_at_a_bounded_rate_and_kept() {
    let mut world = world();
    let (puppet, first) = (Puppet::default(), world.books.checkpoint().size());
    let mut turn = turn(&world, &puppet);
    turn.look().await;
    assert_eq!(filed(&world).iter().map(|f| f.size).collect::<Vec<_>>(), [first], "at once, the first time");
    for n in 10..20 {
        grow(&mut world, n);
        turn.look().await;
    }
    assert_eq!(puppet.asked(), 1, "not again within the hour, whatever is written");
    world.clock.advance(Span::hours(1));
    turn.look().await;
    turn.look().await;
    assert_eq!((puppet.asked(), filed(&world)[1].size), (2, world.books.checkpoint().size()));
    world.clock.advance(Span::hours(2));
    turn.look().await;
    assert_eq!(puppet.asked(), 2, "nothing new was written");
    world.clock.advance(Span::hours(10));
    turn.look().await;
    assert_eq!(puppet.asked(), 3, "but twice a day that is made known, too");
    let (dir, again) = (world.dir.join("anchors/e1"), filed(&world));
    world.sim.crash(crate::disk::Tear::Lost);
    assert_eq!(Shelf::open(&world.sim.shared(), &dir).expect("opens").list(), again, "durable");
}

/// Never answers.
struct Silent;

impl Anchor for Silent {
    fn kind(&self) -> Kind {
        Kind::Command
    }
    fn submit<'a>(
        &'a self,
        _: &'a SignedCheckpoint,
        _: &'a TreeReader,
    ) -> BoxFuture<'a, Result<Taken, AnchorError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_export_is_anchored_at_once_and_waits_for_nobody_too_long() {
    let mut world = world();
    let (puppet, keeper) = (Puppet::default(), Keeper::default());
    let within = Duration::from_secs(10);
    let shared = keeper.put(turn(&world, &puppet));
    keeper.anchor(&world.books.checkpoint(), within).await;
    keeper.anchor(&world.books.checkpoint(), within).await;
    assert_eq!(puppet.asked(), 1, "this checkpoint was taken already");
    grow(&mut world, 10);
    keeper.anchor(&world.books.checkpoint(), within).await;
    assert_eq!(filed(&world)[1].size, world.books.checkpoint().size(), "within the hour");
    let configured = Configured {
        name: "silent".to_owned(),
        every: Duration::from_secs(3_600),
        deadline: Duration::from_secs(3_600),
        anchor: Box::new(Silent),
    };
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(1));
    keeper.put(Turn::new(configured, world.books.clone(), Arc::new(world.clock.clone()), entropy));
    grow(&mut world, 11);
    let within = Duration::from_millis(50);
    keeper.anchor(&world.books.checkpoint(), within).await;
    assert_eq!(puppet.asked(), 3, "the other one was asked beside it, and the call came back");
    puppet.sulks.store(true, Ordering::Relaxed);
    grow(&mut world, 12);
    keeper.anchor(&world.books.checkpoint(), within).await;
    keeper.anchor(&world.books.checkpoint(), within).await;
    assert_eq!(puppet.asked(), 4, "one that has just failed is left in peace");
    world.clock.advance(Span::hours(1));
    shared.lock().await.look().await;
    assert_eq!(puppet.asked(), 5);
}

#[tokio::test]
async fn an_anchor_that_fails_is_asked_again_ever_more_rarely() {
    let world = world();
    let puppet = Puppet::default();
    puppet.sulks.store(true, Ordering::Relaxed);
    let mut turn = turn(&world, &puppet);
    let mut waits = Vec::new();
    let mut waited = 0;
    while waits.len() < 9 {
        let before = puppet.asked();
        turn.look().await;
        if puppet.asked() > before {
            waits.push(waited);
            waited = 0;
        }
        world.clock.advance(Span::seconds(5));
        waited += 5;
    }
    let bounds = [0, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600];
    for (n, (wait, least)) in waits.iter().zip(bounds).enumerate() {
        assert!((least..=least * 5 / 4 + 5).contains(wait), "try {n} after {wait} s: {waits:?}");
    }
    assert!(filed(&world).is_empty());
    puppet.sulks.store(false, Ordering::Relaxed);
    world.clock.advance(Span::hours(2));
    turn.look().await;
    assert_eq!(filed(&world).len(), 1, "it comes back");
}

#[tokio::test]
async fn an_empty_log_is_not_anchored() {
    let world = World::new();
    let puppet = Puppet::default();
    turn(&world, &puppet).look().await;
    assert_eq!(puppet.asked(), 0);
}
