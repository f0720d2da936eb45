//! Verdicts as a person reads them: rows and a summary for `replay`, a few lines each
//! for `run`.
//!
//! Everything comes back as text with its line ends; the caller writes it. Times are
//! UTC, so that the same capture reads the same everywhere. Text that came from the
//! network or from a file can't steer the terminal.

mod summary;
mod text;
mod verdict;

pub use summary::Summary;
pub use verdict::VerdictTable;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether verdicts are coloured.
    pub color: Color,
    /// Columns of the terminal; `None` where there is none: nothing is wrapped then.
    pub columns: Option<usize>,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    On,
    /// In a file or a pipe, or with `NO_COLOR`.
    Off,
}

impl Style {
    /// For a file or a pipe.
    pub const PLAIN: Self = Self {
        color: Color::Off,
        columns: None,
    };

    /// Whether a line of `width` columns fits.
    fn fits(self, width: usize) -> bool {
        self.columns.is_none_or(|columns| width <= columns)
    }
}

#[cfg(test)]
mod tests;
