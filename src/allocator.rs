//! The allocator of the binary and the benchmarks, and its one setting. Small, short-lived allocations are a fifth of a
//! send's time under the system's allocator (`docs/performance.md`). The library has no say in it.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long freed memory is kept before the system gets it back, in milliseconds. With mimalloc's own second, a gateway
/// under load gives back pages that it wants again at once, which took a tenth of a send's time.
const PURGE_DELAY_MS: std::ffi::c_long = 10_000;
/// `mi_option_purge_delay` in mimalloc.h, version 3; libmimalloc-sys has no name for it.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// To be called first. The operator's `MIMALLOC_PURGE_DELAY` comes before the setting made here.
pub fn settle() {
    // SAFETY: an option is a whole number in a table of mimalloc; no other thread runs yet that could read it.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) }
}

#[cfg(test)]
mod tests {
    // Names in full: a benchmark that takes this file in has no test harness, and nothing would use an import.
    #[test]
    fn the_option_is_the_one_meant() {
        // SAFETY: as in `settle`; reads a whole number.
        let value = || unsafe { libmimalloc_sys::mi_option_get(super::PURGE_DELAY) };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(value(), 1_000, "mimalloc's own delay; another number is another option");
            super::settle();
            assert_eq!(value(), super::PURGE_DELAY_MS);
        }
    }
}
