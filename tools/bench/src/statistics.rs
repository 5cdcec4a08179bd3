//! What a list of measurements comes to, and when load arrives.

use std::time::Duration;

/// Durations of one kind, sorted.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest one that at least `percent` of all do not exceed; zero where there is none.
    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let rank = (percent / 100.0 * self.count() as f64).ceil() as usize;
        self.0
            .get(rank.saturating_sub(1).min(self.count().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// Ends per second between a tenth and nine tenths of all: neither filling up nor running dry.
/// `ends` counts from any common moment.
pub(crate) fn steady_rate(ends: Vec<Duration>) -> f64 {
    let ends = Latencies::new(ends).0;
    let (from, to) = (ends.len() / 10, ends.len() * 9 / 10);
    match (ends.get(from), ends.get(to)) {
        (Some(first), Some(last)) if last > first => {
            (to - from) as f64 / (*last - *first).as_secs_f64()
        }
        _ => 0.0,
    }
}

/// The middle one; of an even number the mean of the two in the middle. Zero where there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The change of `y` for each unit of `x`, by least squares; zero for less than two points.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let common: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    if spread > 0.0 { common / spread } else { 0.0 }
}

/// Arrivals of an open model: each comes when it comes, whether or not the ones before have been
/// answered. Exponential gaps, as of many customers who know nothing of each other; the same `seed`
/// gives the same arrivals.
pub(crate) fn arrivals(per_sec: f64, during: Duration, seed: u64) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = 0.0;
    let gaps = std::iter::repeat_with(|| {
        at -= (1.0 - random.f64()).ln() / per_sec;
        at
    });
    gaps.take_while(|at| *at < during.as_secs_f64()).map(Duration::from_secs_f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(all: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        all.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred = Latencies::new(millis((1..=100).rev()));
        for (percent, expected) in [(1.0, 1), (50.0, 50), (99.0, 99), (99.1, 100), (100.0, 100)] {
            assert_eq!(hundred.percentile(percent), Duration::from_millis(expected), "{percent}");
        }
        let one = Latencies::new(millis([7]));
        assert_eq!((one.percentile(1.0), one.max()), (one.max(), Duration::from_millis(7)));
        assert_eq!(Latencies::new(Vec::new()).percentile(99.0), Duration::ZERO);
    }

    #[test]
    fn the_steady_rate_leaves_out_both_ends() {
        // A slow beginning, then one every 10 ms, then stragglers.
        let ends = [0, 500].into_iter().chain((100..196).map(|n| n * 10)).chain([9_000, 9_500]);
        let rate = steady_rate(millis(ends));
        assert!((99.0..101.0).contains(&rate), "{rate}");
        assert_eq!(steady_rate(Vec::new()), 0.0);
    }

    #[test]
    fn medians_and_slopes() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), 2.0);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
    }

    #[test]
    fn arrivals_come_at_the_rate_whoever_answers() {
        let arrivals = super::arrivals(500.0, Duration::from_secs(20), 1);
        assert!((9_500..10_500).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted());
        assert!(arrivals.iter().all(|at| *at < Duration::from_secs(20)));
        // Not evenly: with exponential gaps a third is longer than the mean.
        let gaps = arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        let long = gaps.filter(|gap| *gap > Duration::from_millis(2)).count();
        assert!((3_300..4_100).contains(&long), "{long}");
        assert_eq!(arrivals, super::arrivals(500.0, Duration::from_secs(20), 1));
    }
}
