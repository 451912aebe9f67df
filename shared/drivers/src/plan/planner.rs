use std::collections::BTreeMap;

use carillon_foundations::ids::{CampaignId, ConnectionId};
use carillon_nouns::batch::BATCH_SIZE;
use carillon_nouns::connection::Lane;
use carillon_nouns::quota::QuotaStatus;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Candidate, MinimumShare, Wait, WaitReason, wait};

/// How many seconds of work each lane has ahead, so that priorities, pauses and limits take
/// effect soon.
pub const LANE_HORIZON_SECONDS: f64 = 120.0;

/// A lane of a connection.
pub type LaneKey = (ConnectionId, Lane);

/// The load of a lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneLoad {
    /// Its rate in messages a second.
    pub rate: f64,
    /// The messages of its open batches.
    pub open: u64,
}

/// Which campaigns may send, and why the others wait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What may be sent now, in order.
    pub allotments: Vec<Allotment>,
    /// One line for each campaign.
    pub report: Vec<PlanLine>,
}

/// How many messages of a campaign may be put in batches now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// The campaign.
    pub campaign: CampaignId,
    /// The day it counts for.
    pub date: Date,
    /// How many messages.
    pub messages: u32,
}

/// What the plan says of one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlanLine {
    /// The campaign.
    #[schema(value_type = String)]
    pub campaign: CampaignId,
    /// How many messages were planned, or why none.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The outcome of a plan for a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It may send so many messages now.
    Planned {
        /// How many messages.
        messages: u32,
    },
    /// It may send nothing now.
    Waits(Wait),
}

/// Decides which campaigns may send now. The same arguments give the same plan.
///
/// First each campaign that does not wait gets its minimum share of what is scarce: of its
/// quota, over its day, and of the room in its lane, each time. The rest goes by priority,
/// and at the same priority to the campaign that was started first.
pub fn plan(
    candidates: &[Candidate],
    lanes: &BTreeMap<LaneKey, LaneLoad>,
    quotas: &BTreeMap<String, QuotaStatus>,
    share: MinimumShare,
) -> Plan {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|candidate| (candidate.priority, candidate.started_at, candidate.campaign));
    let lanes = lanes.iter().map(|(lane, load)| (*lane, load.room())).collect();
    let mut resources = Resources { lanes, quotas: quotas.clone() };
    let minimums = resources.minimums(&order, share);
    let first: Vec<u64> = order
        .iter()
        .zip(minimums)
        .map(|(candidate, max)| resources.grant(candidate, 0, max))
        .collect();
    let mut plan = Plan::default();
    for (candidate, granted) in order.into_iter().zip(first) {
        let messages = granted + resources.grant(candidate, granted, u64::MAX);
        let outcome = match u32::try_from(messages) {
            Ok(0) => Outcome::Waits(resources.wait(candidate)),
            messages => Outcome::Planned { messages: messages.unwrap_or(u32::MAX) },
        };
        if let Outcome::Planned { messages } = outcome {
            let Candidate { campaign, today, .. } = *candidate;
            plan.allotments.push(Allotment { campaign, date: today, messages });
        }
        plan.report.push(PlanLine { campaign: candidate.campaign, outcome });
    }
    plan
}

/// What is left while a plan is made.
struct Resources {
    /// How many more messages each lane takes.
    lanes: BTreeMap<LaneKey, u64>,
    quotas: BTreeMap<String, QuotaStatus>,
}

impl Resources {
    /// What each candidate gets regardless of priority.
    fn minimums(&self, order: &[&Candidate], share: MinimumShare) -> Vec<u64> {
        let ready = |other: &&&Candidate| other.own_wait().is_none();
        let minimum = |candidate: &&Candidate| {
            let in_lane = order.iter().filter(ready).filter(|other| other.lane == candidate.lane);
            let of_lane = share.of(self.lane(candidate), in_lane.count() as u64);
            of_lane.min(self.quota_minimum(candidate, order, share))
        };
        order.iter().map(minimum).collect()
    }

