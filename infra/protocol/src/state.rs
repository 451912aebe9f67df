//! The state of the model: what the table, the processes and the provider know, as small as it
//! can be, so that equal situations are equal values.

use carillon_nouns::campaign::Status as CampaignStatus;
use carillon_nouns::recipient::Status;

/// The number of recipients: one contact each.
pub const RECIPIENTS: usize = 2;
/// The number of senders.
pub const RUNS: usize = 2;
/// The most open batches.
pub const BATCHES: usize = 3;
/// The most messages that are handed to the provider.
pub const MESSAGES: usize = 6;

/// The index of a recipient, which is that of its contact.
pub type Index = usize;

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub campaign: Campaign,
    pub recipients: [Recipient; RECIPIENTS],
    pub contacts: [Contact; RECIPIENTS],
    /// Whether the second contact was merged into the first.
    pub is_merged: bool,
    pub batches: [Option<Batch>; BATCHES],
    pub runs: [Option<Run>; RUNS],
    pub scheduler: Option<Scheduler>,
    pub webhook: Option<Webhook>,
    /// A person's retry of a recipient, for which the campaign was taken up.
    pub retry: Option<Retry>,
    pub messages: [Option<Message>; MESSAGES],
    pub budget: Budget,
    pub violation: Option<Violation>,
}

/// A person's retry of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Retry {
    pub who: Index,
    /// The attempt that was seen.
    pub attempt: u8,
    /// Whether the recipient is pending again.
    pub is_stored: bool,
}

/// The campaign, and what is stored beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Campaign {
    pub status: CampaignStatus,
    pub walk: Walk,
    /// How often recipients became pending again, counted from an arbitrary start.
    pub requeues: u8,
    pub upload: Upload,
    pub has_sweep: bool,
}

/// The time until which a campaign is not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Upload {
    /// None was set.
    None,
    /// It is to come.
    Announced,
    /// It has passed.
    Over,
}

/// When something was, compared with the end of the announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Age {
    Before,
    After,
}

/// The walk, of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Walk {
    pub passed: Option<Index>,
    pub began: Option<Age>,
    /// The requeues when the pass began.
    pub requeues: u8,
    pub made_batch: bool,
    pub went_before: bool,
    pub next_is_due: bool,
    /// Whether the earliest time of a deferred recipient has come.
    pub next_due: Option<Due>,
    pub deferred: Option<Age>,
    pub rewind: Option<Option<Index>>,
    pub exhausted: Option<Age>,
}

/// Whether a time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Due {
    Now,
    Later,
}

/// A recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipient {
    pub attempt: u8,
    pub status: Status,
    /// How many earlier attempts do not count.
    pub uncounted: u8,
    /// Whether it goes before the walk.
    pub is_listed: bool,
    /// Whether it is not sent to before a time that is to come.
    pub is_deferred: bool,
    /// The run that claimed the attempt, while it lives and the claim is not settled for good.
    pub run: Option<usize>,
    /// The batch that claimed it last, while that is open.
    pub batch: Option<usize>,
    /// Whether its run or a person made it pending, and was gone before it could say so.
    pub is_orphan: bool,
    /// The last attempt that a person had repeated although it may have arrived; 0 for none.
    pub waived: u8,
}

/// A contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Contact {
    pub has_opted_out: bool,
    /// Whether the campaign is among those that were sent to it.
    pub was_sent: bool,
}

/// A batch that is open, or that a run still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batch {
    pub members: Members,
    pub lease: Lease,
    /// Whether a message of it is on the queue.
    pub is_queued: bool,
    pub is_open: bool,
    /// How many runs have leased it, at most 2.
    pub runs: u8,
}

/// Whom a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Members {
    /// A range of the walk: exclusive start, inclusive end.
    Range(Option<Index>, Index),
    /// Those who go before the walk.
    Before([bool; RECIPIENTS]),
}

/// The lease of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lease {
    Free,
    Held(usize),
    /// Its time is over. The run may go on all the same, if there still is one.
    Expired(Option<usize>),
}

/// An attempt and a status, as they were read.
pub type Seen = (u8, Status);

