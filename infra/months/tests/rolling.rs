//! A month of campaigns at the rolling limit. `CARILLON_ROLLING_LIMIT` sets the limit.

use carillon_months::load::{LoadPlan, TableLimits, simulate_rolling_limit};

/// The limit without `CARILLON_ROLLING_LIMIT`: the lowest of Meta's.
const DEFAULT_LIMIT: u64 = 250;
const DAYS: i64 = 30;

#[tokio::test]
async fn the_rolling_limit_is_used_and_never_exceeded() {
    let limit = variable("CARILLON_ROLLING_LIMIT").unwrap_or(DEFAULT_LIMIT);
    // A fifth more than the days allow; each person is in three campaigns.
    let recipients = limit * DAYS as u64 * 6 / 5;
    let plan = LoadPlan {
        recipients,
        people: recipients / 3,
        campaigns: 12,
        numbers: 2,
        throughput: 80,
        quota_limit: limit,
        sender_concurrency: 10,
        table: TableLimits { writes: 4_000.0, reads: 12_000.0 },
    };
    let used = simulate_rolling_limit(1, plan, DAYS).await.unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{used:?}");
    assert!(used.highest <= limit, "{} people in 24 hours", used.highest);
    assert!(used.mean_use >= 0.95, "{:.3} of the limit was used", used.mean_use);
}

#[expect(clippy::disallowed_methods, reason = "the environment sets the limit")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
