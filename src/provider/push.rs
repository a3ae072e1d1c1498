//! What the three push services have in common: what leaves for an installation, and what never reaches one.

use serde::Serialize;

use super::{Dispatch, Handover, ReconcileError, reply};
use crate::model::device::{Destination, PushPlatform};
use crate::model::notification::{Notification, NotificationAction};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageId};

/// A notification on its way, sealed into a dispatch by the intent that decided on it.
#[derive(Debug, Clone, PartialEq)]
pub struct PushHandover {
    pub(crate) platform: PushPlatform,
    pub(crate) destination: Destination,
    /// When the destination was written down.
    pub(crate) destination_at: Instant,
    /// As it leaves: nothing is open any more.
    pub(crate) content: Notification,
    /// See [`Notification::collapse_id`].
    pub(crate) collapse_id: String,
    /// Somebody waits for it (an order's news); marketing never wakes a sleeping phone.
    pub(crate) urgent: bool,
}

/// The notification of a dispatch, for this service; the outcome where there is none.
pub fn handed(dispatch: &Dispatch, platform: PushPlatform) -> Result<&PushHandover, Handover> {
    match dispatch.push() {
        Some(push) if push.platform == platform => Ok(push),
        _ => Err(unaddressable()),
    }
}

/// The token of a notification; the outcome where there is none.
pub fn token(push: &PushHandover) -> Result<&str, Handover> {
    match &push.destination {
        Destination::Token(token) => Ok(token),
        Destination::Subscription { .. } => Err(unaddressable()),
    }
}

/// The address is nothing this service could reach. It says nothing about the installation, so it stays.
pub fn unaddressable() -> Handover {
    let class = ErrorClass::PermanentSender;
    reply::refused(class, "not_an_installation", "the address is no installation of this push service", None)
}

/// More than push services carry.
pub fn too_large() -> Handover {
    let class = ErrorClass::PermanentContent;
    reply::refused(class, "payload_too_large", "the notification is larger than push services carry", None)
}

/// Push services keep no list of what became of notifications.
pub fn no_list<T>() -> Result<T, ReconcileError> {
    super::account::no_list("push services keep no list of messages and tell nothing of delivery")
}

/// What the app is told besides the words it shows.
#[derive(Serialize)]
pub struct AppData<'a> {
    pub consentry_message: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub deep_link: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub image_url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub opt_out_url: &'a str,
    pub tag: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub actions: &'a [NotificationAction],
}

impl<'a> AppData<'a> {
    /// The data of a notification; the picture is left out where the service shows it itself.
    pub fn of(message: MessageId, push: &'a PushHandover, with_image: bool) -> AppData<'a> {
        let content = &push.content;
        AppData {
            consentry_message: message.to_string(),
            deep_link: &content.deep_link,
            image_url: if with_image { &content.image_url } else { "" },
            opt_out_url: &content.opt_out_url,
            tag: &push.collapse_id,
            actions: &content.actions,
        }
    }
}
