//! The project's own tasks: set-up, build, test, demo and bench, the same on a
//! contributor's machine and in CI. No shell scripts beside it.

mod bench;
mod book;
mod ci;
mod clock;
mod demo;
mod interrupt;
mod lab;
mod process;
mod project;
mod run;
mod setup;
mod testing;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};
use project::Project;
use std::process::ExitCode;

/// Tasks of the leasehound repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what building, testing and measuring need, as far as it is missing
    Setup,
    /// Build the agent and run `leasehound run` with the given flags
    Run(run::Arguments),
    /// Run all tests, labs with real servers included
    Test(testing::Arguments),
    /// Show an ignored RELEASE on a throw-away router with a real dnsmasq
    Demo(demo::Arguments),
    /// Measure what the project promises about speed and size
    Bench(bench::Arguments),
    /// Everything that CI checks, step by step
    Ci,
    /// Write the operator's book from the texts in the code
    Book,
    /// Check the rules of the code base that no compiler knows
    Tidy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(arguments.task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<ExitCode> {
    let project = Project::locate()?;
    match task {
        Task::Setup => setup::everything(&project),
        Task::Run(arguments) => run::run(&project, &arguments),
        Task::Test(arguments) => testing::test(&project, &arguments),
        Task::Demo(arguments) => demo::demo(&project, &arguments),
        Task::Bench(arguments) => bench::bench(&project, &arguments),
        Task::Ci => ci::ci(&project),
        Task::Book => book::book(&project),
        Task::Tidy => tidy::tidy(&project),
    }
}
