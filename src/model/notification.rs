//! What a notification shows and carries, whatever push service takes it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ids::{BrandId, SubjectId};

/// A notification as it goes out. Empty texts: not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Headline; `{{coupon}}` and `{{coupon_expires}}` stay open until dispatch, as in texts.
    pub title: String,
    /// Text, with the same open.
    pub body: String,
    /// Picture, `https`.
    pub image_url: String,
    /// Where tapping leads.
    pub deep_link: String,
    /// The page on which the person stops these messages.
    pub opt_out_url: String,
    /// The caller's key, or the cart, or the message itself: a newer notification takes the place of an older one of
    /// the same key, so that a duplicate is never shown beside its twin.
    pub collapse_key: String,
    /// Buttons, at most 3.
    pub actions: Vec<NotificationAction>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationAction {
    /// What the app is told.
    pub id: String,
    /// What the person reads.
    pub title: String,
    /// Where it leads; may be empty.
    pub url: String,
}

impl Notification {
    /// Most bytes of a notification as JSON: every push service takes 4,096 with what it adds of its own.
    pub const BYTES_MAX: usize = 3_400;

    /// Its bytes as JSON.
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }

    /// Everything a person reads, as decisions judge it: headline first, because labels stand there.
    pub fn words(&self) -> String {
        let buttons = self.actions.iter().map(|action| action.title.as_str());
        let all: Vec<&str> = [self.title.as_str(), self.body.as_str()].into_iter().chain(buttons).collect();
        all.join("\n")
    }

    /// The collapse key as push services see it: 32 hexadecimal digits, which fit all of them and tell them nothing.
    pub fn collapse_id(&self, brand: &BrandId) -> String {
        let hash = Sha256::new()
            .chain_update(b"consentry/collapse/v1\0")
            .chain_update(brand.as_str())
            .chain_update(b"\0")
            .chain_update(&self.collapse_key)
            .finalize();
        hex::encode(&hash[..16])
    }
}

/// What a push message is made again from as a text, should nothing be able to show it at dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextInstead {
    /// Whose telephone.
    pub subject: SubjectId,
    /// The words with their placeholders.
    pub words: String,
    /// Values of placeholders, sorted by name.
    pub variables: Vec<(String, String)>,
    /// Where the link leads; empty: nowhere.
    pub link_url: String,
}
