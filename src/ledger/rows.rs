//! Tables of the index: which row types there are and how their keys are made. One letter a table.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::state::{Row, key, sized};
use crate::model::cart::{Cart, Coupon, CouponPool, Link};
use crate::model::device::Device;
use crate::model::outgoing::Message;
use crate::model::subject::Subject;
use crate::model::{
    BrandId, CartId, ConnectionId, CustomerId, EntryHash, Instant, LinkCode, MessageId, MessageState, PoolId,
    SenderId, SubjectId,
};

use super::body::{LegalHoldBody, Object};

/// Shape of the rows; another number in an index means it is rebuilt from the ledger.
pub const SCHEMA_VERSION: u32 = 10;

/// Link from a keyed address to its subject; survives erasure as a suppression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressRow {
    pub subject: Option<SubjectId>,
    pub suppressed: bool,
}

/// Subjects of one customer: at most 8, or as many as an earlier release took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomerRow {
    pub subjects: Vec<SubjectId>,
}

/// Head of the seller's own chain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SellerChain {
    pub length: u64,
    pub last: EntryHash,
}

/// What is due and when: the key holds the instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DueRow {
    /// A held or queued message wakes.
    Wake,
    /// A message in hand-over is given up as unknown.
    Resolve,
}

/// Parts of messages that wait for one sender and are due in the same quarter of an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingParts {
    pub parts: u64,
}

/// Which message a provider's id belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderIdRow {
    pub message: MessageId,
    pub at: Instant,
}

/// A receipt that matched nothing yet; kept 24 hours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParkedReceipt {
    pub state: MessageState,
    pub at: Instant,
    pub entry: u64,
}

/// A receipt that is parked, under when it was: the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedSince;

/// A free code of an imported pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreeCode {
    pub code: String,
}

/// Codes one person may still come to use, oldest first: what an opt-out may have to void, however long ago its text left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldCoupons {
    pub codes: Vec<HeldCoupon>,
}

/// A code that is promised to a message of the person, or came with one and is neither redeemed nor void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldCoupon {
    pub brand: BrandId,
    pub code: String,
    /// First instant at which it is worthless; none before its message leaves.
    pub expires_at: Option<Instant>,
}

/// An object an operator set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistryRow {
    /// As its entry has it: what an entry leaves out because it is empty has no place in a row of positions.
    #[serde(with = "as_in_the_ledger")]
    pub object: Object,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// An object as JSON, inside a row that is none.
mod as_in_the_ledger {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Object;

    pub fn serialize<S: Serializer>(object: &Object, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serde_json::to_string(object).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Object, D::Error> {
        serde_json::from_str(<&str>::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A request that was answered: where the answer stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationRow {
    pub request_sha256: [u8; 32],
    pub entry: u64,
}

/// Tree index of one entry of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainRow {
    pub index: u64,
}

/// What we know of a connection's hearing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeardRow {
    /// Every inbound message and opt-out up to this instant is known.
    pub until: Instant,
    pub how: String,
}

/// An inbound text that was taken in: a duplicate finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundRow {
    pub index: u64,
}

/// A text that came in, in the order of arrival: what a list of them reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundTextRow {
    pub subject: SubjectId,
    pub at: Instant,
    /// An officer has to look, or had to.
    pub review: bool,
    /// Index of the entry in which the officer decided.
    pub resolved: Option<u64>,
}

/// A text that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRow {
    pub subject: SubjectId,
    pub at: Instant,
}

/// An engine that wrote entries: where its descriptor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRow {
    pub index: u64,
}

/// Another system whose opt-outs are all here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRow {
    /// The import that brought them.
    pub import_id: String,
    pub rows: u64,
    pub at: Instant,
}

/// A person whose record is closed to normal reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestrictedRow {
    pub since: Instant,
    pub erase_after: Instant,
}

/// A legal hold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    pub hold: LegalHoldBody,
}

/// A root of the heads tree that was recorded, under the index of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadsRow {
    pub covered_size: u64,
    pub at: Instant,
}

/// Key of raw webhook bodies of one day: its subject id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawDayRow {
    pub subject: SubjectId,
    /// Entries of its chain so far, and the hash of the last.
    pub length: u64,
    pub last: EntryHash,
}

/// A chain whose key was destroyed for good: where the ledger says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedRow {
    pub index: u64,
}

/// Parts that left through a throttle group on one local date of its cap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleDay {
    pub parts: u64,
}

