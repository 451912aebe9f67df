//! What to do about a refusal: a pure function of the verdict, the attempt and
//! the time.

use jiff::{SignedDuration, Timestamp};

use crate::channel::{Refusal, Verdict};

/// What becomes of a recipient whose attempt was refused, failed, or got lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It surely did not go out, and is tried again from `not_before` on.
    Retry {
        /// When at the earliest.
        not_before: Timestamp,
        /// Why it waits.
        reason: String,
    },
    /// It failed for good.
    Fail {
        /// Why.
        reason: String,
    },
    /// It is left out.
    Skip {
        /// Why, as a word.
        reason: String,
    },
    /// It may have gone out: only a webhook or a person moves it on.
    Unconfirmed {
        /// Why it isn't known.
        reason: String,
    },
}

impl Decision {
    /// The reason, as the report shows it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Retry { reason, .. }
            | Self::Fail { reason }
            | Self::Skip { reason }
            | Self::Unconfirmed { reason } => Some(reason),
        }
    }
}

/// What a refusal stops beyond its own message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing.
    Nothing,
    /// The lane waits so long.
    Lane(std::time::Duration),
    /// Every campaign that sends this template halts, and a person has to look.
    Template,
    /// Every campaign of the number halts.
    Number,
    /// Every campaign of the account halts.
    Account,
    /// The account's numbers leave the contact's country out.
    Country,
    /// The campaign halts if it goes on like this: the request is wrong, and
    /// perhaps not only for this contact.
    CampaignIfRepeated,
}

/// Decides about a refused attempt. `jitter` is from 0 to 1.
pub fn decide(
    refusal: &Refusal,
    attempt: u32,
    max_retries: u8,
    now: Timestamp,
    jitter: f64,
) -> (Decision, Stop) {
    let max_retries = u32::from(max_retries);
    let reason = refusal.to_string();
    let retry = |after: SignedDuration, times: u32| {
        if attempt > times {
            let reason = format!("{reason}, after {attempt} attempts");
            return Decision::Fail { reason };
        }
        Decision::Retry { not_before: now + after, reason: reason.clone() }
    };
    let backoff = spread(SignedDuration::from_secs(30 * 4i64.pow(attempt.min(6) - 1)), jitter);
    match refusal.verdict {
        Verdict::Throttled { retry_after } => {
            let asked = SignedDuration::try_from(retry_after).unwrap_or(backoff);
            (retry(backoff.max(asked), max_retries), Stop::Lane(retry_after))
        }
        // 4^n seconds for this pair alone. Source: Meta, error 131056.
        Verdict::PairThrottled => {
            let wait = SignedDuration::from_secs(4i64.pow(attempt.min(8)));
            (retry(spread(wait, jitter), max_retries), Stop::Nothing)
        }
        Verdict::Transient => (retry(backoff, max_retries), Stop::Nothing),
        Verdict::RetryLater { after, times } => {
            let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::from_hours(24));
            (retry(spread(after, jitter), u32::from(times).min(max_retries)), Stop::Nothing)
        }
        Verdict::Ambiguous => (Decision::Unconfirmed { reason }, Stop::Nothing),
        Verdict::OptedOut => (Decision::Skip { reason: "opted_out".to_owned() }, Stop::Nothing),
        Verdict::RecipientRejected | Verdict::MessageRejected => {
            (Decision::Fail { reason }, Stop::Nothing)
        }
        Verdict::CountryBlocked => (Decision::Fail { reason }, Stop::Country),
        Verdict::RequestRejected => (Decision::Fail { reason }, Stop::CampaignIfRepeated),
        // The message surely did not go out, and it isn't the recipient's fault:
        // it waits for the campaign to be resumed.
        Verdict::TemplateBroken => (Decision::Retry { not_before: now, reason }, Stop::Template),
        Verdict::ConnectionBroken => (Decision::Retry { not_before: now, reason }, Stop::Number),
        Verdict::AccountBroken => (Decision::Retry { not_before: now, reason }, Stop::Account),
    }
}

/// Up to a quarter longer, so that those who wait together don't come together.
fn spread(wait: SignedDuration, jitter: f64) -> SignedDuration {
    wait + SignedDuration::from_secs_f64(wait.as_secs_f64() * 0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::campaign::MAX_RETRIES;

    fn refusal(verdict: Verdict) -> Refusal {
        Refusal { verdict, code: Some(1), reason: "because".to_owned(), known: true }
    }

    fn decide_at(verdict: Verdict, attempt: u32) -> (Decision, Stop) {
        decide(&refusal(verdict), attempt, MAX_RETRIES, Timestamp::UNIX_EPOCH, 0.0)
    }

    #[test]
    fn what_may_have_gone_out_is_never_retried() {
        for attempt in 1..5 {
            let (decision, _) = decide_at(Verdict::Ambiguous, attempt);
            assert!(matches!(decision, Decision::Unconfirmed { .. }));
        }
    }

    #[test]
    fn retries_end() {
        let (third, _) = decide_at(Verdict::Transient, MAX_RETRIES.into());
        assert!(matches!(third, Decision::Retry { .. }));
        let (fourth, _) = decide_at(Verdict::Transient, u32::from(MAX_RETRIES) + 1);
        assert!(matches!(fourth, Decision::Fail { .. }));
    }

    #[test]
    fn an_unhealthy_ecosystem_waits_a_day_and_once() {
        let verdict = Verdict::RetryLater { after: Duration::from_hours(24), times: 1 };
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
            assert_eq!(stop, Stop::Nothing);
        }
    }

    #[test]
    fn a_broken_template_number_or_account_halts_and_burns_nobody() {
        for (verdict, scope) in [
            (Verdict::TemplateBroken, Stop::Template),
            (Verdict::ConnectionBroken, Stop::Number),
            (Verdict::AccountBroken, Stop::Account),
        ] {
            let (decision, stop) = decide_at(verdict, 9);
            assert!(matches!(decision, Decision::Retry { .. }));
            assert_eq!(stop, scope);
        }
    }
}
