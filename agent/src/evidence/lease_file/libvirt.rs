//! Where libvirt's dnsmasq has its leases: it runs with `leasefile-ro`, and its script,
//! libvirt's lease helper, writes them as JSON on each change, into a new file that it
//! renames (src/network/leaseshelper.c; the name: `bridge_driver.c`
//! `networkDnsmasqLeaseFileNameCustom()`).

use super::Books;
use super::dnsmasq_options::Options;
use crate::evidence::lease_log::LeaseLog;
use leasehound_core::lease::Format;
use std::path::Path;

/// `None` if it is not libvirt's.
pub(super) fn find(pid: u32, options: &Options) -> Option<Books> {
    let script = options.script.as_deref()?.file_name()?.to_str()?;
    if !script.contains("leaseshelper") {
        return None;
    }
    let [interface] = options.interfaces.as_slice() else {
        return None;
    };
    let directory = options
        .file
        .as_deref()
        .and_then(Path::parent)
        .filter(|directory| directory.is_absolute())
        .unwrap_or(Path::new("/var/lib/libvirt/dnsmasq"));
    Some(Books::Log(LeaseLog {
        format: Format::Libvirt,
        pid: Some(pid),
        name: directory.join(format!("{interface}.status")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_file_of_the_bridge() {
        let options = |script: &str, interfaces: &[&str]| Options {
            read_only: true,
            script: Some(script.into()),
            interfaces: interfaces.iter().map(|name| (*name).into()).collect(),
            file: Some("/var/lib/libvirt/dnsmasq/default.conf".into()),
            ..Options::default()
        };
        let helper = "/usr/lib/libvirt/libvirt_leaseshelper";
        let name = |options: &Options| {
            let books = find(7, options)?;
            Some(books.name()?.display().to_string())
        };
        assert_eq!(
            name(&options(helper, &["virbr0"])).as_deref(),
            Some("/var/lib/libvirt/dnsmasq/virbr0.status")
        );
        assert_eq!(name(&options("/usr/bin/nova-dhcpbridge", &["br100"])), None);
        assert_eq!(name(&options(helper, &[])), None);
    }
}
