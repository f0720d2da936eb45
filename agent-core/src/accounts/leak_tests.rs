//! Which leaks a reading makes be looked at.

use super::Touched;
use super::leaks::{GivenBack, Leak, Leaks, Shown, Standing};
use crate::cause::Cause;
use crate::database::{DatabaseId, Databases};
use crate::evidence::{Lease, LeaseContent, LeaseUpdate, ServerKind, ServerRef};
use crate::message::HardwareAddress;
use crate::origin::{InterfaceId, NetnsId};
use crate::time::Timestamp;
use std::net::Ipv4Addr;

const HERE: NetnsId = NetnsId(3);
const OLD: ServerRef = ServerRef(1);

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, last)
}

fn mac() -> HardwareAddress {
    HardwareAddress::ethernet([2, 0, 0, 0, 0, 1])
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn leak(netns: NetnsId, last: u8, standing: fn(Shown) -> Standing) -> Leak {
    let server = Some(OLD);
    let shown = Shown {
        database: DatabaseId { netns, server },
        expires: None,
        ends_by_time: false,
    };
    Leak {
        netns,
        address: address(last),
        interface: InterfaceId(3),
        hardware_address: mac(),
        client_id: None,
        given_back: GivenBack::Released,
        cause: Cause::ServerIdForeign,
        named: None,
        since: at(10),
        last: at(10),
        messages: 1,
        standing: standing(shown),
    }
}

fn none() -> Touched {
    Touched::These(Vec::new())
}

#[test]
fn only_what_a_reading_may_have_changed_is_looked_at() {
    let mut leaks = Leaks::new(16);
    leaks.ignored(leak(HERE, 1, Standing::Shown));
    leaks.ignored(leak(HERE, 2, Standing::Unconfirmed));
    leaks.ignored(leak(NetnsId(2), 2, Standing::Unconfirmed));
    leaks.ignored(leak(NetnsId(4), 2, Standing::Unconfirmed));
    assert_eq!(leaks.touched(HERE, &none()), [(HERE, address(2))]);
    leaks.server_gone(OLD, &Databases::default(), at(20));
    assert_eq!(leaks.touched(HERE, &none()), [], "all are lost");
    let news = Touched::These(vec![address(1)]);
    assert_eq!(leaks.touched(HERE, &news), [(HERE, address(1))]);
    assert_eq!(leaks.touched(HERE, &Touched::All).len(), 2);
}

#[test]
fn what_another_database_has_is_not_lost_with_its_server() {
    let mut leaks = Leaks::new(16);
    leaks.ignored(leak(HERE, 1, Standing::Shown));
    leaks.ignored(leak(HERE, 2, Standing::Shown));
    let mut databases = Databases::default();
    databases.update(LeaseUpdate {
        server: Some(ServerRef(2)),
        kind: ServerKind::Dnsmasq,
        netns: HERE,
        read_from: at(15),
        read_until: at(15),
        content: LeaseContent::Full(vec![Lease {
            address: address(1),
            hardware_address: mac(),
            client_id: None,
            expires: None,
        }]),
    });
    leaks.server_gone(OLD, &databases, at(20));
    let standing = |leaks: &Leaks| leaks.standing(at(21)).map(|it| it.address).next();
    assert_eq!(standing(&leaks), Some(address(1)));
    assert!(!leaks.forget_lost(at(3620)));
    assert!(leaks.forget_lost(at(3621)) && leaks.get(HERE, address(2)).is_none());
    assert_eq!(standing(&leaks), Some(address(1)));
}
