//! Firebase Cloud Messaging, HTTP v1: `POST /v1/projects/{project}/messages:send` under an OAuth token of a service account
//! (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages, …/v1/ErrorCode;
//! developers.google.com/identity/protocols/oauth2/service-account).
//!
//! 200 says that Google took it; nothing ever says that it was shown. There is no key against duplicates, so nothing is
//! repeated; collapse key and tag let a second one take the place of the first.

use http::HeaderValue;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::account::{Page, Vendor};
use super::http::{Answer, Outgoing};
use super::jws::SigningKey;
use super::push::{self, AppData, PushHandover};
use super::registry::{BuildError, Given};
use super::request::{post_json, token as bearer, uri};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::model::device::PushPlatform;
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, Span};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Longest life Google gives an assertion.
const ASSERTION_LIFE: Span = Span::seconds(3_600);
/// An access token is replaced this long before it ends.
const EARLY: Span = Span::minutes(5);
/// Wait after a quota is used up, where Google names none (throttling-and-quotas).
const QUOTA_SECONDS: u32 = 60;
/// Longest time a message may wait, in seconds: four weeks.
const TTL_MAX: i64 = 2_419_200;

/// One Firebase project.
pub struct Fcm {
    url: String,
    token_url: String,
    client: String,
    key_id: String,
    key: SigningKey,
    channel: Option<String>,
    access: Mutex<Option<Access>>,
}

struct Access {
    authorization: HeaderValue,
    until: Instant,
}

/// The file that Google hands out for a service account.
#[derive(Deserialize)]
struct ServiceAccount {
    project_id: String,
    private_key_id: String,
    private_key: String,
    client_email: String,
    token_uri: String,
}

impl Fcm {
    /// A project from a connection: `service_account`; also `android_channel`, `token_url`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        const NAME: &str = "service_account";
        let text = given.secret(NAME)?;
        let account: ServiceAccount = serde_json::from_str(text.expose_secret())
            .map_err(|_| BuildError::Secret(NAME, "must be the JSON file of a service account"))?;
        let pem = Zeroizing::new(account.private_key);
        let key = SigningKey::rs256(&pem)
            .ok_or(BuildError::Secret(NAME, "holds no RSA key in PKCS #8, PEM, of 2,048 bits or more"))?;
        let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'.');
        if account.project_id.is_empty() || !account.project_id.bytes().all(fine) {
            return Err(BuildError::Secret(NAME, "holds no project_id"));
        }
        let token_url = given.optional("token_url").unwrap_or(&account.token_uri).to_owned();
        let web = uri(&token_url).is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !web {
            return Err(BuildError::Setting(
                "token_url",
                "must be an https URL, as token_uri of the file is",
            ));
        }
        let base = given.base("https://fcm.googleapis.com")?;
        Ok(Self {
            url: format!("{base}/v1/projects/{}/messages:send", account.project_id),
            token_url,
            client: account.client_email,
            key_id: account.private_key_id,
            key,
            channel: given.optional("android_channel").map(str::to_owned),
            access: Mutex::new(None),
        })
    }

    fn ask_for_access(&self, now: Instant) -> Option<Outgoing> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            scope: &'static str,
            aud: &'a str,
            iat: i64,
            exp: i64,
        }
        let iat = now.as_seconds();
        let claims = Claims {
            iss: &self.client,
            scope: SCOPE,
            aud: &self.token_url,
            iat,
            exp: iat + ASSERTION_LIFE.as_seconds(),
        };
        let assertion = Zeroizing::new(self.key.token(Some(&self.key_id), &claims)?);
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", GRANT), ("assertion", assertion.as_str())])
            .finish();
        Some(Outgoing::post(uri(&self.token_url)?, "application/x-www-form-urlencoded", form))
    }
}

#[derive(Serialize)]
struct Submit<'a> {
    message: Message<'a>,
}

/// Android shows a `notification` itself while the app is in the background, and knows no buttons then: with buttons the
/// words go as data, and the app shows them. Apple devices and browsers get their own words in that case.
#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<Shown<'a>>,
    data: Data<'a>,
    android: Android<'a>,
    apns: ForApple<'a>,
    webpush: ForWeb<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    title: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    image: &'a str,
}

/// Values are texts alone; the buttons are a JSON array in one.
#[derive(Serialize)]
struct Data<'a> {
    consentry_message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    deep_link: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    opt_out_url: &'a str,
    tag: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    actions: String,
    /// The words and the picture, where the app has to show them itself.
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    body: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    image_url: &'a str,
}