/// One installation of an app, by its subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceRow {
    pub device: Device,
    /// Index of the entry that first told of it: its place in the list of its app.
    pub listed: u64,
}

/// An installation in the list of its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppDeviceRow {
    pub subject: SubjectId,
}

/// Whose a live destination of a push service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationRow {
    pub subject: SubjectId,
}

macro_rules! tables {
    ($($table:literal $row:ty,)*) => {
        $(impl Row for $row { const TABLE: u8 = $table; })*
        #[cfg(test)]
        const TABLES: &[u8] = &[$($table),*];
    };
}

tables! {
    b'a' AddressRow,
    b'c' Cart,
    b'd' DueRow,
    b'e' EngineRow,
    b'f' FreeCode,
    b'g' RestrictedRow,
    b'h' HeardRow,
    b'i' OperationRow,
    b'j' HoldRow,
    b'k' CustomerRow,
    b'l' Link,
    b'm' Message,
    b'n' InboundRow,
    b'o' CouponPool,
    b'p' ProviderIdRow,
    b'r' RegistryRow,
    b's' Subject,
    b't' InboundTextRow,
    b'A' AppDeviceRow,
    b'D' DeviceRow,
    b'H' HeadsRow,
    b'I' ImportRow,
    b'P' DestinationRow,
    b'Q' ParkedSince,
    b'S' SellerChain,
    b'T' ThrottleDay,
    b'U' HeldCoupons,
    b'W' WaitingParts,
    b'u' Coupon,
    b'v' ReviewRow,
    b'w' ParkedReceipt,
    b'x' ChainRow,
    b'y' RawDayRow,
    b'z' ErasedRow,
}

/// Keys, one function a table.
pub mod keys {
    use super::*;

