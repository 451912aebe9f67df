use carillon::campaign::{self, Campaign, Day, Walk};
use carillon::connection::Connection;
use carillon::plan::ledger::bucket_at;
use carillon::plan::{self, BATCH_SIZE, Batch, BatchRef, BatchStatus, Cursor};
use carillon::recipient::{self, Recipient, Status};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;

/// How many recipients are read at a time.
const PAGE: u32 = 500;
/// How many pages one run looks at for one campaign, so that it ends in time.
const MOST_PAGES: u32 = 400;

/// Cuts batches off a campaign's walk.
pub(crate) struct Cut<'a> {
    pub(crate) table: &'a Table,
    pub(crate) connection: &'a Connection,
    pub(crate) now: Timestamp,
}

/// A stretch of the walk, from the cursor on.
#[derive(Default)]
struct Stretch {
    /// How many due recipients it holds.
    due: u32,
    /// Its last recipient; none for an empty stretch.
    last: Option<Cursor>,
    /// The earliest time at which someone in it who was put off is due.
    wake_at: Option<Timestamp>,
    /// Why it ends there.
    end: StretchEnd,
}

#[derive(Default, PartialEq, Eq)]
enum StretchEnd {
    /// It has all that was wanted, and the next one is due.
    #[default]
    Full,
    /// There are no more recipients.
    EndOfList,
    /// Enough was read for one run.
    OutOfPages,
}

impl Cut<'_> {
    /// Cuts off batches with up to `people` recipients and stores them.
    pub(crate) async fn batches(
        &self,
        mut campaign: Campaign,
        people: u32,
    ) -> Result<Vec<Batch>, StoreError> {
        campaign.walk.begin(self.now);
        let mut batches = Vec::new();
        let mut left = people;
        while left > 0 {
            let after = campaign.walk.cursor.clone();
            let stretch = self.stretch(&campaign, left.min(BATCH_SIZE)).await?;
            let (due, over) = (stretch.due, stretch.end != StretchEnd::Full);
            let until = stretch.last.clone();
            go(&mut campaign.walk, stretch);
            left -= due;
            match until {
                Some(until) if due > 0 => {
                    let Some(batch) = self.store(&mut campaign, after, until, due).await? else {
                        return Ok(batches);
                    };
                    batches.push(batch);
                }
                Some(_) | None => {
                    self.save(&mut campaign).await?;
                    return Ok(batches);
                }
            }
            if over {
                break;
            }
        }
        Ok(batches)
    }

    /// Moves the walk up to the next recipient who is due, or to its end, without
    /// cutting anything off. Gives the campaign as it is then, or `None` if someone
    /// changed it meanwhile.
    pub(crate) async fn look_ahead(
        &self,
        mut campaign: Campaign,
    ) -> Result<Option<Campaign>, StoreError> {
        if campaign.walk.peeked || campaign.asleep_until(self.now).is_some() {
            return Ok(Some(campaign));
        }
        campaign.walk.begin(self.now);
        let stretch = self.stretch(&campaign, 0).await?;
        let full = stretch.end == StretchEnd::Full;
        go(&mut campaign.walk, stretch);
        campaign.walk.peeked = full;
        let saved = self.save(&mut campaign).await?;
        Ok(saved.then_some(campaign))
    }

    /// Reads on from the cursor until `wanted` due recipients are found and the
    /// next one is due too, or the list ends.
    async fn stretch(&self, campaign: &Campaign, wanted: u32) -> Result<Stretch, StoreError> {
        let mut stretch = Stretch { last: campaign.walk.cursor.clone(), ..Stretch::default() };
        for _ in 0..MOST_PAGES {
            let (page, next) = recipient::store::walk(
                self.table,
                campaign.id,
                campaign.shards,
                stretch.last.as_ref(),
                None,
                PAGE,
            )
            .await?;
            let Some(next) = next else {
                stretch.end = StretchEnd::EndOfList;
                return Ok(stretch);
            };
            if stretch.take(page, next.shard, wanted, self.now) {
                return Ok(stretch);
            }
        }
        stretch.end = StretchEnd::OutOfPages;
        Ok(stretch)
    }

    /// Stores a batch over a range; `None` when someone else planned meanwhile.
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
        let name = BatchRef { campaign: campaign.id, date, number };
        let batch = self.batch(campaign, name, after, until, size);
        let stored = plan::store::create(self.table, &batch, campaign, seen, self.now).await?;
        Ok(stored.then_some(batch))
    }

    fn batch(
        &self,
        campaign: &Campaign,
        name: BatchRef,
        after: Option<Cursor>,
        until: Cursor,
        size: u32,
    ) -> Batch {
        Batch {
            name,
            connection: self.connection.id,
            lane: campaign.settings.speed.lane(),
            after,
            until,
            size,
            status: BatchStatus::Open,
            portfolio: self.connection.portfolio.clone(),
            bucket: bucket_at(self.now),
            created_at: self.now,
            enqueued: 0,
            enqueued_at: None,
            runs: 0,
            lease: None,
            used: None,
            done_at: None,
            closed_for: None,
        }
    }

    /// Saves how far the walk is. If someone changed the campaign meanwhile it is
    /// `false`, and the next run walks this stretch again.
    async fn save(&self, campaign: &mut Campaign) -> Result<bool, StoreError> {
        let seen = campaign.version;
        campaign.version += 1;
        campaign::store::replace(self.table, campaign, seen).await
    }
}

/// Moves the walk over a stretch.
fn go(walk: &mut Walk, stretch: Stretch) {
    walk.cursor = stretch.last;
    walk.peeked = false;
    walk.cut_any |= stretch.due > 0;
    walk.wake_at = walk.wake_at.into_iter().chain(stretch.wake_at).min();
    if stretch.end == StretchEnd::EndOfList {
        walk.end();
    }
}

impl Stretch {
    /// Takes recipients of a page in; `true` when the next one would be too many.
    fn take(&mut self, page: Vec<Recipient>, shard: u16, wanted: u32, now: Timestamp) -> bool {
        for recipient in page {
            if recipient.is_due(now) {
                if self.due == wanted {
                    return true;
                }
                self.due += 1;
            } else if recipient.status == Status::Pending {
                self.wake_at = self.wake_at.into_iter().chain(recipient.not_before).min();
            }
            let contact = recipient.contact.as_str().to_owned();
            self.last = Some(Cursor { shard, contact });
        }
        false
    }
}
