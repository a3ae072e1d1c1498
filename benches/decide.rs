//! Decisions per second, pure: no store, no ledger, no queue. `cargo bench --bench decide`.

use std::hint::black_box;
use std::sync::Arc;

use consentry::decide::{Engine, Expect, Situation, decide};
use consentry::model::{Facts, Instant, Request, Zones};
use consentry::policy::embedded;
use criterion::{Criterion, criterion_group, criterion_main};

fn engine() -> Engine {
    let policy = embedded::load().expect("the packs of this release compile");
    Engine::new(Arc::new(policy), Zones::bundled()).expect("bundled zones cover the packs")
}

fn case(engine: &Engine, at: &str, places: &[&str], all_zones: bool) -> (Facts, Request, Instant) {
    let zone = "America/New_York".parse().expect("a zone");
    let mut situation = Situation::ordinary(at, zone, Expect::default());
    situation.places = places.iter().map(|place| place.parse().expect("a place")).collect();
    situation.zones = all_zones.then(Vec::new);
    situation.build(engine.zones()).expect("a situation that makes sense")
}

fn decisions(c: &mut Criterion) {
    let engine = engine();
    for (name, at, places, all_zones) in [
        ("admit/florida", "2026-10-20 12:00:00", &["us/fl"][..], false),
        ("admit/two_states_two_zones", "2026-10-20 13:00:00", &["us/fl", "us/tn"][..], true),
        ("hold/florida_night", "2026-10-20 22:00:00", &["us/fl"][..], false),
        ("hold/rhode_island_saturday_night", "2026-10-24 20:00:00", &["us/ri"][..], false),
        ("refuse/somewhere_in_the_us", "2026-10-20 22:00:00", &["us"][..], true),
    ] {
        let (facts, req, at) = case(&engine, at, places, all_zones);
        c.bench_function(name, |b| {
            b.iter(|| decide(&engine, black_box(&facts), black_box(&req), black_box(at)))
        });
    }
}

fn loading(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("compile_all_packs", |b| b.iter(|| embedded::load().expect("compiles")));
    group.bench_function("bundled_zones", |b| b.iter(Zones::bundled));
}

criterion_group!(benches, decisions, loading);
criterion_main!(benches);
