//! What `doctor` looks at. Everything that it attaches it takes off again at once.

use super::item::Item;
use super::rights::{RIGHTS, effective};
use crate::capture::delivery::{CgroupScope, Delivery, Options as DeliveryOptions};
use crate::capture::ebpf::{Capture, Options};
use crate::inventory::{ConflictKind, Inventory, ListeningSocket, SocketKind};
use leasehound_core::finding::FindingKind;
use std::collections::BTreeSet;
use std::path::Path;

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The kernel: its release, and whether it tells what its structures look like.
pub(super) fn kernel() -> Vec<Item> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut items = vec![Item::ok("kernel", format!("Linux {}", release.trim()))];
    items.push(if Path::new(BTF).exists() {
        Item::ok("btf", format!("{BTF} is there"))
    } else {
        Item::missing(
            "btf",
            format!(
                "no {BTF} (CONFIG_DEBUG_INFO_BTF): for what reason the kernel drops a message is not known"
            ),
        )
    });
    items
}

/// Each right, and what is lost without it.
pub(super) fn rights() -> Vec<Item> {
    let held = match effective() {
        Ok(held) => held,
        Err(error) => return vec![Item::missing("rights", format!("not to be read: {error}"))],
    };
    RIGHTS
        .iter()
        .map(|right| {
            if right.is_in(held) {
                Item::ok(right.name, format!("for {}", right.needed_for))
            } else {
                let says = format!("for {}; without it: {}", right.needed_for, right.lost);
                Item::missing(right.name, says)
            }
        })
        .collect()
}

/// Each hook, tried.
pub(super) fn hooks() -> Vec<Item> {
    let mut items = Vec::new();
    items.push(match Capture::load(&Options::default()) {
        Ok(_) => Item::ok("interface hooks", "the programs load".to_owned()),
        Err(error) => Item::missing("interface hooks", error.to_string()),
    });
    let mut delivery = match Delivery::load(&DeliveryOptions::default()) {
        Ok(delivery) => delivery,
        Err(error) => {
            items.push(Item::missing("cgroup_skb, kfree_skb", error.to_string()));
            return items;
        }
    };
    let attached = |name, result: Result<String, String>| match result {
        Ok(says) => Item::ok(name, says),
        Err(why) => Item::missing(name, why),
    };
    let scope = delivery.attach_cgroup().map_err(|error| error.to_string());
    let scope = scope.map(|scope| match scope {
        CgroupScope::Host => "sees the sockets of the whole host".to_owned(),
        CgroupScope::Part => {
            "sees the sockets of this container's part of the hierarchy only".to_owned()
        }
    });
    items.push(attached("cgroup_skb", scope));
    let attaches = |result: Result<(), String>| result.map(|()| "attaches".to_owned());
    let drops = delivery.attach_drops().map_err(|error| error.to_string());
    items.push(attached("kfree_skb", attaches(drops)));
    let reads = delivery
        .attach_raw_reads()
        .map_err(|error| error.to_string());
    items.push(attached("consume_skb", attaches(reads)));
    items
}

/// Who listens, what could not be seen of it, and who is in whose way: in the namespaces of
/// these inodes only, if any are given.
pub(super) fn listeners(only: Option<&BTreeSet<u64>>) -> Vec<Item> {
    let is_asked = |socket: &ListeningSocket| only.is_none_or(|only| only.contains(&socket.netns));
    let mut inventory = Inventory::default();
    let problems = match inventory.refresh() {
        Ok(changes) => changes.problems,
        Err(error) => return vec![Item::missing("listeners", error.to_string())],
    };
    let mut items: Vec<Item> = problems
        .into_iter()
        .map(|problem| Item::missing("listeners", problem))
        .collect();
    let servers = inventory
        .sockets()
        .filter(|socket| socket.port().is_none_or(|port| port == 67))
        .filter(|socket| is_asked(socket));
    items.extend(servers.map(|socket| Item::ok("listener", listener(&inventory, socket))));
    let conflicts = inventory.wildcard_conflicts().into_iter();
    for conflict in conflicts.filter(|conflict| conflict.port == 67) {
        let sockets = conflict
            .cookies
            .iter()
            .filter_map(|cookie| inventory.by_cookie(*cookie));
        if !sockets.clone().any(&is_asked) {
            continue;
        }
        let named: Vec<String> = sockets.map(|socket| holder(&inventory, socket)).collect();
        let named = named.join(", ");
        let (kind, says) = match conflict.kind {
            ConflictKind::Wildcards => (
                FindingKind::WildcardSockets,
                format!(
                    "{named} hold 0.0.0.0:67 with no device: each unicast goes to one of them, whichever was meant"
                ),
            ),
            ConflictKind::WildcardAfterDevice => (
                FindingKind::WildcardAfterDevice,
                format!(
                    "of {named}, the last was started later and is bound to no device: it takes the unicasts of the first"
                ),
            ),
        };
        let text = kind.explanation();
        let side_effect = text.side_effect.map(str::to_owned);
        let item = Item::finding(kind.code(), says);
        items.push(item.with(Vec::new(), text.remedy.to_owned(), side_effect));
    }
    items
}

fn listener(inventory: &Inventory, socket: &ListeningSocket) -> String {
    let takes = match socket.kind {
        SocketKind::Udp { address, port, .. } => format!("UDP {address}:{port}"),
        SocketKind::Packet { .. } => "raw frames".to_owned(),
    };
    let netns = inventory.netns(socket.netns);
    let netns = match netns.and_then(|netns| netns.name.as_deref()) {
        Some(name) => format!(" in network namespace {name}"),
        None if netns.is_some_and(|netns| netns.own) => String::new(),
        None => format!(" in network namespace {}", socket.netns),
    };
    let device = socket
        .ifindex
        .map_or_else(String::new, |index| format!(", bound to interface {index}"));
    let holder = holder(inventory, socket);
    format!("{holder}: {takes}{device}{netns}")
}

fn holder(inventory: &Inventory, socket: &ListeningSocket) -> String {
    let process = socket.process().and_then(|id| inventory.process(id));
    process.map_or_else(
        || "a process that can't be seen".to_owned(),
        |process| format!("pid {} ({})", process.id.pid, process.comm),
    )
}
