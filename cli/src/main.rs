//! The `shipslog` command: parses arguments and composes the crates. No logic of its own.

mod args;
mod bench;
mod ca;
mod child;
mod config;
mod demo;
mod display;
mod graphql;
mod keys;
mod logs;
mod output;
mod serve;
mod service;
mod simulate;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Subcommand};

/// A service of many small, long-lived values stays small and fast with it; measured in docs/benchmarks.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Subcommand::Serve(options) => serve::run(&options),
        Subcommand::Demo(options) => demo::run(&options),
        Subcommand::Simulate(options) => simulate::run(&options),
        Subcommand::Log(command) => logs::run(&command),
        Subcommand::Keys(command) => keys::run(&command),
        Subcommand::Ca(command) => ca::run(&command),
        Subcommand::Bench(command) => bench::run(&command),
        Subcommand::SimulateWorker => Ok(simulate::work()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}
