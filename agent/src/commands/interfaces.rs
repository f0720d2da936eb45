//! `leasehound interfaces`: what there is to watch.

use crate::cli::{Format, InterfacesArgs};
use crate::evidence::interfaces::{Interface, InterfaceRegistry};
use crate::evidence::selection::Selection;
use crate::exit::{Failure, usage};
use crate::netns::{Choice, Home, Netns};
use anyhow::Context as _;
use leasehound_core::origin::NetnsId;
use std::io::Write;

/// Lists the interfaces, and whether `run` with the same choice would watch them.
pub fn interfaces(args: &InterfacesArgs, out: &mut impl Write) -> Result<(), Failure> {
    let selection =
        Selection::new(&args.watch.interfaces, &args.watch.exclude_interface).map_err(usage)?;
    let choice = Choice::new(&args.watch.netns);
    let listed = list(&choice)?;
    let all: Vec<Interface> = listed.iter().map(|(_, one)| one.clone()).collect();
    selection.check(&all).map_err(usage)?;
    let widest = |least: usize, length: fn(&(Box<str>, Interface)) -> usize| {
        listed.iter().map(length).max().unwrap_or(0).max(least)
    };
    let width = widest(9, |(_, interface)| interface.name.len());
    let netns_width = widest(5, |(netns, _)| netns.len());
    if args.format == Format::Table {
        if !choice.is_default() {
            write!(out, "{:netns_width$}  ", "NETNS")?;
        }
        writeln!(
            out,
            "{:width$}  WATCHED  STATE  {:17}  ADDRESSES",
            "INTERFACE", "MAC"
        )?;
    }
    for (netns, interface) in &listed {
        let watched = selection.takes(interface);
        match args.format {
            Format::Table => {
                if !choice.is_default() {
                    let shown = if netns.is_empty() { "-" } else { netns };
                    write!(out, "{shown:netns_width$}  ")?;
                }
                row(interface, watched, width, out)?;
            }
            Format::Json => writeln!(out, "{}", json(netns, interface, watched))?,
        }
    }
    Ok(())
}

/// All interfaces, each with the name of its namespace.
fn list(choice: &Choice) -> Result<Vec<(Box<str>, Interface)>, Failure> {
    let home = Home::open().context("the agent's own network namespace")?;
    let (found, missing) = choice.find(&home);
    if let Some(error) = missing.into_iter().next() {
        return Err(error.into());
    }
    let mut registry = InterfaceRegistry::default();
    let mut listed = Vec::new();
    for (candidate, number) in found.iter().zip(0..) {
        let netns = Netns::open(candidate, &home)?;
        let inside = netns.enter()?;
        let interfaces = registry.scan(NetnsId(number));
        drop(inside);
        let interfaces = interfaces.context("can't list the interfaces")?;
        let name = |interface| (netns.name().into(), interface);
        listed.extend(interfaces.into_iter().map(name));
    }
    Ok(listed)
}

fn row(
    interface: &Interface,
    watched: bool,
    width: usize,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let watched = if watched { "yes" } else { "no" };
    let state = if interface.up { "up" } else { "down" };
    let mac = interface.mac.map(|mac| mac.to_string());
    let mac = mac.as_deref().unwrap_or("-");
    let mut addresses = addresses(interface).join(" ");
    if addresses.is_empty() {
        addresses.push('-');
    }
    let name = &interface.name;
    writeln!(
        out,
        "{name:width$}  {watched:7}  {state:5}  {mac:17}  {addresses}"
    )
}

fn json(netns: &str, interface: &Interface, watched: bool) -> serde_json::Value {
    serde_json::json!({
        "netns": netns,
        "interface": interface.name,
        "index": interface.index,
        "watched": watched,
        "up": interface.up,
        "loopback": interface.loopback,
        "mac": interface.mac.map(|mac| mac.to_string()),
        "addresses": addresses(interface),
    })
}

fn addresses(interface: &Interface) -> Vec<String> {
    let text = |own: &leasehound_core::evidence::InterfaceAddress| {
        format!("{}/{}", own.address, own.prefix_length)
    };
    interface.addresses.iter().map(text).collect()
}
