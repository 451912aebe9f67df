use carillon::campaign::{self, Sweep};
use carillon::recipient::store::{cancel, walk};
use carillon::recipient::{CursorRange, Recipient, Status};
use carillon::table::StoreError;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::Scheduler;

/// How many recipients are read at a time.
const PAGE: u32 = 500;
/// How many pages of a sweep one run reads.
const MAX_PAGES: u32 = 40;
/// How many recipients are written at once.
const AT_ONCE: usize = 16;

impl Scheduler {
    /// Cancels the pending recipients of cancelled and ended campaigns.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        for sweep in campaign::store::open_sweeps(&self.table).await? {
            self.sweep_on(sweep).await?;
        }
        Ok(())
    }

    async fn sweep_on(&self, mut sweep: Sweep) -> Result<(), StoreError> {
        sweep.began_at.get_or_insert(self.clock.now());
        for _ in 0..MAX_PAGES {
            let range = CursorRange::after(sweep.cursor.as_ref());
            let (page, next) = walk(&self.table, sweep.recipients(), range, PAGE).await?;
            if next.is_none() {
                return self.end_pass(sweep).await;
            }
            self.cancel(&sweep, page).await?;
            sweep.cursor = next;
        }
        campaign::store::advance_sweep(&self.table, &sweep).await
    }

    /// Ends the sweep. Where an upload may have added recipients behind it, the sweep starts
    /// again.
    async fn end_pass(&self, mut sweep: Sweep) -> Result<(), StoreError> {
        let campaign = campaign::store::get(&self.table, sweep.campaign).await?;
        let uploading = campaign.and_then(|campaign| campaign.uploading_until);
        if uploading.is_none_or(|until| sweep.began_at.is_some_and(|began| until <= began)) {
            return campaign::store::end_sweep(&self.table, &sweep).await;
        }
        (sweep.cursor, sweep.began_at) = (None, None);
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
