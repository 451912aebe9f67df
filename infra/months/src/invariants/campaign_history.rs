use carillon::campaign::{Campaign, Status};
use carillon::time::{Date, TimeZone, Timestamp};
use jiff::SignedDuration;

/// How long after a campaign stopped sending a message may still go out: the sender
/// has checked the campaign, and is claiming, retrying a request or pacing.
const IN_FLIGHT_TIME: SignedDuration = SignedDuration::from_secs(60);

/// All versions of a campaign, in order.
#[derive(Debug, Default)]
pub(crate) struct CampaignHistory(Vec<Version>);

#[derive(Debug)]
struct Version {
    from: Timestamp,
    until: Timestamp,
    campaign: Campaign,
}

impl CampaignHistory {
    pub(super) fn push(&mut self, campaign: Campaign, now: Timestamp) {
        if let Some(latest) = self.0.last_mut() {
            latest.until = now;
        }
        self.0.push(Version { from: now, until: Timestamp::MAX, campaign });
    }

    pub(crate) fn latest(&self) -> Option<&Campaign> {
        self.0.last().map(|version| &version.campaign)
    }

    /// Whether a message of the campaign may go out at `now`, by a clock that is ahead by at most
    /// `skew`.
    pub(crate) fn may_send(&self, now: Timestamp, skew: SignedDuration) -> bool {
        let since = now - IN_FLIGHT_TIME;
        self.0.iter().any(|version| {
            let (first, last) = (version.from.max(since), version.until.min(now + skew));
            let campaign = &version.campaign;
            first <= last && (is_sending(campaign, first) || is_sending(campaign, last))
        })
    }

    /// The highest daily limit that the campaign had at any time of `date`.
    pub(crate) fn highest_daily_limit(&self, date: Date) -> u32 {
        let zone = self.0.first().map_or(TimeZone::UTC, |version| version.campaign.zone());
        let begin = date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
        let end =
            date.tomorrow().and_then(|next| next.to_zoned(zone)).map(|zoned| zoned.timestamp());
        let (begin, end) = (begin.unwrap_or(Timestamp::MIN), end.unwrap_or(Timestamp::MAX));
        let versions = self.0.iter().filter(|version| version.from < end && version.until >= begin);
        versions.map(|version| version.campaign.settings.daily_send_limit).max().unwrap_or(0)
    }
}

fn is_sending(campaign: &Campaign, at: Timestamp) -> bool {
    let window = campaign.settings.send_window.as_ref();
    campaign.status == Status::Active
        && campaign.settings.scheduled_end.is_none_or(|end| at < end)
        && window.is_none_or(|window| window.opens(at, &campaign.zone()).is_none())
}
