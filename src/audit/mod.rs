//! Looking back: decisions judged again, roots over every chain, what followed a STOP.

pub mod again;
pub mod ahead;
pub mod compare;
pub mod corpus;
pub mod heads;
pub mod recorded;
pub mod replay;
pub mod shadow;
pub mod statement;
