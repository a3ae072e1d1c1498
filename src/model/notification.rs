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

/// A notification as a caller words it: placeholders are open, defaults are not filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushWords {
    pub title: String,
    pub body: String,
    /// May be empty.
    pub image_url: String,
    /// Empty: the link.
    pub deep_link: String,
    /// None: the cart, or the message itself.
    pub collapse_key: Option<String>,
    pub actions: Vec<NotificationAction>,
}

impl PushWords {
    /// The same as a text: headline and words in one, and the link, without which a text leads nowhere.
    pub fn as_text(&self, has_link: bool) -> String {
        let title = self.title.trim_end();
        let joint = if title.ends_with(['.', '!', '?', ':', '…']) { " " } else { ". " };
        let text = format!("{title}{joint}{}", self.body.trim_start());
        match has_link && !text.contains("{{link}}") {
            true => format!("{} {{{{link}}}}", text.trim_end()),
            false => text,
        }
    }
}

/// What is kept of a push message beside what it shows, so that it can be made again for another address of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushSpec {
    /// As rendered; the coupon stays open until dispatch.
    pub content: Notification,
    /// The same with the coupon as it stood at acceptance: what the caller was shown.
    pub preview: Notification,
    pub words: PushWords,
    /// Values of placeholders, sorted by name.
    pub variables: Vec<(String, String)>,
    /// Where the link leads; empty: the cart's checkout.
    pub link_url: String,
    /// The caller named a person, not an installation: any of theirs will do.
    pub any_installation: bool,
    /// Whose telephone gets it as a text when no installation can show it at dispatch; none: nobody's.
    pub text_to: Option<SubjectId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(title: &str, body: &str) -> PushWords {
        PushWords {
            title: title.to_owned(),
            body: body.to_owned(),
            image_url: String::new(),
            deep_link: String::new(),
            collapse_key: None,
            actions: Vec::new(),
        }
    }

    #[test]
    fn a_notification_reads_as_a_text_and_leads_somewhere() {
        for (title, body, link, text) in [
            ("Your cart", "Still here", true, "Your cart. Still here {{link}}"),
            ("Your cart!", "See {{link}}", true, "Your cart! See {{link}}"),
            ("Order sent", "It is on its way.", false, "Order sent. It is on its way."),
        ] {
            assert_eq!(words(title, body).as_text(link), text);
        }
    }

    #[test]
    fn a_collapse_id_fits_every_service_and_differs_by_brand() {
        let content = |key: &str| Notification {
            title: "t".to_owned(),
            body: "b".to_owned(),
            image_url: String::new(),
            deep_link: String::new(),
            opt_out_url: String::new(),
            collapse_key: key.to_owned(),
            actions: Vec::new(),
        };
        let (main, side) = ("main".parse().expect("a slug"), "side".parse().expect("a slug"));
        let id = content("cart 1").collapse_id(&main);
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert_ne!(id, content("cart 1").collapse_id(&side));
        assert_ne!(id, content("cart 2").collapse_id(&main));
        assert_eq!(content("x").words(), "t\nb");
    }
}
