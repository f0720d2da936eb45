//! What each fuzz target checks, one module and one `check(input)` a target. The same
//! functions run over the corpus in plain tests: `agent-core/tests/corpus.rs` for the
//! targets of the core, `agent/tests/corpus.rs` for those of the program.

pub mod dnsmasq_leases;
pub mod engine;
pub mod frame;
pub mod isc_dhcpd_leases;
pub mod kea_control;
pub mod kea_leases;
pub mod lease_log;
pub mod libvirt_leases;
pub mod networkd_leases;
pub mod pcap_reader;
pub mod udhcpd_leases;
pub mod v4_decode;
