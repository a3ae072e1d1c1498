//! One installation of an app, or one browser, and where notifications to it go.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ids::{BrandId, CustomerId};
use super::instant::Instant;
use super::zone::ZoneName;

/// The push system behind an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushPlatform {
    /// Apple Push Notification service.
    Apns,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Web Push (RFC 8030).
    WebPush,
}

impl PushPlatform {
    /// The adapter that speaks to it, as connections name it.
    pub const fn provider(self) -> &'static str {
        match self {
            PushPlatform::Apns => "apns",
            PushPlatform::Fcm => "fcm",
            PushPlatform::WebPush => "web_push",
        }
    }
}

/// What the operating system or browser lets the app show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OsPermission {
    /// The person allowed notifications.
    Granted,
    /// Quiet delivery without a prompt (iOS).
    Provisional,
    /// The person refused or withdrew; also what was never reported.
    Denied,
    /// Never asked.
    NotDetermined,
}

impl OsPermission {
    /// Whether a notification would be shown at all. It is no consent.
    pub const fn lets_show(self) -> bool {
        matches!(self, OsPermission::Granted | OsPermission::Provisional)
    }
}

/// Where a push service finds an installation. `Debug` shows none of it: whoever has it can write to the person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A token of APNs or FCM.
    Token(String),
    /// A browser's subscription (RFC 8291).
    Subscription {
        /// `https` URL of the push service.
        endpoint: String,
        /// The browser's public key, uncompressed P-256 point, 65 bytes.
        p256dh: Vec<u8>,
        /// The browser's authentication secret, 16 bytes.
        auth: Vec<u8>,
    },
}

impl Destination {
    /// Names it without showing it: two installations of one destination are one place.
    pub fn fingerprint(&self, platform: PushPlatform) -> [u8; 32] {
        let place = match self {
            Destination::Token(token) => token,
            Destination::Subscription { endpoint, .. } => endpoint,
        };
        let tag = Sha256::new().chain_update(b"consentry/push-destination/v1\0");
        tag.chain_update(platform.provider()).chain_update(b"\0").chain_update(place).finalize().into()
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Destination::Token(_) => "Token(…)",
            Destination::Subscription { .. } => "Subscription(…)",
        })
    }
}

/// An installation as its app last reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Brand of the app.
    pub brand: BrandId,
    pub platform: PushPlatform,
    /// None: nothing can be sent there.
    pub destination: Option<Destination>,
    /// When this destination was written down here: what a push service says of an older one is not about this.
    pub destination_at: Instant,
    /// When the push service said that the destination is dead; none while it lives.
    pub dead_at: Option<Instant>,
    pub permission: OsPermission,
    /// The person left the app's marketing channel or switch on.
    pub channel_enabled: bool,
    pub time_zone: Option<ZoneName>,
    /// The customer it was last reported for.
    pub customer: Option<CustomerId>,
    /// BCP 47; empty: not reported.
    pub locale: String,
    /// When the app saw this state.
    pub observed_at: Instant,
    pub created_at: Instant,
    pub updated_at: Instant,
}

impl Device {
    /// The destination, while it lives.
    pub fn live(&self) -> Option<&Destination> {
        self.destination.as_ref().filter(|_| self.dead_at.is_none())
    }

    /// Whether a notification would reach a screen, as far as is known.
    pub fn can_show(&self) -> bool {
        self.live().is_some() && self.permission.lets_show()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_shows_in_no_log_and_differs_by_platform() {
        let token = Destination::Token("aabbcc".to_owned());
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_ne!(token.fingerprint(PushPlatform::Apns), token.fingerprint(PushPlatform::Fcm));
        let with = |auth: u8| Destination::Subscription {
            endpoint: "https://updates.push.services.mozilla.com/a".to_owned(),
            p256dh: vec![4; 65],
            auth: vec![auth; 16],
        };
        let web = PushPlatform::WebPush;
        assert_eq!(with(1).fingerprint(web), with(2).fingerprint(web), "new keys, the same place");
    }

    #[test]
    fn only_a_live_place_with_permission_can_show() {
        use OsPermission::*;
        for (permission, shows) in
            [(Granted, true), (Provisional, true), (Denied, false), (NotDetermined, false)]
        {
            assert_eq!(permission.lets_show(), shows, "{permission:?}");
        }
    }
}
