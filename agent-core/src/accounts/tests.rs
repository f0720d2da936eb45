//! Forecasts of pools whose future is known.

use super::forecast::{Basis, Forecast, Interval};
use super::pools::Past;
use super::trend::{LEVELS, Reached, Trend};
use crate::configuration::Pool;
use crate::time::Timestamp;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::time::Duration;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const START: u64 = 1_795_000_000;

fn pool(size: u32) -> Pool {
    let first = Ipv4Addr::new(10, 9, 0, 1);
    Pool {
        name: "x".into(),
        first,
        last: Ipv4Addr::from_bits(first.to_bits() + size - 1),
        lease_time: None,
    }
}

/// A pool of which it is known how much is used and leaked at each time.
struct World {
    past: Past,
    pool: Pool,
    now: Timestamp,
    stands: (u64, u64),
}

impl World {
    fn new(size: u32) -> Self {
        Self {
            past: Past::default(),
            pool: pool(size),
            now: Timestamp::from_secs(START),
            stands: (0, 0),
        }
    }

    fn at(&mut self, seconds: f64, used: u64, leaked: u64) -> Forecast {
        self.now = Timestamp::from_secs(START).saturating_add(Duration::from_secs_f64(seconds));
        self.stands = (used, leaked);
        self.past.observe(self.now, &self.pool, used, leaked);
        self.forecast()
    }

    fn forecast(&self) -> Forecast {
        let (used, leaked) = self.stands;
        self.past.forecast(self.pool.size(), used, leaked, self.now)
    }

    /// Goes on to a time at which nothing happens.
    fn calm(&mut self, seconds: f64) -> Forecast {
        self.now = Timestamp::from_secs(START).saturating_add(Duration::from_secs_f64(seconds));
        self.forecast()
    }
}

fn interval(forecast: Forecast) -> Interval {
    let Forecast::In(interval) = forecast else {
        panic!("{forecast:?}");
    };
    interval
}

/// Whether the expected time is off by 20 % of the true one at most.
fn is_near(forecast: Forecast, left: f64) -> bool {
    let expected = interval(forecast).expected.as_secs_f64();
    (expected - left).abs() <= 0.2 * left
}

/// A number between 0 and 1 that looks like chance.
fn chance(index: u64) -> f64 {
    let mixed = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    f64::from(u32::try_from(mixed >> 32).unwrap()) / f64::from(u32::MAX)
}

#[test]
fn a_steady_leak_is_told_long_before_whatever_its_pace() {
    for every in [0.4, 30.0, 600.0, 6.0 * 3600.0] {
        let mut world = World::new(100);
        world.at(0.0, 3, 0);
        for leaks in 1..=90_u32 {
            let at = f64::from(leaks) * every;
            let forecast = world.at(at, 3 + u64::from(leaks), u64::from(leaks));
            let left = f64::from(97 - leaks) * every;
            if leaks >= 10 {
                assert!(is_near(forecast, left), "{every} s, {leaks}: {forecast:?}");
                assert_eq!(interval(forecast).basis, Basis::Leaks);
            }
        }
        assert_eq!(world.at(97.0 * every, 100, 97), Forecast::Now);
    }
}

#[test]
fn a_noisy_leak_is_told_too() {
    for seed in 0..20_u64 {
        let mut world = World::new(100);
        world.at(0.0, 5, 0);
        let mut at = 0.0;
        let mut told = (0, 0);
        for leaks in 1..=80_u64 {
            // Between 30 s and 90 s, and up to three clients that come and go.
            at += 30.0 + 60.0 * chance(seed * 1000 + leaks);
            let guests = [0, 1, 2, 3][usize::try_from(leaks % 4).unwrap()];
            let forecast = world.at(at, 5 + leaks + guests, leaks);
            if leaks >= 24 {
                let left = f64::from(u32::try_from(95 - leaks - guests).unwrap()) * 60.0;
                told.0 += u32::from(is_near(forecast, left));
                told.1 += 1;
                let Interval {
                    earliest, latest, ..
                } = interval(forecast);
                let truth = Duration::from_secs_f64(left);
                assert!(
                    earliest < truth * 3 / 2 && latest > truth * 2 / 3,
                    "{forecast:?}"
                );
            }
        }
        assert!(told.0 * 10 >= told.1 * 9, "{told:?} of seed {seed}");
    }
}

