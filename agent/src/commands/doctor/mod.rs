//! `leasehound doctor`: what this host offers, and what will fail before it fails.
//!
//! Looks and tries; leaves nothing attached, and sends nothing.

mod acks;
mod checks;
mod item;
mod rights;
mod servers;

use crate::cli::DoctorArgs;
use crate::exit::Failure;
use crate::netns::{Choice, Home, Netns};
use anyhow::Context as _;
use item::{Item, State};
use std::io::Write;

/// Looks at everything; [`Failure::Findings`] if there is something to be put right.
pub fn doctor(args: &DoctorArgs, out: &mut impl Write) -> Result<(), Failure> {
    let choice = if args.netns.is_empty() {
        Choice::new(&["all"])
    } else {
        Choice::new(&args.netns)
    };
    let home = Home::open().context("the agent's own network namespace")?;
    let (candidates, missing) = choice.find(&home);
    if let Some(error) = missing.into_iter().next() {
        return Err(error.into());
    }
    let acks = match &args.events {
        Some(path) => acks::read(path)?,
        None => Vec::new(),
    };
    let mut items = [checks::kernel(), checks::rights(), checks::hooks()].concat();
    let mut opened = Vec::new();
    for candidate in &candidates {
        match Netns::open(candidate, &home) {
            Ok(netns) => opened.push(netns),
            // Without the right to enter others, there is still the own one.
            Err(error) if args.netns.is_empty() => {
                items.push(Item::missing("network namespace", error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let only = (!args.netns.is_empty())
        .then(|| opened.iter().map(|netns| netns.inode().number()).collect());
    items.extend(checks::listeners(only.as_ref()));
    items.extend(servers::all(&opened, &acks));
    for item in &items {
        item.write(args.format, out)?;
    }
    if items.iter().any(|item| item.state == State::Finding) {
        return Err(Failure::Findings);
    }
    Ok(())
}
