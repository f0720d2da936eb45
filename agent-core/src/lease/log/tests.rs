//! One text, cut in every way.

use super::*;
use proptest::prelude::*;

const DHCPD: &str = include_str!("../isc_dhcpd/recorded.leases");
const KEA: &str = include_str!("../kea/recorded.csv");
const DNSMASQ: &str = "1786788555 02:00:00:00:00:01 10.9.0.50 host 01:02:00:00:00:00:01\n\
    0 02:00:00:00:00:02 10.9.0.51 * *\nduid 00:01:00:01\n\
    1786788555 4711 fd00::50 host 00:01:00:01\nagent-info 10.9.0.50 01:04\n";

fn texts() -> impl Strategy<Value = (Format, &'static str)> {
    prop_oneof![
        Just((Format::IscDhcpd, DHCPD)),
        Just((Format::Kea, KEA)),
        Just((Format::Dnsmasq, DNSMASQ)),
    ]
}

proptest! {
    /// Octets replaced, so that some texts are damaged.
    #[test]
    fn any_split_says_the_same_as_one_read(
        (format, text) in texts(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        end in any::<prop::sample::Index>(),
    ) {
        let mut text = text.as_bytes().to_vec();
        for (at, octet) in spoilt {
            let at = at.index(text.len());
            text[at] = octet;
        }
        text.truncate(end.index(text.len() + 1));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(text.len());
        let mut log = Log::new(format);
        let mut begin = 0;
        for cut in cuts {
            log.append(&text[begin..cut]);
            begin = cut;
        }
        let whole = super::super::read(format, &text);
        prop_assert_eq!(&log.to_reading(), &whole);
        prop_assert_eq!(log.leases().cloned().collect::<Vec<_>>(), whole.leases);
        prop_assert_eq!(log.octets(), text.len() as u64);
    }

    #[test]
    fn changes_lead_from_one_state_to_the_next(
        (format, text) in texts(),
        step in 1..400_usize,
    ) {
        let mut log = Log::new(format);
        let mut table = std::collections::BTreeMap::new();
        for piece in text.as_bytes().chunks(step) {
            let Changes { upserted, removed } = log.append(piece);
            for lease in upserted {
                prop_assert_ne!(table.get(&lease.address), Some(&lease));
                table.insert(lease.address, lease);
            }
            for address in removed {
                prop_assert!(table.remove(&address).is_some());
            }
            prop_assert!(log.leases().eq(table.values()));
        }
        prop_assert_eq!(log.len(), table.len());
    }
}

#[test]
fn each_file_has_its_header_and_an_unfinished_row_is_left_out() {
    let mut log = Log::new(Format::Kea);
    log.load(KEA.as_bytes());
    log.load(b"172.29.101.200,02:0");
    assert!(!log.is_complete());
    log.next_file();
    assert!(log.is_complete() && log.damage().is_none());
    log.load(KEA.as_bytes());
    assert_eq!((log.len(), log.declined()), (2, 1));
    log.next_file();
    log.load(b"172.29.101.200,02:02:00:d4:01:01,,3600,1795759176,1,0,0,,0,\n");
    let damage = log.damage().unwrap();
    assert_eq!(&*damage.reason, "no header before it");
}

#[test]
fn a_record_without_an_end_is_not_kept_for_ever() {
    let mut log = Log::new(Format::IscDhcpd);
    log.load(b"lease 10.0.0.1 { binding state active; }\nlease 10.0.0.2 {\n");
    let statement = b"  set x = \"0123456789\";\n".repeat(2000);
    for _ in 0..100 {
        log.load(&statement);
    }
    let damage = log.damage().unwrap();
    assert_eq!(
        (damage.line, &*damage.reason),
        (2, "a record without an end")
    );
    assert_eq!(log.unfinished.capacity(), 0);
}
