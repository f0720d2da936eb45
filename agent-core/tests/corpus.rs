//! Replays the fuzz corpus of the core's targets, inputs that once failed included.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test: to panic is its way to fail"
)]

#[path = "../../tests/fuzz/src"]
#[expect(unreachable_pub, reason = "a library's modules in the fuzz workspace")]
mod fuzz {
    pub mod dnsmasq_leases;
    pub mod engine;
    pub mod frame;
    pub mod isc_dhcpd_leases;
    pub mod kea_control;
    pub mod kea_leases;
    pub mod lease_log;
    pub mod libvirt_leases;
    pub mod networkd_leases;
    pub mod udhcpd_leases;
    pub mod v4_decode;
}

use fuzz::{dnsmasq_leases, engine, frame, isc_dhcpd_leases, kea_control, kea_leases};
use fuzz::{libvirt_leases, networkd_leases, udhcpd_leases, v4_decode};
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&std::fs::read(&path).unwrap());
        inputs += 1;
    }
    assert!(inputs >= 3, "{} is nearly empty", folder.display());
}

#[test]
fn frame_corpus() {
    replay("frame", frame::check);
}

#[test]
fn v4_decode_corpus() {
    replay("v4_decode", v4_decode::check);
}

#[test]
fn dnsmasq_leases_corpus() {
    replay("dnsmasq_leases", dnsmasq_leases::check);
}

#[test]
fn isc_dhcpd_leases_corpus() {
    replay("isc_dhcpd_leases", isc_dhcpd_leases::check);
}

#[test]
fn kea_leases_corpus() {
    replay("kea_leases", kea_leases::check);
}

#[test]
fn libvirt_leases_corpus() {
    replay("libvirt_leases", libvirt_leases::check);
}

#[test]
fn networkd_leases_corpus() {
    replay("networkd_leases", networkd_leases::check);
}

#[test]
fn udhcpd_leases_corpus() {
    replay("udhcpd_leases", udhcpd_leases::check);
}

#[test]
fn kea_control_corpus() {
    replay("kea_control", kea_control::check);
}

#[test]
fn engine_corpus() {
    replay("engine", engine::check);
}
