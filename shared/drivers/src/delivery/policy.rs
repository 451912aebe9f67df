//! What follows from a refusal: a pure function of the verdict, the attempt and the time.

use carillon_channel::{Refusal, Verdict};
use carillon_nouns::recipient::{Decision, RetryCause, SkipReason, Tried, WaitsFor};
use jiff::{SignedDuration, Timestamp};

/// How long a recipient is tried again while every attempt is throttled.
const THROTTLED_AT_MOST: SignedDuration = SignedDuration::from_hours(24);
/// The first wait of a recipient that is refused again for the fault that halted its campaign.
const REFUSED_AGAIN_WAITS: SignedDuration = SignedDuration::from_hours(1);

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
    /// The campaign halts where several people in a row are refused with the same code.
    CampaignIfRepeated,
    /// Every campaign with the template halts where several people of the campaign in a row
    /// are refused with the same code.
    TemplateIfRepeated,
}

/// Decides what follows from a refused attempt. `jitter` is from 0 to 1.
pub fn decide(
    refusal: &Refusal,
    tried: &Tried,
    max_retries: u8,
    now: Timestamp,
    jitter: f64,
) -> (Decision, StopAction) {
    let (attempt, max_retries) = (tried.counted(), u32::from(max_retries));
    let reason = refusal.to_string();
    let retry = |after: SignedDuration, times: u32| {
        if attempt > times {
            return Decision::Fail { reason: format!("{reason}, after {attempt} attempts") };
        }
        let waits_for = match refusal.verdict {
            Verdict::MarketingHeld { .. } => WaitsFor::MarketingHold,
            _ => WaitsFor::Retry,
        };
        let (not_before, cause) = (now + after, RetryCause::Refused);
        Decision::Retry { not_before, waits_for, reason: reason.clone(), cause }
    };
    let throttled = |wait: SignedDuration| retry_throttled(tried, wait, now, &reason);
    // The message was not sent, for a reason that is not the recipient's: it is retried when
    // the campaign is resumed. Where the recipient meets the fault again, it waits, and another
    // one shows whether it is gone.
    let halting = |stop: StopAction| {
        if refusal.code.is_some() && tried.refused_before == refusal.code {
            let wait = REFUSED_AGAIN_WAITS * 4i32.pow(attempt.clamp(2, 4) - 2);
            return (retry(spread(wait, jitter), max_retries), StopAction::Nothing);
        }
        (retry(SignedDuration::ZERO, u32::MAX), stop)
    };
    let backoff = spread(SignedDuration::from_secs(30 * 4i64.pow(attempt.min(6) - 1)), jitter);
    match refusal.verdict {
        Verdict::Throttled { retry_after } | Verdict::RateExceeded { retry_after } => {
            // Longer each time, up to eight minutes.
            let wait = SignedDuration::from_secs(30 * 4i64.pow(tried.attempt.min(3) - 1));
            let wait = spread(wait, jitter);
            let asked = SignedDuration::try_from(retry_after).unwrap_or(wait);
            let stop = match refusal.verdict {
                Verdict::RateExceeded { .. } => StopAction::SlowDown(retry_after),
                _ => StopAction::Pause(retry_after),
            };
            (throttled(wait.max(asked)), stop)
        }
        // 4^n seconds for this pair alone. Source: Meta, error 131056.
        Verdict::PairThrottled => {
            let wait = SignedDuration::from_secs(4i64.pow(tried.attempt.min(5)));
            (throttled(spread(wait, jitter)), StopAction::Nothing)
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
        // Nobody knows what the code means: it may concern everybody.
        Verdict::MessageRejected if !refusal.known => {
            (Decision::Fail { reason }, StopAction::CampaignIfRepeated)
        }
        Verdict::RecipientRejected | Verdict::MessageRejected => {
            (Decision::Fail { reason }, StopAction::Nothing)
        }
        Verdict::CountryBlocked => (Decision::Fail { reason }, StopAction::Country),
        Verdict::RequestRejected => (Decision::Fail { reason }, StopAction::CampaignIfRepeated),
        Verdict::ValuesRejected => (Decision::Fail { reason }, StopAction::TemplateIfRepeated),
        Verdict::MediaBroken => halting(StopAction::Campaign),
        Verdict::TemplateBroken => halting(StopAction::Template),
        Verdict::ConnectionBroken => {
            (retry(SignedDuration::ZERO, u32::MAX), StopAction::Connection)
        }
        Verdict::AccountBroken => (retry(SignedDuration::ZERO, u32::MAX), StopAction::Account),
    }
}

/// A throttled attempt does not count. It is tried again for a day.
fn retry_throttled(tried: &Tried, wait: SignedDuration, now: Timestamp, reason: &str) -> Decision {
    if tried.throttled_since.is_some_and(|since| since + THROTTLED_AT_MOST <= now) {
        return Decision::Fail { reason: format!("{reason}, at every attempt for a day") };
    }
    Decision::Retry {
        not_before: now + wait,
        waits_for: WaitsFor::Retry,
        reason: reason.to_owned(),
        cause: RetryCause::Throttled,
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
        decide_after(verdict, &Tried::attempt(attempt))
    }

    fn decide_after(verdict: Verdict, tried: &Tried) -> (Decision, StopAction) {
        decide(&refusal(verdict), tried, DEFAULT_MAX_RETRIES, Timestamp::UNIX_EPOCH, 0.0)
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

    #[test]
    fn a_recipient_halts_its_campaign_with_a_code_only_once() {
        for verdict in [Verdict::MediaBroken, Verdict::TemplateBroken] {
            let again = Tried { refused_before: Some(1), ..Tried::attempt(2) };
            let (decision, stop) = decide_after(verdict, &again);
            let Decision::Retry { not_before, .. } = decision else { panic!("{decision:?}") };
            assert_eq!(not_before, Timestamp::from_second(3_600).unwrap());
            assert_eq!(stop, StopAction::Nothing);
            let last = Tried { refused_before: Some(1), ..Tried::attempt(4) };
            assert!(matches!(decide_after(verdict, &last).0, Decision::Fail { .. }));
            let another = Tried { refused_before: Some(2), ..Tried::attempt(4) };
            assert_ne!(decide_after(verdict, &another).1, StopAction::Nothing);
        }
    }

    #[test]
    fn a_fault_of_the_values_fails_the_recipient() {
        for (verdict, stop) in [
            (Verdict::ValuesRejected, StopAction::TemplateIfRepeated),
            (Verdict::RequestRejected, StopAction::CampaignIfRepeated),
        ] {
            let (decision, found) = decide_at(verdict, 1);
            assert!(matches!(decision, Decision::Fail { .. }));
            assert_eq!(found, stop);
        }
        let unknown = Refusal { known: false, ..refusal(Verdict::MessageRejected) };
        let now = Timestamp::UNIX_EPOCH;
        let (_, stop) = decide(&unknown, &Tried::attempt(1), DEFAULT_MAX_RETRIES, now, 0.0);
        assert_eq!(stop, StopAction::CampaignIfRepeated);
    }

    #[test]
    fn throttled_attempts_do_not_count_and_end_after_a_day() {
        let retry_after = Duration::from_secs(2);
        for verdict in [
            Verdict::Throttled { retry_after },
            Verdict::RateExceeded { retry_after },
            Verdict::PairThrottled,
        ] {
            let since = |hours| Some(Timestamp::UNIX_EPOCH - SignedDuration::from_hours(hours));
            let tried = Tried { uncounted: 50, throttled_since: since(23), ..Tried::attempt(51) };
            let (decision, _) = decide_after(verdict, &tried);
            let Decision::Retry { cause, not_before, .. } = decision else {
                panic!("{decision:?}")
            };
            assert_eq!(cause, RetryCause::Throttled);
            assert!(not_before <= Timestamp::from_second(3_600).unwrap(), "{not_before}");
            let tried = Tried { throttled_since: since(24), ..tried };
            assert!(matches!(decide_after(verdict, &tried).0, Decision::Fail { .. }));
        }
    }
}
