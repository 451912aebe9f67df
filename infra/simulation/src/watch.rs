//! What the table's stream tells, at once and in order: the rules that hold for
//! every single change, and what the other checks need to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lambda_events::event::dynamodb::EventRecord;
use carillon::campaign::{Campaign, Status as CampaignStatus};
use carillon::contact::{ContactKey, Profile};
use carillon::ids::CampaignId;
use carillon::recipient::{Recipient, Status};
use carillon::table::Key;
use carillon::time::{Clock, Date, Timestamp};
use jiff::SignedDuration;
use serde::de::DeserializeOwned;

use crate::table::{Broken, Engine};

/// How long after a campaign was closed a message may still be on its way: the
/// question whether it may go on, the claim, its repetitions and the pace.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(60);

/// One person in one campaign.
pub(crate) type Whom = (CampaignId, ContactKey);

/// Watches the stream.
#[derive(Debug)]
pub(crate) struct Watch {
    engine: Arc<Engine>,
    clock: Clock,
    known: Mutex<Known>,
}

/// What is known from the stream.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The stream.
    pub(crate) records: Vec<EventRecord>,
    /// Every campaign as it was from each moment on.
    pub(crate) campaigns: BTreeMap<CampaignId, Vec<(Timestamp, Campaign)>>,
    /// Every recipient as it is.
    pub(crate) recipients: BTreeMap<Whom, Recipient>,
    barred: BTreeSet<ContactKey>,
    /// Who was erased; an old list may have brought them back since.
    pub(crate) erased: BTreeSet<Whom>,
    /// Who was deleted, and nobody has come in their place yet.
    pub(crate) gone: Vec<(CampaignId, Recipient)>,
    claims: BTreeMap<Whom, Claim>,
    /// The first rule that was broken.
    broken: Option<String>,
}

/// A claim that no message was sent for yet.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    attempt: u32,
    /// The day that the batch counts for.
    pub(crate) date: Option<Date>,
}

impl Watch {
    pub(crate) fn new(engine: Arc<Engine>, clock: Clock) -> Self {
        Self { engine, clock, known: Mutex::default() }
    }

    /// Takes in what the stream has told since the last time.
    pub(crate) fn catch_up(&self) -> Result<(), Broken> {
        let news = self.engine.news()?;
        let now = self.clock.now();
        let mut known = self.known();
        for record in news {
            known.take(&record, now)?;
            known.records.push(record);
        }
        Ok(())
    }

    /// Says that a rule is broken.
    pub(crate) fn broken(&self, what: String) {
        self.known().breaks(what);
    }

