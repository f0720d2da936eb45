//! Where verdicts go: events, metrics, pages, tables.