/// One run of a sender over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    pub batch: usize,
    pub at: At,
    /// Whether it was frozen: its lease is over, and so is the time of its claim.
    pub is_late: bool,
    pub stop: Option<Stop>,
    /// Whether the campaign was over when the run began.
    pub is_over: bool,
    /// The attempts that are still to be claimed, as they were read.
    pub due: [Option<u8>; RECIPIENTS],
    /// The attempts whose claim was not answered.
    pub in_doubt: [Option<u8>; RECIPIENTS],
    /// Whether the current claim knew that both recipients are one person.
    pub knew_person: bool,
}

/// The next step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// It has the lease.
    Leased,
    /// It looks for the next recipient.
    Next,
    /// It claims, and has seen whether the contacts are merged.
    Claim { who: Index, merged: bool },
    /// It skips.
    Skip { who: Index, why: Why },
    /// It has claimed, and has not looked at the clock yet.
    Claimed { who: Index },
    /// The request is under way.
    Request { who: Index },
    /// There is an answer, or none will come.
    Answered { who: Index, answer: Answer },
    /// The opt-out is stored that the refusal reported.
    Preference { who: Index },
    /// The recipient is pending in that attempt: the campaign must know.
    Requeue { who: Index, attempt: u8 },
    /// The campaign was told; is it over?
    IsOver { who: Index, attempt: u8 },
    /// The claim of that attempt goes back.
    GiveBack { who: Index, attempt: u8 },
    /// Nothing is left to claim.
    End,
}

/// Why a recipient is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    OptedOut,
    /// The campaign has sent to the person.
    WasSent,
    /// The person's other recipient goes first, or was sent to: it was read there.
    Other(Seen),
}

/// Why a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    OutOfTime,
    Closed,
}

/// An answer to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    Accepted,
    Lost,
    Refused(Refusal),
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A retry may succeed.
    Transient,
    /// The attempt does not count.
    Throttled,
    /// For good.
    Rejected,
    /// The person has opted out.
    OptedOut,
}

/// A run of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scheduler {
    pub at: Part,
    /// When it began: it reads the clock only then.
    pub now: Age,
    /// Whether the campaign has changed since it was read.
    pub is_stale: bool,
    /// The requeues, as they were read.
    pub requeues: u8,
    /// Those who go before the walk, as they were read.
    pub before: [bool; RECIPIENTS],
    /// Whether a batch was open or made.
    pub is_sending: bool,
}

/// The next step of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Makes batches of those who go before the walk.
    Before,
    /// Reads the next recipients of the walk.
    Walk,
    /// Has read them: makes a batch, and moves the walk.
    Pass(Segment),
    /// Sees whether nobody is left.
    Finish,
    /// Has read on without making a batch.
    Look(Segment),
    /// Completes the campaign.
    Complete,
}

/// What the walk passes next.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Segment {
    pub passed: Option<Index>,
    /// The range of those who are due.
    pub range: Option<(Option<Index>, Index)>,
    pub has_planned: bool,
    pub has_deferred: bool,
    pub is_end: bool,
    /// Whether somebody due comes next.
    pub next_is_due: bool,
    /// Whether somebody was in a batch that goes before the walk.
    pub is_beside: bool,
}

/// A report that is being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Webhook {
    pub who: Index,
    pub attempt: u8,
    pub kind: Kind,
    pub at: Storing,
}

/// The next step of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storing {
    /// Takes up the older attempt, if the recipient is still there.
    Restore(Seen),
    /// Settles the attempt, as decided for the recipient that was read.
    Settle(Decided),
    /// The recipient is pending again: the campaign must know.
    Requeue,
    /// Is the campaign over?
    IsOver,
}

/// What becomes of an attempt: the product's decision without its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decided {
    Retry { counts: bool, is_deferred: bool },
    Fail,
    Skip,
    Unconfirmed,
}

/// What a provider reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Sent,
    Delivered,
    Failed,
}

/// A message that was handed to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub who: Index,
    pub attempt: u8,
    pub outcome: Outcome,
    /// Whether its claim knew that both recipients are one person.
    pub knew_person: bool,
    /// Whether a person asked to send again, whatever became of it.
    pub is_waived: bool,
    /// By [`Kind`].
    pub reports: [Report; 3],
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    Accepted,
    /// Refused, or not received; the sender has no answer.
    Unknown,
    /// Refused, as the answer said.
    Refused,
    Delivered,
    Failed,
}

