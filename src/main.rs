//! The binary; everything it does is in the library, where tests reach it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// docs/performance.md tells what it is for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    bailiwick::cli::main()
}
