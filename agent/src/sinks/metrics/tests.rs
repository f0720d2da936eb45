//! The page as it is published, and what must hold of it.

use super::*;
use crate::sinks::fixtures::{self, LOOPBACK, ROUTER};
use crate::sinks::hooks::{AttachFailure, HookMode, HookReport, HookState};
use crate::sinks::servers::{LeaseCount, ServerEntry};
use leasehound_core::engine::LeaseTally;
use leasehound_core::evidence::{LossStage, ServerKind};
use leasehound_core::origin::{Direction, Hook};
use leasehound_core::tables::TableUsage;
use std::time::Duration;

fn hook(interface: InterfaceId, hook: Hook, mode: HookMode, state: HookState) -> HookReport {
    HookReport {
        at: fixtures::at(0),
        interface,
        hook,
        mode,
        state,
    }
}

fn failed(reason: AttachFailure) -> HookState {
    HookState::Failed {
        reason,
        detail: String::new(),
    }
}

fn counted(hook: Hook, family: Family, message_type: u8, total: u64) -> MessageTotal {
    let key = MessageKey {
        interface: LOOPBACK,
        direction: Direction::Ingress,
        hook,
        family,
        message_type,
    };
    MessageTotal { key, total }
}

/// The sum of all series of `metric`.
fn sum(page: &str, metric: &str) -> u64 {
    lines(page, metric)
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

fn lines<'a>(page: &'a str, metric: &'a str) -> impl Iterator<Item = &'a str> {
    page.lines()
        .filter(move |line| line.split(['{', ' ']).next() == Some(metric))
}

fn full() -> Metrics {
    let metrics = Metrics::new(fixtures::names());
    let (tcx, ingress, egress) = (Hook::Tcx, HookMode::Ingress, HookMode::Egress);
    metrics.set_uncounted(3, 0);
    metrics.hook(&hook(LOOPBACK, tcx, ingress, HookState::Attached));
    let refused = failed(AttachFailure::Permission);
    metrics.hook(&hook(ROUTER, tcx, egress, refused));
    for verdict in [
        fixtures::ignored(),
        fixtures::honoured(),
        fixtures::undetermined(),
        fixtures::declined(),
    ] {
        metrics.opened(verdict.origin.interface, verdict.message_type);
        metrics.verdict(&verdict);
    }
    metrics.opened(LOOPBACK, MessageType::Release);
    metrics.set_messages(counted(tcx, Family::Ipv4, 7, 3));
    metrics.malformed(LOOPBACK, Family::Ipv4, "wrong_cookie");
    metrics.duplicate(LOOPBACK);
    metrics.set_samples(tcx, 41);
    metrics.set_samples_lost(tcx, LossStage::Ring, 12);
    metrics.table(TableUsage {
        table: "open_releases",
        entries: 1,
        capacity: 4096,
        evictions: 0,
    });
    let count = |netns: &str, interface, bound, leaked| LeaseCount {
        netns: netns.to_owned(),
        interface,
        tally: LeaseTally {
            bound,
            leaked,
            declined: 0,
        },
        oldest_leak: (leaked > 0).then_some(Duration::from_millis(90_500)),
    };
    metrics.leases(&[
        count("", Some(LOOPBACK), 2, 0),
        count("qrouter", Some(ROUTER), 13, 7),
        count("qrouter", None, 200, 0),
    ]);
    metrics.pools(&[fixtures::pool(), fixtures::pool_not_read()]);
    metrics.servers(&[ServerEntry {
        netns: "qrouter".to_owned(),
        interface: Some(ROUTER),
        summary: fixtures::ignored().server.unwrap(),
    }]);
    metrics.lease_database(ServerKind::Dnsmasq, "", true, Some(2));
    metrics.lease_database(ServerKind::Dnsmasq, "", false, Some(2));
    metrics
}

#[test]
fn the_page_reads_as_published() {
    let page = full().render().replace(
        &format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
        "version=\"VERSION\"",
    );
    insta::assert_snapshot!(page);
}

#[test]
fn each_release_is_honoured_ignored_undetermined_or_pending() {
    let page = full().render();
    let judged = sum(&page, "leasehound_releases_honoured_total")
        + sum(&page, "leasehound_releases_ignored_total")
        + sum(&page, "leasehound_releases_undetermined_total");
    let pending = sum(&page, "leasehound_table_entries");
    assert_eq!(judged, 3);
    assert_eq!(sum(&page, "leasehound_releases_total"), judged + pending);
    assert_eq!(
        sum(&page, "leasehound_release_verdict_seconds_count"),
        judged
    );
}

#[test]
fn every_cause_exists_at_0_as_soon_as_a_hook_is_attached() {
    let metrics = Metrics::new(fixtures::names());
    let mode = HookMode::Ingress;
    metrics.hook(&hook(ROUTER, Hook::Tcx, mode, HookState::Attached));
    let page = metrics.render();
    for cause in Cause::ALL
        .into_iter()
        .filter(|cause| cause.befalls_releases())
    {
        for certainty in ["observed", "inferred"] {
            let line = format!(
                "leasehound_releases_ignored_total{{netns=\"qrouter\",interface=\"eth3\",family=\"ipv4\",cause=\"{}\",certainty=\"{certainty}\"}} 0\n",
                cause.code()
            );
            assert!(page.contains(&line), "{line}");
        }
    }
    assert_eq!(
        lines(&page, "leasehound_releases_undetermined_total").count(),
        Missing::ALL.len()
    );
    metrics.verdict(&fixtures::honoured());
    metrics.interface_attached(ROUTER);
    let page = metrics.render();
    assert_eq!(sum(&page, "leasehound_releases_honoured_total"), 1);
}

#[test]
fn a_capture_that_failed_still_scrapes() {
    let metrics = Metrics::new(fixtures::names());
    let refused = failed(AttachFailure::Permission);
    metrics.hook(&hook(LOOPBACK, Hook::Tcx, HookMode::Ingress, refused));
    let page = metrics.render();
    let attached: Vec<_> = lines(&page, "leasehound_hook_attached").collect();
    assert_eq!(
        attached,
        ["leasehound_hook_attached{netns=\"\",interface=\"lo\",hook=\"tcx\",mode=\"ingress\"} 0"]
    );
    assert_eq!(sum(&page, "leasehound_hook_attach_failures_total"), 1);
}

#[test]
fn a_hook_that_another_one_replaced_raises_no_alarm() {
    let metrics = Metrics::new(fixtures::names());
    let missing = failed(AttachFailure::Unsupported);
    let (ingress, egress) = (HookMode::Ingress, HookMode::Egress);
    metrics.hook(&hook(LOOPBACK, Hook::Tcx, ingress, missing.clone()));
    metrics.hook(&hook(LOOPBACK, Hook::Tcx, egress, missing));
    metrics.hook(&hook(LOOPBACK, Hook::Clsact, ingress, HookState::Attached));
    let page = metrics.render();
    let attached: Vec<_> = lines(&page, "leasehound_hook_attached").collect();
    assert_eq!(
        attached,
        [
            "leasehound_hook_attached{netns=\"\",interface=\"lo\",hook=\"clsact\",mode=\"ingress\"} 1",
            "leasehound_hook_attached{netns=\"\",interface=\"lo\",hook=\"tcx\",mode=\"egress\"} 0",
        ]
    );
    metrics.hook(&hook(LOOPBACK, Hook::Clsact, ingress, HookState::Detached));
    assert_eq!(sum(&metrics.render(), "leasehound_hook_attached"), 0);
}

#[test]
fn kernel_counters_are_taken_as_they_are_also_after_they_began_anew() {
    let metrics = Metrics::new(fixtures::names());
    let page = || metrics.render();
    let set = |hook, message_type, total| {
        metrics.set_messages(counted(hook, Family::Ipv4, message_type, total));
        sum(&page(), "leasehound_messages_total")
    };
    assert_eq!(set(Hook::Tcx, 7, 0), 0);
    assert_eq!(lines(&page(), "leasehound_messages_total").count(), 1);
    assert_eq!(set(Hook::Tcx, 7, 7), 7);
    assert_eq!(set(Hook::Tcx, 7, 7), 7);
    assert_eq!(set(Hook::Tcx, 7, 9), 9);
    assert_eq!(set(Hook::Tcx, 7, 2), 11, "began anew");
    assert_eq!(set(Hook::Clsact, 7, 4), 15, "the same series");
    assert_eq!(set(Hook::Tcx, 7, 3), 16);
    assert_eq!(lines(&page(), "leasehound_messages_total").count(), 1);
    assert_eq!(set(Hook::Tcx, 10, 100), 116);
    assert_eq!(set(Hook::Tcx, 11, 1), 117);
    assert!(page().contains("message_type=\"other\"} 101\n"));
}

#[test]
fn too_many_interfaces_fold_into_other_and_are_counted() {
    let names = InterfaceNames::new();
    let metrics = Metrics::new(names.clone());
    let most = u32::try_from(MAX_INTERFACES).unwrap();
    for id in 0..most + 2 {
        names.insert(InterfaceId(id), "", &format!("tap{id}"));
        metrics.opened(InterfaceId(id), MessageType::Release);
    }
    let page = metrics.render();
    let count = |page: &str| lines(page, "leasehound_releases_total").count();
    assert_eq!(count(&page), MAX_INTERFACES + 1);
    assert!(page.contains(
        "leasehound_releases_total{netns=\"other\",interface=\"other\",family=\"ipv4\"} 2\n"
    ));
    assert!(page.contains("leasehound_label_overflow_total{label=\"interface\"} 2\n"));

    metrics.interface_gone(InterfaceId(5));
    assert!(metrics.render().contains("interface=\"tap5\""));
    metrics.opened(InterfaceId(most), MessageType::Release);
    let page = metrics.render();
    assert!(!page.contains("interface=\"tap5\""));
    assert!(page.contains(&format!("interface=\"tap{most}\"")));
    assert_eq!(count(&page), MAX_INTERFACES + 1);
}

#[test]
fn too_many_servers_fold_into_other_and_are_counted() {
    let metrics = Metrics::new(fixtures::names());
    let servers: Vec<_> = (0..100_u8)
        .map(|last| {
            let mut summary = fixtures::ignored().server.unwrap();
            summary.server_ids = vec![leasehound_core::message::ServerId([10, 0, 0, last].into())];
            ServerEntry {
                netns: "qrouter".to_owned(),
                interface: Some(ROUTER),
                summary,
            }
        })
        .collect();
    metrics.servers(&servers);
    let page = metrics.render();
    assert_eq!(
        lines(&page, "leasehound_server_info").count(),
        MAX_SERVERS + 1
    );
    assert_eq!(sum(&page, "leasehound_servers"), 100);
    assert!(page.contains("leasehound_label_overflow_total{label=\"server_id\"} 36\n"));
    metrics.servers(&servers[..1]);
    assert_eq!(sum(&metrics.render(), "leasehound_server_info"), 1);
}

#[test]
fn leaked_addresses_exist_at_0_as_soon_as_a_hook_is_attached_and_return_to_it() {
    let metrics = Metrics::new(fixtures::names());
    let mode = HookMode::Ingress;
    metrics.hook(&hook(ROUTER, Hook::Tcx, mode, HookState::Attached));
    let leaks = |metrics: &Metrics| -> Vec<String> {
        let page = metrics.render();
        let of = |name| lines(&page, name).map(str::to_owned).collect::<Vec<_>>();
        [
            of("leasehound_leaked_addresses"),
            of("leasehound_oldest_leak_age_seconds"),
        ]
        .concat()
    };
    let place = r#"{netns="qrouter",interface="eth3",family="ipv4"}"#;
    let told = |leaked: u64, age: &str| {
        vec![
            format!("leasehound_leaked_addresses{place} {leaked}"),
            format!("leasehound_oldest_leak_age_seconds{place} {age}"),
        ]
    };
    assert_eq!(leaks(&metrics), told(0, "0"));
    let count = LeaseCount {
        netns: "qrouter".to_owned(),
        interface: Some(ROUTER),
        tally: LeaseTally {
            bound: 1,
            leaked: 2,
            declined: 1,
        },
        oldest_leak: Some(Duration::from_millis(1500)),
    };
    metrics.leases(&[count]);
    assert_eq!(leaks(&metrics), told(3, "1.5"));
    metrics.leases(&[]);
    assert_eq!(leaks(&metrics), told(0, "0"));
    assert_eq!(lines(&metrics.render(), "leasehound_leases").count(), 0);
}

#[test]
fn too_many_pools_fold_into_other_and_are_counted() {
    let metrics = Metrics::new(fixtures::names());
    let pools: Vec<_> = (0..100)
        .map(|number| {
            let mut pool = fixtures::pool();
            pool.report.pool.name = format!("pool{number:03}{}", "x".repeat(200)).into();
            pool
        })
        .collect();
    metrics.pools(&pools);
    let page = metrics.render();
    assert_eq!(
        lines(&page, "leasehound_pool_addresses").count(),
        MAX_POOLS + 1
    );
    assert_eq!(sum(&page, "leasehound_pool_addresses"), 100 * 100);
    for line in [
        r#"leasehound_pool_used_addresses{netns="other",pool="other",family="ipv4"} 2052"#,
        r#"leasehound_pool_exhaustion_seconds{netns="other",pool="other",family="ipv4"} 10800.5"#,
        r#"leasehound_label_overflow_total{label="pool"} 36"#,
    ] {
        assert!(page.lines().any(|there| there == line), "{line} in {page}");
    }
    let longest = lines(&page, "leasehound_pool_addresses")
        .map(str::len)
        .max();
    assert!(longest.unwrap() < 160, "names are cut");
    metrics.pools(&[]);
    assert_eq!(
        lines(&metrics.render(), "leasehound_pool_exhaustion_seconds").count(),
        0
    );
}

/// The rules of `promtool check metrics` that names can break.
#[test]
fn names_and_types_follow_the_rules() {
    let page = full().render();
    let mut types = 0;
    let mut helped = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(text.ends_with('.'), "{line}");
            helped = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped);
            assert!(name.starts_with("leasehound_"), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            types += 1;
        } else {
            assert!(!line.contains("02:02:00"), "no MAC is a label: {line}");
        }
    }
    assert_eq!(types, 41);
}

