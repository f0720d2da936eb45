//! Metric families whose label count the compiler checks.
//!
//! The `prometheus` crate's own vectors find a series by a hash of its label values
//! written one after the other (0.14, `vec.rs`), so that namespace `a` with interface
//! `b1` and namespace `ab` with interface `1` would share one counter, silently.
//! Here the values themselves are the key. Pages come out sorted by label value.

use prometheus::core::{Collector, Desc, Metric as _};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Histogram, HistogramOpts, Registry};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Series that share a name and differ in the values of `N` labels.
#[derive(Debug)]
pub(super) struct Series<V, const N: usize>(Arc<Shared<V, N>>);

#[derive(Debug)]
struct Shared<V, const N: usize> {
    desc: Desc,
    series: Mutex<BTreeMap<[Box<str>; N], V>>,
}

/// A count that only grows.
pub(super) type Counters<const N: usize> = Series<Count, N>;
/// Values that go up and down.
pub(super) type Gauges<const N: usize> = Series<Level, N>;
/// Values that are no whole numbers, or none at all: seconds, `+Inf`.
pub(super) type Measures<const N: usize> = Series<Measure, N>;
/// Distributions.
pub(super) type Histograms<const N: usize> = Series<Distribution, N>;

/// A counter's value.
#[derive(Debug, Default)]
pub(super) struct Count(u64);

/// A gauge's value.
#[derive(Debug, Default)]
pub(super) struct Level(u64);

/// A value that is no count.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Measure(f64);

/// A histogram's buckets.
#[derive(Debug)]
pub(super) struct Distribution(Histogram);

/// What the page shows of a value.
pub(super) trait Value: Send {
    /// `# TYPE`
    const TYPE: MetricType;
    /// The sample, without its labels.
    fn sample(&self) -> Metric;
}

impl<V, const N: usize> Series<V, N>
where
    V: Value + 'static,
{
    /// A family without series, on the page of `registry`.
    #[expect(
        clippy::expect_used,
        reason = "names and labels are constants; every test of the metrics builds all of them"
    )]
    pub(super) fn new(registry: &Registry, name: &str, help: &str, labels: [&str; N]) -> Self {
        let desc = Desc::new(
            name.to_owned(),
            help.to_owned(),
            labels.map(ToOwned::to_owned).to_vec(),
            HashMap::new(),
        )
        .expect("a metric's name and labels follow Prometheus's rules");
        let family = Self(Arc::new(Shared {
            desc,
            series: Mutex::default(),
        }));
        registry
            .register(Box::new(Self(Arc::clone(&family.0))))
            .expect("no two metrics share a name");
        family
    }

    /// Takes one series out of the page.
    pub(super) fn remove(&self, labels: [&str; N]) {
        self.series().remove(&labels.map(Box::from));
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<[Box<str>; N], V>> {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Counters<N> {
    /// Adds `count`; with 0, the series is there afterwards.
    pub(super) fn add(&self, labels: [&str; N], count: u64) {
        let mut series = self.series();
        let value = series.entry(labels.map(Box::from)).or_default();
        value.0 = value.0.saturating_add(count);
    }

    /// Raises the count to `total`, which somebody else counts; never lowers it.
    pub(super) fn raise(&self, labels: [&str; N], total: u64) {
        let mut series = self.series();
        let value = series.entry(labels.map(Box::from)).or_default();
        value.0 = value.0.max(total);
    }
}

impl<const N: usize> Gauges<N> {
    /// Sets the value.
    pub(super) fn set(&self, labels: [&str; N], level: u64) {
        self.series().insert(labels.map(Box::from), Level(level));
    }

    /// Puts `levels` in place of all series there were.
    pub(super) fn replace(&self, levels: impl IntoIterator<Item = ([String; N], u64)>) {
        let mut series = self.series();
        series.clear();
        for (labels, level) in levels {
            let value = series
                .entry(labels.map(String::into_boxed_str))
                .or_default();
            value.0 = value.0.saturating_add(level);
        }
    }

    /// With 0, unless there is a value.
    pub(super) fn begin(&self, labels: [&str; N]) {
        self.series().entry(labels.map(Box::from)).or_default();
    }

    /// Puts `levels` in place of all values there were; series that are not among them stay,
    /// with 0.
    pub(super) fn renew(&self, levels: impl IntoIterator<Item = ([String; N], u64)>) {
        let mut series = self.series();
        for value in series.values_mut() {
            *value = Level(0);
        }
        for (labels, level) in levels {
            let value = series
                .entry(labels.map(String::into_boxed_str))
                .or_default();
            value.0 = value.0.saturating_add(level);
        }
    }

    /// Takes one series out of the page if its value is 0.
    pub(super) fn remove_zero(&self, labels: [&str; N]) {
        let key = labels.map(Box::from);
        let mut series = self.series();
        if series.get(&key).is_some_and(|level| level.0 == 0) {
            series.remove(&key);
        }
    }
}

impl<const N: usize> Measures<N> {
    /// With 0, unless there is a value.
    pub(super) fn begin(&self, labels: [&str; N]) {
        self.series().entry(labels.map(Box::from)).or_default();
    }

    /// Puts `values` in place of all there were; series that are not among them stay, with
    /// 0. Of several for one series the highest counts.
    pub(super) fn renew(&self, values: impl IntoIterator<Item = ([String; N], f64)>) {
        let mut series = self.series();
        for value in series.values_mut() {
            *value = Measure(0.0);
        }
        for (labels, new) in values {
            let value = series
                .entry(labels.map(String::into_boxed_str))
                .or_default();
            value.0 = value.0.max(new);
        }
    }

    /// Puts `values` in place of all series there were. Of several for one series the lowest
    /// counts.
    pub(super) fn replace(&self, values: impl IntoIterator<Item = ([String; N], f64)>) {
        let mut series = self.series();
        series.clear();
        for (labels, new) in values {
            let value = series
                .entry(labels.map(String::into_boxed_str))
                .or_insert(Measure(new));
            value.0 = value.0.min(new);
        }
    }
}

impl<const N: usize> Histograms<N> {
    /// Adds an observation; with `None`, the series is there afterwards.
    #[expect(clippy::expect_used, reason = "name, help and buckets are constants")]
    pub(super) fn observe(&self, labels: [&str; N], buckets: &[f64], observation: Option<f64>) {
        let mut series = self.series();
        let value = series.entry(labels.map(Box::from)).or_insert_with(|| {
            let options = HistogramOpts::new(self.0.desc.fq_name.clone(), self.0.desc.help.clone())
                .buckets(buckets.to_vec());
            Distribution(Histogram::with_opts(options).expect("the buckets rise"))
        });
        if let Some(observation) = observation {
            value.0.observe(observation);
        }
    }
}

impl<V, const N: usize> Collector for Series<V, N>
where
    V: Value + 'static,
{
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut page = MetricFamily::default();
        page.set_name(self.0.desc.fq_name.clone());
        page.set_help(self.0.desc.help.clone());
        page.set_field_type(V::TYPE);
        let names = &self.0.desc.variable_labels;
        let series = self.series();
        let samples = series.iter().map(|(values, value)| {
            let mut sample = value.sample();
            let pairs = names.iter().zip(values).map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name(name.clone());
                pair.set_value(value.to_string());
                pair
            });
            sample.set_label(pairs.collect());
            sample
        });
        page.set_metric(samples.collect());
        vec![page]
    }
}

