//! Installations over gRPC: reported, listed, forgotten; every bad field named, no token shown.

use tonic::Code;
use tonic_types::StatusExt;

use crate::api::testing::{Shop, by};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::device::Destination;
use crate::pb::consentry::v1::device_service_client::DeviceServiceClient;

pub(super) const TOKEN: &str = "fcm-token-of-a-phone-0123456789";

pub(super) fn upsert(installation: &str, token: &str) -> wire::UpsertDeviceRequest {
    wire::UpsertDeviceRequest {
        brand: "main".into(),
        device: Some(wire::Device {
            key: Some(wire::DeviceKey { app: "app".into(), installation_id: installation.into() }),
            platform: wire::PushPlatform::Fcm.into(),
            destination: Some(Destination::Token(token.into())),
            os_permission: wire::OsPermission::Granted.into(),
            channel_enabled: true,
            time_zone: "America/New_York".into(),
            customer_id: "c1".into(),
            locale: "en-US".into(),
            ..wire::Device::default()
        }),
        observed_at: None,
    }
}

#[tokio::test]
async fn an_installation_is_reported_listed_and_forgotten() {
    let shop = Shop::open().await;
    let mut devices = DeviceServiceClient::new(shop.channel.clone());
    let written = devices.upsert_device(by("writer", upsert("i1", TOKEN))).await.expect("taken").into_inner();
    assert_eq!(written.destination, Some(Destination::Token("…456789".into())), "never in full again");
    assert!(written.created_at.is_some() && written.token_dead_at.is_none());
    for n in 2..=5 {
        let other = upsert(&format!("i{n}"), &format!("another-token-number-{n}"));
        devices.upsert_device(by("writer", other)).await.expect("taken");
    }

    let mut token = String::new();
    let mut seen = Vec::new();
    loop {
        let page = wire::ListDevicesRequest {
            app: "app".into(),
            page_size: 2,
            page_token: token,
            ..Default::default()
        };
        let page = devices.list_devices(by("auditor", page)).await.expect("a page").into_inner();
        seen.extend(page.devices.into_iter().filter_map(|d| d.key).map(|key| key.installation_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["i1", "i2", "i3", "i4", "i5"], "oldest first, each once");
    let of_customer = wire::ListDevicesRequest { customer_id: "c1".into(), ..Default::default() };
    let theirs = devices.list_devices(by("sender", of_customer)).await.expect("a page").into_inner();
    assert_eq!(theirs.devices.len(), 5);

    let key = wire::DeviceKey { app: "app".into(), installation_id: "i1".into() };
    let forget = wire::DeleteDeviceRequest { key: Some(key.clone()) };
    let strange = devices.delete_device(by("side", forget.clone())).await.expect_err("another brand's key");
    assert_eq!(strange.code(), Code::NotFound);
    devices.delete_device(by("writer", forget.clone())).await.expect("forgotten");
    devices.delete_device(by("writer", forget)).await.expect("again is harmless");
    let listed = wire::ListDevicesRequest { app: "app".into(), ..Default::default() };
    let listed = devices.list_devices(by("sender", listed)).await.expect("a page").into_inner();
    assert_eq!(listed.devices[0].destination, None);
    let gone = wire::DeleteDeviceRequest { key: Some(wire::DeviceKey { app: "other".into(), ..key }) };
    let gone = devices.delete_device(by("writer", gone)).await.expect_err("never seen");
    assert_eq!(gone.code(), Code::NotFound);
    shop.close().await;
}

#[tokio::test]
async fn every_bad_field_of_a_report_is_named_and_no_token_is_repeated() {
    let shop = Shop::open().await;
    let mut devices = DeviceServiceClient::new(shop.channel.clone());
    let before = shop.gateway.books.stored().len();
    let subscription = |endpoint: &str, p256dh: usize, auth: usize| {
        Some(Destination::Subscription(wire::WebPushSubscription {
            endpoint: endpoint.into(),
            p256dh: vec![4; p256dh],
            auth: vec![1; auth],
        }))
    };
    let apns = wire::PushPlatform::Apns;
    let (web, fcm) = (wire::PushPlatform::WebPush, wire::PushPlatform::Fcm);
    for (platform, destination, fields) in [
        (apns, Some(Destination::Token("not hexadecimal".into())), vec!["device.token"]),
        (fcm, Some(Destination::Token("secret token".into())), vec!["device.token"]),
        (fcm, subscription("https://push.example/x", 65, 16), vec!["device.subscription"]),
        (web, Some(Destination::Token("t".into())), vec!["device.token"]),
        (
            web,
            subscription("http://push.example/x", 64, 15),
            vec!["device.subscription.endpoint", "device.subscription.p256dh", "device.subscription.auth"],
        ),
    ] {
        let mut bad = upsert("i1", TOKEN);
        let device = bad.device.as_mut().expect("set");
        device.platform = platform.into();
        device.destination = destination;
        device.time_zone = "Mars/Olympus".into();
        let refused = devices.upsert_device(by("writer", bad)).await.expect_err("malformed");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_details_bad_request().expect("a BadRequest");
        let named: Vec<&str> = details.field_violations.iter().map(|v| v.field.as_str()).collect();
        for field in fields.iter().chain(&["device.time_zone"]) {
            assert!(named.contains(field), "{field} is missing in {named:?}");
        }
        assert!(!format!("{details:?}").contains("secret"), "{details:?}");
    }
    let unspecified = wire::UpsertDeviceRequest { brand: "main".into(), ..Default::default() };
    let refused = devices.upsert_device(by("writer", unspecified)).await.expect_err("no device");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(shop.gateway.books.stored().len(), before, "nothing was written");
    shop.close().await;
}
