//! What a run does while the table throttles or fails for a moment: nothing was sent yet, so a
//! claim is tried again, later each time, and the others go on.
//!
//! A claim whose answer is lost may have been won. The next request for it finds that out: the
//! recipient has the claim of this run. Where there is no next one, the run gives the claim back
//! at its end, and the recipient is pending again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use carillon_nouns::recipient;
use carillon_table::StoreError;

use super::attempt::Claimed;
use super::claim::{Claim, Held};
use super::due::Due;
use super::error::DeliveryError;
use super::lock;
use super::run::{Reservation, Run, RunStop};

/// Retries of a claim that the table does not answer: about six seconds.
const MAX_RETRIES: u32 = 5;
/// The pause before the first retry. Each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How many claims in a row the table may not answer before the run ends.
const MAX_FAILURES: u32 = 20;

impl Run<'_> {
    /// Claims a recipient; otherwise says whether its reservation is used.
    ///
    /// # Errors
    /// The table answered none of many requests in a row, or fails for good.
    pub(super) async fn claim_patiently<'a>(
        &self,
        due: &'a Due,
    ) -> Result<Result<Claimed<'a>, Reservation>, DeliveryError> {
        let mut unanswered = Vec::new();
        let claimed = self.claim_with_retries(due, &mut unanswered).await;
        if unanswered.is_empty() {
            return Ok(claimed?.ok_or(Reservation::Unused));
        }
        // Also where the run ends here.
        lock(&self.in_doubt).push(unanswered);
        claimed.map(|_| Err(Reservation::Used))
    }

    async fn claim_with_retries<'a>(
        &self,
        due: &'a Due,
        unanswered: &mut Vec<Held>,
    ) -> Result<Option<Claimed<'a>>, DeliveryError> {
        for tries in 0..=MAX_RETRIES {
            let error = match self.try_to_claim(due, unanswered).await {
                Ok(claimed) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(claimed);
                }
                Err(DeliveryError::Store(error @ StoreError::Unavailable { .. })) => error,
                Err(error) => return Err(error),
            };
            if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_FAILURES {
                return Err(error.into());
            }
            if tries < MAX_RETRIES {
                self.sender.clock.sleep(FIRST_PAUSE * 2u32.pow(tries)).await;
            }
        }
        self.leave_for_later(due).await;
        Ok(None)
    }

    /// Leaves a recipient to a later batch; where even that cannot be stored, to the next run of
    /// this one.
    async fn leave_for_later(&self, due: &Due) {
        let batch = &self.leased.batch.name;
        tracing::warn!(%batch, "a recipient was not claimed: the table does not answer");
        if self.leave(due, Claim::Busy).await.is_err() {
            self.is_incomplete.store(true, Ordering::Relaxed);
        }
    }

    /// Gives the claims back that were won although the run knows of no answer, once nothing is
    /// in flight any more.
    ///
    /// # Errors
    /// It is still not known whether one was won: the next run takes it for lost.
    pub(super) async fn give_back_unanswered(&self) -> Result<(), DeliveryError> {
        let in_doubt = std::mem::take(&mut *lock(&self.in_doubt));
        for unanswered in in_doubt {
            if self.was_not_used(&unanswered).await? {
                self.budget.fetch_add(1, Ordering::Relaxed);
            }
        }
        if self.is_incomplete.load(Ordering::Relaxed) {
            self.stop(RunStop::OutOfTime);
        }
        Ok(())
    }

    /// Whether requests for the claim of one recipient used no reservation.
    async fn was_not_used(&self, unanswered: &[Held]) -> Result<bool, DeliveryError> {
        let Some(Held { attempt, .. }) = unanswered.first() else { return Ok(true) };
        let found = recipient::store::get(&self.sender.table, &attempt.recipient).await?;
        let run = self.leased.lease.run;
        let won_at = found.and_then(|found| found.claimed_by(run, attempt.attempt));
        match won_at.and_then(|at| unanswered.iter().find(|held| held.is_of(at))) {
            Some(held) => Ok(self.give_back(held).await? == Reservation::Unused),
            None => Ok(true),
        }
    }
}
