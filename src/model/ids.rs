//! Identifiers as types, so that a program can never be passed where a sender is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::serde_as_text;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Slugs start with a letter or digit and hold 1 to 64 of `a-z A-Z 0-9 . _ : -`.
    #[error("must be 1 to 64 characters of a-z A-Z 0-9 . _ : - and start with a letter or digit")]
    Slug,
    /// Free names hold 1 to 128 visible characters.
    #[error("must be 1 to 128 characters without control characters")]
    Name,
    /// Fixed ids are 32 lower-case hexadecimal digits.
    #[error("must be 32 hexadecimal digits")]
    Hex,
}

fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 128 && !text.chars().any(char::is_control)
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:ident, $error:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        serde_as_text!($name);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// Whether a text is one.
            pub fn is_valid(text: &str) -> bool {
                $check(text)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(IdError::$error) }
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_id!(/// A legal entity: owner of a log, keys, pepper and API keys.
    SellerId, is_slug, Slug);
text_id!(/// A name shown to shoppers, with its domains; belongs to one seller.
    BrandId, is_slug, Slug);
text_id!(/// A purpose people consent to; carries the category.
    ProgramId, is_slug, Slug);
text_id!(/// A number, short code or alphanumeric id that texts come from, or a push application.
    SenderId, is_slug, Slug);
text_id!(/// One provider account or bind.
    ConnectionId, is_slug, Slug);
text_id!(/// A registered consent wording.
    DisclosureId, is_slug, Slug);
text_id!(/// A stored message body.
    TemplateId, is_slug, Slug);
text_id!(/// A pool of coupon codes.
    PoolId, is_slug, Slug);
text_id!(/// The code of a short link, as it stands in the path.
    LinkCode, is_slug, Slug);
text_id!(/// The shop's own id of a cart (free text, at most 128 characters).
    CartId, is_name, Name);
text_id!(/// The shop's own id of a customer (free text, at most 128 characters).
    CustomerId, is_name, Name);

/// Hexadecimal where a person may read it (JSON), plain bytes where only we do (index rows).
macro_rules! readable_bytes {
    ($name:ident, $len:literal) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() {
                    let mut text = [0; 2 * $len];
                    hex::encode_to_slice(self.0, &mut text).expect("two digits a byte");
                    to.serialize_str(std::str::from_utf8(&text).expect("digits are ASCII"))
                } else {
                    self.0.serialize(to)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if !from.is_human_readable() {
                    return <[u8; $len]>::deserialize(from).map(Self);
                }
                super::text::read_with(from, |text| {
                    let mut bytes = [0; $len];
                    hex::decode_to_slice(text, &mut bytes).map(|()| Self(bytes))
                })
            }
        }
    };
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        readable_bytes!($name, 16);

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut id = [0; 16];
                hex::decode_to_slice(text, &mut id).map_err(|_| IdError::Hex)?;
                Ok(Self(id))
            }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError::Hex)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
    };
}

bytes_id!(/// 16 random bytes that stand for one address in the ledger; says nothing about the address.
    SubjectId);
bytes_id!(/// Names one attempt: derived from the seller and the caller's idempotency key.
    MessageId);

impl MessageId {
    /// `SHA-256("consentry/message/v1" ‖ len(seller) ‖ seller ‖ key)[..16]`: the key needs no table.
    pub fn derive(seller: &SellerId, idempotency_key: &str) -> Self {
        let seller = seller.as_str().as_bytes();
        let hash = Sha256::new()
            .chain_update(b"consentry/message/v1")
            .chain_update([seller.len() as u8])
            .chain_update(seller)
            .chain_update(idempotency_key.as_bytes())
            .finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }
}

/// SHA-256 leaf hash (RFC 6962, section 2.1) of one ledger entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryHash(pub [u8; 32]);

readable_bytes!(EntryHash, 32);

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_refuse_what_could_not_stand_in_a_path_or_a_log_line() {
        for good in ["main", "a", "A.b_c:d-9", &"x".repeat(64)] {
            assert!(good.parse::<BrandId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<BrandId>(), Err(IdError::Slug), "{bad}");
        }
    }

    #[test]
    fn message_ids_keep_seller_and_key_apart() {
        let seller = |s: &str| s.parse::<SellerId>().expect("a slug");
        assert_ne!(MessageId::derive(&seller("ab"), "c"), MessageId::derive(&seller("a"), "bc"));
        assert_eq!(MessageId::derive(&seller("ab"), "c"), MessageId::derive(&seller("ab"), "c"));
    }
}
