//! A caller who waited no longer than their deadline: what they asked for is done whole, once, or not at all.

use tonic::Code;

use super::messages::send;
use crate::api::testing::{Shop, by};
use crate::ledger::body::Body;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::writer::Recorded;

#[tokio::test]
async fn an_expired_deadline_leaves_no_half_written_work() {
    let shop = Shop::open().await;
    let (patient, origin) = crate::api::testing::patient(shop.port);
    let mut patient = MessageServiceClient::with_origin(patient, origin);
    let late = |n: i32, timeout: &str| {
        let mut late = by("sender", send(&format!("late {n}")));
        late.metadata_mut().insert("grpc-timeout", timeout.parse().expect("ASCII"));
        late
    };
    let before = shop.gateway.reader.entries().size();
    for n in 0..20 {
        let told = patient.send_message(late(n, "1n")).await.expect_err("over before it began");
        assert_eq!(told.code(), Code::DeadlineExceeded, "{told:?}");
    }
    assert_eq!(shop.gateway.reader.entries().size(), before, "nothing was begun");
    for n in 0..20 {
        // Some are answered in time, some are not: which is the machine's business.
        if let Err(told) = patient.send_message(late(n, "2m")).await {
            assert_eq!(told.code(), Code::DeadlineExceeded, "{told:?}");
        }
    }
    let mut client = MessageServiceClient::new(shop.channel.clone());
    // Asked again with the same keys, each is one attempt, whether the first was carried out or not.
    for n in 0..20 {
        let again = client.send_message(by("sender", send(&format!("late {n}")))).await.expect("a verdict");
        let message = again.into_inner().message.expect("the attempt");
        let cart = message.cart_id.clone();
        assert_eq!(cart, format!("cart of late {n}"));
    }
    let recorded = shop.gateway.reader.entries().read(0, 50_000).expect("readable");
    let count = |wanted: fn(&Body) -> bool| {
        let is = |r: &&Recorded| matches!(r, Recorded::Open(entry) if wanted(&entry.body));
        recorded.iter().filter(is).count()
    };
    let decisions = count(|body| matches!(body, Body::Decision(_)));
    assert_eq!((decisions, count(|body| matches!(body, Body::Cart(_)))), (20, 20), "one of each, for each");
    shop.close().await;
}