    fn quota_minimum(
        &self,
        candidate: &Candidate,
        order: &[&Candidate],
        share: MinimumShare,
    ) -> u64 {
        let Some(limit) = self.quota(candidate).and_then(|quota| quota.limit) else {
            return u64::MAX;
        };
        let ready = order.iter().filter(|other| other.own_wait().is_none());
        let in_group = ready.filter(|other| other.quota_group == candidate.quota_group).count();
        let whole_day = share.of(limit, in_group as u64);
        whole_day.saturating_sub(u64::from(candidate.planned_today))
    }

    fn lane(&self, candidate: &Candidate) -> u64 {
        candidate.lane.and_then(|lane| self.lanes.get(&lane)).copied().unwrap_or(0)
    }

    fn quota(&self, candidate: &Candidate) -> Option<&QuotaStatus> {
        self.quotas.get(candidate.quota_group.as_ref()?)
    }

    /// Gives a candidate that has `granted` messages already up to `max` more.
    fn grant(&mut self, candidate: &Candidate, granted: u64, max: u64) -> u64 {
        if candidate.own_wait().is_some() {
            return 0;
        }
        let free = self.quota(candidate).map_or(u64::MAX, |quota| quota.free);
        let wanted = u64::from(candidate.left_today).min(candidate.due()).saturating_sub(granted);
        let messages = wanted.min(max).min(free).min(self.lane(candidate));
        if let Some(lane) = candidate.lane.and_then(|lane| self.lanes.get_mut(&lane)) {
            *lane -= messages;
        }
        let group = candidate.quota_group.as_ref();
        if let Some(quota) = group.and_then(|group| self.quotas.get_mut(group)) {
            quota.free -= messages;
        }
        messages
    }

    /// Why a candidate got nothing.
    fn wait(&self, candidate: &Candidate) -> Wait {
        wait(candidate, &self.quotas).unwrap_or(WaitReason::LaneBusy.until(None))
    }
}

