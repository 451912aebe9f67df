use carillon::campaign::{self, Sweep};
use carillon::recipient::store::{cancel, in_turns};
use carillon::recipient::{Positions, Recipient, Status};
use carillon::table::StoreError;
use carillon::time::Timestamp;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::Scheduler;

/// How many recipients are read at a time.
const PAGE: u32 = 500;
/// How many pages of a sweep are read in one turn.
const TURN_PAGES: u32 = 4;
/// How many recipients are written at once.
const AT_ONCE: usize = 16;

impl Scheduler {
    /// Cancels pending recipients of a cancelled or ended campaign for one turn. Returns the sweep
    /// where it is not done.
    pub(crate) async fn sweep_turn(
        &self,
        sweep: Sweep,
        now: Timestamp,
    ) -> Result<Option<Sweep>, StoreError> {
        let sweep = Sweep { worked_at: Some(now), ..sweep };
        let outcome = self.sweep_on(sweep.clone(), now).await;
        if outcome.is_err() {
            // It goes behind the others next time.
            campaign::store::advance_sweep(&self.table, &sweep).await?;
        }
        outcome
    }

    async fn sweep_on(
        &self,
        mut sweep: Sweep,
        now: Timestamp,
    ) -> Result<Option<Sweep>, StoreError> {
        sweep.began_at.get_or_insert(now);
        for _ in 0..TURN_PAGES {
            let recipients = sweep.recipients();
            let mut rest = recipients.after(&sweep.passed);
            let limit = (PAGE / u32::from(sweep.shards.max(1))).max(1);
            // In turns, so that the writes meet all partition keys.
            let page = in_turns(&self.table, recipients, &mut rest, limit).await?;
            if page.is_empty() {
                self.end_pass(sweep).await?;
                return Ok(None);
            }
            let keys: Vec<_> = page.iter().map(|one| recipients.key(one.contact)).collect();
            self.cancel(&sweep, page).await?;
            for key in &keys {
                sweep.passed.pass(key);
            }
        }
        campaign::store::advance_sweep(&self.table, &sweep).await?;
        Ok(Some(sweep))
    }

    /// Ends the sweep. Where an upload may have added recipients behind it, the sweep starts
    /// again with the next run.
    async fn end_pass(&self, mut sweep: Sweep) -> Result<(), StoreError> {
        let campaign = campaign::store::get(&self.table, sweep.campaign).await?;
        let uploading = campaign.and_then(|campaign| campaign.uploading_until);
        if uploading.is_none_or(|until| sweep.began_at.is_some_and(|began| until <= began)) {
            return campaign::store::end_sweep(&self.table, &sweep).await;
        }
        (sweep.passed, sweep.began_at) = (Positions::default(), None);
        campaign::store::advance_sweep(&self.table, &sweep).await
    }

    async fn cancel(&self, sweep: &Sweep, page: Vec<Recipient>) -> Result<(), StoreError> {
        let waiting = page.into_iter().filter(|recipient| recipient.status == Status::Pending);
        stream::iter(waiting)
            .map(|recipient| async move {
                let key = sweep.recipients().key(recipient.contact);
                cancel(&self.table, &key, recipient.attempt, sweep.reason).await
            })
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| async { Ok(()) })
            .await
    }
}
