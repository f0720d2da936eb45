//! The lease databases on the status page.

use super::Escaped;
use crate::sinks::databases::DatabaseEntry;
use std::fmt::Write as _;

/// A table of them, each with what is wrong with it; nothing where there is none.
pub(super) fn section(out: &mut String, databases: &[DatabaseEntry]) {
    if databases.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Lease databases</h2>\n<table><tr><th>Server</th><th>File</th><th>Leases</th><th>State</th></tr>\n",
    );
    for entry in databases {
        row(out, entry);
    }
    out.push_str("</table>\n");
}

fn row(out: &mut String, entry: &DatabaseEntry) {
    let status = &entry.status;
    let path = status.path.as_deref();
    let file = path.map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let place = if entry.netns.is_empty() {
        String::new()
    } else {
        format!(" in {}", entry.netns)
    };
    let leases = match (status.up, status.entries) {
        (false, 0) => "-".to_owned(),
        (_, entries) => entries.to_string(),
    };
    let class = match (status.up, status.liveness.is_bad()) {
        (true, false) => "fine",
        _ => "unsure",
    };
    let state = if status.up || status.liveness.is_bad() {
        status.liveness.as_str().replace('_', " ")
    } else {
        "of no use".to_owned()
    };
    let reason = status.reason.as_deref().filter(|_| !status.up);
    let reason = reason.or(status.liveness.reason()).unwrap_or_default();
    let _ = writeln!(
        out,
        "<tr><td>{}{}</td><td>{}</td><td>{leases}</td><td><span class=\"{class}\">{state}</span> {}</td></tr>",
        status.kind.as_str(),
        Escaped(place),
        Escaped(file),
        Escaped(reason),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::status::DatabaseStatus;
    use leasehound_core::evidence::{Liveness, ServerKind};
    use leasehound_core::origin::NetnsId;

    #[test]
    fn each_with_its_state_and_what_is_wrong() {
        let entry = |up, entries, reason: Option<&str>, liveness| DatabaseEntry {
            netns: "q<1>".to_owned(),
            status: DatabaseStatus {
                kind: ServerKind::Dnsmasq,
                netns: NetnsId(0),
                server: None,
                path: Some("/run/x".into()),
                up,
                entries,
                reason: reason.map(Into::into),
                liveness,
            },
        };
        let page = |entry| {
            let mut out = String::new();
            section(&mut out, &[entry]);
            out
        };
        let live = page(entry(true, 7, None, Liveness::Live));
        assert!(
            live.contains("dnsmasq in q&lt;1&gt;</td><td>/run/x</td><td>7</td>"),
            "{live}"
        );
        assert!(live.contains("class=\"fine\">live</span>"), "{live}");
        let reason = || "leasefile-ro".into();
        let not_live = page(entry(
            false,
            0,
            Some("why"),
            Liveness::NotLive { reason: reason() },
        ));
        assert!(not_live.contains("<td>-</td>"), "{not_live}");
        assert!(
            not_live.contains("class=\"unsure\">not live</span> why"),
            "{not_live}"
        );
        let unread = page(entry(false, 0, Some("no right"), Liveness::Unknown));
        assert!(unread.contains("of no use</span> no right"), "{unread}");
        let replaced = page(entry(
            true,
            2,
            None,
            Liveness::Replaced { reason: reason() },
        ));
        assert!(
            replaced.contains("replaced</span> leasefile-ro"),
            "{replaced}"
        );
    }
}
