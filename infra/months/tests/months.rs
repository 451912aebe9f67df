//! Simulated months. `CARILLON_SEEDS` sets how many months run and
//! `CARILLON_FIRST_SEED` the first seed. `CARILLON_SEED` runs the month of one seed.

use carillon_months::{Failure, Summary, compare_tables, simulate_month};

/// Number of months without `CARILLON_SEEDS`.
const DEFAULT_SEEDS: u64 = 6;
/// Up to so many months, each summary is printed.
const MAX_PRINTED_SUMMARIES: u64 = 20;
/// The share of messages whose limits are not checked, because their sender froze within the
/// request, in 1,000 messages; and a few more, so that one month alone keeps it too.
const MAX_EXEMPT: usize = 10;

/// The figures of all months together.
#[derive(Debug, Default)]
struct Totals {
    months: usize,
    messages: usize,
    exempt_messages: usize,
    /// In seconds.
    longest_wait: i64,
}

impl Totals {
    fn add(&mut self, summary: &Summary) {
        self.months += 1;
        self.messages += summary.messages;
        self.exempt_messages += summary.exempt_messages;
        self.longest_wait = self.longest_wait.max(summary.longest_wait);
    }
}

/// Simulates a month in a runtime of its own: what crashed within a task stays in the runtime.
fn simulate(seed: u64) -> Result<Summary, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(simulate_month(seed))
}

#[test]
fn no_month_violates_an_invariant() {
    let (first, count) = match variable("CARILLON_SEED") {
        Some(seed) => (seed, 1),
        None => (
            variable("CARILLON_FIRST_SEED").unwrap_or(1),
            variable("CARILLON_SEEDS").unwrap_or(DEFAULT_SEEDS),
        ),
    };
    let (mut failed, mut totals) = (Vec::new(), Totals::default());
    for seed in first..first + count {
        match simulate(seed) {
            Ok(summary) => {
                totals.add(&summary);
                if count <= MAX_PRINTED_SUMMARIES {
                    eprintln!("seed {seed}: {summary:?}");
                }
            }
            Err(failure) => {
                eprintln!(
                    "{failure}\n  to repeat it: CARILLON_SEED={seed} cargo test --workspace --test months"
                );
                failed.push(seed);
            }
        }
        if (seed - first) % 50 == 49 {
            eprintln!("{} failed; {totals:?}", failed.len());
        }
    }
    eprintln!("{totals:?}");
    let exempt = totals.exempt_messages;
    assert!(exempt * 1000 <= totals.messages * MAX_EXEMPT + 5000, "{exempt} messages are exempt");
    assert!(failed.is_empty(), "{} of {count} months failed: {failed:?}", failed.len());
}

#[test]
fn the_same_seed_gives_the_same_month() {
    let seed = variable("CARILLON_SEED").unwrap_or(3);
    let first = simulate(seed).map_err(|failure| failure.to_string());
    let second = simulate(seed).map_err(|failure| failure.to_string());
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_simulated_table_answers_as_the_embedded_engine() {
    let seed = variable("CARILLON_SEED").unwrap_or(2);
    let compared = compare_tables(seed).await.unwrap_or_else(|error| panic!("{error}"));
    eprintln!("compared requests: {compared:?}");
    let operations = ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"];
    for operation in operations.into_iter().chain(["TransactWriteItems"]) {
        assert!(compared.contains_key(operation), "no {operation}");
    }
    for refused in ["PutItem", "UpdateItem", "TransactWriteItems"] {
        assert!(compared.contains_key(&format!("{refused}, refused")), "no {refused} was refused");
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment selects the months to simulate")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
