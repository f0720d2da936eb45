//! The ABI between the eBPF programs and the agent, and nothing else.
#![no_std]
