//! Looking back: decisions judged again, roots over every chain, what followed a STOP.

pub mod again;
pub mod heads;
pub mod replay;
pub mod statement;
