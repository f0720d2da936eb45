//! `leasehound run`: watches this host and judges as it happens.

mod books;
mod counters;
mod databases;
mod indexes;
mod live;
mod namespace;
mod namespaces;
mod pipeline;
mod recorder;
mod watched;
mod witness;

pub use live::run;
