//! Recipients in the table.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Callback, Event, Judgement, Position, Recipient, Status, judge};
use crate::campaign::Campaign;
use crate::contact::{self, Barred, ContactKey, Counting, Profile, Pseudonym};
use crate::delivery::PAIR_SECONDS;
use crate::delivery::retry::Decision;
use crate::ids::CampaignId;
use crate::plan::Cursor;
use crate::table::{Key, Page, StoreError, Table, Update, Write, read_item, shard_of};
use crate::time::sortable;

/// Where one recipient lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The campaign.
    pub campaign: CampaignId,
    /// The shard.
    pub shard: u16,
    /// The contact.
    pub contact: ContactKey,
}

impl Place {
    /// The place of a contact in a campaign of `shards` shards.
    pub fn of(campaign: CampaignId, contact: &ContactKey, shards: u16) -> Self {
        Self { campaign, shard: shard_of(contact, shards), contact: contact.clone() }
    }

    fn key(&self) -> Key {
        Key::Recipient { campaign: self.campaign, shard: self.shard, contact: self.contact.clone() }
    }
}

impl From<&Callback> for Place {
    fn from(callback: &Callback) -> Self {
        Self {
            campaign: callback.campaign,
            shard: callback.shard,
            contact: callback.contact.clone(),
        }
    }
}

