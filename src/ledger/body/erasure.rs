//! What restricting, holding and erasing a person writes down.

use serde::{Deserialize, Serialize};

use super::Actor;
use crate::model::cart::CouponState;
use crate::model::{
    BrandId, CartId, ConnectionId, EntryHash, Instant, LinkCode, MessageId, PoolId, SubjectId,
};

/// Whom a legal hold covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldTarget {
    /// These addresses of one person.
    Subjects(Vec<SubjectId>),
    /// Everybody known to a brand.
    Brand(BrandId),
}

/// A legal hold set, or cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHoldBody {
    /// Names it.
    pub id: MessageId,
    pub target: HoldTarget,
    /// The matter.
    pub reason: String,
    pub set_at: Instant,
    pub set_by: Actor,
    /// Cleared: when, why and by whom.
    pub cleared: Option<HoldCleared>,
}

/// The end of a legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldCleared {
    pub at: Instant,
    pub reason: String,
    pub by: Actor,
}

/// Why something is kept, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// `RETENTION`, `LEGAL_HOLD`, `SUPPRESSION`, `LOG`, `BACKUPS`.
    pub code: String,
    /// The class, as in `retention/us`.
    pub rule: String,
    pub citation: String,
    pub detail: String,
    /// None: without end, or as long as the hold lasts.
    pub until: Option<Instant>,
}

/// A person's record closed to normal reads until it is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestrictionBody {
    pub erase_after: Instant,
    pub grounds: Vec<Ground>,
    pub reason: String,
    pub actor: Actor,
}

/// Somebody who may read restricted records did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessBody {
    /// The method, as in `GetSubject`.
    pub method: String,
    /// How many restricted people: 1 in a person's own chain.
    pub people: u64,
    pub actor: Actor,
}

/// Rows that go with a person. Sealed under the key that is destroyed next, so that the list goes too. A person with many
/// has many such entries, over several commits; rows that one of them named are gone and stand in no later one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ForgottenBody {
    pub messages: Vec<MessageId>,
    pub links: Vec<LinkCode>,
    /// Requests whose answers stand in the chain.
    pub operations: Vec<MessageId>,
    /// Texts by connection and the provider's id.
    pub inbound: Vec<(ConnectionId, String)>,
    /// Indices of the entries of texts.
    pub texts: Vec<u64>,
    pub carts: Vec<(BrandId, CartId)>,
    /// Parts counted for the person, by throttle group and local date.
    #[serde(default)]
    pub throttle: Vec<(String, String, u64)>,
}

impl ForgottenBody {
    /// How many rows it names.
    pub fn len(&self) -> usize {
        let lists = [self.messages.len(), self.links.len(), self.operations.len(), self.inbound.len()];
        lists.iter().sum::<usize>() + self.texts.len() + self.carts.len() + self.throttle.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A code the person had: it is not free, and no longer anybody's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpentCoupon {
    pub brand: BrandId,
    pub pool: PoolId,
    pub code: String,
    pub state: CouponState,
    pub expires_at: Option<Instant>,
}

/// What outlives a person. Names no subject; written beside the erasure, from which it can be told apart only by who holds
/// the pepper and the seller's own key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuppressionBody {
    /// HMAC-SHA256 of the address under the seller's pepper.
    pub address: EntryHash,
    pub since: Instant,
    pub coupons: Vec<SpentCoupon>,
    /// Parts that left in the last two days and count for a carrier's cap whoever they went to.
    #[serde(default)]
    pub throttle: Vec<(String, String, u64)>,
    /// Some of the codes of an erasure that takes several commits: the address follows with the last.
    #[serde(default)]
    pub codes_only: bool,
}
