//! What a packet that is not DHCP pays for each eBPF program, beside an empty one.

use super::Bench;
use super::report::{Figure, Section};
use crate::process;
use anyhow::{Context as _, Result, ensure};

/// Nanoseconds above an empty program.
const AIM: u64 = 3;

/// The agent's own example loads the programs and runs them; its lines are read here.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    const EXAMPLE: [&str; 5] = [
        "--release",
        "--package",
        "leasehound",
        "--example",
        "probe_cost",
    ];
    // On its own first, for a build takes minutes and ought to be seen.
    let mut build = bench.project.cargo()?;
    process::run(build.arg("build").args(EXAMPLE), "building probe_cost")?;
    let mut command = bench.project.cargo()?;
    command.args(["run", "--quiet"]).args(EXAMPLE);
    let text = process::capture(&mut command, "running the eBPF programs")?;
    let figures = text
        .lines()
        .map(|line| figure(line).with_context(|| format!("probe_cost printed `{line}`")))
        .collect::<Result<Vec<Figure>>>()?;
    ensure!(!figures.is_empty(), "probe_cost printed nothing");
    Ok(Section {
        title: "eBPF programs on packets that are not DHCP",
        method: "BPF_PROG_TEST_RUN on a whole frame by `cargo run --release -p leasehound --example \
                 probe_cost`: the smallest mean of several runs that took turns with the empty \
                 program of the same type, in whole nanoseconds. Both include the kernel's own loop."
            .to_owned(),
        figures,
    })
}

/// From `program<TAB>packet<TAB>nanoseconds<TAB>above the empty program`.
fn figure(line: &str) -> Option<Figure> {
    let mut fields = line.split('\t');
    let (program, packet) = (fields.next()?, fields.next()?);
    let total: u64 = fields.next()?.trim().parse().ok()?;
    let above: u64 = fields.next()?.trim().parse().ok()?;
    Some(Figure::aimed(
        format!("{program}, {packet}"),
        format!("{total} ns, {above} over empty"),
        format!("≤ {AIM} ns over empty"),
        above <= AIM,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_example_is_read() {
        let read = figure("leasehound_tcxi\ttcp\t14\t4").unwrap();
        assert_eq!(read.what, "leasehound_tcxi, tcp");
        assert_eq!(read.measured, "14 ns, 4 over empty");
        assert_eq!(read.aim, Some(("≤ 3 ns over empty".to_owned(), false)));
        assert!(figure("warning: something").is_none());
    }
}
