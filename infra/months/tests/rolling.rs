//! Campaigns at the rolling limit: a few days, or a month where `CARILLON_ROLLING_LIMIT` sets the
//! limit.

use carillon_months::load::{LoadPlan, TableLimits, simulate_rolling_limit};

/// The limit without `CARILLON_ROLLING_LIMIT`: fewer than Meta's lowest, for a short test.
const DEFAULT_LIMIT: u64 = 40;
const DEFAULT_DAYS: u64 = 4;
const MONTH_DAYS: u64 = 30;

#[tokio::test]
async fn the_rolling_limit_is_used_and_never_exceeded() {
    let (limit, days) = match variable("CARILLON_ROLLING_LIMIT") {
        Some(limit) => (limit, MONTH_DAYS),
        None => (DEFAULT_LIMIT, DEFAULT_DAYS),
    };
    // A fifth more people than the days allow, of whom every fourth is in two campaigns: both
    // messages on one day take one place.
    let people = limit * days * 6 / 5;
    let plan = LoadPlan {
        recipients: people * 5 / 4,
        people,
        knows_user_ids: false,
        campaigns: 12,
        numbers: 2,
        throughput: 80,
        quota_limit: limit,
        sender_concurrency: 10,
        table: TableLimits { writes: 4_000.0, reads: 12_000.0 },
    };
    let used = simulate_rolling_limit(1, plan, days as i64)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{used:?}");
    assert!(used.highest <= limit, "{} people in 24 hours", used.highest);
    assert!(used.mean_use >= 0.95, "{:.3} of the limit was used", used.mean_use);
}

#[expect(clippy::disallowed_methods, reason = "the environment sets the limit")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