/// A family that can forget an interface.
pub(super) trait Forget: Send + Sync {
    /// Takes out every series whose `netns` and `interface` are these.
    fn forget(&self, netns: &str, interface: &str);
}

impl<V, const N: usize> Forget for Series<V, N>
where
    V: Value + 'static,
{
    fn forget(&self, netns: &str, interface: &str) {
        let names = &self.0.desc.variable_labels;
        let place = |label: &str| names.iter().position(|name| name == label);
        let (Some(netns_at), Some(interface_at)) = (place("netns"), place("interface")) else {
            return;
        };
        self.series().retain(|values, _| {
            values.get(netns_at).map(AsRef::as_ref) != Some(netns)
                || values.get(interface_at).map(AsRef::as_ref) != Some(interface)
        });
    }
}

impl Value for Count {
    const TYPE: MetricType = MetricType::COUNTER;

    fn sample(&self) -> Metric {
        let mut counter = Counter::default();
        counter.set_value(float(self.0));
        let mut sample = Metric::default();
        sample.set_counter(counter);
        sample
    }
}

impl Value for Level {
    const TYPE: MetricType = MetricType::GAUGE;

    fn sample(&self) -> Metric {
        let mut gauge = Gauge::default();
        gauge.set_value(float(self.0));
        let mut sample = Metric::default();
        sample.set_gauge(gauge);
        sample
    }
}

impl Value for Measure {
    const TYPE: MetricType = MetricType::GAUGE;

    fn sample(&self) -> Metric {
        let mut gauge = Gauge::default();
        gauge.set_value(self.0);
        let mut sample = Metric::default();
        sample.set_gauge(gauge);
        sample
    }
}

impl Value for Distribution {
    const TYPE: MetricType = MetricType::HISTOGRAM;

    fn sample(&self) -> Metric {
        self.0.metric()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus counts in floats: exact up to 2^53"
)]
const fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_told_apart_by_their_values_not_by_how_these_run_together() {
        let registry = Registry::new();
        let family: Counters<2> = Series::new(&registry, "a_total", "A.", ["netns", "interface"]);
        family.add(["a", "b1"], 1);
        family.add(["ab", "1"], 10);
        family.add(["ab", "1"], 10);
        let counts = || -> Vec<f64> {
            let page = family.collect();
            let metrics = page[0].get_metric();
            metrics
                .iter()
                .map(|one| one.get_counter().get_value())
                .collect()
        };
        assert_eq!(counts(), [1.0, 20.0]);
        family.forget("ab", "1");
        assert_eq!(counts(), [1.0]);
    }
}
