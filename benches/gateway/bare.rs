//! The bare echo of `--bench gateway` as most people would write it: with the allocator of the C library.
//!
//! `cargo bench --bench bare [-- --seconds N]`. The gateway and the echo beside it have mimalloc, which does more for an echo than
//! for a send; this row says what an echo does without it.

mod echo;
#[allow(dead_code, reason = "the gateway's rows use the rest")]
mod load;
mod people;

fn main() {
    let seconds = load::seconds(&std::env::args().skip(1).collect::<Vec<_>>());
    load::head(seconds);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(echo::echo(seconds));
}
