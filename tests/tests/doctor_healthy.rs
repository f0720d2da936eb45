//! `doctor` has nothing to complain of where nothing is wrong: ten configurations as the
//! projects that run DHCP servers write them, options of DNS and all. The ids and ranges are
//! told all the same, and no line is not understood.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::text;
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::doctor::doctor;
use leasehound_tests::isc_dhcpd::{CONFIGURATION, IscDhcpd};
use leasehound_tests::kea::{Kea, Sockets};
use leasehound_tests::netns::Namespace;
use leasehound_tests::process::Running;
use leasehound_tests::router::Router;
use leasehound_tests::wait::{PATIENCE, wait_for};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// A host with links that have addresses, and files that a project would write.
struct Host {
    namespace: Namespace,
    files: ServerFiles,
}

impl Host {
    fn new(links: &[(&str, &[&str])]) -> Result<Self> {
        let namespace = Namespace::new("host")?;
        for (link, addresses) in links {
            namespace.run("ip", &["link", "add", link, "type", "bridge"])?;
            namespace.run("ip", &["link", "set", link, "up"])?;
            for address in *addresses {
                namespace.run("ip", &["addr", "add", address, "dev", link])?;
            }
        }
        let files = ServerFiles::new()?;
        // dnsmasq gives up its rights, and reads its hosts files then.
        let directory = files.path("");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777))?;
        Ok(Self { namespace, files })
    }

    /// Writes a file and gives its path; `@` stands for the directory of all.
    fn write(&self, name: &str, content: &str) -> Result<String> {
        let path = self.files.path(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, self.filled(content))?;
        Ok(path.display().to_string())
    }

    fn script(&self, name: &str) -> Result<()> {
        let path = self.write(name, "#!/bin/sh\nexit 0\n")?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn filled(&self, content: &str) -> String {
        let directory = self.files.path("").display().to_string();
        content.replace('@', directory.trim_end_matches('/'))
    }

    /// Starts a dnsmasq with the arguments of a command line, and waits until it listens.
    fn dnsmasq(&self, arguments: &str) -> Result<Running> {
        self.start(Command::new("dnsmasq"), arguments)
    }

    fn start(&self, mut command: Command, arguments: &str) -> Result<Running> {
        let arguments = self.filled(arguments);
        let log = self.files.path("log");
        command
            .arg("--keep-in-foreground")
            .args(arguments.split_ascii_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let mut running = self.namespace.spawn(&mut command)?;
        wait_for("dnsmasq to listen", PATIENCE, || {
            if let Some(status) = running.ended()? {
                let said = fs::read_to_string(&log).unwrap_or_default();
                anyhow::bail!("dnsmasq ended with {status}: {said}");
            }
            let sockets = self.namespace.run("cat", &["/proc/net/udp"])?;
            Ok(sockets.contains(":0043 ").then_some(()))
        })?;
        Ok(running)
    }

    /// Nothing is wrong with a server, and it goes by these ids for these ranges.
    fn healthy(&self, server: &Running, ids: &[(&str, &str, &str)]) -> Result<()> {
        let told = doctor(&self.namespace, &[])?;
        told.healthy()?;
        for (interface, range, id) in ids {
            let found = told.ids(server.id(), interface)?;
            let wanted = ((*range).to_owned(), id.parse()?);
            ensure!(
                found.contains(&wanted),
                "{interface} {range} {id}: {found:?}"
            );
        }
        Ok(())
    }
}

/// What CloudStack's router has in /etc/dnsmasq.conf, and in cloud.conf for one guest network.
fn cloudstack(host: &Host, address: &str) -> Result<String> {
    host.write(
        "dhcphosts.txt",
        "02:00:4b:01:00:02,10.1.1.55,vm-1,infinite\n",
    )?;
    host.write("dhcpopts.txt", "10_1_1_56,3\n10_1_1_56,6\n")?;
    host.write(
        "dnsmasq.conf",
        "# Never forward plain names\ndomain-needed\nbogus-priv\nresolv-file=@/resolv\nlocal=/cs2cloud.internal/\n\
         except-interface=eth1\nexcept-interface=eth2\nexcept-interface=lo\nno-dhcp-interface=eth1\nno-dhcp-interface=eth2\n\
         no-dhcp-interface=lo\nexpand-hosts\ndomain=cs2cloud.internal\ndhcp-hostsfile=@/dhcphosts.txt\n\
         dhcp-optsfile=@/dhcpopts.txt\ndhcp-ignore=tag:!known\ndhcp-option=15,\"cs2cloud.internal\"\n\
         dhcp-option=vendor:MSFT,2,1i\ndhcp-lease-max=2100\ndhcp-authoritative\ndhcp-leasefile=@/dnsmasq.leases\n\
         log-facility=@/dnsmasq.log\nconf-dir=@/dnsmasq.d\n",
    )?;
    let guest = format!(
        "dhcp-range=set:interface-eth0-0,{address},static\ndhcp-option=tag:interface-eth0-0,15,cs2cloud.internal\n\
         dhcp-option=tag:interface-eth0-0,6,{address},8.8.8.8\ndhcp-option=tag:interface-eth0-0,3,{address}\n\
         dhcp-option=tag:interface-eth0-0,1,255.255.255.0\nlisten-address=127.0.0.1,{address}\n"
    );
    host.write("dnsmasq.d/cloud.conf", &guest)?;
    Ok("-u root -x @/pid -C @/dnsmasq.conf".to_owned())
}

const GUESTS: &[(&str, &[&str])] = &[
    ("eth0", &["10.1.1.1/24"]),
    ("eth1", &["169.254.3.7/16"]),
    ("eth2", &["203.0.113.9/24"]),
];
const REDUNDANT: &[(&str, &[&str])] = &[
    ("eth0", &["10.1.1.113/24", "10.1.1.1/24"]),
    ("eth1", &["169.254.3.7/16"]),
    ("eth2", &["203.0.113.9/24"]),
];

#[test]
fn cloudstack_writes_it() -> Result<()> {
    let host = Host::new(GUESTS)?;
    let arguments = cloudstack(&host, "10.1.1.1")?;
    let server = host.dnsmasq(&arguments)?;
    host.healthy(&server, &[("eth0", "10.1.1.1,static", "10.1.1.1")])
}

/// The one that is not: the gateway is an address that moves, and the second on the interface.
#[test]
fn cloudstack_writes_it_for_a_redundant_router() -> Result<()> {
    let host = Host::new(REDUNDANT)?;
    let arguments = cloudstack(&host, "10.1.1.1")?;
    let _server = host.dnsmasq(&arguments)?;
    let told = doctor(&host.namespace, &[])?;
    let found = told.only_finding("release_tool_id_mismatch")?;
    let says = text(found, "says");
    ensure!(
        says.contains("every dhcp_release on eth0") && says.contains("10.1.1.113"),
        "{found:#}"
    );
    Ok(())
}

/// Two networks, each in a namespace of its own, with two subnets on one of them.
#[test]
fn neutron_writes_it() -> Result<()> {
    let tap = "tapf14c598d-98";
    let one = Host::new(&[(tap, &["10.0.0.2/24", "169.254.169.254/32"])])?;
    let two = Host::new(&[(tap, &["10.0.0.2/24", "192.168.7.2/26"])])?;
    let common = "--no-hosts --no-resolv --pid-file=@/pid --dhcp-hostsfile=@/host --addn-hosts=@/addn_hosts \
                  --dhcp-optsfile=@/opts --dhcp-leasefile=@/leases --dhcp-match=set:ipxe,175 \
                  --dhcp-userclass=set:ipxe6,iPXE --local-service --bind-dynamic --except-interface=lo \
                  --interface=tapf14c598d-98 --dhcp-option-force=option:mtu,1450 --dhcp-lease-max=320 --conf-file=/dev/null \
                  --domain=openstacklocal --user=root";
    let subnet = "--dhcp-range=set:subnet-5a9b0f5e-1111-4c8e-9d2b-2f0f0b6a0001,10.0.0.0,static,255.255.255.0,86400s";
    let other = "--dhcp-range=set:subnet-5a9b0f5e-2222-4c8e-9d2b-2f0f0b6a0002,192.168.7.0,static,255.255.255.192,86400s";
    for host in [&one, &two] {
        host.write(
            "host",
            "fa:16:3e:00:00:01,host-10-0-0-5.openstacklocal,10.0.0.5,set:port-1\n",
        )?;
        host.write("addn_hosts", "")?;
        host.write(
            "opts",
            "tag:subnet-5a9b0f5e-1111-4c8e-9d2b-2f0f0b6a0001,option:router,10.0.0.1\n",
        )?;
    }
    let first = one.dnsmasq(&format!("{common} {subnet}"))?;
    let second = two.dnsmasq(&format!("{common} {subnet} {other}"))?;
    one.healthy(&first, &[(tap, "10.0.0.0,static", "10.0.0.2")])?;
    two.healthy(
        &second,
        &[
            (tap, "10.0.0.0,static", "10.0.0.2"),
            (tap, "192.168.7.0,static", "192.168.7.2"),
        ],
    )?;
    // Both seen from one of them.
    let told = doctor(&one.namespace, &["--netns", two.namespace.name()])?;
    told.healthy()?;
    told.server(first.id())?;
    let server = told.server(second.id())?;
    ensure!(text(server, "netns") == two.namespace.name(), "{server:#}");
    Ok(())
}

#[test]
fn libvirt_writes_it() -> Result<()> {
    let host = Host::new(&[
        ("virbr0", &["192.168.122.1/24"]),
        ("enp1s0", &["10.0.0.9/24"]),
    ])?;
    host.write(
        "default.hostsfile",
        "52:54:00:00:00:01,192.168.122.10,vm1\n",
    )?;
    host.write("default.addnhosts", "")?;
    host.write("virbr0.status", "[]\n")?;
    host.script("libvirt_leaseshelper")?;
    host.write(
        "default.conf",
        "##WARNING:  THIS IS AN AUTO-GENERATED FILE.\n##    virsh net-edit default\nstrict-order\npid-file=@/default.pid\n\
         except-interface=lo\nbind-dynamic\ninterface=virbr0\ndhcp-range=192.168.122.2,192.168.122.254,255.255.255.0\n\
         dhcp-no-override\ndhcp-authoritative\ndhcp-lease-max=253\ndhcp-hostsfile=@/default.hostsfile\n\
         addn-hosts=@/default.addnhosts\n",
    )?;
    let arguments =
        "--conf-file=@/default.conf --leasefile-ro --dhcp-script=@/libvirt_leaseshelper";
    let server = host.dnsmasq(arguments)?;
    let range = "192.168.122.2,192.168.122.254";
    host.healthy(&server, &[("virbr0", range, "192.168.122.1")])
}

#[test]
fn lxd_writes_it() -> Result<()> {
    let host = Host::new(&[("lxdbr0", &["10.178.1.1/24"]), ("eth0", &["10.0.0.9/24"])])?;
    host.write(
        "lxd/networks/lxdbr0/dnsmasq.hosts/c1.eth0",
        "00:16:3e:00:00:01,10.178.1.50,c1\n",
    )?;
    host.write("lxd/networks/lxdbr0/dnsmasq.raw", "")?;
    let server = host.dnsmasq(
        "--strict-order --bind-interfaces --except-interface=lo --pid-file= --no-ping --interface=lxdbr0 \
         --dhcp-rapid-commit --no-negcache --quiet-dhcp --quiet-dhcp6 --quiet-ra --listen-address=10.178.1.1 \
         --dhcp-no-override --dhcp-authoritative --dhcp-leasefile=@/lxd/networks/lxdbr0/dnsmasq.leases \
         --dhcp-hostsfile=@/lxd/networks/lxdbr0/dnsmasq.hosts --dhcp-range 10.178.1.2,10.178.1.254,1h -s lxd \
         --interface-name _gateway.lxd,lxdbr0 -S /lxd/ --conf-file=@/lxd/networks/lxdbr0/dnsmasq.raw -u root -g root",
    )?;
    host.healthy(
        &server,
        &[("lxdbr0", "10.178.1.2,10.178.1.254", "10.178.1.1")],
    )
}

/// One network: several daemons that it starts so on one host are in each other's way.
#[test]
fn nova_network_writes_it() -> Result<()> {
    let host = Host::new(&[("br100", &["10.1.0.1/24"]), ("eth0", &["203.0.113.9/24"])])?;
    host.write(
        "nova-br100.conf",
        "FA:16:3E:00:00:01,vm1.novalocal,10.1.0.5,net:NW-1\n",
    )?;
    host.write("nova-br100.opts", "")?;
    host.script("nova-dhcpbridge")?;
    let server = host.dnsmasq(
        "--strict-order --bind-interfaces --conf-file= --pid-file=@/pid --dhcp-optsfile=@/nova-br100.opts \
         --listen-address=10.1.0.1 --except-interface=lo --dhcp-range=set:demo-net,10.1.0.3,static,255.255.255.0,120s \
         --dhcp-lease-max=256 --dhcp-hostsfile=@/nova-br100.conf --dhcp-script=@/nova-dhcpbridge --no-hosts \
         --leasefile-ro --domain=novalocal --user=root",
    )?;
    host.healthy(&server, &[("br100", "10.1.0.3,static", "10.1.0.1")])
}

#[test]
fn openwrt_writes_it() -> Result<()> {
    let host = Host::new(&[
        ("br-lan", &["192.168.1.1/24"]),
        ("wan", &["203.0.113.9/24"]),
    ])?;
    host.write(
        "etc-dnsmasq.conf",
        "# Change the following lines if you want dnsmasq to serve SRV records.\n",
    )?;
    host.write(
        "dhcpbogushostname.conf",
        "# dhcpbogushostname.conf included configuration file for dnsmasq\n\
         dhcp-name-match=set:dhcp_bogus_hostname,localhost\ndhcp-name-match=set:dhcp_bogus_hostname,wpad\n",
    )?;
    host.write(
        "rfc6761.conf",
        "# RFC6761\nserver=/bind/\nserver=/invalid/\n",
    )?;
    host.write("dnsmasq.d/.keep", "")?;
    host.script("dhcp-script.sh")?;
    host.write(
        "dnsmasq.conf.cfg01411c",
        "# auto-generated config file from /etc/config/dhcp\nconf-file=@/etc-dnsmasq.conf\ndhcp-authoritative\ndomain-needed\n\
         localise-queries\nread-ethers\nexpand-hosts\nbind-dynamic\nlocal-service\ncache-size=1000\nedns-packet-max=1232\n\
         domain=lan\nlocal=/lan/\naddn-hosts=@/hosts\ndhcp-leasefile=@/dhcp.leases\ndhcp-script=@/dhcp-script.sh\n\
         script-arp\nresolv-file=@/resolv\nstop-dns-rebind\nrebind-localhost-ok\ndhcp-broadcast=tag:needs-broadcast\n\
         conf-dir=@/dnsmasq.d\nuser=root\ngroup=root\n\n\ndhcp-ignore-names=tag:dhcp_bogus_hostname\n\
         conf-file=@/dhcpbogushostname.conf\n\n\nbogus-priv\nconf-file=@/rfc6761.conf\n\
         dhcp-host=02:00:00:00:00:09,set:printer,192.168.1.9,printer\n\
         dhcp-range=set:lan,192.168.1.100,192.168.1.249,255.255.255.0,12h\nno-dhcp-interface=wan\n\
         enable-ra\nquiet-ra\ndhcp-range=set:lan,::1000,::ffff,constructor:br-lan,64,12h\n",
    )?;
    host.write("hosts", "")?;
    let server = host.dnsmasq("-C @/dnsmasq.conf.cfg01411c -x @/pid")?;
    host.healthy(
        &server,
        &[("br-lan", "192.168.1.100,192.168.1.249", "192.168.1.1")],
    )
}

#[test]
fn pi_hole_writes_it() -> Result<()> {
    let host = Host::new(&[("eth0", &["192.168.2.2/24"])])?;
    host.write(
        "dnsmasq.d/01-pihole.conf",
        "# ALL LINES IN THIS FILE ARE OVERWRITTEN\naddn-hosts=@/local.list\nlocalise-queries\nno-resolv\nlog-queries\n\
         log-facility=@/pihole.log\nlog-async\ncache-size=10000\nserver=9.9.9.9\ndomain-needed\nexpand-hosts\nbogus-priv\n\
         interface=eth0\n",
    )?;
    host.write(
        "dnsmasq.d/02-pihole-dhcp.conf",
        "dhcp-authoritative\ndhcp-range=192.168.2.100,192.168.2.199,24h\ndhcp-option=option:router,192.168.2.1\n\
         dhcp-leasefile=@/dhcp.leases\n#quiet-dhcp\ndomain=lan\nlocal=/lan/\n\
         dhcp-name-match=set:hostname-ignore,wpad\ndhcp-name-match=set:hostname-ignore,localhost\n\
         dhcp-ignore-names=tag:hostname-ignore\n",
    )?;
    host.write(
        "dnsmasq.d/04-pihole-static-dhcp.conf",
        "dhcp-host=02:00:00:00:00:07,192.168.2.7,nas\n",
    )?;
    host.write("dnsmasq.d/03-old.conf.bak", "interface=eth9\n")?;
    host.write("local.list", "")?;
    host.write("dnsmasq.conf", "conf-dir=@/dnsmasq.d,.bak\nuser=root\n")?;
    let server = host.dnsmasq("-C @/dnsmasq.conf -x @/pid")?;
    host.healthy(
        &server,
        &[("eth0", "192.168.2.100,192.168.2.199", "192.168.2.2")],
    )
}

/// As metal3 runs it in a pod on the host's network: its /etc is not ours.
#[test]
fn a_container_in_kubernetes_has_it() -> Result<()> {
    let host = Host::new(&[
        ("provisioning", &["172.22.0.2/24"]),
        ("eth0", &["10.0.0.9/24"]),
    ])?;
    for name in ["passwd", "group"] {
        fs::create_dir_all(host.files.path("etc"))?;
        fs::copy(
            format!("/etc/{name}"),
            host.files.path(&format!("etc/{name}")),
        )?;
    }
    host.write(
        "etc/dnsmasq.conf",
        "interface=provisioning\nbind-dynamic\nenable-tftp\ntftp-root=@\n\n# Disable listening for DNS\nport=0\n\nlog-dhcp\n\
         dhcp-range=172.22.0.10,172.22.0.100\n\n# Disable default router(s) and DNS over provisioning network\n\
         dhcp-option=3\ndhcp-option=6\ndhcp-leasefile=@/dnsmasq.leases\n\n# IPv4 Configuration:\ndhcp-match=ipxe,175\n\
         # Client is already running iPXE; move to next stage of chainloading\n\
         dhcp-boot=tag:ipxe,http://172.22.0.2:6180/boot.ipxe\ndhcp-match=set:efi,option:client-arch,7\n\
         dhcp-match=set:efi,option:client-arch,9\ndhcp-boot=tag:efi,tag:!ipxe,snponly.efi\n\
         dhcp-boot=/undionly.kpxe,172.22.0.2\nuser=root\n",
    )?;
    let mut command = Command::new("unshare");
    let etc = host.files.path("etc").display().to_string();
    let enter = format!(r#"mount --bind {etc} /etc && exec dnsmasq "$@""#);
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &enter,
        "sh",
    ]);
    let server = host.start(command, "-q -x @/pid")?;
    let listening = [("provisioning", "172.22.0.10,172.22.0.100", "172.22.0.2")];
    host.healthy(&server, &listening)
}

#[test]
fn isc_dhcpd_has_it() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let server = IscDhcpd::start(&network.router, &files, &["eth3"], CONFIGURATION)?;
    let told = doctor(&network.router, &[])?;
    told.healthy()?;
    pool(&told, server.id())
}

#[test]
fn kea_has_it() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let server = Kea::start(&network.router, &files, &["eth3"], Sockets::Raw)?;
    let told = doctor(&network.router, &[])?;
    told.healthy()?;
    pool(&told, server.id())
}

fn pool(told: &leasehound_tests::doctor::Told, pid: u32) -> Result<()> {
    let server = told.server(pid)?;
    let pools = server.get("pools").and_then(|pools| pools.as_array());
    let pool = pools.and_then(|pools| pools.first()).context("no pool")?;
    ensure!(
        text(pool, "name") == "172.29.101.100-172.29.101.199",
        "{pool:#}"
    );
    ensure!(
        pool.get("size").and_then(serde_json::Value::as_u64) == Some(100),
        "{pool:#}"
    );
    Ok(())
}
