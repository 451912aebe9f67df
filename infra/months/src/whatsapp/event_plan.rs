use std::time::Duration;

use carillon::recipient::DeliveryStatus;

use super::webhook_events::EventKind;
use crate::fault_plan::FaultRates;
use crate::rng::SeededRng;

/// Error codes of `failed` statuses.
const FAILURE_CODES: [u32; 6] = [131_026, 131_049, 131_000, 131_000, 131_050, 130_472];

/// Draws the webhook events of an accepted message, each with its delay after
/// acceptance. 3 % of the messages have none. If messages are refused at all, 8 %
/// fail, of which some are reported delivered as well.
pub(super) fn draw_events(rng: &SeededRng, rates: FaultRates) -> Vec<(EventKind, Duration)> {
    match rng.below(100) {
        0..8 if rates.refusals > 0 => failure(rng),
        percentile @ 0..97 => progress(rng, percentile),
        _ => Vec::new(),
    }
}

fn failure(rng: &SeededRng) -> Vec<(EventKind, Duration)> {
    let code = rng.choose(&FAILURE_CODES).copied().unwrap_or(131_026);
    let mut events = vec![(EventKind::Failed { code }, rng.millis(100, 400_000))];
    if rng.chance(150) {
        events.push((EventKind::Status(DeliveryStatus::Delivered), rng.millis(500, 900_000)));
    }
    events
}

/// The higher `percentile`, the further the message gets.
fn progress(rng: &SeededRng, percentile: u64) -> Vec<(EventKind, Duration)> {
    let stages = [
        (0, EventKind::Status(DeliveryStatus::Sent), (0, 3_000)),
        (14, EventKind::Status(DeliveryStatus::Delivered), (50, 60_000)),
        (40, EventKind::Status(DeliveryStatus::Read), (1_000, 90_000_000)),
        (86, EventKind::Reply, (5_000, 90_000_000)),
        (93, EventKind::OptOut, (5_000, 200_000_000)),
    ];
    let reached = stages.into_iter().filter(|(from, _, _)| percentile >= *from);
    reached.map(|(_, kind, (first, last))| (kind, rng.millis(first, last))).collect()
}
