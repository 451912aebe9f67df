use carillon::batch::{self, BATCH_SIZE, Batch, BatchRef};
use carillon::campaign::{self, Campaign, Day, Status as CampaignStatus};
use carillon::connection::Connection;
use carillon::ids::ContactId;
use carillon::plan::store::{Creation, create_batch};
use carillon::recipient::{self, ShardRange, Status};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;

use crate::planned::Active;
use crate::released::Lanes;
use crate::segment::{Ahead, SegmentEnd, Wanted};

/// How many recipients are read in one turn of a campaign.
const TURN_READS: u32 = 10_000;
/// How often a turn goes on after somebody else has changed the campaign.
const MAX_CONFLICTS: u32 = 20;

/// Makes batches of a campaign: of those who go before its walk, then of ranges of the walk.
pub(crate) struct BatchMaker<'a> {
    pub(crate) table: &'a Table,
    pub(crate) connection: &'a Connection,
    pub(crate) now: Timestamp,
}

/// A planned campaign, turn by turn.
pub(crate) struct Planned<'a> {
    pub(crate) active: Active,
    pub(crate) connection: &'a Connection,
    /// How many messages are left of its allotment.
    pub(crate) left: u32,
    /// Whether its walk may go on.
    pub(crate) may_walk: bool,
    pub(crate) conflicts: u32,
}

/// The recipients of a batch.
enum Members {
    /// The due ones of these ranges of the walk.
    Ranges(Vec<ShardRange>),
    /// These, who go before the walk.
    Before(Vec<ContactId>),
}

/// Whether a change of a campaign was stored.
enum Change {
    Stored,
    /// The campaign was read again: what was prepared is out of date.
    Outdated,
    /// This run makes no more batches of the campaign.
    Ends,
}

impl Planned<'_> {
    /// Whether there is nothing left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 || (self.active.before_walk.is_empty() && !self.may_walk)
    }

    fn end(&mut self) -> Change {
        self.left = 0;
        Change::Ends
    }
}

