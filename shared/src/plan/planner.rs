use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::BATCH_SIZE;
use crate::campaign::Lane;
use crate::ids::{CampaignId, ConnectionId};

/// How many seconds of work are released ahead in each lane, so that
/// priorities, pauses and limits bite at once.
pub const LANE_HORIZON_SECONDS: f64 = 120.0;

/// A lane of a connection.
pub type LaneKey = (ConnectionId, LaneOrd);

/// A lane, in an order that is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneOrd(u8);

impl From<Lane> for LaneOrd {
    fn from(lane: Lane) -> Self {
        Self(match lane {
            Lane::Fast => 0,
            Lane::Normal => 1,
            Lane::Slow => 2,
        })
    }
}

/// What the planner knows of a campaign that is at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The campaign.
    pub campaign: CampaignId,
    /// 1 (first) to 10 (last).
    pub priority: u8,
    /// When it was started; earlier goes first at the same priority.
    pub started_at: Timestamp,
    /// Its connection and lane.
    pub lane: (ConnectionId, Lane),
    /// The portfolio that pays with places.
    pub portfolio: String,
    /// Its calendar date.
    pub today: Date,
    /// How many people were planned for today.
    pub planned_today: u32,
    /// How many people it may still write to today.
    pub left_today: u32,
    /// When its next day begins.
    pub tomorrow: Timestamp,
    /// When its send window opens; none while it is open.
    pub window_opens: Option<Timestamp>,
    /// At most so many people wait; an estimate that may be too high.
    pub waiting: u64,
    /// Nobody may be sent to before then; none when someone may.
    pub put_off_until: Option<Timestamp>,
    /// The end of its walk is reached while batches are open: the next pass
    /// starts when they are done.
    pub pass_is_over: bool,
}

/// How busy a lane is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneLoad {
    /// Its messages a second.
    pub rate: f64,
    /// People in batches that are not done.
    pub open: u64,
}

/// What is to be done, and why the rest waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Who may be sent now, in order.
    pub allotments: Vec<Allotment>,
    /// One line a campaign.
    pub report: Vec<Line>,
}

/// So many people of a campaign may be put in batches now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// The campaign.
    pub campaign: CampaignId,
    /// The day it counts for.
    pub date: Date,
    /// How many people.
    pub people: u32,
}

/// What the plan says of one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Line {
    /// The campaign.
    #[schema(value_type = String)]
    pub campaign: CampaignId,
    /// How many were planned, or why nobody was.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a campaign in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// So many people may be sent now.
    Planned {
        /// How many.
        people: u32,
    },
    /// Nobody, for a reason.
    Waits(Wait),
}

/// Why nobody of a campaign was planned, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Wait {
    /// Why.
    pub reason: Reason,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// Why a campaign waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its send window is closed.
    WindowClosed,
    /// Its daily limit is used up until its next day begins.
    DailyLimit,
    /// The portfolio's 24-hour limit is used up until places come back.
    PortfolioLimit,
    /// Enough work is released in its lane; more follows within two minutes.
    LaneBusy,
    /// Everyone left was put off.
    PutOff,
    /// Its last batches are being sent.
    Finishing,
    /// Its connection can't send.
    NoConnection,
}

impl Reason {
    const fn until(self, until: Option<Timestamp>) -> Wait {
        Wait { reason: self, until }
    }
}

/// Places of a portfolio at the moment of planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// How many people in 24 hours; none for any number.
    pub limit: Option<u64>,
    /// How many are free.
    pub free: u64,
    /// When more come, while none is free.
    pub next: Option<Timestamp>,
}

impl Places {
    /// How much of the limit is taken, in percent; none without a limit.
    pub fn percent_taken(&self) -> Option<u64> {
        let limit = self.limit?;
        Some(limit.saturating_sub(self.free) * 100 / limit.max(1))
    }
}

/// The share that every campaign gets, whatever the priority of the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinimumShare(f64);

/// Text that is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage from 0 to 50")]
pub struct NoShare;

impl MinimumShare {
    /// From a percentage, 0 to 50; at 0 the lowest priority may starve.
    pub fn of_percent(percent: u8) -> Result<Self, NoShare> {
        if percent > 50 {
            return Err(NoShare);
        }
        Ok(Self(f64::from(percent) / 100.0))
    }

