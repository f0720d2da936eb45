//! What a Kea's configuration file says of where its leases are.
//!
//! Only a look: included files are not followed, for the open files decide anyway.

use super::{option, seen_from_here};
use crate::evidence::procfs;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// No configuration file is larger.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// As far as it is about leases.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) leases: LeasesIn,
    /// The unix socket on which the leases can be asked for: it needs the hook
    /// `lease_cmds`.
    pub(super) control: Option<PathBuf>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            leases: LeasesIn::Memfile(None),
            control: None,
        }
    }
}

/// Where the leases are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeasesIn {
    /// A memfile, and its name if it has one.
    Memfile(Option<PathBuf>),
    /// A memfile that is kept in memory only.
    Memory,
    /// `mysql` or `postgresql`.
    Sql(Box<str>),
}

impl Configuration {
    /// `-c FILE` of a process, seen from its root; `None` if it can't be read.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let arguments = procfs::arguments(pid).unwrap_or_default();
        let path = option(&arguments, "--config", "-c")?;
        let path = seen_from_here(pid, Path::new(path));
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > SIZE_LIMIT {
            return None;
        }
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let whole: Value = serde_json::from_str(&without_comments(text)).ok()?;
        let dhcp4 = whole.get("Dhcp4")?;
        Some(Self {
            leases: leases(dhcp4.get("lease-database")),
            control: control(dhcp4),
        })
    }
}

fn leases(database: Option<&Value>) -> LeasesIn {
    let field = |name: &str| database.and_then(|database| database.get(name));
    let kind = field("type").and_then(Value::as_str).unwrap_or("memfile");
    if kind != "memfile" {
        return LeasesIn::Sql(kind.into());
    }
    if !field("persist").and_then(Value::as_bool).unwrap_or(true) {
        return LeasesIn::Memory;
    }
    let name = field("name").and_then(Value::as_str);
    LeasesIn::Memfile(name.map(PathBuf::from))
}

/// `control-socket`, from Kea 2.7.2 on one of `control-sockets`.
fn control(dhcp4: &Value) -> Option<PathBuf> {
    let hooks = dhcp4.get("hooks-libraries")?.as_array()?;
    let library = |hook: &Value| Some(hook.get("library")?.as_str()?.contains("lease_cmds"));
    if !hooks.iter().any(|hook| library(hook).unwrap_or(false)) {
        return None;
    }
    let several = dhcp4.get("control-sockets").and_then(Value::as_array);
    let all = dhcp4.get("control-socket").into_iter();
    let mut unix = all.chain(several.into_iter().flatten()).filter(|socket| {
        let kind = socket.get("socket-type").and_then(Value::as_str);
        kind.unwrap_or("unix") == "unix"
    });
    let name = unix.next()?.get("socket-name")?.as_str()?;
    Some(name.into())
}

/// Kea takes `#`, `//` and `/* */` for comments (eval of its dhcp4_lexer.ll).
pub(in crate::evidence) fn without_comments(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = if first == '"' {
            (quoted(rest), true)
        } else if first == '#' || rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), false)
        } else {
            (first.len_utf8(), true)
        };
        let (piece, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if keep {
            json.push_str(piece);
        }
        rest = tail;
    }
    json
}

/// The length of the text in quotes that `text` begins with, quotes included.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leases_in(text: &str) -> Option<LeasesIn> {
        Configuration::parse(text).map(|configuration| configuration.leases)
    }

    #[test]
    fn a_configuration_with_comments() {
        let text = r#"// the server
{ "Dhcp4": { # all of it
  /* "lease-database": { "name": "/old" }, */
  "valid-lifetime": 3600, "comment": "no # comment // here \" /* ",
  "lease-database": { "type": "memfile", "persist": true, "name": "/run/x.csv" } // newest
} }"#;
        assert_eq!(
            leases_in(text),
            Some(LeasesIn::Memfile(Some("/run/x.csv".into())))
        );
    }

    #[test]
    fn where_there_is_no_memfile() {
        for (text, expected) in [
            ("{ \"Dhcp4\": {} }", Some(LeasesIn::Memfile(None))),
            (
                r#"{ "Dhcp4": { "lease-database": { "type": "mysql", "name": "kea" } } }"#,
                Some(LeasesIn::Sql("mysql".into())),
            ),
            (
                r#"{ "Dhcp4": { "lease-database": { "type": "memfile", "persist": false } } }"#,
                Some(LeasesIn::Memory),
            ),
            ("{ \"Dhcp6\": {} }", None),
            ("{ \"Dhcp4\": { /* ", None),
        ] {
            assert_eq!(leases_in(text), expected, "{text}");
        }
    }

    #[test]
    fn a_control_socket_tells_leases_only_with_the_hook() {
        let control = |rest: &str| {
            let text = format!("{{ \"Dhcp4\": {{ {rest} }} }}");
            Configuration::parse(&text).unwrap().control
        };
        let hooks =
            r#""hooks-libraries": [ { "library": "/usr/lib/kea/hooks/libdhcp_lease_cmds.so" } ]"#;
        let old = r#""control-socket": { "socket-type": "unix", "socket-name": "/run/kea/4" }"#;
        let new = r#""control-sockets": [ { "socket-type": "http", "socket-port": 8000 },
            { "socket-type": "unix", "socket-name": "/run/kea/4" } ]"#;
        for socket in [old, new] {
            assert_eq!(
                control(&format!("{hooks}, {socket}")),
                Some("/run/kea/4".into())
            );
            assert_eq!(control(socket), None);
        }
        assert_eq!(control(hooks), None);
    }
}
