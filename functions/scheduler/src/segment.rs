use std::collections::{BTreeSet, VecDeque};

use carillon::campaign::{Campaign, Passage, Walk};
use carillon::ids::ContactId;
use carillon::recipient::{self, Positions, Recipient, RecipientSet, ShardRange, Status};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;
use futures::future::try_join_all;

/// How many recipients of a shard are read at a time, at least and at most.
const PAGE: (u32, u32) = (50, 250);

/// The recipients that come next in a campaign's walk: a page of each shard, of which several
/// segments are made. The shards take turns, so that each segment has an equal part of each.
#[derive(Debug)]
pub(crate) struct Ahead {
    of: RecipientSet,
    shards: Vec<Shard>,
    /// The index of the shard whose turn it is.
    turn: usize,
    /// How many recipients of a shard are read at a time.
    page: u32,
}

/// The next recipients of one shard.
#[derive(Debug)]
struct Shard {
    number: u16,
    /// The last recipient that the walk has passed.
    passed: Option<ContactId>,
    /// Those that were read and that it has not passed.
    read: VecDeque<Met>,
    /// Whether there are more to read.
    has_more: bool,
    /// Where the segment begins, if the shard has due recipients in it.
    taken_from: Option<Behind>,
}

/// The place behind a recipient; none for the start of the shard.
#[derive(Debug, Clone, Copy)]
struct Behind(Option<ContactId>);

/// A recipient that was read.
#[derive(Debug, Clone, Copy)]
struct Met {
    contact: ContactId,
    state: State,
}

/// What the walk does with a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is in a batch already.
    Planned,
    /// It is taken.
    Due,
    /// It waits, until then if that is known.
    Deferred(Option<Timestamp>),
    /// It is not pending.
    Settled,
}

/// What the walk passes next.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// How many due recipients it has.
    pub(crate) due: u32,
    /// Its ranges, one of each shard with due recipients.
    pub(crate) ranges: Vec<ShardRange>,
    /// Where it ends in each shard.
    positions: Positions,
    /// The earliest time at which a deferred recipient in it is due.
    next_due_at: Option<Timestamp>,
    /// Whether it has recipients that are in a batch already.
    has_planned: bool,
    /// Why it ends there.
    pub(crate) end: SegmentEnd,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentEnd {
    /// It has as many due recipients as wanted, and there is another one.
    #[default]
    Full,
    /// There are no more recipients.
    EndOfList,
    /// The turn has read its maximum number of recipients.
    OutOfReads,
}

/// Which recipients are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Those that are in an open batch.
    pub(crate) in_batches: &'a BTreeSet<ContactId>,
    /// When the others are due.
    pub(crate) now: Timestamp,
}

impl Wanted<'_> {
    fn met(self, recipient: &Recipient) -> Met {
        let state = if self.in_batches.contains(&recipient.contact) {
            State::Planned
        } else if recipient.is_due(self.now) {
            State::Due
        } else if recipient.status == Status::Pending {
            State::Deferred(recipient.not_before)
        } else {
            State::Settled
        };
        Met { contact: recipient.contact, state }
    }
}

impl Ahead {
    /// What lies behind the position of a campaign's walk, to take about `due` recipients of it.
    pub(crate) fn of(campaign: &Campaign, due: u32) -> Self {
        let of = campaign.recipients();
        let ranges = of.after(&campaign.walk.passed);
        let shard = |range: ShardRange| Shard {
            number: range.shard,
            passed: range.after,
            read: VecDeque::new(),
            has_more: true,
            taken_from: None,
        };
        let shards: Vec<_> = ranges.into_iter().map(shard).collect();
        let (least, most) = PAGE;
        let page = (due / u32::from(of.shards.max(1)) + 1).clamp(least, most);
        Self { of, shards, turn: 0, page }
    }

