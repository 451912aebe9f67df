use carillon_foundations::ids::ContactId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Requeues;
use crate::recipient::{Positions, ShardRange};

/// The walk over a campaign's recipients, in passes, in all its shards at the same time. The
/// scheduler makes batches of the ranges that it passes. At the end of a pass it starts again,
/// for recipients that were added or deferred meanwhile, until a whole pass meets no pending
/// recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The last recipient that this pass has met in each shard.
    #[serde(default)]
    pub passed: Positions,
    /// When this pass began; none between two passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// The counts of requeues when it began, or when the last pass did.
    #[serde(default)]
    pub requeues: Requeues,
    /// Whether this pass has made a batch.
    #[serde(default)]
    pub made_batch: bool,
    /// Whether a batch that goes before the walk was open or made since this pass began: its
    /// recipients may be pending again.
    #[serde(default)]
    pub went_before: bool,
    /// Whether the next recipient is known to be due.
    #[serde(default)]
    pub next_is_due: bool,
    /// The earliest time at which a deferred recipient that this pass met is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<Timestamp>,
    /// When the last pass that met only deferred recipients began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_since: Option<Timestamp>,
    /// The positions to go back to, because batches were closed before the end of their ranges:
    /// at most one for each shard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewinds: Vec<Rewind>,
    /// When the last pass that met no pending recipient began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<Timestamp>,
}

/// What a walk meets on its way to other positions.
#[derive(Debug, Clone, Default)]
pub struct Passage {
    /// The positions that it goes to.
    pub positions: Positions,
    /// Whether a batch is made of the due recipients that it meets.
    pub makes_batch: bool,
    /// Whether it meets recipients that are in a batch already.
    pub has_planned: bool,
    /// The earliest time at which a deferred recipient that it meets is due.
    pub next_due_at: Option<Timestamp>,
    /// Whether nobody is left behind the positions.
    pub is_end: bool,
}

/// A position to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewind {
    /// The shard.
    pub shard: u16,
    /// The position, exclusive; none for the first recipient of the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ContactId>,
}

impl Walk {
    /// Goes to the start of the next batch: on in this pass, back to the ranges of batches
    /// that were closed early, or to the start of a new pass. For the latter two no range may be
    /// open, or its recipients would be planned twice.
    pub fn begin(&mut self, requeues: Requeues, now: Timestamp) {
        if self.began_at.is_none() {
            self.began_at = Some(now);
            self.requeues = requeues;
            self.passed = Positions::default();
            self.made_batch = false;
            self.went_before = false;
            self.next_is_due = false;
            self.next_due_at = None;
        }
        for Rewind { shard, after } in std::mem::take(&mut self.rewinds) {
            self.passed.set(shard, after);
            // A pass that does not meet everybody exhausts nothing.
            self.made_batch = true;
            self.next_is_due = false;
        }
    }

    /// Whether no pass is under way.
    pub fn is_at_rest(&self) -> bool {
        self.began_at.is_none() && self.rewinds.is_empty()
    }

    /// Whether the next range begins a new pass, or goes back. While another range is open it may
    /// not: its recipients would be planned twice.
    pub fn starts_over(&self) -> bool {
        self.began_at.is_none() || !self.rewinds.is_empty()
    }

    /// Records a batch that goes before the walk: only a pass that begins after its end shows who
    /// is pending.
    pub fn go_before(&mut self) {
        self.went_before = true;
        self.exhausted_at = None;
        self.deferred_since = None;
    }

    /// Goes on to other positions. At the end of the list the pass ends.
    pub fn pass(&mut self, passage: Passage) {
        self.passed = passage.positions;
        self.next_is_due = false;
        self.made_batch |= passage.makes_batch;
        self.went_before |= passage.has_planned;
        self.next_due_at = self.next_due_at.into_iter().chain(passage.next_due_at).min();
        if passage.is_end {
            self.end();
        }
    }

