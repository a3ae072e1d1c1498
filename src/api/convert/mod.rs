//! Wire types to model values and back, one file a noun. Nothing here asks the store or decides anything.

pub mod audit;
pub mod cart;
pub mod check;
pub mod consent;
pub mod coupon;
pub mod device;
pub mod disclosure;
pub mod events;
pub mod evidence;
pub mod hours;
pub mod inbound;
pub mod key;
pub mod link;
pub mod message;
pub mod names;
pub mod policy;
pub mod registry;
pub mod send;
pub mod sender;
pub mod shadow;
pub mod spend;
pub mod subject;
pub mod touch;
pub mod verdict;

use prost_types::Timestamp;

use crate::model::Instant;

/// An instant on the wire.
pub fn timestamp(at: Instant) -> Timestamp {
    let micros = at.as_micros().rem_euclid(1_000_000);
    Timestamp { seconds: at.as_seconds(), nanos: micros as i32 * 1_000 }
}

/// An instant on the wire that may be unset.
pub fn maybe_timestamp(at: Option<Instant>) -> Option<Timestamp> {
    at.map(timestamp)
}

#[cfg(test)]
mod tests;
