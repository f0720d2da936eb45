//! What each fuzz target checks, one module and one `check(input)` a target. The same
//! functions run over the corpus in plain tests: `agent-core/tests/corpus.rs` for the
//! targets of the core.

pub mod dnsmasq_leases;
pub mod frame;
pub mod v4_decode;
