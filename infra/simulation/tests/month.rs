//! Simulated months. `CARILLON_SEEDS` says how many, `CARILLON_FIRST_SEED` from
//! which on, `CARILLON_SEED` repeats one.

use carillon_simulation::simulate;

/// How many months are simulated when nothing is said.
const SEEDS: u64 = 6;

#[tokio::test]
async fn no_month_breaks_a_rule() {
    let (first, count) = match variable("CARILLON_SEED") {
        Some(seed) => (seed, 1),
        None => (
            variable("CARILLON_FIRST_SEED").unwrap_or(1),
            variable("CARILLON_SEEDS").unwrap_or(SEEDS),
        ),
    };
    let mut failed = Vec::new();
    for seed in first..first + count {
        match simulate(seed).await {
            Ok(summary) if count <= 20 => eprintln!("seed {seed}: {summary:?}"),
            Ok(_) if (seed - first) % 50 == 49 => {
                eprintln!("{} months, {} failed", seed - first + 1, failed.len());
            }
            Ok(_) => {}
            Err(failure) => {
                eprintln!(
                    "{failure}\n  again: CARILLON_SEED={seed} cargo test --workspace --test month"
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
    let once = simulate(seed).await.map_err(|failure| failure.to_string());
    let again = simulate(seed).await.map_err(|failure| failure.to_string());
    assert_eq!(once, again);
}

#[expect(clippy::disallowed_methods, reason = "what to simulate is said in the environment")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