    /// What one of `all` campaigns gets of a whole: at least one of it, and
    /// never more than an equal part.
    fn of(self, whole: u64, all: u64) -> u64 {
        if self.0 == 0.0 {
            return 0;
        }
        let share = (whole as f64 * self.0).ceil() as u64;
        share.min(whole / all.max(1)).max(1)
    }
}

impl Default for MinimumShare {
    fn default() -> Self {
        Self(0.05)
    }
}

impl std::str::FromStr for MinimumShare {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        Self::of_percent(text.parse().map_err(|_| NoShare)?)
    }
}

/// Decides who is sent now. The same arguments give the same plan.
///
/// First every campaign that may send gets its minimum share of what is scarce:
/// of its portfolio's limit, over its day, and of the room in its lane, each
/// time. The rest goes by priority, and at the same priority to who started first.
pub fn plan(
    candidates: &[Candidate],
    lanes: &BTreeMap<LaneKey, LaneLoad>,
    portfolios: &BTreeMap<String, Places>,
    share: MinimumShare,
) -> Plan {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|candidate| (candidate.priority, candidate.started_at, candidate.campaign));
    let lanes = lanes.iter().map(|(lane, load)| (*lane, load.room())).collect();
    let mut room = Room { lanes, portfolios: portfolios.clone() };
    let minimums = room.minimums(&order, share);
    let first: Vec<u64> = order
        .iter()
        .zip(minimums)
        .map(|(candidate, most)| room.grant(candidate, 0, most))
        .collect();
    let mut plan = Plan::default();
    for (candidate, had) in order.into_iter().zip(first) {
        let people = had + room.grant(candidate, had, u64::MAX);
        let outcome = match u32::try_from(people) {
            Ok(0) => Outcome::Waits(room.wait(candidate)),
            people => Outcome::Planned { people: people.unwrap_or(u32::MAX) },
        };
        if let Outcome::Planned { people } = outcome {
            let Candidate { campaign, today, .. } = *candidate;
            plan.allotments.push(Allotment { campaign, date: today, people });
        }
        plan.report.push(Line { campaign: candidate.campaign, outcome });
    }
    plan
}

/// What is left while a plan is made.
struct Room {
    /// How many more people may be released in each lane.
    lanes: BTreeMap<LaneKey, u64>,
    portfolios: BTreeMap<String, Places>,
}

impl Room {
    /// What each candidate gets whatever the others' priorities.
    fn minimums(&self, order: &[&Candidate], share: MinimumShare) -> Vec<u64> {
        let ready = |other: &&&Candidate| own_wait(other).is_none();
        let minimum = |candidate: &&Candidate| {
            let in_lane = order.iter().filter(ready).filter(|other| other.lane == candidate.lane);
            let in_portfolio =
                order.iter().filter(ready).filter(|other| other.portfolio == candidate.portfolio);
            let lane = self.lanes.get(&candidate.lane_key()).copied().unwrap_or(0);
            let of_lane = share.of(lane, in_lane.count() as u64);
            let limit = self.portfolios.get(&candidate.portfolio).and_then(|places| places.limit);
            let of_portfolio = limit.map_or(u64::MAX, |limit| {
                let whole_day = share.of(limit, in_portfolio.count() as u64);
                whole_day.saturating_sub(u64::from(candidate.planned_today))
            });
            of_lane.min(of_portfolio)
        };
        order.iter().map(minimum).collect()
    }

    /// Gives a candidate that `had` some already up to `most` people.
    fn grant(&mut self, candidate: &Candidate, had: u64, most: u64) -> u64 {
        let (Some(lane), Some(places)) = (
            self.lanes.get_mut(&candidate.lane_key()),
            self.portfolios.get_mut(&candidate.portfolio),
        ) else {
            return 0;
        };
        if own_wait(candidate).is_some() {
            return 0;
        }
        let wanted = u64::from(candidate.left_today).min(candidate.waiting).saturating_sub(had);
        let people = wanted.min(most).min(places.free).min(*lane);
        *lane -= people;
        places.free -= people;
        people
    }

