//! How long a look at all listening sockets takes.

use super::Bench;
use super::report::{Figure, Section};
use crate::process;
use anyhow::{Context as _, Result};

/// Milliseconds, with 200 network namespaces.
const AIM: f64 = 50.0;

/// The agent's own example makes the namespaces; its line is read here.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    const EXAMPLE: [&str; 6] = [
        "--release",
        "--package",
        "leasehound",
        "--no-default-features",
        "--example",
        "inventory_time",
    ];
    let mut build = bench.project.cargo()?;
    process::run(build.arg("build").args(EXAMPLE), "building inventory_time")?;
    let mut command = bench.project.cargo()?;
    command.args(["run", "--quiet"]).args(EXAMPLE);
    let text = process::capture(&mut command, "looking at 200 network namespaces")?;
    let (sockets, median, worst) =
        figures(&text).with_context(|| format!("inventory_time printed `{}`", text.trim()))?;
    Ok(Section {
        title: "Who listens",
        method: "`cargo run --release -p leasehound --no-default-features --example inventory_time`: \
                 21 looks at 200 network namespaces, each with a process that holds UDP port 67. In a \
                 thread of its own, never on the packet path."
            .to_owned(),
        figures: vec![
            Figure::aimed(
                format!("a look at {sockets} sockets, median"),
                format!("{median:.1} ms"),
                format!("≤ {AIM} ms"),
                median <= AIM,
            ),
            Figure::plain("the longest of them", format!("{worst:.1} ms")),
        ],
    })
}

/// From `201 sockets: median 26.0 ms, worst 35.1 ms`.
fn figures(text: &str) -> Option<(u64, f64, f64)> {
    let (sockets, rest) = text.trim().split_once(" sockets: median ")?;
    let (median, rest) = rest.split_once(" ms, worst ")?;
    let worst = rest.strip_suffix(" ms")?;
    Some((
        sockets.parse().ok()?,
        median.parse().ok()?,
        worst.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_example_is_read() {
        let line = "200 sockets: median 26.5 ms, worst 35.1 ms\n";
        assert_eq!(figures(line), Some((200, 26.5, 35.1)));
        assert_eq!(figures("warning"), None);
    }
}
