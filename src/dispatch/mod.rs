//! From due messages to providers: lanes, permits, intents, outcomes.
//!
//! A lane takes a permit (a rate token and a provider's slot) *before* it asks for an intent, so that what is committed
//! leaves at once. [`due`] finds what is due, [`schedule`] decides who is next and is pure, [`driver`] carries it out and
//! owns the tasks.

pub mod driver;
pub mod due;
pub mod lane;
pub mod providers;
pub mod rest;
pub mod route;
pub mod schedule;
#[cfg(test)]
mod tests;

pub use driver::Dispatcher;
pub use lane::Lane;
pub use providers::{Carrier, Providers};
pub use schedule::{Schedule, Waiting};