    /// Goes on until as many `due` recipients are taken and another one is found, or the list
    /// ends, or no more of `reads` are left.
    pub(crate) async fn segment(
        &mut self,
        table: &Table,
        due: u32,
        wanted: Wanted<'_>,
        reads: &mut u32,
    ) -> Result<Segment, StoreError> {
        let mut segment = Segment::default();
        for shard in &mut self.shards {
            shard.taken_from = None;
        }
        segment.end = loop {
            self.shards.iter_mut().for_each(|shard| shard.pass(&mut segment));
            let is_next_due = self.shards.iter().any(Shard::is_next_due);
            if is_next_due && segment.due == due {
                break SegmentEnd::Full;
            }
            if self.shards.iter().any(Shard::is_unread) {
                if *reads == 0 {
                    break SegmentEnd::OutOfReads;
                }
                self.read_on(table, wanted, reads).await?;
            } else if is_next_due {
                self.take(&mut segment, due);
            } else {
                break SegmentEnd::EndOfList;
            }
        };
        for shard in &self.shards {
            segment.positions.set(shard.number, shard.passed);
            segment.ranges.extend(shard.range());
        }
        Ok(segment)
    }

    /// Reads a page of each shard of which nothing is read.
    async fn read_on(
        &mut self,
        table: &Table,
        wanted: Wanted<'_>,
        reads: &mut u32,
    ) -> Result<(), StoreError> {
        let (of, page) = (self.of, self.page);
        let unread = self.shards.iter_mut().filter(|shard| shard.is_unread());
        let reading = unread.map(|shard| async move {
            let range = ShardRange { shard: shard.number, after: shard.passed, until: None };
            let (found, has_more) = recipient::store::of_range(table, of, &range, page).await?;
            shard.read.extend(found.iter().map(|recipient| wanted.met(recipient)));
            shard.has_more = has_more;
            Ok::<_, StoreError>(page)
        });
        for page in try_join_all(reading).await? {
            *reads = reads.saturating_sub(page);
        }
        Ok(())
    }

    /// Takes the next due recipient of each shard in turn, at most `due` in all.
    fn take(&mut self, segment: &mut Segment, due: u32) {
        for _ in 0..self.shards.len() {
            if segment.due == due {
                return;
            }
            if let Some(shard) = self.shards.get_mut(self.turn) {
                segment.due += u32::from(shard.take());
            }
            self.turn = (self.turn + 1) % self.shards.len();
        }
    }
}

impl Shard {
    /// Whether it must be read before it is known who comes next.
    fn is_unread(&self) -> bool {
        self.read.is_empty() && self.has_more
    }

    fn is_next_due(&self) -> bool {
        self.read.front().is_some_and(|met| met.state == State::Due)
    }

    /// Passes those that are not due.
    fn pass(&mut self, segment: &mut Segment) {
        while let Some(Met { contact, state }) = self.read.front().copied() {
            match state {
                State::Due => return,
                State::Planned => segment.has_planned = true,
                State::Deferred(until) => {
                    segment.next_due_at = segment.next_due_at.into_iter().chain(until).min();
                }
                State::Settled => {}
            }
            self.passed = Some(contact);
            self.read.pop_front();
        }
    }

    /// Takes the next one, if it is due.
    fn take(&mut self) -> bool {
        if !self.is_next_due() {
            return false;
        }
        self.taken_from.get_or_insert(Behind(self.passed));
        self.passed = self.read.pop_front().map(|met| met.contact);
        true
    }

    /// Its part of a segment, from the first to the last one that was taken.
    fn range(&self) -> Option<ShardRange> {
        let Behind(after) = self.taken_from?;
        Some(ShardRange { shard: self.number, after, until: self.passed })
    }
}

impl Segment {
    /// Moves a walk over the segment.
    pub(crate) fn advance(&self, walk: &mut Walk) {
        walk.pass(Passage {
            positions: self.positions.clone(),
            makes_batch: self.due > 0,
            has_planned: self.has_planned,
            next_due_at: self.next_due_at,
            is_end: self.end == SegmentEnd::EndOfList,
        });
    }
}
