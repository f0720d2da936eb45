//! The times of a lease file (dhcpd.leases(5), common/parse.c `parse_date()`).

use crate::time::Timestamp;

/// Reads the words after `ends`: `never`, `epoch SECONDS`, or a day of the week and a
/// date and time in UTC, `5 2026/11/27 05:59:36`.
#[expect(
    clippy::option_option,
    reason = "unreadable, never, and a time are three answers"
)]
pub(super) fn parse(words: &[&[u8]]) -> Option<Option<Timestamp>> {
    let seconds = match words {
        [b"never"] => return Some(None),
        [b"epoch", seconds] => number(seconds)?,
        [_weekday, date, time] => date_and_time(date, time)?,
        _ => return None,
    };
    Some(Some(Timestamp::from_secs(
        u64::try_from(seconds).unwrap_or(0),
    )))
}

fn date_and_time(date: &[u8], time: &[u8]) -> Option<i64> {
    let [year, month, day] = three(date, b'/')?;
    let [hour, minute, second] = three(time, b':')?;
    let plausible = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    plausible.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from
/// March, so that the leap day is the last of its year.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let before_year = year * 365 + year / 4 - year / 100 + year / 400;
    before_year + day_of_year - 719_468
}

fn three(text: &[u8], separator: u8) -> Option<[i64; 3]> {
    let mut parts = text.split(|octet| *octet == separator).map(number);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

fn number(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the words say, in seconds.
    fn ends(text: &str) -> String {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        match parse(&words) {
            Some(Some(time)) => time.as_secs().to_string(),
            Some(None) => "never".to_owned(),
            None => "unreadable".to_owned(),
        }
    }

    #[test]
    fn every_spelling() {
        assert_eq!(ends("5 2026/11/27 04:59:36"), "1795755576");
        assert_eq!(ends("epoch 1795755576"), "1795755576");
        assert_eq!(ends("never"), "never");
        assert_eq!(ends("4 1970/01/01 00:00:00"), "0");
        assert_eq!(ends("4 2024/02/29 23:59:59"), "1709251199");
        for unreadable in [
            "",
            "5",
            "5 2026/11 04:59:36",
            "5 2026/13/01 00:00:00",
            "5 2026/11/27 4",
        ] {
            assert_eq!(ends(unreadable), "unreadable", "{unreadable}");
        }
    }
}
