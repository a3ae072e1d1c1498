//! The sandbox: a virtual carrier with phones one can hold, and the page that shows them.

pub mod carrier;
pub mod gateway;
pub mod jump;
pub mod live;
pub mod page;
pub mod seed;

pub use carrier::{Carrier, CarrierSettings};
pub use gateway::Gateway;
pub use page::Page;
