use std::time::Duration;

use carillon::recipient::DeliveryStatus;

use super::webhook_events::{EventKind, SentMessage};
use crate::fault_plan::FaultRates;
use crate::rng::SeededRng;

/// The error code of a message to an address that reaches nobody.
pub(super) const UNDELIVERABLE: u32 = 131_026;
/// The error code of a marketing message that is held back from the person.
pub(crate) const HELD: u32 = 131_049;
/// The error code of a message to a person who has opted out.
pub(crate) const OPTED_OUT: u32 = 131_050;
/// Error codes of `failed` statuses.
const FAILURE_CODES: [u32; 6] = [UNDELIVERABLE, HELD, 131_000, 131_000, OPTED_OUT, 130_472];

/// Draws the webhook events of an accepted message, each with its delay after
/// acceptance. A message to nobody fails. 3 % of the others have none. If messages are
/// refused at all, 8 % fail, of which some are reported delivered as well.
pub(super) fn draw_events(
    rng: &SeededRng,
    rates: FaultRates,
    message: &SentMessage,
) -> Vec<(EventKind, Duration)> {
    if message.to.is_none() {
        return vec![(EventKind::Failed { code: UNDELIVERABLE }, rng.millis(100, 400_000))];
    }
    match rng.below(100) {
        0..8 if rates.refusals > 0 => failure(rng, message.is_marketing),
        percentile @ 0..97 => progress(rng, percentile),
        _ => Vec::new(),
    }
}

/// The code, where such a message can have it: only marketing messages are held back.
pub(super) fn possible_code(code: u32, is_marketing: bool) -> u32 {
    if code == HELD && !is_marketing { UNDELIVERABLE } else { code }
}

fn failure(rng: &SeededRng, is_marketing: bool) -> Vec<(EventKind, Duration)> {
    let code = rng.choose(&FAILURE_CODES).copied().unwrap_or(UNDELIVERABLE);
    let code = possible_code(code, is_marketing);
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
