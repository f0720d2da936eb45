//! The commands of the program.

#[cfg(feature = "ebpf")]
pub mod doctor;
pub mod explain;
pub mod interfaces;
pub mod replay;
#[cfg(feature = "ebpf")]
pub mod run;

use crate::sinks::table::{Color, Style};
use std::io::{self, IsTerminal as _};

/// How stdout is written to: in colour on a terminal, unless `NO_COLOR` is set.
pub fn stdout_style() -> Style {
    let terminal = io::stdout().is_terminal();
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let color = if terminal && wanted {
        Color::On
    } else {
        Color::Off
    };
    let columns = terminal.then(|| usize::from(console::Term::stdout().size().1));
    Style { color, columns }
}
