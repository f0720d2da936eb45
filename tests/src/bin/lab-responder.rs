//! `lab-responder INTERFACE ADDRESS LEASE-FILE`: see `leasehound_tests::responder`.

use anyhow::{Context, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, address, lease_file] = arguments.as_slice() else {
        bail!("usage: lab-responder INTERFACE ADDRESS LEASE-FILE");
    };
    let address = address.parse().context("ADDRESS")?;
    leasehound_tests::responder::serve(interface, address, Path::new(lease_file))
}
