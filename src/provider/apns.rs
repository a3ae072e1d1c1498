//! Apple Push Notification service: `POST /3/device/{token}` over HTTP/2, token-based (Apple: "Sending notification requests
//! to APNs", "Handling notification responses from APNs", "Establishing a token-based connection to APNs").
//!
//! 200 says that Apple took it; nothing ever says that it was shown. There is no key against duplicates, so nothing is
//! repeated; the collapse id lets a second one take the place of the first.

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::account::{Page, Vendor};
use super::http::{Answer, Outgoing};
use super::jws::SigningKey;
use super::push::{self, AppData};
use super::registry::{BuildError, Given};
use super::request::{credential, uri};
use super::{Dispatch, Failure, Handover, ReconcileError, reply};
use crate::model::device::PushPlatform;
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, Span};

/// How long one provider token is used. Apple refuses tokens older than an hour, and new ones more often than every 20
/// minutes; slots of the clock keep both, over restarts and for every process of a team.
const TOKEN_SLOT_SECONDS: i64 = 40 * 60;
/// Most bytes of a payload.
const PAYLOAD_MAX: usize = 4_096;
/// How long a device that was told too much is left alone.
const DEVICE_REST_SECONDS: u32 = 60;

const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// One team at Apple.
pub struct Apns {
    base: String,
    team: String,
    key_id: String,
    key: SigningKey,
    /// The app's bundle id; none: the sender's address is it.
    topic: Option<String>,
    category: Option<String>,
    /// The slot it is for, and the credential.
    token: Mutex<Option<(i64, HeaderValue)>>,
}

impl Apns {
    /// A team from a connection: `team_id`, `key_id`, `private_key`; also `environment`, `topic`, `category`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let ten = |name: &'static str| {
            let id = given.segment(name)?;
            let fits = id.len() == 10 && id.bytes().all(|b| b.is_ascii_alphanumeric());
            let why = "must be the 10 letters and digits that Apple shows";
            if fits { Ok(id.to_owned()) } else { Err(BuildError::Setting(name, why)) }
        };
        let usual = match given.choice("environment", &["production", "sandbox"])? {
            "sandbox" => "https://api.sandbox.push.apple.com",
            _ => "https://api.push.apple.com",
        };
        let pem = given.secret("private_key")?;
        let wrong = BuildError::Secret("private_key", "must be the .p8 file: a P-256 key in PKCS #8, PEM");
        Ok(Self {
            base: given.base(usual)?,
            team: ten("team_id")?,
            key_id: ten("key_id")?,
            key: SigningKey::es256(pem.expose_secret()).ok_or(wrong)?,
            topic: given.optional("topic").map(str::to_owned),
            category: given.optional("category").map(str::to_owned),
            token: Mutex::new(None),
        })
    }

    /// The provider token of this part of the hour.
    fn authorization(&self, now: Instant) -> Option<HeaderValue> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            iat: i64,
        }
        let slot = now.as_seconds().div_euclid(TOKEN_SLOT_SECONDS);
        let mut kept = self.token.lock();
        if let Some((_, value)) = kept.as_ref().filter(|(of, _)| *of == slot) {
            return Some(value.clone());
        }
        let claims = Claims { iss: &self.team, iat: slot * TOKEN_SLOT_SECONDS };
        let token = Zeroizing::new(self.key.token(Some(&self.key_id), &claims)?);
        let value = credential(&format!("bearer {}", *token))?;
        *kept = Some((slot, value.clone()));
        Some(value)
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    aps: Aps<'a>,
    #[serde(flatten)]
    data: AppData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    alert: Alert<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    /// Lets the app's extension fetch the picture and build the buttons.
    #[serde(skip_serializing_if = "Option::is_none")]
    mutable_content: Option<u8>,
    thread_id: &'a str,
}

#[derive(Serialize)]
struct Alert<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Deserialize)]
struct Refused {
    reason: String,
    /// 410: when the token was found dead, in milliseconds.
    timestamp: Option<i64>,
}

