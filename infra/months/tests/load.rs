//! A load on a simulated clock. `CARILLON_LOAD` sets the number of recipients; each 5,000 are
//! a campaign, and each 50,000 a number. Without optimisation a message takes tens of
//! milliseconds, so the default is small.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use carillon_months::load::{LoadPlan, TableLimits, simulate_load};

/// Counts what each function allocates.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Recipients without `CARILLON_LOAD`.
const DEFAULT_RECIPIENTS: u64 = 2_000;
/// How much longer than the shortest time a load may take, as a factor.
const MAX_TIMES: f64 = 1.1;
/// In seconds: the first batch begins late and the last answers come late, however small the load.
const START_AND_END: f64 = 5.0;
/// From so many recipients on, that is part of the factor.
const LARGE: u64 = 50_000;

#[tokio::test]
async fn a_load_keeps_the_limits_of_the_table() {
    let recipients = variable("CARILLON_LOAD").unwrap_or(DEFAULT_RECIPIENTS);
    let plan = LoadPlan {
        recipients,
        people: recipients,
        knows_user_ids: std::env::var_os("CARILLON_LOAD_KNOWN").is_some(),
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
    let extra = if recipients < LARGE { START_AND_END } else { 0.0 };
    let longest = plan.shortest_seconds() * MAX_TIMES + extra;
    assert!(summary.seconds <= longest, "it took {} s, not {longest} s", summary.seconds);
    let overload = summary.overload.map_or(0, |overload| overload.seconds);
    assert!(overload <= 1, "a partition was over its limit for {overload} s");
}

#[expect(clippy::disallowed_methods, reason = "the environment sets the size of the load")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
