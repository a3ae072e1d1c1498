//! Senders, connections and outgoing webhooks as operators set them up and see them.

use prost_types::FieldMask;
use tonic::Code;

use crate::api::testing::{Shop, by};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::admin_service_client::AdminServiceClient;
use crate::pb::google::type_::Money;

fn sender(id: &str, address: &str, parts_per_day: u64) -> wire::Sender {
    wire::Sender {
        id: id.into(),
        kind: wire::SenderKind::TenDlc.into(),
        address: address.into(),
        country: "US".into(),
        registered: true,
        connection: "carrier".into(),
        throttle_group: Some(wire::ThrottleGroup { segments_per_second: 1.0, ..Default::default() }),
        pool: "us".into(),
        tax_id_cap: Some(wire::TaxIdCap { tax_id: "12-3456789".into(), parts_per_day, ..Default::default() }),
        ..wire::Sender::default()
    }
}

/// New fields of a sender could be set when it was made and were lost by every later change.
#[tokio::test]
async fn pools_caps_and_prices_are_set_changed_and_checked() {
    let shop = Shop::open().await;
    let mut admin = AdminServiceClient::new(shop.channel.clone());
    let make = |s: wire::Sender| by("admin", wire::CreateSenderRequest { sender: Some(s) });
    let made =
        admin.create_sender(make(sender("n1", "+12125550101", 2_000))).await.expect("made").into_inner();
    let cap = made.tax_id_cap.clone().expect("a cap");
    assert_eq!((made.pool.as_str(), cap.reset_zone.as_str()), ("us", "America/Los_Angeles"));
    let other =
        admin.create_sender(make(sender("n2", "+12125550102", 3_000))).await.expect_err("another cap");
    assert_eq!(other.code(), Code::InvalidArgument, "{other}");
    assert!(other.message().contains("tax_id_cap"), "{other}");
    let none = wire::TaxIdCap { tax_id: "x".into(), ..Default::default() };
    let none = wire::Sender { tax_id_cap: Some(none), ..sender("n3", "+12125550103", 1) };
    assert_eq!(admin.create_sender(make(none)).await.expect_err("no parts").code(), Code::InvalidArgument);

    let change = |paths: &[&str], sender: wire::Sender| {
        let mask = FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() };
        let reason = "moved".to_owned();
        by("admin", wire::UpdateSenderRequest { sender: Some(sender), update_mask: Some(mask), reason })
    };
    let wanted = wire::Sender { pool: "east".into(), tax_id_cap: None, ..made.clone() };
    let moved = admin.update_sender(change(&["pool"], wanted.clone())).await.expect("changed").into_inner();
    assert_eq!((moved.pool.as_str(), moved.tax_id_cap.is_some()), ("east", true));
    let freed = admin.update_sender(change(&["tax_id_cap"], wanted)).await.expect("changed").into_inner();
    assert_eq!(freed.tax_id_cap, None);

    let turkish = vec![wire::NationalLanguage::Turkish.into()];
    let wanted = wire::Sender { national_languages: turkish.clone(), ..made.clone() };
    let shifted = admin.update_sender(change(&["national_languages"], wanted)).await.expect("changed");
    assert_eq!(shifted.into_inner().national_languages, turkish);
    let twice = wire::Sender { national_languages: [turkish.clone(), turkish].concat(), ..made.clone() };
    let twice = admin.update_sender(change(&["national_languages"], twice)).await.expect_err("twice");
    assert!(twice.message().contains("national_languages"), "{twice}");

    let price = |country: &str, nanos: i32| wire::SegmentPrice {
        country: country.into(),
        per_segment: Some(Money { currency_code: "USD".into(), units: 0, nanos }),
    };
    let priced = |prices: Vec<wire::SegmentPrice>| {
        let connection = wire::Connection { id: "carrier".into(), prices, ..wire::Connection::default() };
        let mask = Some(FieldMask { paths: vec!["prices".into()] });
        let reason = "contract".to_owned();
        by("admin", wire::UpdateConnectionRequest { connection: Some(connection), update_mask: mask, reason })
    };
    let known = admin.update_connection(priced(vec![price("US", 7_900_000), price("", 50_000_000)])).await;
    let known = known.expect("priced").into_inner();
    assert_eq!(known.prices, [price("", 50_000_000), price("US", 7_900_000)], "in order");
    for wrong in [vec![price("US", 1), price("DE", 7_900_000)], vec![price("US", 0), price("US", 0)]] {
        let refused = admin.update_connection(priced(wrong)).await.expect_err("wrong");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }

    let ask = |id: &str| by("admin", wire::ListDeadLettersRequest { webhook: id.into() });
    assert_eq!(admin.list_dead_letters(ask("shop")).await.expect_err("none").code(), Code::NotFound);
    let all = admin.list_webhooks(by("auditor", wire::ListWebhooksRequest {})).await.expect("a list");
    assert!(all.into_inner().webhooks.is_empty());
    let replay = wire::ReplayDeadLettersRequest { webhook: "shop".into(), positions: vec!["x".into()] };
    let wrong = admin.replay_dead_letters(by("admin", replay)).await.expect_err("no position");
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let by_auditor = wire::ReplayDeadLettersRequest { webhook: "shop".into(), positions: Vec::new() };
    let denied = admin.replay_dead_letters(by("auditor", by_auditor)).await.expect_err("reads alone");
    assert_eq!(denied.code(), Code::PermissionDenied);
    shop.close().await;
}