impl Vendor for Apns {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let push = push::handed(dispatch, PushPlatform::Apns)?;
        let (token, content) = (push::token(push)?, &push.content);
        // The token stands in the path: what is no token must not lead elsewhere.
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(push::unaddressable());
        }
        let rich = !content.image_url.is_empty() || !content.actions.is_empty();
        let payload = Payload {
            aps: Aps {
                alert: Alert { title: &content.title, body: &content.body },
                category: self.category.as_deref().filter(|_| !content.actions.is_empty()),
                mutable_content: rich.then_some(1),
                thread_id: &push.collapse_id,
            },
            data: AppData::of(dispatch.message(), push, true),
        };
        let body = serde_json::to_vec(&payload).map_err(|_| reply::unbuildable())?;
        if body.len() > PAYLOAD_MAX {
            return Err(push::too_large());
        }
        let until = dispatch.deliver_by().map_or(0, |by| by.as_seconds().max(0));
        let id = id_of(&dispatch.message().to_string());
        let headers = [
            ("apns-topic", self.topic.clone().unwrap_or_else(|| dispatch.from().to_owned())),
            ("apns-push-type", "alert".to_owned()),
            ("apns-priority", if push.urgent { "10" } else { "5" }.to_owned()),
            ("apns-expiration", until.to_string()),
            ("apns-collapse-id", push.collapse_id.clone()),
            ("apns-id", id),
        ];
        let url = uri(&format!("{}/3/device/{token}", self.base)).ok_or_else(reply::unbuildable)?;
        let mut post = Outgoing::post(url, "application/json", body);
        for (key, value) in headers {
            let value = HeaderValue::from_str(&value).map_err(|_| reply::unbuildable())?;
            post = post.header(name(key), value);
        }
        let authorization = self.authorization(now).ok_or_else(reply::unbuildable)?;
        Ok(post.header(http::header::AUTHORIZATION, authorization))
    }

    fn submitted(&self, said: &Answer) -> Handover {
        self.read(said, None)
    }

    fn submitted_for(&self, dispatch: &Dispatch, said: &Answer) -> Handover {
        self.read(said, dispatch.push().map(|push| push.destination_at))
    }

    /// Too many notifications for one device are that device's affair.
    fn throttles(&self, _: &Answer, failure: &Failure) -> bool {
        failure.code == "TooManyProviderTokenUpdates" || failure.code == "429"
    }

    fn lists(&self, _: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        push::no_list()
    }

    fn page(&self, _: &Outgoing, _: Instant, _: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        push::no_list()
    }
}

impl Apns {
    fn read(&self, said: &Answer, registered_at: Option<Instant>) -> Handover {
        let status = said.status.as_u16();
        if status == 200 {
            // Apple names every notification it takes; what has no name is somebody else's 200.
            let id = said.headers.get("apns-id").and_then(|id| id.to_str().ok());
            return match id {
                Some(id) if !id.is_empty() => reply::accepted(id),
                _ => reply::unclear(said.status, "accepted without an apns-id"),
            };
        }
        let Some(refused) = reply::json::<Refused>(said) else { return reply::by_status(said) };
        let reason = refused.reason.as_str();
        let say = |class, after| reply::refused(class, reason, "APNs refused the notification", after);
        match (status, reason) {
            (410, "Unregistered" | "ExpiredToken") => {
                let died = refused.timestamp.map(|ms| Instant::EPOCH + Span::millis(ms));
                match (died, registered_at) {
                    // The app has reported the token anew since: what Apple knows is older.
                    (Some(died), Some(since)) if since > died => {
                        say(ErrorClass::Retryable, Some(DEVICE_REST_SECONDS))
                    }
                    _ => say(ErrorClass::PermanentRecipient, None),
                }
            }
            // Mostly sandbox and production mixed up: the token is not to blame.
            (400, "BadDeviceToken" | "DeviceTokenNotForTopic") => say(ErrorClass::PermanentSender, None),
            (400, "BadTopic" | "MissingTopic" | "TopicDisallowed" | "MissingDeviceToken") => {
                say(ErrorClass::PermanentAccount, None)
            }
            (429, "TooManyRequests") => {
                say(ErrorClass::Retryable, reply::after_seconds(said).or(Some(DEVICE_REST_SECONDS)))
            }
            (429, _) => say(ErrorClass::Retryable, reply::after_seconds(said)),
            (403..=405, _) => say(ErrorClass::PermanentAccount, None),
            (503, "ServiceUnavailable" | "Shutdown") => {
                say(ErrorClass::Retryable, reply::after_seconds(said))
            }
            (400 | 410 | 413, _) => say(ErrorClass::PermanentContent, None),
            _ => reply::by_status(said),
        }
    }
}

/// Our id in the form of a UUID, which is how Apple names notifications.
fn id_of(hex: &str) -> String {
    match (hex.get(0..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..32)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => hex.to_owned(),
    }
}

#[cfg(test)]
mod tests;