#[derive(Serialize)]
struct Android<'a> {
    collapse_key: &'a str,
    priority: &'static str,
    ttl: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<AndroidShown<'a>>,
}

#[derive(Serialize)]
struct AndroidShown<'a> {
    /// Takes the place of one that is shown already.
    tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<&'a str>,
}

/// What an app on an Apple device gets that is reached through Firebase.
#[derive(Serialize)]
struct ForApple<'a> {
    headers: AppleHeaders<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<ApplePayload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fcm_options: Option<AppleOptions<'a>>,
}

#[derive(Serialize)]
struct ApplePayload<'a> {
    aps: Aps<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<Alert<'a>>,
    /// Lets the app's extension fetch the picture and make the buttons.
    mutable_content: u8,
}

#[derive(Serialize)]
struct Alert<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct AppleOptions<'a> {
    image: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AppleHeaders<'a> {
    apns_collapse_id: &'a str,
    apns_expiration: String,
    apns_priority: &'static str,
    apns_push_type: &'static str,
}

/// The same for a browser that is.
#[derive(Serialize)]
struct ForWeb<'a> {
    headers: WebHeaders<'a>,
    notification: WebShown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fcm_options: Option<WebOptions<'a>>,
}

/// What differs from the message's own notification: all of it, where that has none.
#[derive(Serialize)]
struct WebShown<'a> {
    tag: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    body: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    image: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<WebButton<'a>>,
}

#[derive(Serialize)]
struct WebButton<'a> {
    action: &'a str,
    title: &'a str,
}

/// Google refuses a link that is not `https`.
#[derive(Serialize)]
struct WebOptions<'a> {
    link: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WebHeaders<'a> {
    #[serde(rename = "TTL")]
    ttl: String,
    topic: &'a str,
    urgency: &'static str,
}

#[derive(Deserialize)]
struct Taken {
    name: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

#[derive(Deserialize)]
struct Refused {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(rename = "@type", default)]
    kind: String,
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    field_violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct Violation {
    #[serde(default)]
    field: String,
}

impl Fault {
    /// FCM's own code, where the answer is FCM's own.
    fn code(&self) -> Option<&str> {
        let own =
            |d: &&Detail| d.kind.ends_with("google.firebase.fcm.v1.FcmError") && !d.error_code.is_empty();
        self.details.iter().find(own).map(|detail| detail.error_code.as_str())
    }

    fn is_about_the_token(&self) -> bool {
        self.details.iter().flat_map(|d| &d.field_violations).any(|v| v.field == "message.token")
    }
}

fn message<'a>(
    fcm: &'a Fcm,
    dispatch: &Dispatch,
    push: &'a PushHandover,
    token: &'a str,
    now: Instant,
) -> Message<'a> {
    let (content, key) = (&push.content, push.collapse_id.as_str());
    let by = dispatch.deliver_by();
    let ttl = by.map_or(0, |by| by.since(now).as_seconds().clamp(0, TTL_MAX));
    let data = AppData::of(dispatch.message(), push, false);
    let actions = match content.actions.is_empty() {
        true => String::new(),
        false => serde_json::to_string(&content.actions).unwrap_or_default(),
    };
    let buttons = !content.actions.is_empty();
    // The words as data and by platform, where the message itself must not show them.
    let own = |words: &'a str| if buttons { words } else { "" };
    let (title, body, image) = (own(&content.title), own(&content.body), own(&content.image_url));
    let picture = Some(content.image_url.as_str()).filter(|image| !image.is_empty());
    let link = Some(content.deep_link.as_str()).filter(|link| link.starts_with("https://"));
    Message {
        token,
        notification: (!buttons).then(|| Shown {
            title: &content.title,
            body: &content.body,
            image: &content.image_url,
        }),
        data: Data {
            title,
            body,
            image_url: image,
            consentry_message: data.consentry_message,
            deep_link: data.deep_link,
            opt_out_url: data.opt_out_url,
            tag: key,
            actions,
        },
        android: Android {
            collapse_key: key,
            priority: if push.urgent { "HIGH" } else { "NORMAL" },
            ttl: format!("{ttl}s"),
            notification: (!buttons).then_some(AndroidShown { tag: key, channel_id: fcm.channel.as_deref() }),
        },
        apns: ForApple {
            headers: AppleHeaders {
                apns_collapse_id: key,
                apns_expiration: by.map_or(0, Instant::as_seconds).to_string(),
                apns_priority: if push.urgent { "10" } else { "5" },
                apns_push_type: "alert",
            },
            payload: (buttons || picture.is_some()).then(|| ApplePayload {
                aps: Aps { alert: buttons.then_some(Alert { title, body }), mutable_content: 1 },
            }),
            fcm_options: picture.map(|image| AppleOptions { image }),
        },
        webpush: ForWeb {
            headers: WebHeaders {
                ttl: ttl.to_string(),
                topic: key,
                urgency: if push.urgent { "high" } else { "normal" },
            },
            notification: WebShown {
                tag: key,
                title,
                body,
                image,
                actions: content
                    .actions
                    .iter()
                    .map(|a| WebButton { action: &a.id, title: &a.title })
                    .collect(),
            },
            fcm_options: link.map(|link| WebOptions { link }),
        },
    }
}

