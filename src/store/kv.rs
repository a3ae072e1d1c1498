//! The engines. They differ in speed, memory and files, and in nothing a caller can see.

pub mod fjall;
mod history;
pub mod memory;
pub mod sled;
