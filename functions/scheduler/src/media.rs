use std::time::Duration;

use carillon::delivery::DeliveryError;
use carillon::media;
use carillon::time::Timestamp;

use crate::Scheduler;

/// When a renewal is enqueued again if the queue has lost it.
const REPEATED_AFTER: Duration = Duration::from_hours(1);

impl Scheduler {
    /// Enqueues the renewal of uploaded files that their provider will forget soon.
    pub(crate) async fn renew_media(&self, now: Timestamp) -> Result<(), DeliveryError> {
        for file in media::store::due(&self.table, now).await? {
            if media::store::postpone(&self.table, &file, now + REPEATED_AFTER).await? {
                self.queue.renew_media(file.id, now).await?;
            }
        }
        Ok(())
    }
}
