//! Simulated months. `CARILLON_SEEDS` sets how many months run and
//! `CARILLON_FIRST_SEED` the first seed. `CARILLON_SEED` runs the month of one seed.

use carillon_months::simulate_month;

/// Number of months without `CARILLON_SEEDS`.
const DEFAULT_SEEDS: u64 = 6;
/// Up to so many months, each summary is printed.
const MAX_PRINTED_SUMMARIES: u64 = 20;

#[tokio::test]
async fn no_month_violates_an_invariant() {
    let (first, count) = match variable("CARILLON_SEED") {
        Some(seed) => (seed, 1),
        None => (
            variable("CARILLON_FIRST_SEED").unwrap_or(1),
            variable("CARILLON_SEEDS").unwrap_or(DEFAULT_SEEDS),
        ),
    };
    let mut failed = Vec::new();
    for seed in first..first + count {
        match simulate_month(seed).await {
            Ok(summary) if count <= MAX_PRINTED_SUMMARIES => eprintln!("seed {seed}: {summary:?}"),
            Ok(_) if (seed - first) % 50 == 49 => {
                eprintln!("{} months, {} failed", seed - first + 1, failed.len());
            }
            Ok(_) => {}
            Err(failure) => {
                eprintln!(
                    "{failure}\n  to repeat it: CARILLON_SEED={seed} cargo test --workspace --test months"
                );
                failed.push(seed);
            }
        }
    }
    assert!(failed.is_empty(), "{} of {count} months failed: {failed:?}", failed.len());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_month() {
    let seed = variable("CARILLON_SEED").unwrap_or(3);
    let first = simulate_month(seed).await.map_err(|failure| failure.to_string());
    let second = simulate_month(seed).await.map_err(|failure| failure.to_string());
    assert_eq!(first, second);
}

#[expect(clippy::disallowed_methods, reason = "the environment selects the months to simulate")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
