//! How long it takes to understand one reply. The bar: 20 µs.

use std::hint::black_box;

use consentry::inbound::reply::classify;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const REPLIES: [(&str, &str); 8] = [
    ("keyword", "STOP"),
    ("phrase", "please take me off this list, I never signed up for these messages"),
    ("ordinary", "Do you have the blue one in a medium and when would it ship to Canada?"),
    ("german", "Hören Sie bitte endlich auf, mir diese Nachrichten zu schicken, sonst zeige ich Sie an"),
    ("japanese", "もうこの番号にメッセージを送らないでください、お願いします"),
    ("arabic", "من فضلكم لا ترسلوا لي رسائل بعد الآن واحذفوا رقمي من القائمة"),
    ("unread", "Zebraförmige Quastenflosser überqueren klaglos jeden vermoosten Bachlauf"),
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