/// A report of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Report {
    None,
    /// It will be reported until it is answered 200.
    Owed,
    /// A webhook has begun to store it.
    Begun,
    /// It was answered 200.
    Done,
}

/// How much may still go wrong or happen from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    pub freezes: u8,
    pub lost_claims: u8,
    pub lost_answers: u8,
    pub lost_messages: u8,
    /// Messages of the queue that are delivered again.
    pub redeliveries: u8,
    /// Runs of the scheduler that may make no batch: a limit is used up.
    pub limits: u8,
    pub refusals: u8,
    pub throttles: u8,
    pub rejections: u8,
    pub refused_opt_outs: u8,
    /// Reports of the provider.
    pub reports: u8,
    /// Reports that are repeated although they were answered.
    pub repetitions: u8,
    /// Reports that contradict an earlier one.
    pub contradictions: u8,
    pub opt_outs: u8,
    pub merges: u8,
    pub pauses: u8,
    pub cancels: u8,
    pub retries: u8,
}

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// An attempt was handed over though an earlier one may have arrived.
    SentTwice,
    /// A person got the message under two ids that were known to be theirs.
    PersonSentTwice,
    /// A claim was won by somebody who had opted out, or a message went out long after it.
    SentToOptedOut,
    /// A message went out that was claimed too long ago.
    SentLate,
    /// A message of a batch that was closed before it, whose reservation was refunded.
    NoReservation,
    /// The report says that a message was accepted or arrived, and it was not.
    FalseReport,
    /// A status went down.
    WentDown,
    /// Somebody is reported as not sent to, who was.
    SentButSkipped,
    /// The arrival of a message was answered 200, and the person is sent to again.
    ArrivalLost,
    /// An opt-out that was answered is not stored.
    OptOutLost,
    /// A person's recipients were skipped, each because of the other.
    BothSkipped,
    /// A campaign was completed while somebody was pending.
    CompletedTooSoon,
    /// Somebody was left behind, and nobody crashed.
    LeftBehind,
    /// A person retried somebody, and the campaign was completed before they were met.
    RetryInVain,
}

impl State {
    /// The contact that a recipient's contact is by now.
    pub fn person(&self, who: Index) -> Index {
        if self.is_merged { 0 } else { who }
    }

    /// Whether a recipient's person has opted out.
    pub fn has_opted_out(&self, who: Index) -> bool {
        self.contacts[self.person(who)].has_opted_out
    }

    /// Records a violation; the first one stands.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// Counts a change of the campaign, which whoever has read it before must notice.
    pub fn campaign_changed(&mut self) {
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.is_stale = true;
        }
    }

    /// The messages.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().flatten()
    }

    /// The message of an attempt.
    pub fn message_mut(&mut self, who: Index, attempt: u8) -> Option<&mut Message> {
        self.messages.iter_mut().flatten().find(|one| one.who == who && one.attempt == attempt)
    }

    /// Ends a run, or the process with it: nobody holds its claims and its lease any more.
    pub fn end_run(&mut self, slot: usize) {
        self.runs[slot] = None;
        for recipient in &mut self.recipients {
            recipient.run = recipient.run.filter(|run| *run != slot);
        }
        for batch in self.batches.iter_mut().flatten() {
            if matches!(batch.lease, Lease::Held(run) | Lease::Expired(Some(run)) if run == slot) {
                batch.lease = Lease::Expired(None);
            }
        }
    }
}

impl Message {
    /// Whether the engine knows that it did not arrive, or a person takes the risk.
    pub fn is_known_to_have_failed(&self) -> bool {
        let is_reported =
            matches!(self.reports[Kind::Failed as usize], Report::Begun | Report::Done);
        self.outcome == Outcome::Refused || self.is_waived || is_reported
    }
}

impl Members {
    /// Whether a recipient is one of them.
    pub fn contain(self, who: Index) -> bool {
        match self {
            Self::Range(after, until) => after.is_none_or(|after| after < who) && who <= until,
            Self::Before(members) => members[who],
        }
    }

    /// Whether it is a part of the walk.
    pub fn are_range(self) -> bool {
        matches!(self, Self::Range(..))
    }
}
