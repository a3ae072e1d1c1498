//! The packs that come with this release, compiled into the binary by `policies/embed.rs`.

use super::compile::{Problem, compile};
use super::set::PolicySet;

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// The files of the packs of this release, `(path under policies/, bytes)`, sorted by path.
pub fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().copied()
}

/// The packs of this release. They compile, because a test compiles them; a problem here is one of the build.
pub fn load() -> Result<PolicySet, Vec<Problem>> {
    compile(files())
}
