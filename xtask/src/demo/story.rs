//! The demonstration as a person reads it.

use super::agent::{self, Agent};
use super::event::Event;
use super::router::{self, Client, Release, Router};

/// Columns of a line's text, beside its label.
const WIDTH: usize = 82;

/// Prints, unless the events are the output.
pub(super) struct Story {
    told: bool,
}

impl Story {
    /// `told`: whether anything is printed at all.
    pub(super) const fn new(told: bool) -> Self {
        Self { told }
    }

    pub(super) fn router(&self, router: &Router) {
        self.heading("A router as in Apache CloudStack issue 10182");
        self.line("namespace", router.namespace().name());
        let addresses = format!("{}/24 (primary), {}/24", router::PRIMARY, router::SECONDARY);
        self.line(router::INTERFACE, &addresses);
        let command = format!("dnsmasq {}", router::server_flags().join(" "));
        self.line(&format!("pid {}", router.server_pid()), &command);
    }

    pub(super) fn agent(&self, agent: &Agent) {
        let command = format!("leasehound {}", agent::flags().join(" "));
        self.line(&format!("pid {}", agent.pid()), &command);
    }

    pub(super) fn client(&self, client: &Client) {
        let what = format!("{} got {} (udhcpc)", client.mac, client.address);
        self.line("client", &what);
    }

    pub(super) fn release(&self, release: &Release) {
        self.heading("The router gives the lease back");
        self.line("$", &release.command);
        self.line(
            "",
            &format!("{}: it looks as if all were well", release.status),
        );
    }

    pub(super) fn verdict(&self, event: &Event) {
        self.heading("leasehound's verdict");
        let verdict = format!(
            "{} {} {} ({})",
            event.text("/verdict").to_uppercase(),
            event.text("/address"),
            event.text("/cause"),
            event.text("/certainty")
        );
        self.line("verdict", &verdict);
        let said = format!(
            "release names server {}, {} goes by {}",
            event.text("/server_id"),
            event.text("/server/kind"),
            event.text("/server/server_ids/0")
        );
        self.line("server", &said);
        for (source, says) in event.evidence() {
            self.line("evidence", &format!("{source}: {says}"));
        }
        self.line("remedy", event.text("/remedy"));
        if let Some(seconds) = event.number("/latency_seconds") {
            self.line("latency", &format!("{seconds:.3} s"));
        }
    }

    pub(super) fn lease_file(&self, line: Option<&str>) {
        self.heading("dnsmasq's lease file, afterwards");
        match line {
            Some(line) => self.line("still there", line),
            None => self.line("gone", "the lease was let go"),
        }
    }

    pub(super) fn metrics(&self, lines: &[String]) {
        self.heading("/metrics");
        for line in lines {
            self.print(&format!("  {line}"));
        }
    }

    fn heading(&self, text: &str) {
        self.print(&format!("\n{text}"));
    }

    fn line(&self, label: &str, text: &str) {
        let mut label = label;
        for part in wrap(text) {
            self.print(&format!("  {label:<13} {part}"));
            label = "";
        }
    }

    fn print(&self, text: &str) {
        if self.told {
            println!("{text}");
        }
    }
}

/// Breaks at spaces so that a line fits a terminal of 100 columns.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.len() + word.len() < WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_and_none_of_it_lost() {
        let text = "word ".repeat(40) + &"x".repeat(WIDTH + 1);
        let lines = wrap(&text);
        assert_eq!(lines.join(" "), text);
        assert!(lines.len() == 4 && lines.iter().take(3).all(|line| line.len() <= WIDTH));
        assert_eq!(wrap(""), [""]);
    }
}
