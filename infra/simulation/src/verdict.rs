//! What must be true at the end.

use carillon::analytics::{self, Report};
use carillon::campaign::{self, Campaign};
use carillon::contact::ContactKey;
use carillon::plan;
use carillon::recipient::{Recipient, Rung, Status};
use carillon::time::Date;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::log::Course;
use crate::month::Month;
use crate::table::Broken;
use crate::watch::{Whom, name, stands};

impl Month {
    /// What is wrong at the end, if anything.
    pub(crate) async fn verdict(&self) -> Result<Option<String>, Broken> {
        if let Some(broken) = self.stage.watch.verdict() {
            return Ok(Some(broken));
        }
        if let Some(wrong) = self.limits() {
            return Ok(Some(wrong));
        }
        if !self.is_done() {
            return Ok(Some(self.unfinished().await?));
        }
        if let Some(wrong) = self.people() {
            return Ok(Some(wrong));
        }
        self.numbers().await
    }

    fn limits(&self) -> Option<String> {
        let log = self.stage.whatsapp.log();
        let (most, limit) = (log.most_people_in_a_day() as u64, self.office.limit);
        if most > limit {
            return Some(format!("{most} people in 24 hours, and the limit is {limit}"));
        }
        let known = self.stage.watch.known();
        log.by_day().into_iter().find_map(|((id, date), sent)| {
            let history = known.campaigns.get(&id).map(Vec::as_slice).unwrap_or_default();
            let limit = highest_limit(history, date);
            (sent > limit as usize)
                .then(|| format!("{id} wrote to {sent} on {date}, and its limit was {limit}"))
        })
    }

    /// Why it never ends: what waits, and what became of the last batch.
    async fn unfinished(&self) -> Result<String, Broken> {
        let open: Vec<Campaign> = {
            let known = self.stage.watch.known();
            let campaigns = self.office.campaigns.iter().filter_map(|id| known.campaign(*id));
            campaigns.filter(|campaign| !campaign.status.is_final()).cloned().collect()
        };
        let mut lines = vec!["it never ends".to_owned()];
        for campaign in open {
            let batches = campaign::store::batches(&self.stage.table, campaign.id, None).await?;
            let last = batches
                .last()
                .map(|batch| (batch.name.date, batch.size, batch.used, batch.closed_for.clone()));
            lines.push(format!(
                "{} is {}, walk {:?}, settings {:?}, {} batches, the last {last:?}",
                campaign.id,
                campaign.status,
                campaign.walk,
                campaign.settings,
                batches.len()
            ));
        }
        let known = self.stage.watch.known();
        let left = known.recipients.iter();
        let left = left.filter(|(_, one)| matches!(one.status, Status::Pending | Status::Sending));
        lines.extend(
            left.take(3).map(|(whom, one)| {
                format!("{} is {} {:?}", name(whom), stands(one), one.not_before)
            }),
        );
        Ok(lines.join("\n  "))
    }

    /// Every recipient against what WhatsApp knows of them.
    fn people(&self) -> Option<String> {
        let known = self.stage.watch.known();
        if let Some((id, gone)) = known.gone.first() {
            return Some(format!("a recipient of {id} who was {} is gone", stands(gone)));
        }
        // What WhatsApp knows of who was erased, Carillon doesn't any more.
        let mut told_of = known.recipients.iter().filter(|(whom, _)| {
            !matches!(whom.1, ContactKey::Erased(_)) && !known.erased.contains(whom)
        });
        told_of.find_map(|(whom, recipient)| self.person(whom, recipient))
    }

    fn person(&self, whom: &Whom, recipient: &Recipient) -> Option<String> {
        let log = self.stage.whatsapp.log();
        let attempt = recipient.attempt;
        let last =
            log.entries().iter().find(|entry| entry.whom == *whom && entry.attempt == attempt);
        let taken = last.is_some_and(|entry| entry.course != Course::Refused);
        let claims_sent = (Status::Sent.rank()..=Status::Closed.rank()).contains(&recipient.rank)
            && recipient.status != Status::Failed;
        if claims_sent && !taken {
            return Some(format!("{} is {}, but was never sent", name(whom), stands(recipient)));
        }
        let unsent =
            matches!(recipient.status, Status::Skipped | Status::Cancelled | Status::Failed);
        if unsent && last.is_some_and(|entry| entry.course == Course::Taken) {
            return Some(format!("{} is {}, but was sent", name(whom), stands(recipient)));
        }
        let told = log.told(whom, attempt).filter(|rung| *rung != Rung::Failed);
        let rung = told.filter(|rung| recipient.rank < rung.status().rank())?;
        Some(format!("{} is {}, but {rung:?} was stored", name(whom), stands(recipient)))
    }

    /// The counters against a recount, and what must be empty.
    async fn numbers(&self) -> Result<Option<String>, Broken> {
        let table = &self.stage.table;
        if let Some(batch) = plan::store::open_batches(table).await?.first() {
            return Ok(Some(format!("the batch {} is open", batch.name)));
        }
        if let Some(sweep) = plan::store::open_sweeps(table).await?.first() {
            return Ok(Some(format!("the sweep of {} is open", sweep.campaign)));
        }
        let campaigns: Vec<Campaign> = {
            let known = self.stage.watch.known();
            self.office.campaigns.iter().filter_map(|id| known.campaign(*id)).cloned().collect()
        };
        for campaign in campaigns {
            if let Some(wrong) = self.counters(&campaign).await? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    async fn counters(&self, campaign: &Campaign) -> Result<Option<String>, Broken> {
        let (table, id) = (&self.stage.table, campaign.id);
        let mut counted = analytics::store::read(table, id, campaign.shards).await?;
        counted.0.retain(|name, _| !name.starts_with("d_"));
        let recount = analytics::store::recount(table, campaign).await?;
        if counted != recount {
            return Ok(Some(format!("{id} counts {counted:?}, and a recount gives {recount:?}")));
        }
        let known = self.stage.watch.known();
        let imported = known.recipients.keys().filter(|(one, _)| *one == id).count() as u64;
        let sum = Report::of(&recount).recipients;
        Ok((sum != imported)
            .then(|| format!("{id} imported {imported}, and its states add up to {sum}")))
    }
}

/// The highest limit that a campaign had at any time of one of its days.
fn highest_limit(history: &[(Timestamp, Campaign)], date: Date) -> u32 {
    let zone = history.first().map_or(TimeZone::UTC, |(_, campaign)| campaign.zone());
    let begin = date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
    let end = date.tomorrow().and_then(|next| next.to_zoned(zone)).map(|zoned| zoned.timestamp());
    let (begin, end) = (begin.unwrap_or(Timestamp::MIN), end.unwrap_or(Timestamp::MAX));
    let limits = history.iter().enumerate().filter(|(place, (from, _))| {
        let until = history.get(place + 1).map_or(Timestamp::MAX, |(next, _)| *next);
        *from < end && until >= begin
    });
    limits.map(|(_, (_, campaign))| campaign.settings.daily_send_limit).max().unwrap_or(0)
}
