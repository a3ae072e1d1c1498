//! How long it takes to understand one reply. The bar: 20 µs.

use std::hint::black_box;

use consentry::inbound::reply::classify;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const REPLIES: [(&str, &str); 4] = [
    ("keyword", "STOP"),
    ("phrase", "please take me off this list, I never signed up for these messages"),
    ("ordinary", "Do you have the blue one in a medium and when would it ship to Canada?"),
    ("disguised", "pleeease st0p txting me ѕтор unsubcribe stoptexting"),
];

fn replies(c: &mut Criterion) {
    let mut group = c.benchmark_group("classify");
    group.throughput(Throughput::Elements(1));
    for (name, text) in REPLIES {
        group.bench_function(name, |b| b.iter(|| classify(black_box(text), &["en", "es"])));
    }
    group.finish();
}

criterion_group!(benches, replies);
criterion_main!(benches);
