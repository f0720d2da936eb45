//! One verdict: a row of `replay`'s table, or the lines that `run` prints.

use super::Style;
use super::text::{clean, date_and_time, outcome, pad, paragraph, time_of_day, width};
use crate::sinks::missing;
use crate::sinks::names::{InterfaceName, InterfaceNames};
use leasehound_core::evidence::ServerKind;
use leasehound_core::verdict::{Outcome, ServerSummary, Verdict};
use std::fmt::Write as _;

const TIME: usize = 23;
const VERDICT: usize = 12;
const ADDRESS: usize = 15;
const CLIENT: usize = 17;
const INTERFACE: usize = 12;
/// Where the texts below a verdict begin.
const INDENT: usize = 14;

/// Prints verdicts.
#[derive(Debug)]
pub struct VerdictTable {
    names: InterfaceNames,
    style: Style,
}

impl VerdictTable {
    /// Interfaces are called what `names` says.
    pub fn new(names: InterfaceNames, style: Style) -> Self {
        Self { names, style }
    }

    /// The head of the table.
    pub fn header(&self) -> String {
        let first = format!(
            "{}  {}  {:7}  {}  {}",
            pad("TIME (UTC)", TIME),
            pad("VERDICT", VERDICT),
            "MESSAGE",
            pad("ADDRESS", ADDRESS),
            pad("CLIENT", CLIENT),
        );
        let second = format!(
            "{}  {}  WHY",
            pad("SERVER ID", ADDRESS),
            pad("ON", INTERFACE)
        );
        self.row_of(&first, &second)
    }

    /// A verdict as one row; two lines on a narrow terminal.
    pub fn row(&self, verdict: &Verdict) -> String {
        let name = self.names.get(verdict.origin.interface);
        let first = format!(
            "{}  {}  {:7}  {:ADDRESS$}  {}",
            date_and_time(verdict.seen),
            outcome(verdict.outcome, VERDICT, self.style),
            verdict.message_type.as_str(),
            verdict.address,
            pad(&verdict.hardware_address.to_string(), CLIENT),
        );
        let server_id = verdict
            .server_id
            .map_or_else(|| "-".to_owned(), |id| id.to_string());
        let mut second = format!(
            "{}  {}  {}",
            pad(&server_id, ADDRESS),
            pad(&interface(&name), INTERFACE),
            reason(verdict.outcome),
        );
        if verdict.loss {
            second.push_str(" [samples lost]");
        }
        self.row_of(&first, &second)
    }

    /// A verdict as a paragraph: what, why, on which evidence, and what to do.
    pub fn entry(&self, verdict: &Verdict) -> String {
        let name = self.names.get(verdict.origin.interface);
        let who = format!(
            "{}  {:ADDRESS$}  {}  on {}",
            "",
            verdict.address,
            verdict.hardware_address,
            interface(&name),
        );
        let sentence = sentence(verdict);
        let mut out = format!(
            "{}  {}{who}",
            time_of_day(verdict.seen),
            outcome(verdict.outcome, VERDICT, self.style)
        );
        let one_line = 12 + 2 + VERDICT + width(&who) + 3 + width(&sentence);
        if self.style.fits(one_line) {
            let _ = writeln!(out, "   {sentence}");
        } else {
            out.push('\n');
            paragraph(&mut out, "", INDENT, &sentence, self.style);
        }
        let text = match (verdict.outcome.cause(), verdict.outcome.missing()) {
            (Some(cause), _) => Some(cause.title()),
            (None, Some(missing)) => Some(missing::clause(missing)),
            (None, None) => None,
        };
        if let Some(text) = text {
            let why = format!("{text} ({})", reason(verdict.outcome));
            paragraph(&mut out, "    why", INDENT, &why, self.style);
        }
        let mut label = "    evidence";
        for ground in &verdict.evidence {
            let text = format!("{}: {}", ground.source.as_str(), ground.says);
            paragraph(&mut out, label, INDENT, &text, self.style);
            label = "";
        }
        if let Some(remedy) = &verdict.remedy {
            paragraph(&mut out, "    remedy", INDENT, remedy, self.style);
        }
        if verdict.loss {
            let note = "samples were lost shortly before or meanwhile: something may be missing";
            paragraph(&mut out, "    note", INDENT, note, self.style);
        }
        out
    }

    fn row_of(&self, first: &str, second: &str) -> String {
        // Both halves have fixed columns; only what stands last may be longer.
        const WIDE: usize = TIME + VERDICT + 7 + ADDRESS + CLIENT + ADDRESS + INTERFACE + 12 + 42;
        let second = second.trim_end();
        if self.style.fits(WIDE) {
            format!("{first}  {second}\n")
        } else {
            format!("{}\n    {second}\n", first.trim_end())
        }
    }
}

/// `lo`, or `qrouter/eth3` in another namespace.
fn interface(name: &InterfaceName) -> String {
    let interface = clean(&name.interface);
    if name.netns.is_empty() {
        interface.into_owned()
    } else {
        format!("{}/{interface}", clean(&name.netns))
    }
}

/// The codes of an outcome that is neither "honoured" nor "answered".
fn reason(outcome: Outcome) -> String {
    match (outcome.cause(), outcome.certainty(), outcome.missing()) {
        (Some(cause), Some(certainty), _) => format!("{}, {}", cause.code(), certainty.as_str()),
        (Some(cause), None, _) => cause.code().to_owned(),
        (None, _, Some(missing)) => format!("missing: {}", missing.as_str()),
        (None, _, None) => String::new(),
    }
}

/// `RELEASE names 172.29.101.245; dnsmasq (pid 812) identifies as 172.29.101.1`
fn sentence(verdict: &Verdict) -> String {
    let mut out = verdict.message_type.as_str().to_uppercase();
    if let Some(state) = verdict.state {
        // That a REQUEST names no server is right in three of four states.
        let _ = write!(out, " ({}) for {}", state.as_str(), verdict.address);
        if let Some(server) = &verdict.server {
            let _ = write!(out, "; {}", server_text(server));
        }
        return out;
    }
    match verdict.server_id {
        Some(id) => {
            let _ = write!(out, " names {id}");
        }
        None => out.push_str(" names no server"),
    }
    if let Some(server) = &verdict.server {
        let _ = write!(out, "; {}", server_text(server));
    }
    out
}

fn server_text(server: &ServerSummary) -> String {
    let mut out = match server.kind {
        ServerKind::Unknown => "the server",
        ServerKind::Dnsmasq => "dnsmasq",
        ServerKind::IscDhcpd => "ISC dhcpd",
        ServerKind::Kea => "Kea",
        ServerKind::Udhcpd => "udhcpd",
        ServerKind::Networkd => "systemd-networkd",
        ServerKind::CoreDhcp => "CoreDHCP",
        ServerKind::Ovn => "OVN",
        ServerKind::Harvester => "Harvester's DHCP controller",
    }
    .to_owned();
    if let Some(pid) = server.pid {
        let _ = write!(out, " (pid {pid})");
    }
    if server.server_ids.is_empty() {
        out.push_str(" has not been heard to name itself");
    } else {
        let ids: Vec<_> = server.server_ids.iter().map(ToString::to_string).collect();
        let _ = write!(out, " identifies as {}", ids.join(", "));
    }
    out
}
