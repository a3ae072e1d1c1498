//! Policy packs: the law, carrier rules and house limits as data, compiled whole or not at all.
//!
//! | file | owns |
//! |---|---|
//! | [`mod@file`] | the strict shapes of the TOML files |
//! | [`value`] | what each kind of rule says |
//! | [`calendar`] | holidays, computed |
//! | [`mod@compile`] | files in, a [`PolicySet`] or every problem out |
//! | [`set`] | lookup by place, channel, category, sender and instant |
//! | [`embedded`] | the packs that come with this release |
//! | [`show`], [`sentence`] | a set as text for people |
//! | [`review`] | what is overdue for a look at its source |
//! | [`diff`] | what changed between two sets |
//! | [`reload`] | reads a folder; the only file here that touches a disk |

pub mod calendar;
pub mod compile;
pub mod diff;
pub mod embedded;
pub mod file;
pub mod reload;
pub mod review;
pub mod sentence;
pub mod set;
pub mod show;
pub mod value;

#[cfg(test)]
mod tests;

pub use compile::{Problem, compile, from_canonical};
pub use file::{Confidence, HOLD_AFTER_DAYS_MAX, Layer, OnStale, Staleness, Stance};
pub use set::{Place, PolicySet, Query, Rule};
pub use value::Value;
