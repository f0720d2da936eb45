//! A length of time as a person says it.

use std::time::Duration;

/// "40 s", "12 min", "3 h", "5 d": one number, rounded.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        seconds if seconds < 90.0 => (seconds, "s"),
        seconds if seconds < 90.0 * 60.0 => (seconds / 60.0, "min"),
        seconds if seconds < 48.0 * 3600.0 => (seconds / 3600.0, "h"),
        seconds => (seconds / 86_400.0, "d"),
    };
    format!("{value:.0} {unit}")
}

/// "about 3 h (2 h to 5 h)".
pub(super) fn about(earliest: Duration, expected: Duration, latest: Duration) -> String {
    let (from, middle, until) = (span(earliest), span(expected), span(latest));
    if from == until {
        format!("about {middle}")
    } else {
        format!("about {middle} ({from} to {until})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_and_a_unit() {
        let told = [3, 89, 90, 600, 5399, 5400, 172_799, 172_800]
            .map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(
            told,
            [
                "3 s", "89 s", "2 min", "10 min", "90 min", "2 h", "48 h", "2 d"
            ]
        );
        let [low, high] = [3600 * 2, 3600 * 5].map(Duration::from_secs);
        assert_eq!(about(low, low, high), "about 2 h (2 h to 5 h)");
        assert_eq!(about(low, low, low), "about 2 h");
    }
}
