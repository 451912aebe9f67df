//! The provider lowers and raises limits.

use carillon::time::Timestamp;

use crate::fixture::Fixture;
use crate::rng::SeededRng;
use crate::whatsapp::{ChangingLimit, LimitChange};

/// The highest number of changes in a month.
const MAX_CHANGES: u64 = 8;
/// The days of the month on which limits change.
const DAYS: u64 = 28;

/// The times of the changes that are still to come.
pub(crate) struct LimitChanges(Vec<Timestamp>);

impl LimitChanges {
    /// Draws the changes of a month: half of the months have some.
    pub(crate) fn draw(rng: &SeededRng, start: Timestamp) -> Self {
        let count = if rng.chance(500) { rng.between(1, MAX_CHANGES) } else { 0 };
        Self((0..count).map(|_| start + rng.millis(0, DAYS * 86_400_000)).collect())
    }

    /// Makes the changes that are due: to a limit from half of the first one to the first one,
    /// which is what Carillon was configured with.
    pub(crate) fn make_due(&mut self, fixture: &Fixture) {
        let (whatsapp, rng, now) = (&fixture.whatsapp, &fixture.rng, fixture.clock.now());
        for _ in self.0.extract_if(.., |at| *at <= now) {
            let change = {
                let limits = whatsapp.limits();
                let Some(of) = rng.choose(&limits.all()).cloned() else { continue };
                let first = u64::from(limits.get(&of).map_or(0, ChangingLimit::first));
                let limit = rng.between(first.div_ceil(2), first) as u32;
                LimitChange { of, limit, since: now }
            };
            whatsapp.limits().change(&change);
            whatsapp.report_limit_change(change, now);
        }
    }
}
