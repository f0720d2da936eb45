//! How long a lease database takes to load, and how much memory. `cargo xtask bench leases`
//! writes the databases and runs this once for each.
//!
//! `lease_load FORMAT FILE` prints the leases, milliseconds of processor time, and kibibytes
//! by which the process grew, at its peak.

use leasehound_core::lease::{Format, Log, kea_control};
use std::fs::{self, File};
use std::io::Read as _;
use std::process::ExitCode;

/// What is read at once.
const PIECE: usize = 64 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, format, file] = arguments.as_slice() else {
        eprintln!("lease_load FORMAT FILE");
        return ExitCode::from(2);
    };
    match load(format, file) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn load(format: &str, file: &str) -> Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut piece = vec![0; PIECE];
    let mut file = File::open(file).map_err(text)?;
    let before = kibibytes("VmRSS")?;
    let start = on_processor()?;
    let mut reader = Reader::new(format)?;
    loop {
        let length = file.read(&mut piece).map_err(text)?;
        if length == 0 {
            break;
        }
        reader.take_in(piece.get(..length).unwrap_or_default());
    }
    let leases = reader.leases()?;
    let took = on_processor()? - start;
    let grown = kibibytes("VmHWM")?.saturating_sub(before);
    Ok(format!("{leases} {:.2} {grown}", took * 1000.0))
}

enum Reader {
    Database(Log),
    Answer(kea_control::Incoming),
}

impl Reader {
    fn new(format: &str) -> Result<Self, String> {
        if format == "kea_control" {
            return Ok(Self::Answer(kea_control::Incoming::default()));
        }
        let format = Format::from_word(format).ok_or_else(|| format!("no format {format}"))?;
        Ok(Self::Database(Log::new(format)))
    }

    fn take_in(&mut self, octets: &[u8]) {
        match self {
            Self::Database(log) => log.load(octets),
            Self::Answer(incoming) => incoming.append(octets),
        }
    }

    /// How many of either family.
    fn leases(self) -> Result<usize, String> {
        let reading = match self {
            Self::Database(log) => log.into_reading(),
            Self::Answer(incoming) => incoming.finish().reading,
        };
        match reading.damage {
            Some(damage) => Err(damage.to_string()),
            None if !reading.complete => Err("the database is torn".to_owned()),
            None => Ok(reading.leases.len() + reading.leases6.len()),
        }
    }
}

/// Seconds, to the nanosecond, that this process was on a processor: waiting for one does
/// not count.
fn on_processor() -> Result<f64, String> {
    let text = fs::read_to_string("/proc/self/schedstat").map_err(|error| error.to_string())?;
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<f64>().ok());
    Ok(nanoseconds.ok_or("no schedstat")? / 1e9)
}

fn kibibytes(field: &str) -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| format!("no {field}"))
}
