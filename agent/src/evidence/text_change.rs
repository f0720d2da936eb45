//! What changed in a text of lines, each of which stands for itself: of 100,000 leases, one
//! line. Only what lies between the common beginning and the common end is parsed.

use super::table::Table;
use leasehound_core::evidence::Lease;
use leasehound_core::lease::{self, Format};
use std::net::Ipv4Addr;

/// The size of the pieces that are compared at once.
const PIECE: usize = 4096;

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextChange {
    /// New or other than in the table, in order of address.
    pub(super) upserted: Vec<Lease>,
    /// In order.
    pub(super) gone: Vec<Ipv4Addr>,
}

/// What `now` changes in `table`, which is all that `before` holds. `None` if that takes a
/// look at the whole: another format than dnsmasq's, a line that is cut off or can't be
/// read, an address on two lines.
pub(super) fn change_of(
    format: Format,
    before: &[u8],
    now: &[u8],
    table: &Table,
) -> Option<TextChange> {
    if format != Format::Dnsmasq {
        return None;
    }
    let (old, new) = middles(before, now);
    let leases = |text: &[u8]| {
        let reading = lease::read(format, text);
        (reading.complete && reading.damage.is_none()).then(|| Table::new(reading.leases))
    };
    let (old, new) = (leases(old)?, leases(new)?);
    let elsewhere_too =
        |lease: &Lease| table.contains(lease.address) && !old.contains(lease.address);
    if new.as_slice().iter().any(elsewhere_too) {
        return None;
    }
    Some(TextChange {
        upserted: new.news_to(&old),
        gone: old.missing_in(&new),
    })
}

/// The lines in which two texts differ, from the first to the last of them.
fn middles<'a>(before: &'a [u8], now: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let same = alike(before, now);
    // Back to the beginning of the line.
    let head = before.get(..same).unwrap_or_default();
    let newline = head.iter().rposition(|octet| *octet == b'\n');
    let begin = newline.map_or(0, |end| end + 1);
    let (old, new) = (
        before.get(begin..).unwrap_or_default(),
        now.get(begin..).unwrap_or_default(),
    );
    let shorter = old.len().min(new.len());
    let same = alike_from_behind(old, new);
    // On to the end of the line.
    let tail = old.get(old.len() - same..).unwrap_or_default();
    let whole_lines = if same == shorter && starts_a_line(old, same) && starts_a_line(new, same) {
        same
    } else {
        let end = tail.iter().position(|octet| *octet == b'\n');
        end.map_or(0, |end| same - end - 1)
    };
    let middle = |text: &'a [u8]| text.get(..text.len() - whole_lines).unwrap_or_default();
    (middle(old), middle(new))
}

/// Whether the last `length` octets begin with a line.
fn starts_a_line(text: &[u8], length: usize) -> bool {
    let before = text.len() - length;
    before == 0 || text.get(before - 1) == Some(&b'\n')
}

/// How many octets at the beginning are the same.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let pieces = common(one.chunks(PIECE).zip(other.chunks(PIECE)));
    let (one, other) = (one.get(pieces..), other.get(pieces..));
    let pairs = one
        .unwrap_or_default()
        .iter()
        .zip(other.unwrap_or_default());
    pieces + pairs.take_while(|(one, other)| one == other).count()
}

/// How many octets at the end are the same.
fn alike_from_behind(one: &[u8], other: &[u8]) -> usize {
    let pieces = common(one.rchunks(PIECE).zip(other.rchunks(PIECE)));
    let rest = |text: &[u8]| text.len() - pieces;
    let (one, other) = (one.get(..rest(one)), other.get(..rest(other)));
    let one = one.unwrap_or_default().iter().rev();
    let pairs = one.zip(other.unwrap_or_default().iter().rev());
    pieces + pairs.take_while(|(one, other)| one == other).count()
}

/// The octets of the pairs that are the same, up to the first that is not.
fn common<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> usize {
    pairs
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(text: &str) -> Table {
        Table::new(lease::read(Format::Dnsmasq, text.as_bytes()).leases)
    }

    fn text(lines: &[(u8, u16)]) -> String {
        let line = |(last, expires): &(u8, u16)| {
            format!("{expires} 02:00:00:00:00:{last:02x} 10.0.0.{last} * *\n")
        };
        lines.iter().map(line).collect()
    }

    fn change(before: &str, now: &str) -> Option<TextChange> {
        change_of(
            Format::Dnsmasq,
            before.as_bytes(),
            now.as_bytes(),
            &table(before),
        )
    }

    #[test]
    fn only_the_lines_that_differ_are_looked_at() {
        let before = text(&[(1, 100), (2, 200), (3, 300)]);
        let renewed = text(&[(1, 100), (2, 260), (3, 300)]);
        let (old, new) = middles(before.as_bytes(), renewed.as_bytes());
        assert_eq!(old, text(&[(2, 200)]).as_bytes());
        assert_eq!(new, text(&[(2, 260)]).as_bytes());
        let grown = text(&[(9, 1), (1, 100), (2, 200), (3, 300)]);
        let (old, new) = middles(before.as_bytes(), grown.as_bytes());
        assert_eq!(old, b"");
        assert_eq!(new, text(&[(9, 1)]).as_bytes());
        assert_eq!(middles(b"", b"a\n"), (&b""[..], &b"a\n"[..]));
    }

    #[test]
    fn what_takes_a_look_at_the_whole() {
        let before = text(&[(1, 100), (2, 200)]);
        let cut = before.get(..before.len() - 9).unwrap();
        assert_eq!(change(&before, cut), None, "cut off in a line");
        let twice = text(&[(2, 7), (1, 100), (2, 200)]);
        assert_eq!(change(&before, &twice), None, "an address on two lines");
        assert_eq!(change(&before, &format!("{before}17 nonsense\n")), None);
    }

    proptest! {
        #[test]
        fn the_same_as_reading_the_whole(
            before in proptest::collection::btree_map(0..40_u8, 1..9_u16, 0..20),
            now in proptest::collection::btree_map(0..40_u8, 1..9_u16, 0..20),
        ) {
            let lines = |map: &std::collections::BTreeMap<u8, u16>| {
                text(&map.iter().map(|(last, expires)| (*last, *expires)).collect::<Vec<_>>())
            };
            let (before, now) = (lines(&before), lines(&now));
            let change = change(&before, &now).expect("no address is on two lines");
            prop_assert_eq!(change.gone, table(&before).missing_in(&table(&now)));
            prop_assert_eq!(change.upserted, table(&now).news_to(&table(&before)));
        }
    }
}
