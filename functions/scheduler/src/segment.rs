use std::collections::BTreeSet;

use carillon::campaign::{Campaign, Walk};
use carillon::ids::ContactId;
use carillon::recipient::{self, Cursor, CursorRange, Recipient, Status};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;

/// How many recipients are read at a time.
const PAGE: u32 = 500;

/// A segment of the walk, from the cursor on.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// How many due recipients it has.
    pub(crate) due: u32,
    /// Its last recipient; none for an empty segment.
    pub(crate) last: Option<Cursor>,
    /// The earliest time at which a deferred recipient in it is due.
    next_due_at: Option<Timestamp>,
    /// Whether it has recipients that are in a batch already.
    has_planned: bool,
    /// Why it ends there.
    pub(crate) end: SegmentEnd,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentEnd {
    /// It has as many due recipients as wanted, and the next recipient is due.
    #[default]
    Full,
    /// There are no more recipients.
    EndOfList,
    /// The turn has read its maximum number of pages.
    OutOfPages,
}

/// Which recipients a segment takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// How many due ones.
    pub(crate) due: u32,
    /// Those that are in an open batch.
    pub(crate) in_batches: &'a BTreeSet<ContactId>,
    /// When they are due.
    pub(crate) now: Timestamp,
}

impl Segment {
    /// Reads on from the cursor until as many due recipients as wanted are found and the next one
    /// is due too, or the list ends, or no more of `pages` are left.
    pub(crate) async fn read(
        table: &Table,
        campaign: &Campaign,
        wanted: Wanted<'_>,
        pages: &mut u32,
    ) -> Result<Self, StoreError> {
        let mut segment = Self { last: campaign.walk.cursor, ..Self::default() };
        while *pages > 0 {
            *pages -= 1;
            let range = CursorRange::after(segment.last.as_ref());
            let recipients = campaign.recipients();
            let (page, next) = recipient::store::walk(table, recipients, range, PAGE).await?;
            let Some(next) = next else {
                segment.end = SegmentEnd::EndOfList;
                return Ok(segment);
            };
            if segment.take(page, next.shard, wanted) {
                return Ok(segment);
            }
        }
        segment.end = SegmentEnd::OutOfPages;
        Ok(segment)
    }

    /// Adds the recipients of a page; `true` where the segment has as many due ones as
    /// wanted and the next one is due too.
    fn take(&mut self, page: Vec<Recipient>, shard: u16, wanted: Wanted<'_>) -> bool {
        for recipient in page {
            if wanted.in_batches.contains(&recipient.contact) {
                self.has_planned = true;
            } else if recipient.is_due(wanted.now) {
                if self.due == wanted.due {
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

    /// Moves a walk over the segment.
    pub(crate) fn advance(&self, walk: &mut Walk) {
        walk.cursor = self.last;
        walk.next_is_due = false;
        walk.made_batch |= self.due > 0;
        walk.went_before |= self.has_planned;
        walk.next_due_at = walk.next_due_at.into_iter().chain(self.next_due_at).min();
        if self.end == SegmentEnd::EndOfList {
            walk.end();
        }
    }
}
