//! What the table must hold for each program.

use super::*;
use crate::cause::Cause;

const ALL: [ServerKind; 9] = [
    ServerKind::Dnsmasq,
    ServerKind::IscDhcpd,
    ServerKind::Kea,
    ServerKind::Udhcpd,
    ServerKind::Networkd,
    ServerKind::CoreDhcp,
    ServerKind::Ovn,
    ServerKind::Harvester,
    ServerKind::Unknown,
];

#[test]
fn each_program_has_its_own_entry_with_its_sources() {
    for kind in ALL {
        let profile = Profile::of(kind);
        assert_eq!(profile.kind, kind);
        for source in [
            profile.release.source,
            profile.decline.source,
            profile.extension.source,
            profile.books.source,
            profile.known_from,
        ] {
            assert!(
                !source.is_empty() && !source.contains("  "),
                "{kind:?}: {source:?}"
            );
        }
    }
}

#[test]
fn who_does_nothing_with_a_message_by_design() {
    let never = |decline: bool| -> Vec<&str> {
        let unhandled =
            |kind: &ServerKind| Profile::of(*kind).ending(decline).handled == Handled::Never;
        ALL.iter()
            .filter(|kind| unhandled(kind))
            .map(|kind| kind.as_str())
            .collect()
    };
    assert_eq!(never(false), ["ovn", "harvester"]);
    assert_eq!(never(true), ["systemd_networkd", "ovn", "harvester"]);
    assert!(!Cause::UnsupportedByServer.is_alarm());
}

#[test]
fn an_unknown_server_is_assumed_to_do_nothing_in_particular() {
    let unknown = Profile::of(ServerKind::Unknown);
    assert!(unknown.rules.is_empty());
    assert_eq!(unknown.release.handled, Handled::Unclear);
    assert_eq!(unknown.intake.path(), Path::Unknown);
}
