//! The status page: one HTML document without scripts or anything from elsewhere.
//!
//! Names and texts come from the network and from files: all of them are escaped.

mod databases;

use super::books;
use crate::sinks::events::Utc;
use crate::sinks::hooks::{HookReport, HookState};
use crate::sinks::names::InterfaceName;
use crate::sinks::status::Status;
use leasehound_core::verdict::Verdict;
use std::fmt::{self, Display, Write as _};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"refresh\" content=\"10\"><title>leasehound</title><style>\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884}\
td{font-variant-numeric:tabular-nums}small{opacity:.75}\
.alarm{color:#c62828;font-weight:600}.fine{color:#2e7d32}.unsure{color:#b26a00}\
ul{margin:0;padding-left:1.1rem}\
</style></head><body>\n<h1>leasehound</h1>\n";

/// The page as it is now.
pub(super) fn render(status: &Status) -> String {
    let mut out = HEAD.to_owned();
    match status.ready() {
        Ok(()) => out.push_str("<p class=\"fine\">Watching.</p>\n"),
        Err(why) => {
            let _ = writeln!(out, "<p class=\"alarm\">{}</p>", Escaped(why));
        }
    }
    books::findings(&mut out, status, crate::clock::now());
    books::pools(&mut out, status);
    books::leaks(&mut out, status, crate::clock::now());
    verdicts(&mut out, status);
    servers(&mut out, status);
    databases::section(&mut out, &status.databases());
    hooks(&mut out, status);
    host_hooks(&mut out, status);
    losses(&mut out, status);
    out.push_str(
        "<p><small><a href=\"/metrics\">metrics</a> · <a href=\"/api/v1/verdicts\">verdicts</a> · \
         <a href=\"/api/v1/findings\">findings</a> · \
         <a href=\"/api/v1/leases\">leases</a> · <a href=\"/api/v1/servers\">servers</a> · <a href=\"/api/v1/hooks\">hooks</a></small></p>\n\
         </body></html>\n",
    );
    out
}

fn host_hooks(out: &mut String, status: &Status) {
    for (hook, state) in status.host_hooks() {
        if let Err(why) = state {
            let why = Escaped(why);
            let hook = hook.as_str();
            let _ = writeln!(out, "<p class=\"unsure\">without {hook}: {why}</p>");
        }
    }
}

fn verdicts(out: &mut String, status: &Status) {
    // REQUESTs that were answered are no news: they are in the metrics and events.
    out.push_str("<h2>Recent verdicts</h2>\n");
    let verdicts = status.verdicts();
    if verdicts.is_empty() {
        out.push_str("<p>No RELEASE or DECLINE yet, and no REQUEST that went unanswered.</p>\n");
        return;
    }
    out.push_str(
        "<table><tr><th>Message at (UTC)</th><th>Verdict</th><th>Address</th><th>Client</th>\
         <th>On</th><th>Why, and what to do</th></tr>\n",
    );
    for verdict in &verdicts {
        let name = status.names().get(verdict.origin.interface);
        verdict_row(out, verdict, &name);
    }
    out.push_str("</table>\n");
}

fn verdict_row(out: &mut String, verdict: &Verdict, name: &InterfaceName) {
    let outcome = verdict.outcome;
    let class = if outcome.is_alarm() {
        "alarm"
    } else if outcome.cause().is_some() || outcome.missing().is_some() {
        "unsure"
    } else {
        "fine"
    };
    let why = match (outcome.cause(), outcome.certainty(), outcome.missing()) {
        (Some(cause), Some(certainty), _) => format!(
            "{} ({}, {})",
            cause.title(),
            cause.code(),
            certainty.as_str()
        ),
        (Some(cause), None, _) => format!("{} ({})", cause.title(), cause.code()),
        (None, _, Some(missing)) => format!("missing: {}", missing.as_str()),
        (None, _, None) => String::new(),
    };
    let server_id = verdict
        .server_id
        .map_or_else(|| "no server".to_owned(), |id| id.to_string());
    let _ = write!(
        out,
        "<tr><td>{}</td><td class=\"{class}\">{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}",
        Utc(verdict.seen),
        verdict.message_type.as_str(),
        verdict.outcome.as_str(),
        verdict.address,
        verdict.hardware_address,
        Escaped(place(name)),
        Escaped(why),
    );
    let _ = write!(out, "<ul><li><small>names {server_id}</small></li>");
    for ground in &verdict.evidence {
        let (source, says) = (ground.source.as_str(), Escaped(&ground.says));
        let _ = write!(out, "<li><small>{source}: {says}</small></li>");
    }
    if verdict.loss {
        out.push_str("<li><small>samples were lost meanwhile</small></li>");
    }
    if let Some(remedy) = &verdict.remedy {
        let _ = write!(out, "<li>{}</li>", Escaped(remedy));
    }
    out.push_str("</ul></td></tr>\n");
}

fn servers(out: &mut String, status: &Status) {
    out.push_str("<h2>Servers</h2>\n");
    let servers = status.servers();
    if servers.is_empty() {
        out.push_str("<p>None seen yet.</p>\n");
        return;
    }
    out.push_str("<table><tr><th>On</th><th>Server</th><th>Process</th><th>Ids</th></tr>\n");
    for server in servers.iter() {
        let name = InterfaceName {
            netns: server.netns.clone(),
            interface: server.interface.map_or_else(
                || "-".to_owned(),
                |id| status.names().get(id).interface.clone(),
            ),
        };
        let summary = &server.summary;
        let pid = summary
            .pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let ids: Vec<_> = summary.server_ids.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{pid}</td><td>{}</td></tr>",
            Escaped(place(&name)),
            summary.kind.as_str(),
            ids.join(", "),
        );
    }
    out.push_str("</table>\n");
}

fn hooks(out: &mut String, status: &Status) {
    out.push_str("<h2>Hooks</h2>\n");
    let hooks = status.hooks();
    if hooks.is_empty() {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str("<table><tr><th>Interface</th><th>Hook</th><th>State</th></tr>\n");
    for report in &hooks {
        hook_row(out, report, &status.names().get(report.interface));
    }
    out.push_str("</table>\n");
}

fn hook_row(out: &mut String, report: &HookReport, name: &InterfaceName) {
    let (class, detail) = match &report.state {
        HookState::Attached => ("fine", ""),
        HookState::Detached => ("unsure", ""),
        HookState::Failed { detail, .. } => ("alarm", detail.as_str()),
    };
    let _ = writeln!(
        out,
        "<tr><td>{}</td><td>{} {}</td><td><span class=\"{class}\">{}</span> {}</td></tr>",
        Escaped(place(name)),
        report.hook.as_str(),
        report.mode.as_str(),
        report.state.as_str(),
        Escaped(detail),
    );
}

fn losses(out: &mut String, status: &Status) {
    out.push_str("<h2>Lost samples</h2>\n");
    let losses = status.losses();
    if losses.is_empty() {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str("<table><tr><th>Hook</th><th>Stage</th><th>Samples</th></tr>\n");
    for ((hook, stage), count) in &losses {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{count}</td></tr>",
            hook.as_str(),
            stage.as_str(),
        );
    }
    out.push_str("</table>\n");
}

pub(super) fn place(name: &InterfaceName) -> String {
    if name.netns.is_empty() {
        name.interface.clone()
    } else {
        format!("{}/{}", name.netns, name.interface)
    }
}

/// A text that is only text in HTML, inside elements and quoted attributes.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
