//! The status page's part about findings, pools and leaked addresses.

use super::page::{Escaped, place};
use crate::sinks::book::runbook;
use crate::sinks::events::Utc;
use crate::sinks::names::InterfaceName;
use crate::sinks::status::Status;
use leasehound_core::accounts::forecast::{Forecast, Interval};
use leasehound_core::finding::{Finding, FindingState};
use leasehound_core::time::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;

/// How long a finding that is over is shown.
const CLOSED_SHOWN: Duration = Duration::from_hours(24);

/// Leaked addresses shown; the API has them all.
const LEAKS_SHOWN: usize = 100;

/// Those that hold, and those that are over since yesterday.
pub(super) fn findings(out: &mut String, status: &Status, now: Timestamp) {
    let mut findings = status.findings();
    findings.retain(|(_, finding)| {
        finding.state != FindingState::Closed || now.since(finding.at) <= CLOSED_SHOWN
    });
    if findings.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Findings</h2>\n<table><tr><th>Since (UTC)</th><th>What, and what to do</th></tr>\n",
    );
    for (netns, finding) in &findings {
        finding_row(out, netns, finding);
    }
    out.push_str("</table>\n");
}

fn finding_row(out: &mut String, netns: &str, finding: &Finding) {
    let (class, state) = match finding.state {
        FindingState::Closed => ("fine", format!("over since {}: ", Utc(finding.at))),
        FindingState::Opened | FindingState::Updated => ("alarm", String::new()),
    };
    let place = if netns.is_empty() {
        String::new()
    } else {
        format!(" (network namespace {netns})")
    };
    let _ = write!(
        out,
        "<tr><td>{}</td><td><span class=\"{class}\">{state}{}{}</span><ul>",
        Utc(finding.since),
        Escaped(&finding.title),
        Escaped(place),
    );
    if let Some(damage) = &finding.damage {
        let _ = write!(out, "<li class=\"{class}\">{}</li>", Escaped(damage));
    }
    for ground in &finding.evidence {
        let (source, says) = (ground.source.as_str(), Escaped(&ground.says));
        let _ = write!(out, "<li><small>{source}: {says}</small></li>");
    }
    let _ = write!(out, "<li>{}</li>", Escaped(&finding.remedy));
    if let Some(side_effect) = &finding.side_effect {
        let _ = write!(out, "<li>Mind: {}</li>", Escaped(side_effect));
    }
    let (code, link) = (finding.entry(), runbook(finding.entry()));
    let _ = writeln!(
        out,
        "<li><small>leasehound explain {code} · {link}</small></li></ul></td></tr>"
    );
}

/// What servers give out, and how much of it is left.
pub(super) fn pools(out: &mut String, status: &Status) {
    let pools = status.pools();
    if pools.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Pools</h2>\n<table><tr><th>Pool</th><th>Addresses</th><th>Leased</th><th>Leaked</th>\
         <th>Runs out in</th></tr>\n",
    );
    for entry in pools.iter() {
        let report = &entry.report;
        let name = InterfaceName {
            netns: entry.netns.clone(),
            interface: report.pool.name.to_string(),
        };
        let (used, leaked) = match report.used {
            Some(used) => (used.to_string(), report.leaked.to_string()),
            None => ("not known".to_owned(), "-".to_owned()),
        };
        let (class, end) = match report.forecast {
            Forecast::Never => ("", "-".to_owned()),
            Forecast::Now => ("alarm", "no address is free".to_owned()),
            Forecast::In(Interval {
                earliest,
                expected,
                latest,
                ..
            }) => {
                let [from, middle, until] = [earliest, expected, latest].map(clock);
                ("unsure", format!("{middle} ({from} to {until})"))
            }
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{used}</td><td>{leaked}</td><td class=\"{class}\">{end}</td></tr>",
            Escaped(place(&name)),
            report.pool.size(),
        );
    }
    out.push_str("</table>\n");
}

/// Addresses that were given back and are still leased, the longest first.
pub(super) fn leaks(out: &mut String, status: &Status, now: Timestamp) {
    let all = status.leaks();
    if all.is_empty() {
        return;
    }
    let mut leaks: Vec<_> = all.iter().collect();
    leaks.sort_by_key(|entry| entry.leak.since);
    let _ = write!(
        out,
        "<h2>Leaked addresses ({})</h2>\n<table><tr><th>Address</th><th>Client</th><th>On</th>\
         <th>Given back at (UTC)</th><th>Ago</th><th>Cause</th></tr>\n",
        all.len()
    );
    for entry in leaks.iter().take(LEAKS_SHOWN) {
        let leak = &entry.leak;
        let name = InterfaceName {
            netns: entry.netns.clone(),
            interface: status.names().get(leak.interface).interface.clone(),
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            leak.address,
            leak.hardware_address,
            Escaped(place(&name)),
            Utc(leak.since),
            clock(leak.age(now)),
            leak.cause.code(),
        );
    }
    out.push_str("</table>\n");
    if leaks.len() > LEAKS_SHOWN {
        let more = leaks.len() - LEAKS_SHOWN;
        let _ = writeln!(out, "<p>And {more} more: /api/v1/leases.</p>");
    }
}

/// "3 h 12 min", "40 s"
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