impl BatchMaker<'_> {
    /// One turn: adds the next batches to `made`, and reads a bounded number of recipients.
    pub(crate) async fn turn(
        &self,
        planned: &mut Planned<'_>,
        made: &mut Vec<Batch>,
        lanes: &mut Lanes,
    ) -> Result<(), StoreError> {
        while planned.left > 0 && !planned.active.before_walk.is_empty() {
            made.extend(self.before_walk(planned, lanes).await?);
        }
        let (mut ahead, mut reads) = (None, TURN_READS);
        while planned.left > 0 && planned.may_walk && reads > 0 {
            made.extend(self.ranges(planned, &mut ahead, &mut reads, lanes).await?);
        }
        Ok(())
    }

    /// The next batch of those who go before the walk, as they are now.
    async fn before_walk(
        &self,
        planned: &mut Planned<'_>,
        lanes: &mut Lanes,
    ) -> Result<Option<Batch>, StoreError> {
        let of = planned.active.campaign.recipients();
        let waiting = &planned.active.before_walk;
        let count = waiting.len().min(planned.left.min(BATCH_SIZE) as usize);
        let found = recipient::store::many(self.table, of, &waiting[..count]).await?;
        let mut due = Vec::with_capacity(count);
        for recipient in found {
            if recipient.is_due(self.now) {
                due.push(recipient.contact);
            } else if recipient.status != Status::Pending {
                let key = of.key(recipient.contact);
                recipient::store::unlist(self.table, &key, &recipient).await?;
            }
        }
        if due.is_empty() {
            planned.active.before_walk.drain(..count);
            return Ok(None);
        }
        let mut after = planned.active.campaign.clone();
        after.walk.go_before();
        let size = due.len() as u32;
        let (batch, after) = self.batch(after, Members::Before(due.clone()), size, lanes);
        match self.create(planned, &batch, after, lanes).await? {
            Change::Stored => {
                planned.active.before_walk.drain(..count);
                planned.active.in_batches.extend(due);
                Ok(Some(batch))
            }
            Change::Outdated | Change::Ends => Ok(None),
        }
    }

    /// The next ranges of the walk: a batch, or the recipients that it passes without one. What
    /// was read `ahead` serves the next batches too, as long as nobody else changes the walk.
    async fn ranges(
        &self,
        planned: &mut Planned<'_>,
        ahead: &mut Option<Ahead>,
        reads: &mut u32,
        lanes: &mut Lanes,
    ) -> Result<Option<Batch>, StoreError> {
        let Some(mut after) = self.begun(&mut planned.active).await? else {
            planned.may_walk = false;
            return Ok(None);
        };
        let (left, wanted) = (planned.left, self.wanted(&planned.active));
        let next = ahead.get_or_insert_with(|| Ahead::of(&after, left));
        let segment = next.segment(self.table, left.min(BATCH_SIZE), wanted, reads).await?;
        segment.advance(&mut after.walk);
        let (end, due) = (segment.end, segment.due);
        let (change, batch) = if due > 0 {
            let (batch, after) = self.batch(after, Members::Ranges(segment.ranges), due, lanes);
            (self.create(planned, &batch, after, lanes).await?, Some(batch))
        } else {
            (self.save(planned, after).await?, None)
        };
        match change {
            Change::Stored => {
                planned.may_walk = end != SegmentEnd::EndOfList;
                Ok(batch)
            }
            Change::Outdated | Change::Ends => {
                *ahead = None;
                Ok(None)
            }
        }
    }

    fn wanted<'a>(&self, active: &'a Active) -> Wanted<'a> {
        Wanted { in_batches: &active.in_batches, now: self.now }
    }

    /// The campaign with its walk at the start of the next ranges. `None` where the walk starts over
    /// and a range is open: its recipients would be planned twice.
    async fn begun(&self, active: &mut Active) -> Result<Option<Campaign>, StoreError> {
        let mut after = active.campaign.clone();
        if !after.walk.starts_over() {
            return Ok(Some(after));
        }
        let open = batch::store::latest_open(self.table, after.id).await?;
        if active.open_ranges > 0 || open.iter().any(Batch::is_range) {
            return Ok(None);
        }
        active.in_batches.extend(open.iter().flat_map(|batch| &batch.contacts));
        after.walk.begin(active.requeues, self.now);
        after.walk.went_before |= !active.in_batches.is_empty();
        Ok(Some(after))
    }

    /// Moves the walk to the next due recipient, or to its end, without making a batch: one turn.
    /// Returns whether there is more to read.
    pub(crate) async fn look_ahead(&self, active: &mut Active) -> Result<bool, StoreError> {
        let seen = &active.campaign;
        let is_deferred = seen.deferred_until(active.requeues, self.now).is_some();
        if seen.walk.next_is_due || is_deferred {
            return Ok(false);
        }
        let Some(mut after) = self.begun(active).await? else { return Ok(false) };
        let (mut ahead, mut reads) = (Ahead::of(&after, 0), TURN_READS);
        let segment = ahead.segment(self.table, 0, self.wanted(active), &mut reads).await?;
        segment.advance(&mut after.walk);
        after.walk.next_is_due = segment.end == SegmentEnd::Full;
        let seen = self.touch(&mut after);
        if !campaign::store::replace(self.table, &after, seen).await? {
            return Ok(false);
        }
        active.campaign = after;
        Ok(segment.end == SegmentEnd::OutOfReads)
    }

    /// A batch, and the campaign after it.
    fn batch(
        &self,
        mut after: Campaign,
        members: Members,
        size: u32,
        lanes: &Lanes,
    ) -> (Batch, Campaign) {
        let Day { date, planned, batches } = after.day_at(self.now);
        let number = batches + 1;
        after.day = Some(Day { date, planned: planned + size, batches: number });
        let (ranges, contacts) = match members {
            Members::Ranges(ranges) => (ranges, Vec::new()),
            Members::Before(contacts) => (Vec::new(), contacts),
        };
        let lane = after.settings.speed.lane();
        let name = BatchRef { campaign: after.id, date, number };
        let slice = lanes.next(self.connection.id, lane);
        let batch = Batch {
            ranges,
            contacts,
            quota_group: self.connection.quota_group.clone(),
            ..Batch::open(name, self.connection.id, (lane, slice), size, self.now)
        };
        (batch, after)
    }

    /// Stores a batch with the campaign after it.
    async fn create(
        &self,
        planned: &mut Planned<'_>,
        batch: &Batch,
        mut after: Campaign,
        lanes: &mut Lanes,
    ) -> Result<Change, StoreError> {
        let seen = self.touch(&mut after);
        match create_batch(self.table, batch, &after, seen, self.now).await? {
            Creation::Created => {
                planned.active.campaign = after;
                planned.active.open_ranges += u32::from(batch.is_range());
                planned.left -= batch.size;
                lanes.add(batch);
                Ok(Change::Stored)
            }
            Creation::CampaignChanged => self.read_again(planned).await,
            Creation::QuotaExhausted => Ok(planned.end()),
        }
    }

    /// Stores the progress of the walk.
    async fn save(
        &self,
        planned: &mut Planned<'_>,
        mut after: Campaign,
    ) -> Result<Change, StoreError> {
        let seen = self.touch(&mut after);
        if campaign::store::replace(self.table, &after, seen).await? {
            planned.active.campaign = after;
            return Ok(Change::Stored);
        }
        self.read_again(planned).await
    }

    /// Counts a change of a campaign; returns the version that it had.
    fn touch(&self, campaign: &mut Campaign) -> u64 {
        let seen = campaign.version;
        campaign.version += 1;
        campaign.planned_at = Some(self.now);
        seen
    }

    /// Reads a campaign that somebody else has changed. The turn goes on where it may still be
    /// sent over this connection and nobody else plans it.
    async fn read_again(&self, planned: &mut Planned<'_>) -> Result<Change, StoreError> {
        let seen = &planned.active.campaign;
        planned.conflicts += 1;
        let found = campaign::store::get(self.table, seen.id).await?;
        let (now, conflicts) = (self.now, planned.conflicts);
        let goes_on = |found: &Campaign| {
            conflicts <= MAX_CONFLICTS
                && found.status == CampaignStatus::Active
                && found.settings.connection_id == self.connection.id
                && found.settings.scheduled_end.is_none_or(|end| end > now)
                && found.window_opens(now).is_none()
                && found.walk == seen.walk
                && found.day_at(now).batches == seen.day_at(now).batches
        };
        let Some(found) = found.filter(goes_on) else { return Ok(planned.end()) };
        let left_today = found.settings.daily_send_limit.saturating_sub(found.day_at(now).planned);
        planned.left = planned.left.min(left_today);
        planned.active.campaign = found;
        Ok(Change::Outdated)
    }
}
