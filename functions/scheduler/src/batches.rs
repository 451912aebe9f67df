use carillon::batch::{BATCH_SIZE, Batch, BatchRef, BatchStatus};
use carillon::campaign::{self, Campaign, Day, Walk};
use carillon::connection::Connection;
use carillon::plan;
use carillon::quota::bucket_at;
use carillon::recipient::{self, Cursor, CursorRange, Recipient, Status};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;

/// How many recipients are read at a time.
const PAGE: u32 = 500;
/// How many pages one run looks at for one campaign, so that it ends in time.
const MAX_PAGES: u32 = 400;

/// Makes batches of the ranges of a campaign's walk.
pub(crate) struct BatchMaker<'a> {
    pub(crate) table: &'a Table,
    pub(crate) connection: &'a Connection,
    pub(crate) now: Timestamp,
}

/// A segment of the walk, from the cursor on.
#[derive(Default)]
struct Segment {
    /// How many due recipients it has.
    due: u32,
    /// Its last recipient; none for an empty segment.
    last: Option<Cursor>,
    /// The earliest time at which a deferred recipient in it is due.
    next_due_at: Option<Timestamp>,
    /// Why it ends there.
    end: SegmentEnd,
}

#[derive(Default, PartialEq, Eq)]
enum SegmentEnd {
    /// It has as many due recipients as wanted, and the next recipient is due.
    #[default]
    Full,
    /// There are no more recipients.
    EndOfList,
    /// The run has read its maximum number of pages.
    OutOfPages,
}

impl BatchMaker<'_> {
    /// Makes and stores batches of up to `messages` recipients.
    pub(crate) async fn make(
        &self,
        mut campaign: Campaign,
        messages: u32,
    ) -> Result<Vec<Batch>, StoreError> {
        campaign.walk.begin(self.now);
        let mut batches = Vec::new();
        let mut left = messages;
        while left > 0 {
            let after = campaign.walk.cursor;
            let segment = self.segment(&campaign, left.min(BATCH_SIZE)).await?;
            let (due, is_full) = (segment.due, segment.end == SegmentEnd::Full);
            let until = segment.last.filter(|_| due > 0);
            advance(&mut campaign.walk, &segment);
            let Some(until) = until else {
                self.save(&mut campaign).await?;
                break;
            };
            let Some(batch) = self.store(&mut campaign, after, until, due).await? else { break };
            batches.push(batch);
            left = if is_full { left - due } else { 0 };
        }
        Ok(batches)
    }

    /// Moves the walk to the next due recipient, or to its end, without making a batch.
    /// Returns the campaign after it, or `None` where it has changed meanwhile.
    pub(crate) async fn look_ahead(
        &self,
        mut campaign: Campaign,
    ) -> Result<Option<Campaign>, StoreError> {
        if campaign.walk.next_is_due || campaign.deferred_until(self.now).is_some() {
            return Ok(Some(campaign));
        }
        campaign.walk.begin(self.now);
        let segment = self.segment(&campaign, 0).await?;
        let full = segment.end == SegmentEnd::Full;
        advance(&mut campaign.walk, &segment);
        campaign.walk.next_is_due = full;
        let saved = self.save(&mut campaign).await?;
        Ok(saved.then_some(campaign))
    }

    /// Reads on from the cursor until `wanted` due recipients are found and the
    /// next one is due too, or the list ends.
    async fn segment(&self, campaign: &Campaign, wanted: u32) -> Result<Segment, StoreError> {
        let mut segment = Segment { last: campaign.walk.cursor, ..Segment::default() };
        for _ in 0..MAX_PAGES {
            let range = CursorRange::after(segment.last.as_ref());
            let recipients = campaign.recipients();
            let (page, next) = recipient::store::walk(self.table, recipients, range, PAGE).await?;
            let Some(next) = next else {
                segment.end = SegmentEnd::EndOfList;
                return Ok(segment);
            };
            if segment.take(page, next.shard, wanted, self.now) {
                return Ok(segment);
            }
        }
        segment.end = SegmentEnd::OutOfPages;
        Ok(segment)
    }

    /// Stores a batch over a range, of which `size` recipients are due; `None` where another
    /// run has planned meanwhile.
    async fn store(
        &self,
        campaign: &mut Campaign,
        after: Option<Cursor>,
        until: Cursor,
        size: u32,
    ) -> Result<Option<Batch>, StoreError> {
        let Day { date, planned, batches } = campaign.day_at(self.now);
        let number = batches + 1;
        campaign.day = Some(Day { date, planned: planned + size, batches: number });
        let seen = campaign.version;
        campaign.version += 1;
        let batch = Batch {
            name: BatchRef { campaign: campaign.id, date, number },
            connection: self.connection.id,
            lane: campaign.settings.speed.lane(),
            after,
            until,
            size,
            status: BatchStatus::Open,
            quota_group: self.connection.quota_group.clone(),
            bucket: bucket_at(self.now),
            created_at: self.now,
            enqueued: 0,
            enqueued_at: None,
            runs: 0,
            lease: None,
            used: None,
            done_at: None,
            close_reason: None,
        };
        let stored =
            plan::store::create_batch(self.table, &batch, campaign, seen, self.now).await?;
        Ok(stored.then_some(batch))
    }

    /// Stores the progress of the walk. `false` where the campaign has changed meanwhile: the
    /// next run walks this segment again.
    async fn save(&self, campaign: &mut Campaign) -> Result<bool, StoreError> {
        let seen = campaign.version;
        campaign.version += 1;
        campaign::store::replace(self.table, campaign, seen).await
    }
}

/// Moves the walk over a segment.
fn advance(walk: &mut Walk, segment: &Segment) {
    walk.cursor = segment.last;
    walk.next_is_due = false;
    walk.made_batch |= segment.due > 0;
    walk.next_due_at = walk.next_due_at.into_iter().chain(segment.next_due_at).min();
    if segment.end == SegmentEnd::EndOfList {
        walk.end();
    }
}

impl Segment {
    /// Adds the recipients of a page; `true` where the segment has as many due ones as
    /// wanted and the next one is due too.
    fn take(&mut self, page: Vec<Recipient>, shard: u16, wanted: u32, now: Timestamp) -> bool {
        for recipient in page {
            if recipient.is_due(now) {
                if self.due == wanted {
                    return true;
                }
                self.due += 1;
            } else if recipient.status == Status::Pending {
                self.next_due_at = self.next_due_at.into_iter().chain(recipient.not_before).min();
            }
            self.last = Some(Cursor { shard, contact: Some(recipient.contact) });
        }
        false
    }
}
