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
    /// How many are free.
    pub free: u64,
    /// When more come, while none is free.
    pub next: Option<Timestamp>,
}

/// Decides who is sent now. The same arguments give the same plan.
pub fn plan(
    candidates: &[Candidate],
    lanes: &BTreeMap<LaneKey, LaneLoad>,
    portfolios: &BTreeMap<String, Places>,
) -> Plan {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|candidate| (candidate.priority, candidate.started_at, candidate.campaign));
    let mut room = Room { lanes: lanes.clone(), portfolios: portfolios.clone() };
    let mut plan = Plan::default();
    for candidate in order {
        let outcome = room.grant(candidate);
        if let Outcome::Planned { people } = outcome {
            let Candidate { campaign, today, .. } = *candidate;
            plan.allotments.push(Allotment { campaign, date: today, people });
        }
        plan.report.push(Line { campaign: candidate.campaign, outcome });
    }
    plan
}

struct Room {
    lanes: BTreeMap<LaneKey, LaneLoad>,
    portfolios: BTreeMap<String, Places>,
}

impl Room {
    fn grant(&mut self, candidate: &Candidate) -> Outcome {
        if let Some(wait) = own_wait(candidate) {
            return Outcome::Waits(wait);
        }
        let lane = (candidate.lane.0, candidate.lane.1.into());
        let (Some(load), Some(places)) =
            (self.lanes.get_mut(&lane), self.portfolios.get_mut(&candidate.portfolio))
        else {
            return Outcome::Waits(Reason::NoConnection.until(None));
        };
        if places.free == 0 {
            return Outcome::Waits(Reason::PortfolioLimit.until(places.next));
        }
        let people = u64::from(candidate.left_today)
            .min(candidate.waiting)
            .min(places.free)
            .min(load.room());
        if people == 0 {
            return Outcome::Waits(Reason::LaneBusy.until(None));
        }
        load.open += people;
        places.free -= people;
        Outcome::Planned { people: u32::try_from(people).unwrap_or(u32::MAX) }
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
        BTreeMap::from([("p".to_owned(), Places { free, next: None })])
    }

    fn people(plan: &Plan) -> Vec<u32> {
        plan.allotments.iter().map(|allotment| allotment.people).collect()
    }

    #[test]
    fn priority_comes_first() {
        let (mut last, mut first) = (candidate(1), candidate(2));
        (last.priority, first.priority) = (9, 1);
        let plan = plan(&[last.clone(), first.clone()], &lanes(0), &portfolio(300));
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
            let plan = plan(&[candidate], &lanes(0), &portfolio(300));
            assert_eq!(plan.report[0].outcome, Outcome::Waits(wait));
        }
        let full = plan(&[candidate(1)], &lanes(0), &portfolio(0));
        assert_eq!(full.report[0].outcome, Outcome::Waits(Reason::PortfolioLimit.until(None)));
        let busy = plan(&[candidate(1)], &lanes(10_000), &portfolio(9));
        assert_eq!(busy.report[0].outcome, Outcome::Waits(Reason::LaneBusy.until(None)));
    }

    #[test]
    fn a_slow_lane_still_gets_a_whole_batch() {
        let mut slow = candidate(1);
        slow.lane.1 = Lane::Slow;
        let lanes =
            BTreeMap::from([((connection(), Lane::Slow.into()), LaneLoad { rate: 1.0, open: 0 })]);
        assert_eq!(people(&plan(&[slow], &lanes, &portfolio(1000))), [250]);
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
            let plan = plan(&candidates, &lanes(open), &portfolio(free));
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
            let plan = plan(&candidates, &lanes(0), &portfolio(1000));
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
            let first = plan(&candidates, &lanes(0), &portfolio(1000));
            let again = plan(&mixed, &lanes(0), &portfolio(1000));
            prop_assert_eq!(first, again);
        }
    }
}
