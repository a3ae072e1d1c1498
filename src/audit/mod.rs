//! Looking back: decisions judged again, and roots over every chain.

pub mod again;
pub mod heads;
pub mod replay;