    /// By keyed address.
    pub fn address(hmac: &[u8; 32]) -> Vec<u8> {
        key::<AddressRow>(&[hmac])
    }
    /// By subject.
    pub fn subject(id: &SubjectId) -> Vec<u8> {
        key::<Subject>(&[&id.0])
    }
    /// By customer.
    pub fn customer(id: &CustomerId) -> Vec<u8> {
        key::<CustomerRow>(&[id.as_str().as_bytes()])
    }
    /// By message.
    pub fn message(id: &MessageId) -> Vec<u8> {
        key::<Message>(&[&id.0])
    }
    /// By brand and cart.
    pub fn cart(brand: &BrandId, cart: &CartId) -> Vec<u8> {
        key::<Cart>(&[&sized(brand.as_str()), cart.as_str().as_bytes()])
    }
    /// By code.
    pub fn link(code: &LinkCode) -> Vec<u8> {
        key::<Link>(&[code.as_str().as_bytes()])
    }
    /// By brand and pool.
    pub fn pool(brand: &BrandId, pool: &PoolId) -> Vec<u8> {
        key::<CouponPool>(&[&sized(brand.as_str()), pool.as_str().as_bytes()])
    }
    /// Every free code of a pool; with a slot, one of them.
    pub fn free_code(brand: &BrandId, pool: &PoolId, slot: u64) -> Vec<u8> {
        key::<FreeCode>(&[&sized(brand.as_str()), &sized(pool.as_str()), &slot.to_be_bytes()])
    }
    /// By brand and code, as the shop writes it in capitals.
    pub fn coupon(brand: &BrandId, code: &str) -> Vec<u8> {
        key::<Coupon>(&[&sized(brand.as_str()), code.to_uppercase().as_bytes()])
    }
    /// By when it was parked, then as [`parked`] has it.
    pub fn parked_since(at: Instant, parked: &[u8]) -> Vec<u8> {
        key::<ParkedSince>(&[&due_prefix(at), parked])
    }
    /// Reads it back: when, and the key of what is parked.
    pub fn read_parked_since(key: &[u8]) -> Option<(Instant, Vec<u8>)> {
        let at: [u8; 8] = key.get(1..9)?.try_into().ok()?;
        let at = Instant::from_micros((u64::from_be_bytes(at) ^ (1 << 63)) as i64);
        Some((at, key.get(9..)?.to_vec()))
    }
    /// By the person who holds them.
    pub fn held_coupons(subject: &SubjectId) -> Vec<u8> {
        key::<HeldCoupons>(&[&subject.0])
    }
    /// The seller's chain.
    pub fn seller_chain() -> Vec<u8> {
        key::<SellerChain>(&[])
    }
    /// What is due: everything before an instant comes first.
    pub fn due(at: Instant, message: &MessageId) -> Vec<u8> {
        key::<DueRow>(&[&due_prefix(at), &message.0])
    }
    /// Before every message that is due at an instant or later.
    pub fn due_from(at: Instant) -> Vec<u8> {
        key::<DueRow>(&[&due_prefix(at)])
    }
    /// Every due message.
    pub fn dues() -> Vec<u8> {
        key::<DueRow>(&[])
    }
    /// Reads a due key back.
    pub fn read_due(key: &[u8]) -> Option<(Instant, MessageId)> {
        let at: [u8; 8] = key.get(1..9)?.try_into().ok()?;
        let message = MessageId::try_from(key.get(9..)?).ok()?;
        Some((Instant::from_micros((u64::from_be_bytes(at) ^ (1 << 63)) as i64), message))
    }
    /// By sender and by the quarter of an hour in which messages are due.
    pub fn waiting_parts(sender: &SenderId, quarter: i64) -> Vec<u8> {
        key::<WaitingParts>(&[&sized(sender.as_str()), &(quarter as u64 ^ (1 << 63)).to_be_bytes()])
    }
    /// What waits for every sender.
    pub fn all_waiting_parts() -> Vec<u8> {
        key::<WaitingParts>(&[])
    }
    /// Reads a key of waiting parts back: sender and quarter.
    pub fn read_waiting_parts(key: &[u8]) -> Option<(SenderId, i64)> {
        let length = usize::from(*key.get(1)?);
        let sender = std::str::from_utf8(key.get(2..2 + length)?).ok()?.parse().ok()?;
        let quarter: [u8; 8] = key.get(2 + length..)?.try_into().ok()?;
        Some((sender, (u64::from_be_bytes(quarter) ^ (1 << 63)) as i64))
    }
    fn due_prefix(at: Instant) -> [u8; 8] {
        (at.as_micros() as u64 ^ (1 << 63)).to_be_bytes()
    }
    /// Longest id of somebody else's that stands in a key as it is.
    const FOREIGN_MAX: usize = 256;
    /// An id that a provider chose, as part of a key: a long one by its hash, for the index bounds its keys and what is in the
    /// ledger must always fold.
    fn foreign(id: &str) -> Vec<u8> {
        match id.len() <= FOREIGN_MAX {
            true => id.as_bytes().to_vec(),
            false => [&id.as_bytes()[..FOREIGN_MAX], &Sha256::digest(id)[..]].concat(),
        }
    }
    /// By connection and the provider's id.
    pub fn provider_id(connection: &ConnectionId, id: &str) -> Vec<u8> {
        key::<ProviderIdRow>(&[&sized(connection.as_str()), &foreign(id)])
    }
    /// By connection and the provider's id, for receipts that matched nothing.
    pub fn parked(connection: &ConnectionId, id: &str) -> Vec<u8> {
        key::<ParkedReceipt>(&[&sized(connection.as_str()), &foreign(id)])
    }
    /// By connection and the provider's id of an inbound text.
    pub fn inbound(connection: &ConnectionId, id: &str) -> Vec<u8> {
        key::<InboundRow>(&[&sized(connection.as_str()), &foreign(id)])
    }
    /// By type (`brand`, `program`, …) and id; `""` as id gives the prefix of a type.
    pub fn registry(kind: &str, id: &str) -> Vec<u8> {
        key::<RegistryRow>(&[&sized(kind), id.as_bytes()])
    }
    /// By operation.
    pub fn operation(id: &MessageId) -> Vec<u8> {
        key::<OperationRow>(&[&id.0])
    }
    /// By chain and number.
    pub fn chain(subject: &SubjectId, number: u64) -> Vec<u8> {
        key::<ChainRow>(&[&subject.0, &number.to_be_bytes()])
    }
    /// By the name of the system.
    pub fn import(source: &str) -> Vec<u8> {
        key::<ImportRow>(&[source.as_bytes()])
    }
    /// By connection.
    pub fn heard(connection: &ConnectionId) -> Vec<u8> {
        key::<HeardRow>(&[connection.as_str().as_bytes()])
    }
    /// By index of the inbound entry; oldest first.
    pub fn inbound_text(index: u64) -> Vec<u8> {
        key::<InboundTextRow>(&[&index.to_be_bytes()])
    }
    /// By index of the inbound entry; oldest first.
    pub fn review(index: u64) -> Vec<u8> {
        key::<ReviewRow>(&[&index.to_be_bytes()])
    }
    /// Every text that waits for a person.
    pub fn reviews() -> Vec<u8> {
        key::<ReviewRow>(&[])
    }
    /// By engine hash.
    pub fn engine(hash: &[u8; 32]) -> Vec<u8> {
        key::<EngineRow>(&[hash])
    }
    /// By subject.
    pub fn restricted(id: &SubjectId) -> Vec<u8> {
        key::<RestrictedRow>(&[&id.0])
    }
    /// By the hold's id.
    pub fn hold(id: &MessageId) -> Vec<u8> {
        key::<HoldRow>(&[&id.0])
    }
    /// By index of the `HEADS` entry, oldest first.
    pub fn heads(index: u64) -> Vec<u8> {
        key::<HeadsRow>(&[&index.to_be_bytes()])
    }
    /// By throttle group and local date.
    pub fn throttle_day(group: &str, date: &str) -> Vec<u8> {
        key::<ThrottleDay>(&[&sized(group), date.as_bytes()])
    }
    /// The name under which a tax id's parts are counted, like a throttle group's; no group's id holds a space.
    pub fn tax_id_group(tax_id: &str) -> String {
        format!("tax id {tax_id}")
    }
    /// By chain.
    pub fn erased(subject: &SubjectId) -> Vec<u8> {
        key::<ErasedRow>(&[&subject.0])
    }
    /// By subject.
    pub fn device(subject: &SubjectId) -> Vec<u8> {
        key::<DeviceRow>(&[&subject.0])
    }
    /// By app and the index of the entry that first told of it: oldest first within an app.
    pub fn app_device(app: &str, listed: u64) -> Vec<u8> {
        key::<AppDeviceRow>(&[&sized(app), &listed.to_be_bytes()])
    }
    /// Every installation of an app; of every app when it is empty.
    pub fn app_devices(app: &str) -> Vec<u8> {
        if app.is_empty() { key::<AppDeviceRow>(&[]) } else { key::<AppDeviceRow>(&[&sized(app)]) }
    }
    /// By fingerprint of the destination.
    pub fn destination(fingerprint: &[u8; 32]) -> Vec<u8> {
        key::<DestinationRow>(&[fingerprint])
    }
    /// By day since the epoch.
    pub fn raw_day(day: i64) -> Vec<u8> {
        key::<RawDayRow>(&[&(day as u64 ^ (1 << 63)).to_be_bytes()])
    }
    /// Reads a raw day's key back.
    pub fn read_raw_day(key: &[u8]) -> Option<i64> {
        let day: [u8; 8] = key.get(1..)?.try_into().ok()?;
        Some((u64::from_be_bytes(day) ^ (1 << 63)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider's id of a kilobyte once was a key that the index refused, after the ledger had it: no start could fold it.
    #[test]
    fn ids_of_any_length_make_keys_of_bounded_length() {
        let connection: ConnectionId = "carrier".parse().expect("a slug");
        let (long, other) = ("x".repeat(100_000), "x".repeat(99_999));
        for key in [keys::provider_id, keys::parked, keys::inbound] {
            assert!(key(&connection, &long).len() < 512, "the index takes keys of up to 1,024 bytes");
            assert_ne!(key(&connection, &long), key(&connection, &other));
            assert!(key(&connection, "SM1").ends_with(b"SM1"));
        }
    }

    /// Throttle days once shared a letter with inbound texts, and a list of texts met rows that were none.
    #[test]
    fn every_table_has_a_letter_of_its_own() {
        let letters: std::collections::BTreeSet<u8> = TABLES.iter().copied().collect();
        assert_eq!(letters.len(), TABLES.len());
        for day in [-1, 0, 20_605] {
            assert_eq!(keys::read_raw_day(&keys::raw_day(day)), Some(day));
            let sender: SenderId = "main".parse().expect("a slug");
            let key = keys::waiting_parts(&sender, day);
            assert_eq!(keys::read_waiting_parts(&key), Some((sender, day)));
        }
    }

    #[test]
    fn due_keys_sort_by_instant_and_read_back() {
        let id = MessageId([9; 16]);
        let at = |n| Instant::from_micros(n);
        for pair in [(-5, 3), (0, 1), (1, i64::MAX)] {
            assert!(keys::due(at(pair.0), &id) < keys::due(at(pair.1), &id), "{pair:?}");
            assert_eq!(keys::read_due(&keys::due(at(pair.1), &id)), Some((at(pair.1), id)));
        }
    }
}
