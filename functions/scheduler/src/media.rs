use std::time::Duration;

use carillon::delivery::DeliveryError;
use carillon::media::{self, Media};
use carillon::time::Timestamp;

use crate::Scheduler;

/// When a renewal is enqueued again if the queue has lost it.
const REPEATED_AFTER: Duration = Duration::from_hours(1);

impl Scheduler {
    /// Enqueues the renewal of an uploaded file that its provider will forget soon.
    pub(crate) async fn renew_media(
        &self,
        file: &Media,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        if media::store::postpone(&self.table, file, now + REPEATED_AFTER).await? {
            self.queue.renew_media(file.id, now).await?;
        }
        Ok(())
    }
}