/// Adds a recipient; `false` when the contact was in the campaign already.
pub async fn add(table: &Table, place: &Place, recipient: &Recipient) -> Result<bool, StoreError> {
    match table.write(Write::create(&place.key(), recipient)?).await {
        Ok(()) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads one recipient.
pub async fn get(table: &Table, place: &Place) -> Result<Option<Recipient>, StoreError> {
    table.get(&place.key()).await
}

/// A contact's places in some campaigns: those where it is a recipient.
pub async fn in_campaigns(
    table: &Table,
    contact: &ContactKey,
    campaigns: &[Campaign],
) -> Result<Vec<(Place, Recipient)>, StoreError> {
    #[derive(Deserialize)]
    struct Row {
        pk: String,
        sk: String,
        #[serde(flatten)]
        recipient: Recipient,
    }
    let mut found = Vec::new();
    for campaigns in campaigns.chunks(100) {
        let keys: Vec<Key> = campaigns
            .iter()
            .map(|campaign| Place::of(campaign.id, contact, campaign.shards).key())
            .collect();
        for Row { pk, sk, recipient } in table.get_many(&keys).await? {
            if let Some(Key::Recipient { campaign, shard, contact }) = Key::parse(&pk, &sk) {
                found.push((Place { campaign, shard, contact }, recipient));
            }
        }
    }
    Ok(found)
}

/// Puts a pseudonym in the place of a recipient, who waits for nothing then. `false`
/// when the recipient had moved on.
pub async fn erase(
    table: &Table,
    place: &Place,
    found: Recipient,
    pseudonym: Pseudonym,
) -> Result<bool, StoreError> {
    let times = ["sent_at", "delivered_at", "read_at", "replied_at", "closed_at", "failed_at"];
    let seen = [
        found.sent_at,
        found.delivered_at,
        found.read_at,
        found.replied_at,
        found.closed_at,
        found.failed_at,
    ];
    let unmoved = times.into_iter().zip(seen).fold(at(place, found.position()), |update, one| {
        update.unchanged(one.0, one.1.map(sortable))
    });
    let delete = unmoved.delete();
    let erased = found.erased(pseudonym);
    let anonymous = Place { contact: erased.contact.clone(), ..place.clone() };
    match table.transact(vec![delete, Write::create(&anonymous.key(), &erased)?]).await {
        Ok(()) => Ok(true),
        Err(StoreError::Cancelled(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The stretch of a shard with those who were erased, as far as they come after
/// `until`: from where, exclusive, to where.
pub fn erased_after(until: &Cursor) -> (Cursor, Cursor) {
    let at = |contact: String| Cursor { shard: until.shard, contact };
    let start = until.contact.clone().max(Pseudonym::FIRST.to_owned());
    (at(start), at("\u{10FFFF}".to_owned()))
}

/// One page of the walk over a campaign's recipients, and the cursor to go on
/// from; `None` at the end of the last shard. `after` is exclusive, `until`
/// inclusive.
pub async fn walk(
    table: &Table,
    campaign: CampaignId,
    shards: u16,
    after: Option<&Cursor>,
    until: Option<&Cursor>,
    limit: u32,
) -> Result<(Vec<Recipient>, Option<Cursor>), StoreError> {
    let mut shard = after.map_or(0, |cursor| cursor.shard);
    let mut from = match after {
        Some(cursor) => format!("{}\u{0}", Key::recipient_sk_text(&cursor.contact)),
        None => Key::RECIPIENTS.to_owned(),
    };
    let last = until.map_or(shards.saturating_sub(1), |cursor| cursor.shard);
    while shard <= last {
        let to = match until {
            Some(cursor) if cursor.shard == shard => Key::recipient_sk_text(&cursor.contact),
            _ => format!("{}\u{10FFFF}", Key::RECIPIENTS),
        };
        if from <= to {
            let pk = Key::Counters { campaign, shard }.pk();
            let page: Page<Recipient> = table.query(&pk, (&from, &to), None, limit).await?;
            if let Some(recipient) = page.items.last() {
                let contact = recipient.contact.as_str().to_owned();
                return Ok((page.items, Some(Cursor { shard, contact })));
            }
        }
        shard += 1;
        Key::RECIPIENTS.clone_into(&mut from);
    }
    Ok((Vec::new(), None))
}

/// What came of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The sender won it and must send.
    Won,
    /// Someone else has it, or it is no longer pending.
    Lost,
    /// The contact may not be written to.
    Barred(Barred),
    /// The contact was written to a moment ago.
    TooSoon,
    /// Someone writes the same items at this moment; try again.
    Busy,
}

/// What a claim is for.
#[derive(Debug, Clone, Copy)]
pub struct Claiming<'a> {
    /// The attempt, from 1.
    pub attempt: u32,
    /// The batch, as `date#number`.
    pub batch: &'a str,
    /// When.
    pub now: Timestamp,
    /// What the message takes of the portfolio's limit.
    pub counting: Counting,
    /// The portfolio.
    pub portfolio: &'a str,
    /// The bucket of its ledger in which the batch's places are counted.
    pub bucket: i64,
}

/// Claims an attempt: recipient and contact in one transaction. Only who wins it
/// may send, and an opt-out stored before always wins.
pub async fn claim(
    table: &Table,
    place: &Place,
    claiming: &Claiming<'_>,
) -> Result<Claim, StoreError> {
    let Claiming { attempt, batch, now, counting, portfolio, bucket } = *claiming;
    let recipient = at(place, Position { attempt, status: Status::Pending })
        .set("status", Status::Sending)
        .set("rank", Status::Sending.rank())
        .set("batch", batch)
        .set("sent_at", sortable(now))
        .remove("not_before")
        .remove("reason");
    let contact = contact::store::claim(&place.contact, now, PAIR_SECONDS);
    let contact = contact::store::counted(contact, counting, portfolio, bucket);
    let writes = vec![Write::Update(recipient), Write::Update(contact)];
    match table.transact(writes).await {
        Ok(()) => Ok(Claim::Won),
        Err(StoreError::Cancelled(reasons)) => refused(reasons, now),
        Err(error) => Err(error),
    }
}

fn refused(reasons: Vec<crate::table::Cancelled>, now: Timestamp) -> Result<Claim, StoreError> {
    use crate::table::Cancelled;
    let mut reasons = reasons.into_iter();
    if let Some(Cancelled::Condition(_)) = reasons.next() {
        return Ok(Claim::Lost);
    }
    let Some(Cancelled::Condition(item)) = reasons.next() else { return Ok(Claim::Busy) };
    let profile: Profile = read_item(item)?;
    let earliest = now - SignedDuration::from_secs(PAIR_SECONDS);
    Ok(match profile.barred() {
        Some(why) => Claim::Barred(why),
        None if profile.last_sent_at.is_some_and(|sent| sent > earliest) => Claim::TooSoon,
        // Sent to by someone else since the profile was read, but not just now.
        None => Claim::Busy,
    })
}

/// Settles an attempt whose answer came: the provider took it.
pub async fn settle_accepted(
    table: &Table,
    place: &Place,
    attempt: u32,
    message_id: &str,
    note: Option<&str>,
) -> Result<(), StoreError> {
    let update = Update::of(&place.key())
        .set("status", Status::Sent)
        .set("rank", Status::Sent.rank())
        .set("message_id", message_id)
        .set_or_remove("reason", note)
        .when("#attempt = :attempt AND #rank BETWEEN :sending AND :unconfirmed")
        .value("attempt", attempt)
        .value("sending", Status::Sending.rank())
        .value("unconfirmed", Status::Unconfirmed.rank());
    match table.update(update).await {
        Ok(_) => Ok(()),
        // A webhook was quicker than the answer: only the id is missing.
        Err(StoreError::Condition(_)) => remember_id(table, place, attempt, message_id).await,
        Err(error) => Err(error),
    }
}

async fn remember_id(
    table: &Table,
    place: &Place,
    attempt: u32,
    message_id: &str,
) -> Result<(), StoreError> {
    let update = Update::of(&place.key())
        .set_once("message_id", message_id)
        .when("#attempt = :attempt")
        .value("attempt", attempt);
    passed(table, update).await.map(drop)
}

/// How an attempt ended that was refused, failed on the way, or got lost.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What becomes of the recipient.
    pub decision: &'a Decision,
    /// The provider's code.
    pub code: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// Set when the attempt used a place of its batch all the same:
    /// [`Recipient::spends`].
    pub spent: Option<&'a str>,
}

/// Settles a refused or failed attempt as decided: failed for good, to be tried
/// again, skipped, or unconfirmed. `false` when the recipient had moved on.
pub async fn settle_refused(
    table: &Table,
    place: &Place,
    attempt: u32,
    ending: Ending<'_>,
) -> Result<bool, StoreError> {
    let Ending { decision, code, at: now, spent } = ending;
    let update = Update::of(&place.key())
        .set_or_remove("code", code)
        .set_or_remove("reason", decision.reason())
        .when("#attempt = :attempt AND #rank BETWEEN :sending AND :sent")
        .value("attempt", attempt)
        .value("sending", Status::Sending.rank())
        .value("sent", Status::Sent.rank());
    let update = match spent {
        Some(spent) => update.include("spent", spent),
        None => update,
    };
    let update = match decision {
        Decision::Retry { not_before, .. } => status(update, Status::Pending)
            .set("attempt", attempt + 1)
            .set("not_before", sortable(*not_before))
            .remove("message_id"),
        Decision::Fail { .. } => status(update, Status::Failed).set("failed_at", sortable(now)),
        Decision::Skip { .. } => status(update, Status::Skipped),
        Decision::Unconfirmed { .. } => status(update, Status::Unconfirmed)
            .when("#rank < :unconfirmed")
            .value("unconfirmed", Status::Unconfirmed.rank()),
    };
    passed(table, update).await
}

/// Settles a claim whose sender is gone: whether the message went out is not known.
pub async fn settle_lost(
    table: &Table,
    place: &Place,
    attempt: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let reason = "the sender stopped before the answer came".to_owned();
    let decision = &Decision::Unconfirmed { reason };
    let ending = Ending { decision, code: None, at: now, spent: None };
    settle_refused(table, place, attempt, ending).await.map(drop)
}

fn status(update: Update, status: Status) -> Update {
    update.set("status", status).set("rank", status.rank())
}

/// Takes a recipient that was not sent yet out of the campaign: `skipped` or
/// `cancelled`, with a reason. `false` when it was no longer pending.
pub async fn leave_out(
    table: &Table,
    place: &Place,
    attempt: u32,
    to: Status,
    reason: &str,
) -> Result<bool, StoreError> {
    let update = at(place, Position { attempt, status: Status::Pending }).set("reason", reason);
    passed(table, status(update, to)).await
}

/// Lets an unconfirmed recipient be sent again, because a person says so: the
/// first message may have arrived. `false` when it is no longer unconfirmed.
pub async fn retry_unconfirmed(
    table: &Table,
    place: &Place,
    found: &Recipient,
) -> Result<bool, StoreError> {
    let attempt = found.attempt;
    let update = at(place, Position { attempt, status: Status::Unconfirmed });
    let update = match found.spends() {
        Some(spent) => update.include("spent", &spent),
        None => update,
    };
    let update = update
        .set("attempt", attempt + 1)
        .remove("message_id")
        .remove("not_before")
        .remove("reason")
        .remove("code");
    passed(table, status(update, Status::Pending)).await
}

/// Leaves out someone who was put back for another attempt of a campaign that is
/// over: nobody comes by there any more.
pub async fn leave_out_late(
    table: &Table,
    place: &Place,
    attempt: u32,
) -> Result<bool, StoreError> {
    let reason = "the campaign was over before another attempt";
    leave_out(table, place, attempt, Status::Cancelled, reason).await
}

/// Records what a webhook or a person says of an attempt, on the ladder.
/// `true` when the status moved.
pub async fn record(
    table: &Table,
    place: &Place,
    event: Event,
    at_time: Timestamp,
    message_id: Option<&str>,
) -> Result<bool, StoreError> {
    let item = match table.update(climb(place, event, at_time, message_id)).await {
        Ok(_) => return Ok(true),
        Err(StoreError::Condition(None)) => return Ok(false),
        Err(StoreError::Condition(Some(item))) => item,
        Err(error) => return Err(error),
    };
    let found: Recipient = read_item(*item)?;
    let position = found.position();
    let unmoved = at(place, position);
    let time = event.rung.time_attribute();
    match judge(position, event) {
        Judgement::Ignore => Ok(false),
        Judgement::Climb => Box::pin(record(table, place, event, at_time, message_id)).await,
        Judgement::KeepTime => {
            let update = unmoved.set_once(time, sortable(at_time));
            let update = match message_id {
                Some(id) => update.set_once("message_id", id),
                None => update,
            };
            passed(table, update).await.map(|_| false)
        }
        Judgement::DropRetry => {
            let update = status(unmoved, event.rung.status())
                .set("attempt", event.attempt)
                .set(time, sortable(at_time))
                .set_or_remove("message_id", message_id)
                .remove("not_before")
                .remove("reason");
            passed(table, update).await
        }
    }
}

/// The write for the usual case, [`Judgement::Climb`], with that judgement as
/// its condition: one request where reading first would take two.
fn climb(place: &Place, event: Event, at_time: Timestamp, message_id: Option<&str>) -> Update {
    let rung = event.rung;
    let update = status(Update::of(&place.key()), rung.status())
        .set_once(rung.time_attribute(), sortable(at_time))
        .when("#attempt = :attempt AND #rank >= :sending AND #rank < :rung")
        .value("attempt", event.attempt)
        .value("sending", Status::Sending.rank())
        .value("rung", rung.status().rank());
    match message_id {
        Some(id) => update.set_once("message_id", id),
        None => update,
    }
}

fn at(place: &Place, position: Position) -> Update {
    Update::of(&place.key())
        .when("#attempt = :attempt AND #rank = :rank AND #status = :status")
        .value("attempt", position.attempt)
        .value("rank", position.status.rank())
        .value("status", position.status)
}

async fn passed(table: &Table, update: Update) -> Result<bool, StoreError> {
    match table.update(update).await {
        Ok(_) => Ok(true),
        Err(StoreError::Condition(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
