//! The second model: what was promised to people and callers, kept so simply that it cannot be wrong in the same way. It
//! reads the log with eyes of its own and knows nothing of the code it checks.

mod coupons;
mod log;
mod promises;

pub use coupons::Coupons;
pub use log::Log;
pub use promises::Promises;
