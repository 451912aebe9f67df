//! The product's own functions, applied to the model's small values.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use carillon_channel::content::Text;
use carillon_channel::{Content, Refusal as ProductRefusal, Verdict};
use carillon_drivers::delivery::policy;
use carillon_foundations::ids::{CampaignId, ConnectionId, ContactId, RunId};
use carillon_nouns::batch::{Batch, BatchRef};
use carillon_nouns::campaign::{
    Campaign as ProductCampaign, Passage, Requeues, Rewind, Settings, Speed,
    Status as CampaignStatus, Walk as ProductWalk,
};
use carillon_nouns::connection::{Lane, Slice};
use carillon_nouns::recipient::{
    Decision, DeliveryStatus, Event, Position, Positions, Recipient as ProductRecipient,
    RetryCause, ShardRange, Transition, Tried, WaitsFor, transition,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::state::{
    Age, Campaign, Decided, Due, Index, Kind, Recipient, Refusal, Seen, Segment, State, Upload,
    Walk,
};

/// How often a recipient is retried at most.
const MAX_RETRIES: u8 = 1;
/// The only shard.
const SHARD: u16 = 0;

/// The end of an announcement, and times before and after it.
const ANNOUNCED: Timestamp = Timestamp::constant(10_000, 0);
pub const BEFORE: Timestamp = Timestamp::constant(9_000, 0);
const AFTER: Timestamp = Timestamp::constant(11_000, 0);

static CAMPAIGN: LazyLock<ProductCampaign> = LazyLock::new(|| {
    let settings = Settings {
        name: String::new(),
        description: None,
        connection_id: ConnectionId::from_uuid(Uuid::nil()),
        message: Content::Text(Text { body: "Hello".to_owned(), preview_url: false }),
        template: None,
        daily_send_limit: 250,
        speed: Speed::Fast,
        priority: 5,
        max_retries: MAX_RETRIES,
        scheduled_start: None,
        scheduled_end: None,
        send_window: None,
        timezone: <_>::default(),
        default_country: None,
        tag: None,
        follow_up_stage: None,
    };
    ProductCampaign::draft(CampaignId::from_uuid(Uuid::nil()), settings, 1, BEFORE)
});

/// A campaign.
pub fn any_campaign() -> ProductCampaign {
    CAMPAIGN.clone()
}

/// The contact of a recipient: its order is that of the indices.
pub fn contact(who: Index) -> ContactId {
    ContactId::from_uuid(Uuid::from_u128(who as u128 + 1))
}

/// The run of a slot.
pub fn run(slot: usize) -> RunId {
    RunId::from_uuid(Uuid::from_u128(slot as u128 + 1))
}

fn index(contact: ContactId) -> Index {
    contact.uuid().as_u128() as Index - 1
}

impl Recipient {
    /// As the product knows it, at [`BEFORE`].
    pub fn product(&self, who: Index) -> ProductRecipient {
        ProductRecipient {
            status: self.status,
            rank: self.status.rank(),
            attempt: self.attempt.into(),
            uncounted: self.uncounted.into(),
            run: self.run.map(run),
            sent_at: Some(BEFORE),
            not_before: self.is_deferred.then(|| BEFORE + SignedDuration::from_hours(1)),
            ..ProductRecipient::pending(contact(who), BTreeMap::new(), BEFORE)
        }
    }

    /// Whether it may be claimed.
    pub fn is_due(&self, who: Index) -> bool {
        self.product(who).is_due(BEFORE)
    }

    /// Whether the claim of an attempt is a run's.
    pub fn is_claimed_by(&self, who: Index, slot: usize, attempt: u8) -> bool {
        self.product(who).claimed_by(run(slot), attempt.into()).is_some()
    }

    /// Whether a message of the attempt reached the contact, or may have.
    pub fn may_have_reached(&self, who: Index) -> bool {
        self.product(who).may_have_reached()
    }

    /// What a report changes.
    pub fn transition(&self, event: Event) -> Transition {
        transition(position(self.seen()), event)
    }

    /// Its attempt and status.
    pub fn seen(&self) -> Seen {
        (self.attempt, self.status)
    }
}

fn position((attempt, status): Seen) -> Position {
    Position { attempt: attempt.into(), status }
}

/// The event of a report that is not a failure.
pub fn event(attempt: u8, kind: Kind) -> Event {
    let status = match kind {
        Kind::Sent => DeliveryStatus::Sent,
        Kind::Delivered => DeliveryStatus::Delivered,
        Kind::Failed => DeliveryStatus::Failed,
    };
    Event { attempt: attempt.into(), status }
}

/// What becomes of a refused attempt, as [`policy::decide`] says.
pub fn decide(refusal: Option<Refusal>, attempt: u8, uncounted: u8) -> Decided {
    let verdict = match refusal {
        None => Verdict::Ambiguous,
        Some(Refusal::Transient) => Verdict::Transient,
        Some(Refusal::Throttled) => Verdict::Throttled { retry_after: Duration::from_secs(2) },
        Some(Refusal::Rejected) => Verdict::RecipientRejected,
        Some(Refusal::OptedOut) => Verdict::OptedOut,
    };
    let refusal = ProductRefusal { verdict, code: None, reason: String::new(), known: true };
    let tried = Tried { uncounted: uncounted.into(), ..Tried::attempt(attempt.into()) };
    let (decision, _) = policy::decide(&refusal, &tried, MAX_RETRIES, BEFORE, 0.0);
    match decision {
        Decision::Retry { cause, not_before, .. } => Decided::Retry {
            counts: cause == RetryCause::Refused,
            is_deferred: not_before > BEFORE,
        },
        Decision::Fail { .. } => Decided::Fail,
        Decision::Skip { .. } => Decided::Skip,
        Decision::Unconfirmed { .. } => Decided::Unconfirmed,
    }
}

/// A decision as the product's stores take it.
pub fn decision(decided: Decided) -> Decision {
    let reason = String::new();
    match decided {
        Decided::Retry { counts, is_deferred } => Decision::Retry {
            not_before: if is_deferred { AFTER } else { BEFORE },
            waits_for: WaitsFor::Retry,
            reason,
            cause: if counts { RetryCause::Refused } else { RetryCause::Throttled },
        },
        Decided::Fail => Decision::Fail { reason },
        Decided::Skip => Decision::Skip { reason: carillon_nouns::recipient::SkipReason::OptedOut },
        Decided::Unconfirmed => Decision::Unconfirmed { reason },
    }
}

/// Whether a run closes its batch because of the campaign's status.
pub fn closes_batches(status: CampaignStatus) -> bool {
    static CLOSES: LazyLock<Vec<CampaignStatus>> = LazyLock::new(|| {
        let closes = |status: &CampaignStatus| {
            let campaign = ProductCampaign { status: *status, ..CAMPAIGN.clone() };
            any_batch().close_reason_at(&campaign, BEFORE).is_some()
        };
        CampaignStatus::ALL.into_iter().filter(closes).collect()
    });
    CLOSES.contains(&status)
}

/// A batch of [`any_campaign`].
pub fn any_batch() -> Batch {
    let date = CAMPAIGN.today(BEFORE);
    let name = BatchRef { campaign: CAMPAIGN.id, date, number: 1 };
    let lane = (Lane::Fast, Slice::WHOLE);
    Batch::open(name, CAMPAIGN.settings.connection_id, lane, 1, BEFORE)
}

impl Age {
    fn time(self) -> Timestamp {
        match self {
            Self::Before => BEFORE,
            Self::After => AFTER,
        }
    }

    fn of(at: Timestamp) -> Self {
        if at < ANNOUNCED { Self::Before } else { Self::After }
    }
}

/// A time that is to come, and one that has come, at any present.
impl Due {
    fn time(self) -> Timestamp {
        match self {
            Self::Now => BEFORE - SignedDuration::from_hours(1),
            Self::Later => AFTER + SignedDuration::from_hours(1),
        }
    }

    fn of(at: Timestamp) -> Self {
        if at > AFTER { Self::Later } else { Self::Now }
    }
}

fn requeues(count: u8) -> Requeues {
    Requeues { retried: count.into(), uploaded: 0 }
}

/// The walk of a campaign that was just started.
impl Default for Walk {
    fn default() -> Self {
        Self::of(&ProductWalk::default())
    }
}

impl Walk {
    fn of(walk: &ProductWalk) -> Self {
        Self {
            passed: walk.passed.of(SHARD).map(index),
            began: walk.began_at.map(Age::of),
            requeues: walk.requeues.retried as u8,
            made_batch: walk.made_batch,
            went_before: walk.went_before,
            next_is_due: walk.next_is_due,
            next_due: walk.next_due_at.map(Due::of),
            deferred: walk.deferred_since.map(Age::of),
            rewind: walk.rewinds.first().map(|rewind| rewind.after.map(index)),
            exhausted: walk.exhausted_at.map(Age::of),
        }
    }

    fn product(&self) -> ProductWalk {
        let rewind = |after: Option<Index>| Rewind { shard: SHARD, after: after.map(contact) };
        ProductWalk {
            passed: positions(self.passed),
            began_at: self.began.map(Age::time),
            requeues: requeues(self.requeues),
            made_batch: self.made_batch,
            went_before: self.went_before,
            next_is_due: self.next_is_due,
            next_due_at: self.next_due.map(Due::time),
            deferred_since: self.deferred.map(Age::time),
            rewinds: self.rewind.map(rewind).into_iter().collect(),
            exhausted_at: self.exhausted.map(Age::time),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut ProductWalk)) {
        let mut walk = self.product();
        change(&mut walk);
        *self = Self::of(&walk);
    }

    /// [`ProductWalk::starts_over`].
    pub fn starts_over(&self) -> bool {
        self.product().starts_over()
    }

    /// [`ProductWalk::begin`].
    pub fn begin(&mut self, count: u8, now: Age) {
        self.change(|walk| walk.begin(requeues(count), now.time()));
    }

    /// [`ProductWalk::pass`].
    pub fn pass(&mut self, segment: &Segment, makes_batch: bool) {
        let passage = Passage {
            positions: positions(segment.passed),
            makes_batch,
            has_planned: segment.has_planned,
            next_due_at: segment.has_deferred.then(|| Due::Later.time()),
            is_end: segment.is_end,
        };
        self.change(|walk| walk.pass(passage));
    }

    /// [`ProductWalk::go_before`].
    pub fn go_before(&mut self) {
        self.change(ProductWalk::go_before);
    }

    /// [`ProductWalk::rewind_to`].
    pub fn rewind_to(&mut self, after: Option<Index>) {
        let range = ShardRange { shard: SHARD, after: after.map(contact), until: None };
        self.change(|walk| walk.rewind_to(&[range]));
    }
}

fn positions(passed: Option<Index>) -> Positions {
    let mut positions = Positions::default();
    positions.set(SHARD, passed.map(contact));
    positions
}

impl Campaign {
    /// [`ProductCampaign::is_exhausted`].
    pub fn is_exhausted(&self, count: u8, now: Age) -> bool {
        self.product().is_exhausted(requeues(count), now.time())
    }

    /// [`ProductCampaign::deferred_until`].
    pub fn is_deferred(&self, count: u8, now: Age) -> bool {
        self.product().deferred_until(requeues(count), now.time()).is_some()
    }

    fn product(&self) -> ProductCampaign {
        ProductCampaign {
            status: self.status,
            walk: self.walk.product(),
            uploading_until: (self.upload != Upload::None).then_some(ANNOUNCED),
            ..CAMPAIGN.clone()
        }
    }
}

impl State {
    /// Whether a claim is so old that no run will settle it.
    pub fn claim_is_expired(&self, who: Index) -> bool {
        let recipient = &self.recipients[who];
        let is_gone = recipient.run.and_then(|slot| self.runs[slot]).is_none_or(|run| run.is_late);
        let age = SignedDuration::from_hours(is_gone.into());
        recipient.product(who).claim_is_expired(BEFORE + age)
    }
}
