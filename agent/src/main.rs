//! The program `leasehound`: reads the command line, runs the command, ends with its
//! exit code.

use clap::Parser as _;
use clap::error::ErrorKind;
use leasehound::cli::{Cli, Command};
use leasehound::commands;
use leasehound::exit::Failure;
use leasehound::logging;
use std::process::ExitCode;

/// Text is wrapped here where stdout is no terminal.
const COLUMNS: usize = 80;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    logging::start(cli.log_format, cli.verbose);
    let Err(failure) = execute(cli) else {
        return ExitCode::SUCCESS;
    };
    if !failure.is_silent() {
        eprintln!("leasehound: {failure}");
    }
    ExitCode::from(failure.code())
}

/// Help and version as clap has them; a complaint on one line.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // A closed pipe is no error.
        drop(error.print());
    } else {
        let text = error.to_string();
        let complaint: Vec<&str> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
            .filter(|line| !line.is_empty())
            .collect();
        let complaint = complaint.join(" ");
        let complaint = complaint.trim_start_matches("error: ");
        eprintln!("leasehound: {complaint}; --help says more");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn execute(cli: Cli) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match cli.command {
        Command::Run(args) => {
            drop(out);
            run(*args, cli.verbose > 1)
        }
        Command::Replay(args) => {
            drop(out);
            commands::replay::replay(&args)
        }
        Command::Explain(args) => {
            let columns = commands::stdout_style()
                .columns
                .unwrap_or(COLUMNS)
                .clamp(40, 100);
            commands::explain::explain(&args, &mut out, columns - 2)
        }
        Command::Doctor(args) => doctor(&args, &mut out),
        Command::Interfaces(args) => commands::interfaces::interfaces(&args, &mut out),
    }
}

#[cfg(feature = "ebpf")]
fn run(args: leasehound::cli::RunArgs, debug: bool) -> Result<(), Failure> {
    let settings =
        leasehound::settings::Settings::resolve(args).map_err(leasehound::exit::usage)?;
    commands::run::run(settings, debug)
}

#[cfg(feature = "ebpf")]
fn doctor(
    args: &leasehound::cli::DoctorArgs,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    commands::doctor::doctor(args, out)
}

#[cfg(not(feature = "ebpf"))]
fn doctor(_: &leasehound::cli::DoctorArgs, _: &mut impl std::io::Write) -> Result<(), Failure> {
    Err(leasehound::exit::usage(
        "this leasehound was built without live capture (feature \"ebpf\"): there is nothing to look at",
    ))
}

#[cfg(not(feature = "ebpf"))]
fn run(_: leasehound::cli::RunArgs, _: bool) -> Result<(), Failure> {
    Err(leasehound::exit::usage(
        "this leasehound was built without live capture (feature \"ebpf\"); replay works",
    ))
}