/// What the page has, the book has.
#[test]
fn every_metric_is_documented() {
    let book = include_str!("../../../../docs/EVENTS.md");
    let page = full().render();
    let names = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<&str> = names
        .filter(|name| !book.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not in docs/EVENTS.md: {missing:?}");
}

/// Renewals = answered + refused + unanswered + pending.
#[test]
fn requests_are_counted_once_each() {
    use leasehound_core::verdict::{Certainty, ClientState, DeliveryOutcome, Outcome, Verdict};
    use std::time::Duration;
    let metrics = Metrics::new(fixtures::names());
    let after = Duration::from_millis(3);
    let outcomes = [
        Outcome::Answered { after },
        Outcome::Refused {
            cause: Cause::Refused,
            after,
        },
        Outcome::Unanswered {
            why: Ok((Cause::WrongDaemon, Certainty::Observed)),
        },
        Outcome::Unanswered {
            why: Err(Missing::Delivery),
        },
    ];
    for outcome in outcomes {
        metrics.request_opened(LOOPBACK, ClientState::Renewing);
        metrics.verdict(&Verdict {
            message_type: leasehound_core::message::MessageType::Request,
            state: Some(ClientState::Renewing),
            delivery: Some(DeliveryOutcome::WrongDaemon),
            outcome,
            ..fixtures::ignored()
        });
    }
    // One is still open.
    metrics.request_opened(LOOPBACK, ClientState::Renewing);
    let page = metrics.render();
    for line in [
        "leasehound_renewals_total{netns=\"\",interface=\"lo\",family=\"ipv4\",kind=\"renew\"} 5",
        "leasehound_renewals_answered_total{netns=\"\",interface=\"lo\",family=\"ipv4\",kind=\"renew\"} 1",
        "leasehound_renewals_refused_total{netns=\"\",interface=\"lo\",family=\"ipv4\",kind=\"renew\"} 1",
        "leasehound_renewals_unanswered_total{netns=\"\",interface=\"lo\",family=\"ipv4\",kind=\"renew\",cause=\"wrong_daemon\"} 1",
        "leasehound_renewals_unanswered_total{netns=\"\",interface=\"lo\",family=\"ipv4\",kind=\"renew\",cause=\"undetermined\"} 1",
        "leasehound_deliveries_total{netns=\"\",interface=\"lo\",family=\"ipv4\",outcome=\"wrong_daemon\"} 4",
        "leasehound_response_seconds_count{netns=\"\",interface=\"lo\",family=\"ipv4\",exchange=\"renew\"} 1",
    ] {
        assert!(page.lines().any(|there| there == line), "{line} in {page}");
    }
    assert!(!page.contains("leasehound_releases_ignored_total{netns=\"\",interface=\"lo\",family=\"ipv4\",cause=\"wrong_daemon\",certainty=\"observed\"} 1"));
}

#[test]
fn a_reason_that_the_kernel_may_get_later_is_no_new_label() {
    let metrics = Metrics::new(fixtures::names());
    for reason in ["NETFILTER_DROP", "BRAND_NEW", ""] {
        metrics.kernel_drop("", None, reason);
    }
    let page = metrics.render();
    for (reason, count) in [("netfilter_drop", 1), ("other", 1), ("unnamed", 1)] {
        let line = format!(
            "leasehound_kernel_drops_total{{netns=\"\",interface=\"\",family=\"ipv4\",reason=\"{reason}\"}} {count}"
        );
        assert!(page.lines().any(|there| there == line), "{line} in {page}");
    }
}
