//! Metrics for the dashboard and the alarms, written to the log in `CloudWatch`'s embedded
//! metric format, which needs no request, library or permission.
//! Source: AWS, "Specification: Embedded metric format".

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The namespace of the metrics. Their dimension is `Stack`.
const NAMESPACE: &str = "Carillon";
/// The stack's name; without one no metric is written.
static STACK: OnceLock<String> = OnceLock::new();

/// A metric. `template.yaml` has the alarms and the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Messages that the provider accepted.
    MessagesSent,
    /// Messages that the provider refused.
    MessagesRefused,
    /// Messages whose answer was lost.
    MessagesUnconfirmed,
    /// Message statuses that webhooks reported.
    StatusesStored,
    /// Messages from contacts.
    RepliesStored,
    /// Events for a connection whose secret did not sign the request.
    EventsDropped,
    /// Events that could not be read or stored, and are kept as unreadable.
    EventsUnreadable,
    /// Events of a kind, or with a word, that this version does not use.
    EventsUnused,
    /// Batches that the scheduler created.
    BatchesPlanned,
    /// Campaigns that the engine halted.
    CampaignsHalted,
    /// The share of a quota that is reserved, in percent: the highest of all quota groups.
    QuotaUse,
    /// Shards whose counters differed from a recount.
    CountersCorrected,
    /// Parts of the scheduler's runs that failed: a campaign, a batch, a sweep, a job.
    SchedulerFailures,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 13] = [
        Self::MessagesSent,
        Self::MessagesRefused,
        Self::MessagesUnconfirmed,
        Self::StatusesStored,
        Self::RepliesStored,
        Self::EventsDropped,
        Self::EventsUnreadable,
        Self::EventsUnused,
        Self::BatchesPlanned,
        Self::CampaignsHalted,
        Self::QuotaUse,
        Self::CountersCorrected,
        Self::SchedulerFailures,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagesSent => "MessagesSent",
            Self::MessagesRefused => "MessagesRefused",
            Self::MessagesUnconfirmed => "MessagesUnconfirmed",
            Self::StatusesStored => "StatusesStored",
            Self::RepliesStored => "RepliesStored",
            Self::EventsDropped => "EventsDropped",
            Self::EventsUnreadable => "EventsUnreadable",
            Self::EventsUnused => "EventsUnused",
            Self::BatchesPlanned => "BatchesPlanned",
            Self::CampaignsHalted => "CampaignsHalted",
            Self::QuotaUse => "QuotaUse",
            Self::CountersCorrected => "CountersCorrected",
            Self::SchedulerFailures => "SchedulerFailures",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::QuotaUse => "Percent",
            _ => "Count",
        }
    }
}

/// Sets the stack's name.
pub(super) fn set_stack(stack: String) {
    // A second call, as in tests, changes nothing.
    let _ = STACK.set(stack);
}

/// Writes metrics to the log, except zeros.
pub fn measure(values: &[(Metric, u64)], now: Timestamp) {
    let values: Vec<_> = values.iter().copied().filter(|(_, value)| *value > 0).collect();
    let Some(stack) = STACK.get().filter(|_| !values.is_empty()) else { return };
    // A failed write to the log must not stop the process.
    let _ = std::io::stdout().write_all(line(stack, &values, now).as_bytes());
}

fn line(stack: &str, values: &[(Metric, u64)], now: Timestamp) -> String {
    let metrics: Vec<Value> = values
        .iter()
        .map(|(metric, _)| json!({ "Name": metric.as_str(), "Unit": metric.unit() }))
        .collect();
    let about = json!({
        "Timestamp": now.as_millisecond(),
        "CloudWatchMetrics": [
            { "Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics }
        ],
    });
    let mut all = Map::from_iter([("_aws".to_owned(), about), ("Stack".to_owned(), stack.into())]);
    all.extend(values.iter().map(|(metric, value)| (metric.as_str().to_owned(), (*value).into())));
    format!("{}\n", Value::Object(all))
}

/// A counter that is written to the log at most once a minute: a webhook has one
/// or two statuses, and a log line for each costs more than storing them. A count that was
/// not written when the process ends is lost.
#[derive(Debug)]
pub struct BatchedCounter {
    metric: Metric,
    count: AtomicU64,
    written_at: AtomicI64,
}

/// The minimum time between two writes of a counter, in seconds.
const EVERY_SECONDS: i64 = 60;

impl BatchedCounter {
    /// A counter at 0.
    pub const fn new(metric: Metric) -> Self {
        Self { metric, count: AtomicU64::new(0), written_at: AtomicI64::new(0) }
    }

    /// Adds to the count.
    pub fn add(&self, count: u64, now: Timestamp) {
        if let Some(value) = self.due(count, now) {
            measure(&[(self.metric, value)], now);
        }
    }

    fn due(&self, count: u64, now: Timestamp) -> Option<u64> {
        self.count.fetch_add(count, Ordering::Relaxed);
        let (then, now) = (self.written_at.load(Ordering::Relaxed), now.as_second());
        let due = now >= then + EVERY_SECONDS
            && self
                .written_at
                .compare_exchange(then, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        due.then(|| self.count.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_line_is_in_the_embedded_metric_format() {
        let values = [(Metric::MessagesSent, 248), (Metric::QuotaUse, 97)];
        let line: Value = serde_json::from_str(&line("shop", &values, at(0))).unwrap();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_800_000_000_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Carillon",
                    "Dimensions": [["Stack"]],
                    "Metrics": [
                        { "Name": "MessagesSent", "Unit": "Count" },
                        { "Name": "QuotaUse", "Unit": "Percent" },
                    ],
                }],
            },
            "Stack": "shop",
            "MessagesSent": 248,
            "QuotaUse": 97,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_gathered_count_is_written_now_and_then_and_nothing_of_it_twice() {
        let gathered = BatchedCounter::new(Metric::StatusesStored);
        assert_eq!(gathered.due(2, at(0)), Some(2));
        assert_eq!(gathered.due(3, at(1)), None);
        assert_eq!(gathered.due(4, at(59)), None);
        assert_eq!(gathered.due(1, at(60)), Some(8));
        assert_eq!(gathered.due(1, at(61)), None);
    }
}
