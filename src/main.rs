//! Arguments in, exit code out.

mod allocator;

fn main() -> std::process::ExitCode {
    allocator::settle();
    consentry::cli::main()
}
