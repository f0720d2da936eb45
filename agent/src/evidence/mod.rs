//! Facts from this host for the engine.
