//! Equal situations become equal states: numbers that only name something are given anew, and
//! what nobody will look at is forgotten.

use carillon_nouns::recipient::Status;

use crate::state::{Age, At, BATCHES, Batch, Lease, Members, RUNS, Run, State, Upload, Walk};

impl State {
    /// The state with canonical names.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.forget_batches();
        self.sort_batches();
        self.sort_runs();
        self.forget_claims();
        self.renumber_requeues();
        if self.campaign.upload == Upload::None {
            self.campaign.walk.forget_ages();
        }
        self.messages.sort_by_key(|one| (one.is_none(), *one));
        self
    }

    /// Forgets closed batches that no run works.
    fn forget_batches(&mut self) {
        for index in 0..BATCHES {
            let is_open = self.batches[index].is_some_and(|batch| batch.is_open);
            if is_open || self.runs.iter().flatten().any(|run| run.batch == index) {
                continue;
            }
            self.batches[index] = None;
            for recipient in &mut self.recipients {
                recipient.batch = recipient.batch.filter(|batch| *batch != index);
            }
        }
    }

    fn sort_batches(&mut self) {
        let mut order: [usize; BATCHES] = std::array::from_fn(|index| index);
        order.sort_by_key(|index| {
            self.batches[*index].map(batch_key).map_or((true, None), |key| (false, Some(key)))
        });
        self.batches = order.map(|index| self.batches[index]);
        let moved = |old: usize| order.iter().position(|index| *index == old).unwrap_or(old);
        for run in self.runs.iter_mut().flatten() {
            run.batch = moved(run.batch);
        }
        for recipient in &mut self.recipients {
            recipient.batch = recipient.batch.map(moved);
        }
    }

    /// Orders the runs: two senders differ by nothing else.
    fn sort_runs(&mut self) {
        const { assert!(RUNS == 2, "two runs are swapped") };
        let [one, other] =
            self.runs.map(|run| run.map_or((true, None), |run| (false, Some(run_key(run)))));
        if one <= other {
            return;
        }
        self.runs.swap(0, 1);
        for recipient in &mut self.recipients {
            recipient.run = recipient.run.map(|run| 1 - run);
        }
        for batch in self.batches.iter_mut().flatten() {
            batch.lease = match batch.lease {
                Lease::Held(run) => Lease::Held(1 - run),
                Lease::Expired(run) => Lease::Expired(run.map(|run| 1 - run)),
                Lease::Free => Lease::Free,
            };
        }
    }

    /// Forgets who claimed a recipient once it makes no difference.
    fn forget_claims(&mut self) {
        for recipient in &mut self.recipients {
            if !matches!(recipient.status, Status::Sending | Status::Unconfirmed) {
                recipient.run = None;
            }
            if !matches!(recipient.status, Status::Sending | Status::Pending) {
                recipient.batch = None;
            }
            if recipient.status != Status::Pending {
                (recipient.is_listed, recipient.is_deferred) = (false, false);
                recipient.is_orphan = false;
            }
        }
    }

    /// Keeps the order of the counts of requeues, and nothing else.
    fn renumber_requeues(&mut self) {
        let counts = [
            self.campaign.requeues,
            self.campaign.walk.requeues,
            self.scheduler.map_or(self.campaign.requeues, |scheduler| scheduler.requeues),
        ];
        let rank = |count: u8| {
            let mut below = counts.to_vec();
            below.retain(|other| *other < count);
            below.sort_unstable();
            below.dedup();
            below.len() as u8
        };
        let [stored, of_walk, read] = counts.map(rank);
        self.campaign.requeues = stored;
        self.campaign.walk.requeues = of_walk;
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.requeues = read;
        }
    }
}

impl Walk {
    /// A new announcement: what was is before its end.
    pub fn grow_older(&mut self) {
        for age in [&mut self.began, &mut self.deferred, &mut self.exhausted] {
            *age = age.map(|_| Age::Before);
        }
    }

    fn forget_ages(&mut self) {
        for age in [&mut self.began, &mut self.deferred, &mut self.exhausted] {
            *age = age.map(|_| Age::After);
        }
    }
}

fn batch_key(batch: Batch) -> (Members, bool, bool, u8, u8) {
    let lease = match batch.lease {
        Lease::Free => 0,
        Lease::Held(_) => 1,
        Lease::Expired(None) => 2,
        Lease::Expired(Some(_)) => 3,
    };
    (batch.members, batch.is_open, batch.is_queued, batch.runs, lease)
}

/// The batch, whether it is late, the step and its recipient, who is due and who in doubt.
type RunKey = (usize, bool, u8, usize, [Option<u8>; 2], [Option<u8>; 2]);

/// A key that tells most runs apart; two that it does not tell apart are only states more.
fn run_key(run: Run) -> RunKey {
    let (step, who) = match run.at {
        At::Leased => (0, 0),
        At::Next => (1, 0),
        At::Claim { who, .. } => (2, who),
        At::Skip { who, .. } => (3, who),
        At::Claimed { who } => (4, who),
        At::Request { who } => (5, who),
        At::Answered { who, .. } => (6, who),
        At::Preference { who } => (7, who),
        At::Requeue { who, .. } => (8, who),
        At::IsOver { who, .. } => (9, who),
        At::GiveBack { who, .. } => (10, who),
        At::End => (11, 0),
    };
    (run.batch, run.is_late, step, who, run.due, run.in_doubt)
}
