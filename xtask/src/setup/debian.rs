//! System programs by apt, where that is possible; elsewhere, what to ask for.

use super::services::Denied;
use super::tools::{self, Tool};
use super::{Missing, Need, announce};
use crate::process;
use anyhow::Result;
use std::fs;
use std::process::{Command, Output};

/// Installs what is absent and returns what still is.
pub(super) fn ensure(needs: &[Need]) -> Result<Vec<Missing>> {
    let absent = tools::absent(needs);
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    let apt = has_apt();
    if apt && process::is_root() {
        install(&absent)?;
    }
    Ok(tools::absent(needs)
        .iter()
        .map(|tool| Missing {
            what: format!("{} ({})", tool.program, tool.purpose),
            remedy: remedy(tool, apt),
        })
        .collect())
}

/// How to find a program's package where there is no apt.
pub(super) fn hint() -> Option<&'static str> {
    (!has_apt()).then_some(
        "the package of a program: dnf install '*/bin/NAME' (Fedora), apk add cmd:NAME (Alpine), \
         pacman -F NAME (Arch)",
    )
}

fn install(absent: &[Tool]) -> Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    for tool in absent {
        if !packages.contains(&tool.package) {
            announce(&format!(
                "Debian package {} ({})",
                tool.package, tool.purpose
            ));
            packages.push(tool.package);
        }
    }
    let _no_services = Denied::start()?;
    let first = apt_get(&["install", "--yes", "--no-install-recommends"], &packages)?;
    if first.status.success() {
        return Ok(());
    }
    eprintln!("setup: the package lists are missing or old: apt-get update");
    let update = apt_get(&["update"], &[])?;
    if !update.status.success() {
        complain(&update);
    }
    let second = apt_get(&["install", "--yes", "--no-install-recommends"], &packages)?;
    if !second.status.success() {
        complain(&second);
    }
    Ok(())
}

fn apt_get(verb: &[&str], packages: &[&str]) -> Result<Output> {
    let mut command = Command::new("apt-get");
    command
        .args([
            "-qq",
            "-o",
            "Dpkg::Use-Pty=0",
            "-o",
            "DPkg::Lock::Timeout=300",
        ])
        .args(verb)
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::output(&mut command, "installing Debian packages")
}

/// apt's own last words; what is missing for that is listed afterwards.
fn complain(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    for line in text.lines().filter(|line| line.starts_with("E:")) {
        eprintln!("setup: apt-get: {line}");
    }
}

fn remedy(tool: &Tool, apt: bool) -> String {
    if apt {
        format!(
            "as root: apt-get install --no-install-recommends {}",
            tool.package
        )
    } else {
        format!("Debian's package is called {}", tool.package)
    }
}

fn has_apt() -> bool {
    is_debian() && process::find("apt-get").is_some()
}

/// Debian itself or a system that calls itself its like.
fn is_debian() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| names_debian(&text))
}

fn names_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| matches!(*key, "ID" | "ID_LIKE"))
        .flat_map(|(_, value)| value.trim_matches('"').split_whitespace())
        .any(|name| name == "debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_like_are_recognised() {
        assert!(names_debian("PRETTY_NAME=\"Debian\"\nID=debian\n"));
        assert!(names_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!names_debian("ID=fedora\nHOME_URL=debian\n"));
    }

    #[test]
    fn a_remedy_names_the_package() {
        let tool = tools::named("dhcp_release").unwrap();
        for apt in [true, false] {
            assert!(remedy(&tool, apt).ends_with(" dnsmasq-utils"));
        }
    }
}
