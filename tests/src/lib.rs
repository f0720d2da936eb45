//! What the lab tests share: throw-away namespaces, real servers, a DHCP client
//! with full control over every byte, and the agent under test.
//!
//! Labs need root and the programs that `cargo xtask test` installs. A lab that can't
//! run fails and says what is missing; none skips. Whatever a lab starts is ended and
//! removed in `Drop`, and each server's log is printed there: the test harness shows
//! it for failed tests only.

pub mod agent;
pub mod capture;
pub mod cgroup;
pub mod churn;
pub mod client;
pub mod client6;
pub mod cloudstack;
pub mod counters;
pub mod dnsmasq;
pub mod doctor;
pub mod drops;
pub mod ear;
pub mod firewall;
pub mod frame;
pub mod hooks;
pub mod http;
pub mod isc_dhcpd;
pub mod kea;
pub mod link;
pub mod matrix;
pub mod message;
pub mod metrics;
pub mod netns;
pub mod networkd;
pub mod process;
pub mod program;
pub mod programs;
pub mod responder;
pub mod router;
pub mod scene;
pub mod segment;
pub mod site;
pub mod traffic;
pub mod two_daemons;
pub mod udhcpd;
pub mod verdict;
pub mod wait;
