//! The model is explored without each rule in turn: the checker must find what is broken.

use carillon_protocol::{Rule, Rules, World};
use stateright::{Checker, HasDiscoveries, Model};
use tokio::time::Instant;

/// The world in which a rule is missed soonest.
fn world_of(rule: Rule) -> World {
    match rule {
        Rule::ClaimNeedsConsent
        | Rule::FirstClaimOncePerPerson
        | Rule::ClaimFollowsMerge
        | Rule::MergeUnitesCampaigns
        | Rule::MergeUnitesOptOuts => World::opt_outs(),
        Rule::RetryClaimSeesMerges
        | Rule::RetryLooksAtOther
        | Rule::SkipChecksOther
        | Rule::SkipNeedsPending => World::person(),
        Rule::ClaimNeedsPending | Rule::CancelNeedsPending | Rule::OverIsCancelled => {
            World::cancellations()
        }
        Rule::AuditCancelsLeftBehind => World::late_refusals(),
        Rule::ClaimKnowsItsRun
        | Rule::GiveBackOwnClaims
        | Rule::GiveBackIsNewAttempt
        | Rule::GiveBackUnanswered => World::claims(),
        Rule::BatchExhaustsNothing | Rule::BeforeExhaustsNothing => World::limits(),
        Rule::ClaimAge
        | Rule::LostClaimIsUnconfirmed
        | Rule::LostAnswerIsUnconfirmed
        | Rule::CloseNeedsLease => World::senders(),
        Rule::SettleOwnAttempt | Rule::AcceptedBelowReports | Rule::StatusAdvances => {
            World::reports()
        }
        Rule::SettleBeforeArrival
        | Rule::ReportOfOwnAttempt
        | Rule::ArrivalDropsRetry
        | Rule::ArrivalIsRepeated => World::contradictions(),
        Rule::RequeueIsCounted
        | Rule::RequeueGoesFirst
        | Rule::RepetitionRequeues
        | Rule::CompletionChecksRequeues
        | Rule::RequeuesReadBefore => World::failures(),
        Rule::CompletionChecksVersion | Rule::RetryIsAnnounced | Rule::RetryNeedsUnconfirmed => {
            World::retries()
        }
        Rule::OneLease => World::redeliveries(),
        Rule::BatchIsRequeued => World::pauses(),
        Rule::AuditSettlesClaims | Rule::OptOutGoesFirst => World::interruptions(),
    }
}

#[test]
fn each_rule_is_missed() {
    let mut not_found = Vec::new();
    for rule in Rule::ALL {
        let began = Instant::now();
        let world = world_of(rule).under(Rules::without(rule));
        let name = world.name;
        let checker = world.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
        let checker = checker.spawn_bfs().join();
        let states = checker.unique_state_count();
        let Some((property, path)) = checker.discoveries().into_iter().next() else {
            println!("{rule:?}: NOT FOUND in {name}, {states} states");
            not_found.push(rule);
            continue;
        };
        let (steps, time) = (path.into_actions().len(), began.elapsed());
        println!("{rule:?}: {property} ({name}, {steps} steps, {states} states, {time:.1?})");
    }
    assert!(not_found.is_empty(), "nobody misses {not_found:?}");
}
