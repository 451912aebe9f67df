//! What follows from a refusal: a pure function of the verdict, the attempt and the time.

use carillon_channel::{Refusal, Verdict};
use carillon_nouns::recipient::{Decision, SkipReason, WaitsFor};
use jiff::{SignedDuration, Timestamp};

/// What a refusal stops beyond its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopAction {
    /// Nothing.
    Nothing,
    /// The connection pauses for that long, in every lane.
    Pause(std::time::Duration),
    /// It pauses, and its throughput is lowered where this happens again.
    SlowDown(std::time::Duration),
    /// The campaign halts.
    Campaign,
    /// Every campaign with the template halts.
    Template,
    /// Every campaign of the connection halts.
    Connection,
    /// Every campaign of the account halts.
    Account,
    /// The account's connections skip recipients in the contact's country.
    Country,
    /// The campaign halts where several requests in a row are invalid.
    CampaignIfRepeated,
}

/// Decides what follows from a refused attempt. `jitter` is from 0 to 1.
pub fn decide(
    refusal: &Refusal,
    attempt: u32,
    max_retries: u8,
    now: Timestamp,
    jitter: f64,
) -> (Decision, StopAction) {
    let max_retries = u32::from(max_retries);
    let reason = refusal.to_string();
    let retry = |after: SignedDuration, times: u32| {
        if attempt > times {
            return Decision::Fail { reason: format!("{reason}, after {attempt} attempts") };
        }
        let waits_for = match refusal.verdict {
            Verdict::MarketingHeld { .. } => WaitsFor::MarketingHold,
            _ => WaitsFor::Retry,
        };
        Decision::Retry { not_before: now + after, waits_for, reason: reason.clone() }
    };
    // The message was not sent, for a reason that is not the recipient's: it is retried when
    // the campaign is resumed.
    let retry_resumed =
        || Decision::Retry { not_before: now, waits_for: WaitsFor::Retry, reason: reason.clone() };
    let backoff = spread(SignedDuration::from_secs(30 * 4i64.pow(attempt.min(6) - 1)), jitter);
    match refusal.verdict {
        Verdict::Throttled { retry_after } | Verdict::RateExceeded { retry_after } => {
            let asked = SignedDuration::try_from(retry_after).unwrap_or(backoff);
            let stop = match refusal.verdict {
                Verdict::RateExceeded { .. } => StopAction::SlowDown(retry_after),
                _ => StopAction::Pause(retry_after),
            };
            (retry(backoff.max(asked), max_retries), stop)
        }
        // 4^n seconds for this pair alone. Source: Meta, error 131056.
        Verdict::PairThrottled => {
            let wait = SignedDuration::from_secs(4i64.pow(attempt.min(8)));
            (retry(spread(wait, jitter), max_retries), StopAction::Nothing)
        }
        Verdict::Transient => (retry(backoff, max_retries), StopAction::Nothing),
        // Once at most: a repetition within the period prolongs the hold. Source: Meta, error
        // 131049.
        Verdict::MarketingHeld { period } => {
            let after = SignedDuration::try_from(period).unwrap_or(SignedDuration::from_hours(24));
            (retry(spread(after, jitter), 1.min(max_retries)), StopAction::Nothing)
        }
        Verdict::RetryLater { after, times } => {
            let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::from_hours(24));
            (retry(spread(after, jitter), u32::from(times).min(max_retries)), StopAction::Nothing)
        }
        Verdict::Ambiguous => (Decision::Unconfirmed { reason }, StopAction::Nothing),
        Verdict::OptedOut => (Decision::Skip { reason: SkipReason::OptedOut }, StopAction::Nothing),
        Verdict::RecipientRejected | Verdict::MessageRejected => {
            (Decision::Fail { reason }, StopAction::Nothing)
        }
        Verdict::CountryBlocked => (Decision::Fail { reason }, StopAction::Country),
        Verdict::RequestRejected => (Decision::Fail { reason }, StopAction::CampaignIfRepeated),
        Verdict::MediaBroken => (retry_resumed(), StopAction::Campaign),
        Verdict::TemplateBroken => (retry_resumed(), StopAction::Template),
        Verdict::ConnectionBroken => (retry_resumed(), StopAction::Connection),
        Verdict::AccountBroken => (retry_resumed(), StopAction::Account),
    }
}

/// Up to a quarter longer, so that retries spread.
fn spread(wait: SignedDuration, jitter: f64) -> SignedDuration {
    wait + SignedDuration::from_secs_f64(wait.as_secs_f64() * 0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use carillon_nouns::campaign::DEFAULT_MAX_RETRIES;

    fn refusal(verdict: Verdict) -> Refusal {
        Refusal { verdict, code: Some(1), reason: "because".to_owned(), known: true }
    }

    fn decide_at(verdict: Verdict, attempt: u32) -> (Decision, StopAction) {
        decide(&refusal(verdict), attempt, DEFAULT_MAX_RETRIES, Timestamp::UNIX_EPOCH, 0.0)
    }

    #[test]
    fn a_message_that_may_have_been_sent_is_never_retried() {
        for attempt in 1..5 {
            let (decision, _) = decide_at(Verdict::Ambiguous, attempt);
            assert!(matches!(decision, Decision::Unconfirmed { .. }));
        }
    }

    #[test]
    fn retries_end() {
        let (third, _) = decide_at(Verdict::Transient, DEFAULT_MAX_RETRIES.into());
        assert!(matches!(third, Decision::Retry { .. }));
        let (fourth, _) = decide_at(Verdict::Transient, u32::from(DEFAULT_MAX_RETRIES) + 1);
        assert!(matches!(fourth, Decision::Fail { .. }));
    }

    #[test]
    fn a_held_marketing_message_is_retried_once_after_a_day() {
        let verdict = Verdict::MarketingHeld { period: Duration::from_hours(24) };
        let (first, _) = decide_at(verdict, 1);
        let Decision::Retry { not_before, .. } = first else { panic!("{first:?}") };
        assert!(not_before >= Timestamp::from_second(86_400).unwrap());
        assert!(matches!(decide_at(verdict, 2).0, Decision::Fail { .. }));
    }

    #[test]
    fn a_pair_waits_longer_each_time() {
        for (attempt, seconds) in [(1, 4), (2, 16), (3, 64)] {
            let (decision, stop) = decide_at(Verdict::PairThrottled, attempt);
            let Decision::Retry { not_before, .. } = decision else { panic!("{decision:?}") };
            assert_eq!(not_before, Timestamp::from_second(seconds).unwrap());
            assert_eq!(stop, StopAction::Nothing);
        }
    }

    #[test]
    fn a_fault_of_a_template_connection_or_account_halts_and_is_retried() {
        for (verdict, scope) in [
            (Verdict::MediaBroken, StopAction::Campaign),
            (Verdict::TemplateBroken, StopAction::Template),
            (Verdict::ConnectionBroken, StopAction::Connection),
            (Verdict::AccountBroken, StopAction::Account),
        ] {
            let (decision, stop) = decide_at(verdict, 9);
            assert!(matches!(decision, Decision::Retry { .. }));
            assert_eq!(stop, scope);
        }
    }
}
