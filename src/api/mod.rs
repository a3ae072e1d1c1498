//! The gRPC edge: who calls, what they ask, what they are told.
//!
//! A call passes the gate (deadline, load, key, role), its service reads every field and lists all that is wrong with
//! them, hands plain values to the writer or the reader, and turns the answer back into wire types.

pub mod admin;
pub mod audit;
pub mod auth;
pub mod cart;
pub mod consent;
pub mod convert;
pub mod coupon;
pub mod device;
pub mod field;
pub mod filter;
pub mod gate;
pub mod keys;
pub mod link;
pub mod message;
pub mod past;
pub mod restricted;
pub mod server;
pub mod service;
pub mod standing;
pub mod status;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod walk;
pub mod watch;

pub use auth::{ApiKey, Caller, KeySource, Role};
pub use status::ApiError;
