//! From due messages to providers: lanes, permits, intents, outcomes.
//!
//! A lane takes a permit (a rate token and a provider's slot) *before* it asks for an intent, so that what is committed
//! leaves at once. [`schedule`] decides who is next and is pure; [`driver`] carries it out and owns the tasks.

pub mod driver;
pub mod lane;
pub mod route;
pub mod schedule;

pub use driver::{Dispatcher, Providers};
pub use lane::Lane;
pub use schedule::{Schedule, Waiting};