impl LaneLoad {
    /// How many more messages the lane takes: [`LANE_HORIZON_SECONDS`] of work in all, and
    /// always a whole batch where it is empty.
    fn room(self) -> u64 {
        let horizon = (self.rate * LANE_HORIZON_SECONDS) as u64;
        if self.open == 0 {
            return horizon.max(u64::from(BATCH_SIZE));
        }
        horizon.saturating_sub(self.open)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::MinimumShareError;
    use carillon_foundations::ids::IdSource;
    use jiff::Timestamp;

    const SHARE: MinimumShare = MinimumShare(0.05);

    fn connection() -> ConnectionId {
        ConnectionId::from_uuid(IdSource::seeded(9).uuid(Timestamp::UNIX_EPOCH))
    }

    fn candidate(number: u64) -> Candidate {
        let now = Timestamp::UNIX_EPOCH;
        Candidate {
            campaign: CampaignId::from_uuid(IdSource::seeded(number).uuid(now)),
            priority: 5,
            started_at: now,
            lane: Some((connection(), Lane::Fast)),
            quota_group: Some("p".to_owned()),
            today: Date::constant(2026, 11, 21),
            planned_today: 0,
            left_today: 250,
            tomorrow: now,
            window_opens: None,
            pending: 10_000,
            before_walk: 0,
            deferred_until: None,
            pass_is_over: false,
        }
    }

    fn lanes(open: u64) -> BTreeMap<LaneKey, LaneLoad> {
        BTreeMap::from([((connection(), Lane::Fast), LaneLoad { rate: 66.0, open })])
    }

    fn quota(free: u64) -> BTreeMap<String, QuotaStatus> {
        BTreeMap::from([(
            "p".to_owned(),
            QuotaStatus { limit: Some(free), free, next_free_at: None },
        )])
    }

    fn messages(plan: &Plan) -> Vec<u32> {
        plan.allotments.iter().map(|allotment| allotment.messages).collect()
    }

    #[test]
    fn priority_comes_first() {
        let (mut last, mut first) = (candidate(1), candidate(2));
        (last.priority, first.priority) = (9, 1);
        let plan = plan(&[last.clone(), first.clone()], &lanes(0), &quota(300), SHARE);
        assert_eq!(plan.allotments[0].campaign, first.campaign);
        assert_eq!(messages(&plan), [250, 50]);
        assert_eq!(plan.report[1].outcome, Outcome::Planned { messages: 50 });
    }

    type Change = fn(&mut Candidate);

    #[test]
    fn a_waiting_campaign_has_a_reason() {
        let then = Timestamp::from_second(1000).unwrap();
        let cases: [(Wait, Change); 4] = [
            (WaitReason::WindowClosed.until(Some(then)), |c| {
                c.window_opens = Some(Timestamp::from_second(1000).unwrap());
            }),
            (WaitReason::DailyLimit.until(Some(Timestamp::UNIX_EPOCH)), |c| c.left_today = 0),
            (WaitReason::Deferred.until(Some(then)), |c| {
                c.deferred_until = Some(Timestamp::from_second(1000).unwrap());
            }),
            (WaitReason::Finishing.until(None), |c| c.pass_is_over = true),
        ];
        for (wait, change) in cases {
            let mut candidate = candidate(1);
            change(&mut candidate);
            let plan = plan(&[candidate], &lanes(0), &quota(300), SHARE);
            assert_eq!(plan.report[0].outcome, Outcome::Waits(wait));
        }
        let full = plan(&[candidate(1)], &lanes(0), &quota(0), SHARE);
        assert_eq!(full.report[0].outcome, Outcome::Waits(WaitReason::QuotaExhausted.until(None)));
        let busy = plan(&[candidate(1)], &lanes(10_000), &quota(9), SHARE);
        assert_eq!(busy.report[0].outcome, Outcome::Waits(WaitReason::LaneBusy.until(None)));
    }

    #[test]
    fn who_goes_before_the_walk_does_not_wait_for_it() {
        let mut finishing = candidate(1);
        (finishing.pass_is_over, finishing.before_walk) = (true, 7);
        let plan_of = |candidate: &Candidate| {
            messages(&plan(std::slice::from_ref(candidate), &lanes(0), &quota(300), SHARE))
        };
        assert_eq!(plan_of(&finishing), [7]);
        let mut deferred = candidate(2);
        deferred.deferred_until = Some(Timestamp::from_second(1000).unwrap());
        assert_eq!(plan_of(&deferred), [0; 0]);
        deferred.before_walk = 7;
        assert_eq!(plan_of(&deferred), [7]);
        deferred.left_today = 3;
        assert_eq!(plan_of(&deferred), [3]);
        let mut walking = candidate(3);
        walking.before_walk = 7;
        assert_eq!(plan_of(&walking), [250]);
    }

    #[test]
    fn a_connection_without_a_quota_is_limited_by_its_lane_alone() {
        let mut free = candidate(1);
        free.quota_group = None;
        free.left_today = 10_000;
        let plan = plan(&[free], &lanes(7_900), &BTreeMap::new(), SHARE);
        assert_eq!(messages(&plan), [20]);
    }

    #[test]
    fn a_campaign_without_a_connection_waits_for_one() {
        let mut alone = candidate(1);
        alone.lane = None;
        let plan = plan(&[alone], &lanes(0), &quota(300), SHARE);
        assert_eq!(plan.report[0].outcome, Outcome::Waits(WaitReason::NoConnection.until(None)));
    }

    #[test]
    fn a_slow_lane_still_gets_a_whole_batch() {
        let mut slow = candidate(1);
        slow.lane = Some((connection(), Lane::Slow));
        let lanes = BTreeMap::from([((connection(), Lane::Slow), LaneLoad { rate: 1.0, open: 0 })]);
        assert_eq!(messages(&plan(&[slow], &lanes, &quota(1000), SHARE)), [250]);
    }

    #[test]
    fn the_lowest_priority_gets_its_share_of_what_is_scarce() {
        let (mut low, mut high) = (candidate(1), candidate(2));
        (low.priority, high.priority) = (10, 1);
        low.pending = 1000;
        (low.left_today, high.left_today) = (1000, 1000);
        let both = [low.clone(), high.clone()];
        let of = |plan: &Plan, campaign| {
            let of = plan.allotments.iter().find(|allotment| allotment.campaign == campaign);
            of.map_or(0, |allotment| allotment.messages)
        };
        // A portfolio of 250 in all: 5 % are 13.
        let first = plan(&both, &lanes(0), &quota(250), SHARE);
        assert_eq!((of(&first, high.campaign), of(&first, low.campaign)), (237, 13));
        // Having had them, it comes last.
        low.planned_today = 13;
        let next = plan(&[low.clone(), high.clone()], &lanes(0), &quota(250), SHARE);
        assert_eq!((of(&next, high.campaign), of(&next, low.campaign)), (250, 0));
        // Room in a lane is shared each time.
        let lane = plan(&both, &lanes(7_820), &quota(100_000), SHARE);
        assert_eq!((of(&lane, high.campaign), of(&lane, low.campaign)), (95, 5));
        let none = MinimumShare::of_percent(0).unwrap();
        let strict = plan(&both, &lanes(0), &quota(250), none);
        assert_eq!((of(&strict, high.campaign), of(&strict, low.campaign)), (250, 0));
    }

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!("5".parse(), Ok(MinimumShare(0.05)));
        for wrong in ["", "51", "-1", "x"] {
            assert_eq!(wrong.parse::<MinimumShare>(), Err(MinimumShareError));
        }
    }

