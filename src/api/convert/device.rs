//! Installations: as an app reports them, as they are known. A token or key that came in is never shown in full again.

use crate::api::auth::Caller;
use crate::api::convert::{maybe_timestamp, names, timestamp};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::model::device::{Destination, OsPermission, PushPlatform};
use crate::model::subject::Address;
use crate::model::{CustomerId, SenderId};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::device::{KnownDevice, UpsertDevice};

/// Longest token, in characters.
const TOKEN_MAX: usize = 4_096;
/// Longest APNs token, in hexadecimal digits; Apple sends 64 today and says that it may become longer.
const APNS_TOKEN_MAX: usize = 200;
/// Characters of a token that are shown, so that a support case can be matched.
const SHOWN: usize = 6;

/// App and installation.
pub fn key(f: &mut Fields, key: wire::DeviceKey) -> Option<(String, String)> {
    let app = f.id::<SenderId>("app", &key.app);
    let installation = f.text("installation_id", key.installation_id, 1..=128, Lines::One);
    Some((app?.to_string(), installation?))
}

/// Reads a report.
pub fn report(f: &mut Fields, wire: wire::UpsertDeviceRequest, caller: &Caller) -> Option<UpsertDevice> {
    let brand = f.id("brand", &wire.brand);
    let observed_at = f.time_or_now("observed_at", wire.observed_at, TimeRule::Happened);
    f.required("device", wire.device, |f, device| {
        let named = f.required("key", device.key, key);
        let platform = f.named("platform", device.platform, names::platform_of);
        let destination = platform.and_then(|platform| destination(f, platform, device.destination));
        let permission = f.maybe_named("os_permission", device.os_permission, names::permission_of);
        let time_zone = f.zone("time_zone", &device.time_zone);
        let customer = f.optional_id::<CustomerId>("customer_id", &device.customer_id);
        let locale = f.text("locale", device.locale, 0..=35, Lines::One);
        let (app, installation) = named?;
        Some(UpsertDevice {
            brand: brand?,
            app,
            installation,
            platform: platform?,
            destination: destination?,
            permission: permission?.unwrap_or(OsPermission::Denied),
            channel_enabled: device.channel_enabled,
            time_zone: time_zone?,
            customer: customer?,
            locale: locale?,
            observed_at: observed_at?,
            actor: caller.key.clone(),
        })
    })
}

fn destination(
    f: &mut Fields,
    platform: PushPlatform,
    wire: Option<wire::device::Destination>,
) -> Option<Option<Destination>> {
    use wire::device::Destination as Wire;
    match (platform, wire) {
        (_, None) => Some(None),
        (PushPlatform::WebPush, Some(Wire::Subscription(wire))) => {
            f.within("subscription", |f| subscription(f, wire)).map(Some)
        }
        (PushPlatform::WebPush, Some(Wire::Token(_))) => {
            f.refuse("token", "is for APNS and FCM; a browser has a subscription")
        }
        (_, Some(Wire::Subscription(_))) => f.refuse("subscription", "is for WEB_PUSH; give the token"),
        (platform, Some(Wire::Token(token))) => self::token(f, platform, token).map(Some),
    }
}

/// The rule is said without the token: it would stand in the caller's log.
fn token(f: &mut Fields, platform: PushPlatform, token: String) -> Option<Destination> {
    let visible = token.bytes().all(|b| b.is_ascii_graphic());
    let hexadecimal = token.bytes().all(|b| b.is_ascii_hexdigit());
    match platform {
        _ if token.is_empty() => f.refuse("token", "is required; leave it out where there is none"),
        PushPlatform::Apns if !hexadecimal || token.len() > APNS_TOKEN_MAX => {
            f.refuse("token", "must be the device token in hexadecimal, at most 200 digits")
        }
        _ if !visible || token.len() > TOKEN_MAX => {
            f.refuse("token", "must be at most 4,096 visible ASCII characters")
        }
        _ => Some(Destination::Token(token)),
    }
}

fn subscription(f: &mut Fields, wire: wire::WebPushSubscription) -> Option<Destination> {
    let endpoint = f.required_link("endpoint", wire.endpoint);
    if wire.p256dh.len() != 65 || wire.p256dh.first() != Some(&4) {
        f.bad("p256dh", "must be an uncompressed P-256 point of 65 bytes");
    }
    if wire.auth.len() != 16 {
        f.bad("auth", "must be 16 bytes");
    }
    Some(Destination::Subscription { endpoint: endpoint?.url, p256dh: wire.p256dh, auth: wire.auth })
}

/// An installation as it is known.
pub fn device(known: &KnownDevice) -> wire::Device {
    let device = &known.device;
    let key = match &known.address {
        Address::Device { app, installation } => {
            Some(wire::DeviceKey { app: app.clone(), installation_id: installation.clone() })
        }
        Address::Phone(_) => None,
    };
    wire::Device {
        key,
        platform: names::platform(device.platform).into(),
        destination: device.destination.as_ref().map(shown),
        os_permission: names::permission(device.permission).into(),
        channel_enabled: device.channel_enabled,
        time_zone: device.time_zone.as_ref().map(|zone| zone.as_str().to_owned()).unwrap_or_default(),
        customer_id: device.customer.as_ref().map(ToString::to_string).unwrap_or_default(),
        locale: device.locale.clone(),
        created_at: Some(timestamp(device.created_at)),
        updated_at: Some(timestamp(device.updated_at)),
        token_dead_at: maybe_timestamp(device.dead_at),
    }
}

/// The end of a token, the host of a subscription.
fn shown(destination: &Destination) -> wire::device::Destination {
    match destination {
        Destination::Token(token) => {
            let from = token.len().saturating_sub(SHOWN.min(token.len() / 2));
            wire::device::Destination::Token(format!("…{}", &token[from..]))
        }
        Destination::Subscription { endpoint, .. } => {
            let host = endpoint.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
            wire::device::Destination::Subscription(wire::WebPushSubscription {
                endpoint: format!("https://{}/…", host.unwrap_or_default()),
                ..wire::WebPushSubscription::default()
            })
        }
    }
}