impl Vendor for Fcm {
    fn credential(&self, now: Instant) -> Result<Option<Outgoing>, Handover> {
        if self.access.lock().as_ref().is_some_and(|access| now < access.until) {
            return Ok(None);
        }
        self.ask_for_access(now).map(Some).ok_or_else(reply::unbuildable)
    }

    fn credential_answered(&self, said: &Answer, now: Instant) -> Result<(), Handover> {
        let refuse = |class, code: &str, text: &str| {
            Err(reply::refused(class, code, text, reply::after_seconds(said)))
        };
        let status = said.status.as_u16();
        match reply::json::<Granted>(said).filter(|_| status == 200) {
            Some(granted) => {
                let Some(authorization) = bearer("Bearer", &SecretString::from(granted.access_token)) else {
                    return refuse(ErrorClass::Retryable, "oauth", "the access token is not visible ASCII");
                };
                let until = now + Span::seconds(granted.expires_in.clamp(0, 86_400)) - EARLY;
                // One that is nearly over is used once: it is all there is.
                let until = until.max(now + Span::seconds(1));
                *self.access.lock() = Some(Access { authorization, until });
                Ok(())
            }
            None if matches!(status, 400..=404) => {
                refuse(ErrorClass::PermanentAccount, "oauth", "the service account is refused")
            }
            // Nothing but a question for a token was sent, so the message certainly waits.
            None => refuse(ErrorClass::Retryable, "oauth", "no access token was given"),
        }
    }

    fn is_stale(&self, said: &Answer) -> bool {
        let stale = said.status.as_u16() == 401
            && reply::json::<Refused>(said).is_some_and(|refused| refused.error.code().is_none());
        if stale {
            *self.access.lock() = None;
        }
        stale
    }

    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let push = push::handed(dispatch, PushPlatform::Fcm)?;
        let token = push::token(push)?;
        let access = self.access.lock().as_ref().map(|access| access.authorization.clone());
        let Some(authorization) = access else {
            let why = "there is no access token yet";
            return Err(reply::refused(ErrorClass::Retryable, "oauth", why, Some(1)));
        };
        let body = Submit { message: message(self, dispatch, push, token, now) };
        post_json(&self.url, &authorization, &body).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if status == 200 {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.name.is_empty() => reply::accepted(taken.name),
                _ => reply::unclear(said.status, "accepted without a name"),
            };
        }
        let Some(fault) = reply::json::<Refused>(said).map(|refused| refused.error) else {
            return reply::by_status(said);
        };
        let after = reply::after_seconds(said);
        let say = |class, code: &str, after| reply::refused(class, code, &fault.message, after);
        match (status, fault.code()) {
            (404, Some(code @ "UNREGISTERED")) => say(ErrorClass::PermanentRecipient, code, None),
            // Another project's: no token of this app.
            (403, Some(code @ "SENDER_ID_MISMATCH")) => say(ErrorClass::PermanentRecipient, code, None),
            (400, Some(code @ "INVALID_ARGUMENT")) if fault.is_about_the_token() => {
                say(ErrorClass::PermanentRecipient, code, None)
            }
            (_, Some(code @ "THIRD_PARTY_AUTH_ERROR")) => say(ErrorClass::PermanentAccount, code, None),
            (429, Some(code)) => say(ErrorClass::Retryable, code, after.or(Some(QUOTA_SECONDS))),
            (503, Some(code @ "UNAVAILABLE")) => say(ErrorClass::Retryable, code, after),
            (400, _) => say(ErrorClass::PermanentContent, &fault.status, None),
            (401 | 403, None) => say(ErrorClass::PermanentAccount, &fault.status, None),
            _ => reply::by_status(said),
        }
    }

    fn lists(&self, _: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        push::no_list()
    }

    fn page(&self, _: &Outgoing, _: Instant, _: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        push::no_list()
    }
}

#[cfg(test)]
mod tests;
