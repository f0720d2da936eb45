//! The program `leasehound`.

fn main() {}