/// 20 of 100 at night, 80 by day, for `days`; `leaked` of them by then.
fn days(world: &mut World, days: u32, leaked: impl Fn(f64) -> u64) -> Vec<(f64, Forecast)> {
    let mut told = Vec::new();
    for step in 0..days * 24 * 6 {
        let at = f64::from(step) * 600.0;
        let hour = f64::from(step % 144) / 6.0;
        let use_of_day = match hour {
            hour if (8.0..12.0).contains(&hour) => 20.0 + 15.0 * (hour - 8.0),
            hour if (12.0..18.0).contains(&hour) => 80.0,
            hour if (18.0..22.0).contains(&hour) => 80.0 - 15.0 * (hour - 18.0),
            _ => 20.0,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let busy = use_of_day as u64;
        let leaks = leaked(at);
        told.push((at, world.at(at, (busy + leaks).min(100), leaks)));
    }
    told
}

#[test]
fn day_and_night_are_no_exhaustion() {
    let mut world = World::new(100);
    for (at, forecast) in days(&mut world, 14, |_| 0) {
        assert_eq!(forecast, Forecast::Never, "{at}");
    }
}

#[test]
fn a_leak_below_day_and_night_is_told_on_the_second_day() {
    let mut world = World::new(100);
    // Three a day: the highest use of each day is three higher, and reaches 100 when 20
    // have leaked, in the seventh day.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let leaked = |at: f64| (at / 28_800.0) as u64;
    let told = days(&mut world, 7, leaked);
    let full = told
        .iter()
        .find(|(_, forecast)| *forecast == Forecast::Now)
        .unwrap();
    let before = told.iter().find(|(at, forecast)| {
        let told = matches!(forecast, Forecast::In(_));
        told && full.0 - at > f64::from(u32::try_from(2 * DAY).unwrap())
    });
    assert!(before.is_some(), "full at {}, not told before", full.0);
}

#[test]
fn a_burst_is_over_when_calm_returns() {
    let mut world = World::new(100);
    world.at(0.0, 10, 0);
    for leaks in 1..=20_u32 {
        world.at(f64::from(leaks), 10 + u64::from(leaks), leaks.into());
    }
    assert!(matches!(world.calm(20.5), Forecast::In(_)));
    assert_eq!(world.calm(30.0), Forecast::Never);
    // One more, much later, is no trend either.
    assert_eq!(world.at(5000.0, 31, 21), Forecast::Never);
}

#[test]
fn what_begins_after_a_long_calm_is_told_soon() {
    let mut world = World::new(100);
    for hour in 0..1000_u32 {
        world.at(f64::from(hour) * 3600.0, 30, 0);
    }
    let calm = 1000.0 * 3600.0;
    for leaks in 1..=9_u32 {
        world.at(
            calm + f64::from(leaks) * 60.0,
            30 + u64::from(leaks),
            leaks.into(),
        );
    }
    assert!(
        is_near(world.forecast(), 61.0 * 60.0),
        "{:?}",
        world.forecast()
    );
}

#[test]
fn a_few_leaks_are_no_trend() {
    let mut world = World::new(100);
    world.at(0.0, 10, 0);
    for leaks in 1..=4_u32 {
        let forecast = world.at(f64::from(leaks) * 60.0, 10 + u64::from(leaks), leaks.into());
        assert_eq!(forecast, Forecast::Never);
    }
}

#[test]
fn leaks_that_nobody_replaces_take_nothing() {
    let mut world = World::new(100);
    world.at(0.0, 60, 0);
    for leaks in 1..=50_u32 {
        // Machines go one after the other; none is started.
        let forecast = world.at(f64::from(leaks) * 60.0, 60, leaks.into());
        assert_eq!(forecast, Forecast::Never, "{leaks}");
    }
}

#[test]
fn what_was_healed_leaks_no_more() {
    let mut world = World::new(100);
    for leaks in 0..=50_u32 {
        world.at(f64::from(leaks) * 60.0, 3 + u64::from(leaks), leaks.into());
    }
    assert!(matches!(world.forecast(), Forecast::In(_)));
    assert_eq!(world.at(3001.0, 3, 0), Forecast::Never);
    // It begins again, slower.
    for leaks in 1..=10_u32 {
        let at = 3001.0 + f64::from(leaks) * 300.0;
        world.at(at, 3 + u64::from(leaks), leaks.into());
    }
    assert!(
        is_near(world.forecast(), 87.0 * 300.0),
        "{:?}",
        world.forecast()
    );
}

#[test]
fn growth_without_a_known_leak_is_told_after_a_day() {
    let mut world = World::new(200);
    let mut at = 0.0;
    for used in 10..=150_u64 {
        // One an hour, and nobody gives any back.
        at += 3600.0;
        let forecast = world.at(at, used, 0);
        if used < 34 {
            assert_eq!(forecast, Forecast::Never, "{used}");
        } else if used > 40 {
            let left = f64::from(u32::try_from(200 - used).unwrap()) * 3600.0;
            assert!(is_near(forecast, left), "{used}: {forecast:?}");
            assert_eq!(interval(forecast).basis, Basis::Use);
        }
    }
}

#[test]
fn a_longer_range_lasts_longer() {
    let mut world = World::new(50);
    for leaks in 0..=30_u32 {
        world.at(f64::from(leaks) * 60.0, 3 + u64::from(leaks), leaks.into());
    }
    assert!(is_near(world.forecast(), 17.0 * 60.0));
    world.pool = pool(100);
    assert!(is_near(world.at(31.0 * 60.0, 34, 31), 66.0 * 60.0));
    // A shorter one is another pool.
    world.pool = pool(40);
    assert_eq!(world.at(32.0 * 60.0, 35, 32), Forecast::Never);
}

#[test]
fn a_clock_that_is_set_forward_delays_the_forecast_only() {
    let mut world = World::new(100);
    let mut shift = 0.0;
    let mut told = Vec::new();
    for leaks in 0..=60_u32 {
        if leaks == 25 {
            shift = 9.0 * 3600.0;
        }
        let at = f64::from(leaks) * 60.0 + shift;
        told.push(world.at(at, 3 + u64::from(leaks), leaks.into()));
    }
    assert!(is_near(told[24], 73.0 * 60.0), "{:?}", told[24]);
    assert!(is_near(told[50], 47.0 * 60.0), "{:?}", told[50]);
}

#[test]
fn a_clock_that_stands_still_says_nothing() {
    let mut world = World::new(100);
    for leaks in 0..=60_u32 {
        assert_eq!(
            world.at(0.0, 3 + u64::from(leaks), leaks.into()),
            Forecast::Never
        );
    }
}

#[test]
fn a_large_pool_is_seen_as_a_whole() {
    let mut world = World::new(60_000);
    for second in 0..2000_u32 {
        world.at(
            f64::from(second),
            100 + 10 * u64::from(second),
            u64::from(10 * second),
        );
    }
    assert!(is_near(world.forecast(), 3990.0), "{:?}", world.forecast());
}

#[test]
fn fewer_than_twice_the_levels_are_kept() {
    let mut trend = Trend::default();
    for level in 0..10_000 {
        let at = Timestamp::from_secs(level);
        trend.rise(
            Reached {
                at,
                level,
                beside: 0,
            },
            1,
        );
    }
    assert!(format!("{trend:?}").matches("Reached").count() <= LEVELS);
}

proptest! {
    #[test]
    fn whatever_happens_the_interval_is_one(
        steps in prop::collection::vec((0_u64..100_000, 0_u64..300, 0_u64..300), 0..200),
        size in 1_u32..300,
    ) {
        let mut world = World::new(size);
        let mut at = 0.0;
        for (wait, used, leaked) in steps {
            at += f64::from(u32::try_from(wait).unwrap()) / 10.0;
            match world.at(at, used, leaked.min(used)) {
                Forecast::In(Interval { earliest, expected, latest, .. }) => {
                    prop_assert!(earliest <= expected && expected <= latest);
                    prop_assert!(used < u64::from(size));
                }
                Forecast::Now => prop_assert!(used >= u64::from(size)),
                Forecast::Never => {}
            }
        }
    }

    #[test]
    fn a_forecast_knows_no_unit_of_time(
        waits in prop::collection::vec(1_u32..60, 20..60),
    ) {
        let told = |factor: f64| {
            let mut world = World::new(100);
            let mut at = 0.0;
            for (leaks, wait) in (0_u64..).zip(&waits) {
                world.at(at, 10 + leaks, leaks);
                at += f64::from(*wait) * factor;
            }
            world.forecast().expected().map(|time| time.as_secs_f64() / factor)
        };
        let (short, long) = (told(1.0), told(1000.0));
        prop_assert_eq!(short.is_some(), long.is_some());
        if let (Some(short), Some(long)) = (short, long) {
            prop_assert!((short - long).abs() < 0.01 * short + 0.01);
        }
    }
}
