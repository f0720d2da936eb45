//! dnsmasq's options: their names, letters and arguments (option.c `opts`, `OPTSTRING`;
//! read in 2.90), and which of them are about DHCP.

/// Whether an option takes an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// It never does.
    Nothing,
    /// It always does.
    Argument,
    /// It may, after `=`; by its letter it always does.
    Perhaps,
}

/// `NAME` or `NAME:LETTER`.
const FLAGS: &str = "\
version:v no-hosts:h no-poll:n help:w no-daemon:d bogus-priv:b selfmx:e filterwin2k:f
filter-A filter-AAAA strict-order:o no-resolv:R expand-hosts:E localmx:L no-negcache:N
no-round-robin domain-needed:D bind-interfaces:z read-ethers:Z keep-in-foreground:k
dhcp-authoritative:K localise-queries:y no-ping:5 leasefile-ro:9 script-on-renewal
clear-on-reload tftp-secure tftp-no-fail tftp-lowercase tftp-single-port
tftp-no-blocksize log-dhcp dhcp-no-override stop-dns-rebind all-servers dhcp-fqdn test
rebind-localhost-ok strip-mac strip-subnet proxy-dnssec dhcp-sequential-ip conntrack
dhcp-client-update enable-ra bind-dynamic dnssec dnssec-debug dnssec-no-timecheck
quiet-dhcp quiet-dhcp6 quiet-ra dns-loop-detect script-arp dhcp-rapid-commit
dhcp-ignore-clid log-debug quiet-tftp no-ident";
const WITH_ARGUMENT: &str = "\
servers-file mx-host:m mx-target:t port:p dhcp-lease:l dhcp-host:G dhcp-range:F
dhcp-option:O dhcp-boot:M domain:s domain-suffix:s interface:i listen-address:a
bogus-nxdomain:B ignore-address filter-rr server:S rev-server local address:A
conf-script local-ttl:T cache-rr addn-hosts:H hostsdir query-port:Q except-interface:I
no-dhcp-interface:2 no-dhcpv4-interface no-dhcpv6-interface dhcp-lease-max:X alias:V
dhcp-vendorclass:U dhcp-userclass:j dhcp-ignore:J edns-packet-max:P srv-host:W
txt-record:Y caa-record dns-rr dhcp-mac:4 dhcp-script:6 conf-dir:7 log-facility:8
dns-forward-max:0 tftp-root tftp-max tftp-mtu ptr-record naptr-record bridge-interface
shared-network dhcp-option-force dhcp-circuitid dhcp-remoteid dhcp-subscrid
dhcp-pxe-vendor interface-name dhcp-hostsfile dhcp-optsfile dhcp-hostsdir dhcp-optsdir
tftp-port-range rebind-domain-ok dhcp-match dhcp-name-match neg-ttl max-ttl
min-cache-ttl max-cache-ttl dhcp-scriptuser min-port max-port cname pxe-prompt
pxe-service tag-if add-cpe-id dhcp-luascript dhcp-duid host-record auth-zone auth-server
auth-ttl auth-soa auth-sec-servers auth-peer ipset nftset connmark-allowlist
synth-domain trust-anchor dnssec-timestamp dnssec-limits dhcp-relay ra-param dhcp-ttl
dhcp-reply-delay dumpfile dumpmask dynamic-host port-limit max-tcp-connections";
const WITH_OPTIONAL: &str = "\
log-queries:q user:u group:g resolv-file:r cache-size:c dhcp-leasefile:l local-service
pid-file:x conf-file:C enable-dbus:1 enable-ubus bootp-dynamic:3 dhcp-ignore-names
enable-tftp tftp-unique-root log-async dhcp-broadcast dhcp-alternate-port dhcp-proxy
dhcp-generate-names add-mac add-subnet connmark-allowlist-enable dnssec-check-unsigned
umbrella fast-dns-retry use-stale-cache";
/// Letters that take no argument although their names may (`OPTSTRING`).
const BARE_LETTERS: &str = "1q";

