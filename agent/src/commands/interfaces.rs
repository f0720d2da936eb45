//! `leasehound interfaces`: what there is to watch.

use crate::cli::{Format, InterfacesArgs};
use crate::evidence::interfaces::InterfaceRegistry;
use crate::evidence::selection::Selection;
use crate::exit::{Failure, usage};
use anyhow::Context as _;
use leasehound_core::origin::NetnsId;
use std::io::Write;

/// Lists the interfaces, and whether `run` with the same choice would watch them.
pub fn interfaces(args: &InterfacesArgs, out: &mut impl Write) -> Result<(), Failure> {
    let selection = Selection::new(&args.interfaces, &args.exclude_interface).map_err(usage)?;
    let mut registry = InterfaceRegistry::default();
    let found = registry
        .scan(NetnsId::default())
        .context("can't list the interfaces")?;
    selection.check(&found).map_err(usage)?;
    let widest = found
        .iter()
        .map(|interface| interface.name.len())
        .max()
        .unwrap_or(0)
        .max(9);
    if args.format == Format::Table {
        writeln!(
            out,
            "{:widest$}  WATCHED  STATE  {:17}  ADDRESSES",
            "INTERFACE", "MAC"
        )?;
    }
    for interface in &found {
        let watched = selection.takes(interface);
        let mac = interface.mac.map(|mac| mac.to_string());
        let addresses: Vec<String> = interface
            .addresses
            .iter()
            .map(|own| format!("{}/{}", own.address, own.prefix_length))
            .collect();
        match args.format {
            Format::Table => {
                let (watched, state) = (yes(watched), if interface.up { "up" } else { "down" });
                let mac = mac.as_deref().unwrap_or("-");
                let addresses = if addresses.is_empty() {
                    "-".to_owned()
                } else {
                    addresses.join(" ")
                };
                writeln!(
                    out,
                    "{:widest$}  {watched:7}  {state:5}  {mac:17}  {addresses}",
                    interface.name
                )?;
            }
            Format::Json => {
                let line = serde_json::json!({
                    "interface": interface.name,
                    "index": interface.index,
                    "watched": watched,
                    "up": interface.up,
                    "loopback": interface.loopback,
                    "mac": mac,
                    "addresses": addresses,
                });
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

fn yes(watched: bool) -> &'static str {
    if watched { "yes" } else { "no" }
}
