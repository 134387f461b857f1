//! The program; what it does is in the library.

use std::process::ExitCode;

/// Records are made on one thread and dropped on another, many and small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    atelier_cli::main()
}