    prop_compose! {
        fn candidates()(parts in prop::collection::vec(
            (1u8..=10, 0u32..3000, 0u64..5000, 0u64..50, any::<bool>()), 0..12
        )) -> Vec<Candidate> {
            let of = |(number, (priority, left_today, pending, before_walk, pass_is_over))| {
                let candidate = candidate(number as u64);
                Candidate { priority, left_today, pending, before_walk, pass_is_over, ..candidate }
            };
            parts.into_iter().enumerate().map(of).collect()
        }
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_broken(
            candidates in candidates(), free in 0u64..5000, open in 0u64..20_000
        ) {
            let plan = plan(&candidates, &lanes(open), &quota(free), SHARE);
            let all: u64 = plan.allotments.iter().map(|a| u64::from(a.messages)).sum();
            prop_assert!(all <= free);
            prop_assert!(all == 0 || open + all <= (66.0 * LANE_HORIZON_SECONDS) as u64);
            for allotment in &plan.allotments {
                let of = candidates.iter().find(|c| c.campaign == allotment.campaign).unwrap();
                prop_assert!(allotment.messages <= of.left_today);
                let messages = u64::from(allotment.messages);
                prop_assert!(messages <= of.pending.max(of.before_walk));
                prop_assert!(!of.pass_is_over || messages <= of.before_walk);
            }
        }

        #[test]
        fn each_campaign_is_planned_once_and_reported(candidates in candidates()) {
            let plan = plan(&candidates, &lanes(0), &quota(1000), SHARE);
            let mut reported: Vec<_> = plan.report.iter().map(|line| line.campaign).collect();
            reported.sort_unstable();
            let mut known: Vec<_> = candidates.iter().map(|c| c.campaign).collect();
            known.sort_unstable();
            prop_assert_eq!(reported, known);
            let mut planned: Vec<_> = plan.allotments.iter().map(|a| a.campaign).collect();
            planned.sort_unstable();
            let all = planned.len();
            planned.dedup();
            prop_assert_eq!(planned.len(), all);
        }

        #[test]
        fn the_same_input_gives_the_same_plan(
            (candidates, mixed) in candidates()
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
        ) {
            let first = plan(&candidates, &lanes(0), &quota(1000), SHARE);
            let again = plan(&mixed, &lanes(0), &quota(1000), SHARE);
            prop_assert_eq!(first, again);
        }
    }
}
