//! Lease databases as servers write them, of as many leases as wanted.

use std::fmt::Write as _;

/// When all the leases end.
const END: u32 = 1_795_759_176;

/// Name, format and text of each.
pub(super) fn all(leases: u32) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    vec![
        ("dnsmasq", "dnsmasq", dnsmasq(leases).into()),
        ("dnsmasq, IPv6", "dnsmasq", dnsmasq6(leases).into()),
        ("libvirt", "libvirt", libvirt(leases).into()),
        ("ISC dhcpd", "isc_dhcpd", dhcpd(leases).into()),
        ("ISC dhcpd, IPv6", "isc_dhcpd", dhcpd6(leases).into()),
        ("Kea", "kea", kea(leases).into()),
        ("Kea, IPv6", "kea", kea6(leases).into()),
        (
            "Kea's control socket",
            "kea_control",
            kea_control(leases).into(),
        ),
        ("udhcpd", "udhcpd", udhcpd(leases)),
        (
            "systemd-networkd",
            "systemd_networkd",
            networkd(leases).into(),
        ),
    ]
}

/// What is different in each lease.
struct Numbers {
    a: u8,
    b: u8,
    c: u8,
}

impl Numbers {
    const fn of(n: u32) -> Self {
        let [_, a, b, c] = n.to_be_bytes();
        Self { a, b, c }
    }

    fn address(&self) -> String {
        format!("10.{}.{}.{}", self.a, self.b, self.c)
    }

    fn mac(&self) -> String {
        format!("02:00:00:{:02x}:{:02x}:{:02x}", self.a, self.b, self.c)
    }

    fn address6(&self) -> String {
        format!(
            "fd00:29::{:x}:{:x}",
            self.a,
            u32::from(self.b) << 8 | u32::from(self.c)
        )
    }
}

fn text(
    leases: u32,
    mut write: impl FnMut(&mut String, u32, &Numbers) -> std::fmt::Result,
) -> String {
    let mut text = String::new();
    for n in 0..leases {
        // Writing to a String cannot fail.
        let _written = write(&mut text, n, &Numbers::of(n + 256));
    }
    text
}

fn dnsmasq(leases: u32) -> String {
    text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address());
        writeln!(text, "{END} {mac} {address} host-{n} 01:{mac}")
    })
}

fn dnsmasq6(leases: u32) -> String {
    let duid = "00:01:00:01:2b:0e:4f:23";
    let leases = text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address6());
        writeln!(text, "{END} {n} {address} host-{n} {duid}:{mac}")
    });
    format!("duid {duid}:02:00:00:00:00:01\n{leases}")
}

fn libvirt(leases: u32) -> String {
    let objects = text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address());
        let comma = if n == 0 { "" } else { ",\n" };
        write!(
            text,
            "{comma}  {{\n    \"ip-address\": \"{address}\",\n    \"mac-address\": \"{mac}\",\n    \
             \"hostname\": \"host-{n}\",\n    \"client-id\": \"01:{mac}\",\n    \
             \"expiry-time\": {END}\n  }}"
        )
    });
    format!("[\n{objects}\n]\n")
}

fn dhcpd(leases: u32) -> String {
    text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address());
        let Numbers { a, b, c } = one;
        writeln!(
            text,
            "lease {address} {{\n  starts 5 2026/11/27 04:59:36;\n  ends 5 2026/11/27 05:59:36;\n  \
             cltt 5 2026/11/27 04:59:36;\n  binding state active;\n  next binding state free;\n  \
             rewind binding state free;\n  hardware ethernet {mac};\n  \
             uid \"\\001\\002\\000\\000\\{a:03o}\\{b:03o}\\{c:03o}\";\n  \
             client-hostname \"host-{n}\";\n}}"
        )
    })
}

fn dhcpd6(leases: u32) -> String {
    text(leases, |text, _, one| {
        let address = one.address6();
        let Numbers { a, b, c } = one;
        writeln!(
            text,
            "ia-na \"\\001\\000\\000\\000\\000\\001\\000\\001+\\016O#\\002\\000\\000\\{a:03o}\\{b:03o}\\{c:03o}\" {{\n  \
             cltt 5 2026/11/27 04:59:36;\n  iaaddr {address} {{\n    binding state active;\n    \
             preferred-life 2250;\n    max-life 3600;\n    ends 5 2026/11/27 05:59:36;\n  }}\n}}\n"
        )
    })
}

fn kea(leases: u32) -> String {
    let rows = text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address());
        writeln!(
            text,
            "{address},{mac},01:{mac},3600,{END},1,0,0,host-{n},0,,0"
        )
    });
    format!(
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,\
         state,user_context,pool_id\n{rows}"
    )
}

fn kea6(leases: u32) -> String {
    let rows = text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address6());
        writeln!(
            text,
            "{address},00:01:00:01:2b:0e:4f:23:{mac},3600,{END},1,2250,0,{n},128,0,0,host-{n},\
             {mac},0,,1,0,0"
        )
    });
    format!(
        "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,\
         fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n{rows}"
    )
}

fn kea_control(leases: u32) -> String {
    let objects = text(leases, |text, n, one| {
        let (mac, address) = (one.mac(), one.address());
        let comma = if n == 0 { "" } else { ", " };
        write!(
            text,
            "{comma}{{ \"client-id\": \"01:{mac}\", \"cltt\": {}, \"fqdn-fwd\": false, \
             \"fqdn-rev\": false, \"hostname\": \"host-{n}\", \"hw-address\": \"{mac}\", \
             \"ip-address\": \"{address}\", \"state\": 0, \"subnet-id\": 1, \"valid-lft\": 3600 }}",
            END - 3600
        )
    });
    format!(
        "{{ \"arguments\": {{ \"leases\": [ {objects} ] }}, \"result\": 0, \
         \"text\": \"{leases} IPv4 lease(s) found.\" }}"
    )
}

fn udhcpd(leases: u32) -> Vec<u8> {
    let mut octets = u64::from(END - 3600).to_be_bytes().to_vec();
    for n in 0..leases {
        let Numbers { a, b, c } = Numbers::of(n + 256);
        octets.extend(3600_u32.to_be_bytes());
        octets.extend([10, a, b, c, 2, 0, 0, a, b, c]);
        octets.extend([0; 22]);
    }
    octets
}

fn networkd(leases: u32) -> String {
    let objects = text(leases, |text, n, one| {
        let Numbers { a, b, c } = one;
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            "{comma}{{\"ClientId\":[1,2,0,0,{a},{b},{c}],\"Address\":[10,{a},{b},{c}],\
             \"AddressString\":\"{}\",\"Hostname\":\"host-{n}\",\"HardwareAddressType\":1,\
             \"HardwareAddressLength\":6,\"HardwareAddress\":[2,0,0,{a},{b},{c}],\
             \"ExpirationUSec\":3600000000,\"ExpirationRealtimeUSec\":{END}000000}}",
            one.address()
        )
    });
    format!(
        "{{\"BootID\":\"0123456789abcdef0123456789abcdef\",\"Address\":[10,0,0,1],\
         \"PrefixLength\":8,\"Leases\":[{objects}]}}\n"
    )
}
