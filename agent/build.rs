//! Builds the eBPF object that the `ebpf` feature embeds.

fn main() {}