    /// The first rule that was broken, if one was.
    pub(crate) fn verdict(&self) -> Option<String> {
        self.known().broken.clone()
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    fn take(&mut self, record: &EventRecord, now: Timestamp) -> Result<(), Broken> {
        #[derive(serde::Deserialize)]
        struct Keys {
            pk: String,
            sk: String,
        }
        let Keys { pk, sk } = serde_dynamo::from_item(record.change.keys.clone())?;
        match Key::parse(&pk, &sk) {
            Some(Key::Campaign(id)) => {
                if let Some(campaign) = image::<Campaign>(&record.change.new_image)? {
                    self.campaigns.entry(id).or_default().push((now, campaign));
                }
            }
            Some(Key::Contact(contact)) => {
                let profile = image::<Profile>(&record.change.new_image)?;
                if profile.is_some_and(|profile| profile.barred().is_some()) {
                    self.barred.insert(contact);
                } else {
                    self.barred.remove(&contact);
                }
            }
            Some(Key::Recipient { campaign, contact, .. }) => {
                let old = image::<Recipient>(&record.change.old_image)?;
                let whom = (campaign, contact);
                match (old, image::<Recipient>(&record.change.new_image)?) {
                    (None, Some(new)) if matches!(whom.1, ContactKey::Erased(_)) => {
                        self.take_erased(whom, new);
                    }
                    (old, Some(new)) => self.take_recipient(whom, old.as_ref(), new),
                    (Some(old), None) => self.take_leave(&whom, old),
                    (None, None) => {}
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn take_recipient(&mut self, whom: Whom, old: Option<&Recipient>, new: Recipient) {
        if let Some(old) = old {
            if !may_follow(old, &new) {
                let (from, to) = (stands(old), stands(&new));
                self.breaks(format!("{} went from {from} to {to}", name(&whom)));
            }
            // Any write with that outcome counts, also one that leaves the status.
            let claimed = new.status == Status::Sending
                && (old.status != Status::Sending
                    || old.batch != new.batch
                    || old.sent_at != new.sent_at);
            if claimed {
                self.take_claim(&whom, old, &new);
            }
        }
        self.recipients.insert(whom, new);
    }

    /// Somebody was deleted: one who is erased, and to whom nothing is on its way.
    fn take_leave(&mut self, whom: &Whom, old: Recipient) {
        if !self.barred.contains(&whom.1) || old.status == Status::Sending {
            self.breaks(format!("{} was deleted while {}", name(whom), stands(&old)));
        }
        self.recipients.remove(whom);
        self.erased.insert(whom.clone());
        self.gone.push((whom.0, old));
    }

    /// Somebody stands in the place of one who was erased: with the same history.
    fn take_erased(&mut self, whom: Whom, new: Recipient) {
        let fits = |(campaign, old): &(CampaignId, Recipient)| {
            let status = if old.status == Status::Pending { Status::Skipped } else { old.status };
            let times = |one: &Recipient| (one.imported_at, one.sent_at, one.delivered_at);
            *campaign == whom.0
                && (status, old.attempt, times(old)) == (new.status, new.attempt, times(&new))
                && (&old.batch, &old.spent) == (&new.batch, &new.spent)
        };
        match self.gone.iter().position(fits) {
            Some(place) => drop(self.gone.swap_remove(place)),
            None => self.breaks(format!("{} stands for nobody", name(&whom))),
        }
        if !new.columns.is_empty() || new.message_id.is_some() {
            self.breaks(format!("{} still tells of somebody", name(&whom)));
        }
        self.recipients.insert(whom, new);
    }

    fn take_claim(&mut self, whom: &Whom, old: &Recipient, new: &Recipient) {
        if old.status != Status::Pending {
            self.breaks(format!("{} was claimed while {}", name(whom), stands(old)));
        }
        if self.barred.contains(&whom.1) {
            self.breaks(format!("{} was claimed while barred", name(whom)));
        }
        let day = new.batch.as_deref().and_then(|tag| tag.split('#').next());
        let date = day.and_then(|day| day.parse().ok());
        self.claims.insert(whom.clone(), Claim { attempt: new.attempt, date });
    }

    /// Uses up the claim of an attempt: each allows one message.
    pub(crate) fn use_claim(&mut self, whom: &Whom, attempt: u32) -> Option<Claim> {
        let claim = self.claims.remove(whom).filter(|claim| claim.attempt == attempt);
        if claim.is_none() {
            self.breaks(format!("{} was sent attempt {attempt} without a claim", name(whom)));
        }
        claim
    }

    /// Whether a campaign was allowed to send at `now` or a moment before.
    pub(crate) fn was_open_lately(&self, id: CampaignId, now: Timestamp) -> bool {
        let history = self.campaigns.get(&id).map(Vec::as_slice).unwrap_or_default();
        let since = now - ON_ITS_WAY;
        history.iter().enumerate().any(|(place, (from, campaign))| {
            let end = history.get(place + 1).map_or(now, |(next, _)| *next);
            let (first, last) = ((*from).max(since), end.min(now));
            first <= last && (is_open(campaign, first) || is_open(campaign, last))
        })
    }

    /// The campaign as it is.
    pub(crate) fn campaign(&self, id: CampaignId) -> Option<&Campaign> {
        self.campaigns.get(&id).and_then(|history| history.last()).map(|(_, campaign)| campaign)
    }
}

fn is_open(campaign: &Campaign, at: Timestamp) -> bool {
    let window = campaign.settings.send_window.as_ref();
    campaign.status == CampaignStatus::Active
        && campaign.settings.scheduled_end.is_none_or(|end| at < end)
        && window.is_none_or(|window| window.opens(at, &campaign.zone()).is_none())
}

/// Whether a recipient may change so: up within an attempt; to a new attempt only
/// from one that was begun; back to an older one only if that has arrived.
fn may_follow(old: &Recipient, new: &Recipient) -> bool {
    if new.rank != new.status.rank() {
        return false;
    }
    if new.attempt == old.attempt {
        return new.rank >= old.rank;
    }
    if new.attempt < old.attempt {
        return old.status == Status::Pending && new.rank >= Status::Delivered.rank();
    }
    let begun = (Status::Sending.rank()..=Status::Sent.rank()).contains(&old.rank);
    new.attempt == old.attempt + 1 && new.status == Status::Pending && begun
}

/// Where a recipient stands, in words.
pub(crate) fn stands(recipient: &Recipient) -> String {
    format!("{} in attempt {}", recipient.status, recipient.attempt)
}

/// A person in a campaign, in words. These are made up, and may be shown.
pub(crate) fn name((campaign, contact): &Whom) -> String {
    format!("{} of {campaign}", contact.as_str())
}

fn image<T: DeserializeOwned>(item: &serde_dynamo::Item) -> Result<Option<T>, Broken> {
    if item.is_empty() { Ok(None) } else { Ok(Some(serde_dynamo::from_item(item.clone())?)) }
}
