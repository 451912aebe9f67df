//! A load on a simulated clock. `CARILLON_LOAD` sets the number of recipients; each 5,000 are
//! a campaign, and each 50,000 a number.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use carillon_months::load::{LoadPlan, TableLimits, simulate_load};

/// Counts what each function allocates.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Recipients without `CARILLON_LOAD`.
const DEFAULT_RECIPIENTS: u64 = 50_000;

#[tokio::test]
async fn a_load_keeps_the_limits_of_the_table() {
    let recipients = variable("CARILLON_LOAD").unwrap_or(DEFAULT_RECIPIENTS);
    let plan = LoadPlan {
        recipients,
        people: recipients,
        campaigns: (recipients / 5_000).max(1),
        numbers: (recipients / 50_000).max(1),
        throughput: 200,
        quota_limit: 100_000_000,
        sender_concurrency: 100,
        table: TableLimits { writes: 40_000.0, reads: 40_000.0 },
    };
    let summary = simulate_load(1, plan).await.unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{summary}");
    assert_eq!((summary.messages, summary.duplicates), (recipients, 0));
    assert_eq!(summary.rate_limited, 0);
    assert!(summary.times_shortest() <= 1.1, "it took {} times", summary.times_shortest());
    let overload = summary.overload.map_or(0, |overload| overload.seconds);
    assert!(overload <= 1, "a partition was over its limit for {overload} s");
}

#[expect(clippy::disallowed_methods, reason = "the environment sets the size of the load")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
