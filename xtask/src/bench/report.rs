//! Figures as a table, on the terminal and in docs/PERFORMANCE.md.

use std::fmt::Write as _;

/// One measured figure.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: String,
    /// With its unit.
    pub(super) measured: String,
    /// What it should be, and whether it is.
    pub(super) aim: Option<(String, bool)>,
}

/// Figures that belong together.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Its heading.
    pub(super) title: &'static str,
    /// How the figures came about, so that a reader can judge them.
    pub(super) method: String,
    /// In the order they are shown.
    pub(super) figures: Vec<Figure>,
}

impl Figure {
    /// A figure to compare others with.
    pub(super) fn plain(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            aim: None,
        }
    }

    /// A figure that is promised.
    pub(super) fn aimed(
        what: impl Into<String>,
        measured: impl Into<String>,
        aim: impl Into<String>,
        met: bool,
    ) -> Self {
        Self {
            aim: Some((aim.into(), met)),
            ..Self::plain(what, measured)
        }
    }

    fn verdict(&self) -> String {
        match &self.aim {
            None => String::new(),
            Some((aim, true)) => format!("{aim}: met"),
            Some((aim, false)) => format!("{aim}: missed"),
        }
    }
}

impl Section {
    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for figure in &self.figures {
            let line = format!(
                "  {:<44} {:>22}   {}",
                figure.what,
                figure.measured,
                figure.verdict()
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "## {}\n\n{}\n\n| what | measured | aim |\n| --- | ---: | --- |\n",
            self.title, self.method
        );
        for figure in &self.figures {
            // Writing to a String cannot fail.
            let _written = writeln!(
                text,
                "| {} | {} | {} |",
                figure.what,
                figure.measured,
                figure.verdict()
            );
        }
        text
    }
}

/// docs/PERFORMANCE.md
pub(super) fn page(machine: &str, sections: &[Section]) -> String {
    let sections: Vec<String> = sections.iter().map(Section::markdown).collect();
    format!(
        "# Performance\n\nWritten by `cargo xtask bench --write`: one run on one machine, \
         {machine}.\nRun it again before you compare with another machine's figures.\n\n{}",
        sections.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_aim_is_told() {
        let section = Section {
            title: "Memory",
            method: "VmRSS.".to_owned(),
            figures: vec![
                Figure::plain("idle before", "9 MiB"),
                Figure::aimed("idle", "21 MiB", "≤ 20 MiB", false),
            ],
        };
        assert!(section.text().contains("≤ 20 MiB: missed"));
        let page = page("a machine", &[section]);
        assert!(page.contains("| idle before | 9 MiB |  |\n| idle | 21 MiB | ≤ 20 MiB: missed |"));
    }
}
