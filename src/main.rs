//! The receiptd binary.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::CommandFactory;
use receiptd::cli::{self, Cli};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    cli::complete(Cli::command);
    let cli = Cli::of_process();
    actix_web::rt::System::new().block_on(cli::run(cli))
}
