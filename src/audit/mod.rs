//! Looking back: decisions judged again.

pub mod replay;