/// What may leave a configuration. Nothing here holds a secret.
const ABOUT_DHCP: &[&str] = &[
    "bind-dynamic",
    "bind-interfaces",
    "bridge-interface",
    "dhcp-alternate-port",
    "dhcp-authoritative",
    "dhcp-circuitid",
    "dhcp-host",
    "dhcp-hostsdir",
    "dhcp-hostsfile",
    "dhcp-ignore",
    "dhcp-ignore-clid",
    "dhcp-lease-max",
    "dhcp-leasefile",
    "dhcp-mac",
    "dhcp-match",
    "dhcp-name-match",
    "dhcp-optsdir",
    "dhcp-optsfile",
    "dhcp-proxy",
    "dhcp-range",
    "dhcp-relay",
    "dhcp-remoteid",
    "dhcp-script",
    "dhcp-sequential-ip",
    "dhcp-subscrid",
    "dhcp-userclass",
    "dhcp-vendorclass",
    "except-interface",
    "interface",
    "leasefile-ro",
    "listen-address",
    "no-dhcp-interface",
    "no-dhcpv4-interface",
    "quiet-dhcp",
    "read-ethers",
    "shared-network",
    "tag-if",
];

/// One option, under the name that everything else goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
}

impl Known {
    /// Whether it decides about leases, and may be told.
    pub fn is_about_dhcp(self) -> bool {
        ABOUT_DHCP.contains(&self.name)
    }
}

fn all() -> impl Iterator<Item = (Known, Option<char>)> {
    let lists = [
        (FLAGS, Takes::Nothing),
        (WITH_ARGUMENT, Takes::Argument),
        (WITH_OPTIONAL, Takes::Perhaps),
    ];
    lists.into_iter().flat_map(|(list, takes)| {
        list.split_ascii_whitespace().map(move |word| {
            let (name, letter) = word.split_once(':').unwrap_or((word, ""));
            (Known { name, takes }, letter.chars().next())
        })
    })
}

/// `dhcp-lease` is another name of `dhcp-leasefile`.
fn canonical(known: Known) -> Known {
    if known.name == "dhcp-lease" {
        let name = "dhcp-leasefile";
        return Known { name, ..known };
    }
    known
}

/// The option of that name.
pub fn by_name(name: &str) -> Option<Known> {
    let found = all().find(|(known, _)| known.name == name);
    found.map(|(known, _)| canonical(known))
}

/// The option of that name, or the only one whose name begins so: getopt_long(3).
pub fn by_beginning(beginning: &str) -> Option<Known> {
    if let Some(known) = by_name(beginning) {
        return Some(known);
    }
    let mut fit = all().filter(|(known, _)| known.name.starts_with(beginning));
    let (only, _) = fit.next()?;
    fit.next().is_none().then(|| canonical(only))
}

/// The option of that letter, and whether it takes an argument when called so.
pub fn by_letter(letter: char) -> Option<(Known, bool)> {
    let (known, _) = all().find(|(_, of)| *of == Some(letter))?;
    let takes = match known.takes {
        Takes::Nothing => false,
        Takes::Argument => true,
        Takes::Perhaps => !BARE_LETTERS.contains(letter),
    };
    Some((canonical(known), takes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_letter_and_beginning() {
        let range = Known {
            name: "dhcp-range",
            takes: Takes::Argument,
        };
        assert_eq!(by_name("dhcp-range"), Some(range));
        assert_eq!(by_beginning("dhcp-ran"), Some(range));
        assert_eq!(by_beginning("dhcp-"), None);
        assert_eq!(by_letter('F'), Some((range, true)));
        assert_eq!(by_letter('1').map(|(_, takes)| takes), Some(false));
        assert_eq!(by_letter('q').map(|(_, takes)| takes), Some(false));
        assert_eq!(
            by_letter('l').map(|(known, _)| known.name),
            Some("dhcp-leasefile")
        );
        assert_eq!(
            by_name("dhcp-lease").map(|known| known.name),
            Some("dhcp-leasefile")
        );
        assert_eq!(by_name("no-such-option"), None);
        assert_eq!(by_letter('~'), None);
    }

    #[test]
    fn everything_about_dhcp_is_an_option() {
        for name in ABOUT_DHCP {
            assert!(by_name(name).is_some_and(Known::is_about_dhcp), "{name}");
        }
        assert_eq!(all().count(), 189);
    }
}
