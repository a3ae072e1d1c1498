//! Care for a data folder: copies of it, and what to do when it is damaged. The verbs of the command line are thin over this.
//!
//! | file | owns |
//! |---|---|
//! | [`backup`] | a copy that opens and verifies, made beside a running gateway |
//! | [`recover`] | what is wrong with a folder, and the ways on |

pub mod backup;
pub mod recover;