    /// Why a candidate got nothing.
    fn wait(&self, candidate: &Candidate) -> Wait {
        if let Some(wait) = own_wait(candidate) {
            return wait;
        }
        match self.portfolios.get(&candidate.portfolio) {
            None => Reason::NoConnection.until(None),
            Some(places) if places.free == 0 => Reason::PortfolioLimit.until(places.next),
            Some(_) => Reason::LaneBusy.until(None),
        }
    }
}

impl Candidate {
    fn lane_key(&self) -> LaneKey {
        (self.lane.0, self.lane.1.into())
    }
}

/// What holds a campaign back by itself, whatever the others do.
fn own_wait(candidate: &Candidate) -> Option<Wait> {
    if let Some(opens) = candidate.window_opens {
        return Some(Reason::WindowClosed.until(Some(opens)));
    }
    if let Some(until) = candidate.put_off_until {
        return Some(Reason::PutOff.until(Some(until)));
    }
    if candidate.pass_is_over || candidate.waiting == 0 {
        return Some(Reason::Finishing.until(None));
    }
    (candidate.left_today == 0).then(|| Reason::DailyLimit.until(Some(candidate.tomorrow)))
}

impl LaneLoad {
    /// How many more people may be released: two minutes of work in all, and
    /// always a whole batch when the lane is empty.
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
    use crate::ids::IdSource;

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
            lane: (connection(), Lane::Fast),
            portfolio: "p".to_owned(),
            today: Date::constant(2026, 11, 21),
            planned_today: 0,
            left_today: 250,
            tomorrow: now,
            window_opens: None,
            waiting: 10_000,
            put_off_until: None,
            pass_is_over: false,
        }
    }

    fn lanes(open: u64) -> BTreeMap<LaneKey, LaneLoad> {
        BTreeMap::from([((connection(), Lane::Fast.into()), LaneLoad { rate: 66.0, open })])
    }

    fn portfolio(free: u64) -> BTreeMap<String, Places> {
        BTreeMap::from([("p".to_owned(), Places { limit: Some(free), free, next: None })])
    }

    fn people(plan: &Plan) -> Vec<u32> {
        plan.allotments.iter().map(|allotment| allotment.people).collect()
    }

    #[test]
    fn priority_comes_first() {
        let (mut last, mut first) = (candidate(1), candidate(2));
        (last.priority, first.priority) = (9, 1);
        let plan = plan(&[last.clone(), first.clone()], &lanes(0), &portfolio(300), SHARE);
        assert_eq!(plan.allotments[0].campaign, first.campaign);
        assert_eq!(people(&plan), [250, 50]);
        assert_eq!(plan.report[1].outcome, Outcome::Planned { people: 50 });
    }

    type Change = fn(&mut Candidate);

    #[test]
    fn who_waits_is_told_why() {
        let then = Timestamp::from_second(1000).unwrap();
        let cases: [(Wait, Change); 4] = [
            (Reason::WindowClosed.until(Some(then)), |c| {
                c.window_opens = Some(Timestamp::from_second(1000).unwrap());
            }),
            (Reason::DailyLimit.until(Some(Timestamp::UNIX_EPOCH)), |c| c.left_today = 0),
            (Reason::PutOff.until(Some(then)), |c| {
                c.put_off_until = Some(Timestamp::from_second(1000).unwrap());
            }),
            (Reason::Finishing.until(None), |c| c.pass_is_over = true),
        ];
        for (wait, change) in cases {
            let mut candidate = candidate(1);
            change(&mut candidate);
            let plan = plan(&[candidate], &lanes(0), &portfolio(300), SHARE);
            assert_eq!(plan.report[0].outcome, Outcome::Waits(wait));
        }
        let full = plan(&[candidate(1)], &lanes(0), &portfolio(0), SHARE);
        assert_eq!(full.report[0].outcome, Outcome::Waits(Reason::PortfolioLimit.until(None)));
        let busy = plan(&[candidate(1)], &lanes(10_000), &portfolio(9), SHARE);
        assert_eq!(busy.report[0].outcome, Outcome::Waits(Reason::LaneBusy.until(None)));
    }

    #[test]
    fn a_slow_lane_still_gets_a_whole_batch() {
        let mut slow = candidate(1);
        slow.lane.1 = Lane::Slow;
        let lanes =
            BTreeMap::from([((connection(), Lane::Slow.into()), LaneLoad { rate: 1.0, open: 0 })]);
        assert_eq!(people(&plan(&[slow], &lanes, &portfolio(1000), SHARE)), [250]);
    }

    #[test]
    fn the_lowest_priority_gets_its_share_of_what_is_scarce() {
        let (mut low, mut high) = (candidate(1), candidate(2));
        (low.priority, high.priority) = (10, 1);
        low.waiting = 1000;
        (low.left_today, high.left_today) = (1000, 1000);
        let both = [low.clone(), high.clone()];
        let of = |plan: &Plan, campaign| {
            let of = plan.allotments.iter().find(|allotment| allotment.campaign == campaign);
            of.map_or(0, |allotment| allotment.people)
        };
        // A portfolio of 250 in all: 5 % are 13.
        let first = plan(&both, &lanes(0), &portfolio(250), SHARE);
        assert_eq!((of(&first, high.campaign), of(&first, low.campaign)), (237, 13));
        // Having had them, it comes last.
        low.planned_today = 13;
        let next = plan(&[low.clone(), high.clone()], &lanes(0), &portfolio(250), SHARE);
        assert_eq!((of(&next, high.campaign), of(&next, low.campaign)), (250, 0));
        // Room in a lane is shared each time.
        let lane = plan(&both, &lanes(7_820), &portfolio(100_000), SHARE);
        assert_eq!((of(&lane, high.campaign), of(&lane, low.campaign)), (95, 5));
        let none = MinimumShare::of_percent(0).unwrap();
        let strict = plan(&both, &lanes(0), &portfolio(250), none);
        assert_eq!((of(&strict, high.campaign), of(&strict, low.campaign)), (250, 0));
    }

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!("5".parse(), Ok(MinimumShare(0.05)));
        for wrong in ["", "51", "-1", "x"] {
            assert_eq!(wrong.parse::<MinimumShare>(), Err(NoShare));
        }
    }

    prop_compose! {
        fn candidates()(parts in prop::collection::vec(
            (1u8..=10, 0u32..3000, 0u64..5000, any::<bool>()), 0..12
        )) -> Vec<Candidate> {
            parts.into_iter().enumerate().map(|(number, (priority, left_today, waiting, over))| {
                Candidate { priority, left_today, waiting, pass_is_over: over, ..candidate(number as u64) }
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_broken(
            candidates in candidates(), free in 0u64..5000, open in 0u64..20_000
        ) {
            let plan = plan(&candidates, &lanes(open), &portfolio(free), SHARE);
            let all: u64 = plan.allotments.iter().map(|a| u64::from(a.people)).sum();
            prop_assert!(all <= free);
            prop_assert!(all == 0 || open + all <= (66.0 * LANE_HORIZON_SECONDS) as u64);
            for allotment in &plan.allotments {
                let of = candidates.iter().find(|c| c.campaign == allotment.campaign).unwrap();
                prop_assert!(allotment.people <= of.left_today);
                prop_assert!(u64::from(allotment.people) <= of.waiting);
                prop_assert!(!of.pass_is_over);
            }
        }

        #[test]
        fn nobody_is_planned_twice_and_everyone_is_told(candidates in candidates()) {
            let plan = plan(&candidates, &lanes(0), &portfolio(1000), SHARE);
            let mut told: Vec<_> = plan.report.iter().map(|line| line.campaign).collect();
            told.sort_unstable();
            let mut known: Vec<_> = candidates.iter().map(|c| c.campaign).collect();
            known.sort_unstable();
            prop_assert_eq!(told, known);
            let mut planned: Vec<_> = plan.allotments.iter().map(|a| a.campaign).collect();
            planned.sort_unstable();
            let all = planned.len();
            planned.dedup();
            prop_assert_eq!(planned.len(), all);
        }

        #[test]
        fn the_same_situation_gives_the_same_plan(
            (candidates, mixed) in candidates()
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
        ) {
            let first = plan(&candidates, &lanes(0), &portfolio(1000), SHARE);
            let again = plan(&mixed, &lanes(0), &portfolio(1000), SHARE);
            prop_assert_eq!(first, again);
        }
    }
}
