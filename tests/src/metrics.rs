//! A page in the Prometheus text format, and sums over its series.

use anyhow::{Context, Result};

/// The text of /metrics.
#[derive(Debug, Clone)]
pub struct Page(pub String);

impl Page {
    /// The sum over the series of `metric` that have all labels of `with` and none of
    /// `without`, spelled as there: `cause="malformed"`. No such series is an error,
    /// for an alert on it would never fire.
    pub fn sum(&self, metric: &str, with: &[&str], without: &[&str]) -> Result<f64> {
        let mut found = None;
        for line in self.0.lines() {
            let Some(rest) = line
                .strip_prefix(metric)
                .filter(|rest| rest.starts_with(['{', ' ']))
            else {
                continue;
            };
            let (labels, value) = rest.rsplit_once(' ').context("series without a value")?;
            if with.iter().all(|label| labels.contains(label))
                && !without.iter().any(|label| labels.contains(label))
            {
                *found.get_or_insert(0.0) += value.parse::<f64>()?;
            }
        }
        found.with_context(|| format!("no series of {metric} with {with:?} in\n{}", self.0))
    }

    /// The same as a count; series that do not add up to a whole number are an error.
    pub fn count(&self, metric: &str, with: &[&str]) -> Result<u64> {
        let sum = self.sum(metric, with, &[])?;
        // A whole number is written without a point.
        format!("{sum}")
            .parse()
            .with_context(|| format!("{metric} is {sum}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_labels() {
        let page = Page(
            "# HELP a_total Words.\n\
             a_total{cause=\"x\",interface=\"lo\"} 2\n\
             a_total{cause=\"y\",interface=\"lo\"} 0\n\
             a_total{cause=\"x\",interface=\"eth3\"} 1\n\
             a_total_of_others{cause=\"x\"} 7\n\
             b_total 3\n"
                .to_owned(),
        );
        assert_eq!(page.count("a_total", &[]).unwrap(), 3);
        assert_eq!(page.count("a_total", &["cause=\"x\""]).unwrap(), 3);
        assert_eq!(page.count("a_total", &["cause=\"y\""]).unwrap(), 0);
        assert_eq!(
            page.sum("a_total", &[], &["interface=\"lo\""])
                .unwrap()
                .to_bits(),
            1.0_f64.to_bits()
        );
        assert_eq!(page.count("b_total", &[]).unwrap(), 3);
        assert!(page.count("a_total", &["cause=\"z\""]).is_err());
    }
}