    /// Ends the pass.
    pub fn end(&mut self) {
        let began_at = self.began_at.take();
        self.passed = Positions::default();
        self.next_is_due = false;
        if self.made_batch {
            self.next_due_at = None;
        }
        let met_all = began_at.filter(|_| !self.made_batch && !self.went_before);
        self.exhausted_at = met_all.filter(|_| self.next_due_at.is_none());
        self.deferred_since = met_all.filter(|_| self.next_due_at.is_some());
    }

    /// Has the walk go back to the start of these ranges, where it does not go further back
    /// already.
    pub fn rewind_to(&mut self, ranges: &[ShardRange]) {
        for ShardRange { shard, after, .. } in ranges {
            match self.rewinds.iter_mut().find(|known| known.shard == *shard) {
                Some(known) => known.after = known.after.min(*after),
                None => self.rewinds.push(Rewind { shard: *shard, after: *after }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use carillon_foundations::ids::IdSource;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn begun(requeues: Requeues) -> Walk {
        let mut walk = Walk::default();
        walk.begin(requeues, at(1));
        walk
    }

    #[test]
    fn a_pass_that_meets_nobody_exhausts_the_list() {
        let requeues = Requeues { retried: 3, uploaded: 1 };
        let mut walk = begun(requeues);
        walk.end();
        assert_eq!((walk.exhausted_at, walk.deferred_since), (Some(at(1)), None));
        assert_eq!(walk.requeues, requeues);
    }

    #[test]
    fn a_pass_that_meets_only_deferred_recipients_shows_when_the_first_is_due() {
        let mut walk = begun(Requeues::default());
        walk.next_due_at = Some(at(9));
        walk.end();
        assert_eq!((walk.exhausted_at, walk.deferred_since), (None, Some(at(1))));
        assert_eq!(walk.next_due_at, Some(at(9)));
    }

    #[test]
    fn a_pass_beside_a_batch_shows_nothing() {
        for change in [|walk: &mut Walk| walk.made_batch = true, Walk::go_before] {
            let mut walk = begun(Requeues::default());
            change(&mut walk);
            walk.end();
            assert_eq!((walk.exhausted_at, walk.deferred_since), (None, None));
        }
        let mut walk = begun(Requeues::default());
        walk.end();
        walk.go_before();
        assert_eq!(walk.exhausted_at, None, "a batch after the pass");
        walk.begin(Requeues::default(), at(2));
        assert!(!walk.went_before);
    }

    fn contact(number: i64) -> ContactId {
        ContactId::from_uuid(IdSource::seeded(1).uuid(at(number)))
    }

    fn range(shard: u16, after: Option<ContactId>) -> ShardRange {
        ShardRange { shard, after, until: None }
    }

    #[test]
    fn a_walk_goes_back_to_the_earliest_of_two_ranges_in_each_shard() {
        let mut walk = begun(Requeues::default());
        for shard in 0..3 {
            walk.passed.set(shard, Some(contact(7)));
        }
        walk.rewind_to(&[range(0, Some(contact(5))), range(1, Some(contact(5)))]);
        walk.rewind_to(&[range(0, Some(contact(3))), range(1, None)]);
        walk.rewind_to(&[range(0, Some(contact(4))), range(1, Some(contact(4)))]);
        assert!(walk.starts_over() && !walk.is_at_rest());
        walk.begin(Requeues { retried: 1, uploaded: 0 }, at(2));
        let passed = [0, 1, 2].map(|shard| walk.passed.of(shard));
        assert_eq!(passed, [Some(contact(3)), None, Some(contact(7))]);
        assert_eq!(walk.began_at, Some(at(1)));
        assert_eq!(walk.requeues, Requeues::default(), "as the pass began");
        assert!(walk.made_batch, "it does not show who is pending");
    }

    #[test]
    fn a_walk_that_goes_back_after_its_end_meets_the_other_shards_too() {
        let mut walk = begun(Requeues::default());
        walk.passed.set(0, Some(contact(7)));
        walk.end();
        walk.rewind_to(&[range(1, Some(contact(5)))]);
        walk.begin(Requeues::default(), at(2));
        assert_eq!((walk.passed.of(0), walk.passed.of(1)), (None, Some(contact(5))));
        walk.end();
        assert_eq!(walk.exhausted_at, None);
    }
}
