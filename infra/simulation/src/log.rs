//! What WhatsApp was handed, and the limits that it must keep to.

use std::collections::{BTreeMap, BTreeSet};

use carillon::contact::ContactKey;
use carillon::ids::{CampaignId, ConnectionId};
use carillon::recipient::Rung;
use carillon::time::{Date, Timestamp};
use jiff::SignedDuration;

use crate::watch::{Whom, name};

/// The least time between two messages to one person. Source: Meta, "Pair rate
/// limits".
const PAIR: SignedDuration = SignedDuration::from_secs(6);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// One message as WhatsApp got it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) connection: ConnectionId,
    pub(crate) whom: Whom,
    pub(crate) attempt: u32,
    /// The day it counts for.
    pub(crate) date: Option<Date>,
    /// Its sender was frozen for a time: it comes too late, and may break limits.
    pub(crate) late: bool,
    pub(crate) course: Course,
    /// The product knows that it did not go out.
    pub(crate) known_failed: bool,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Course {
    /// WhatsApp did not take it.
    Refused,
    /// It is on its way, or arrived.
    Taken,
    /// It was told that it failed on the way.
    Failed,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Vec<Entry>,
    /// What the webhook said 200 to.
    told: BTreeMap<(Whom, u32), Rung>,
    /// The attempts that a person asked for.
    asked_for: BTreeSet<(Whom, u32)>,
    /// When people wrote to us.
    wrote: BTreeMap<ContactKey, Vec<Timestamp>>,
}

impl Log {
    /// All messages, in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn entry(&mut self, number: usize) -> Option<&mut Entry> {
        self.entries.get_mut(number)
    }

    /// A person asks for that attempt, though the one before may have arrived.
    pub(crate) fn ask_for(&mut self, whom: Whom, attempt: u32) {
        self.asked_for.insert((whom, attempt));
    }

    /// A person wrote to us, and the webhook stored it.
    pub(crate) fn note_reply(&mut self, contact: ContactKey, at: Timestamp) {
        self.wrote.entry(contact).or_default().push(at);
    }

    /// Whether a message went out within the 24 hours after the contact wrote: it
    /// then takes no place of the portfolio's limit.
    fn is_free(&self, entry: &Entry) -> bool {
        let wrote = self.wrote.get(&entry.whom.1).into_iter().flatten();
        wrote.into_iter().any(|at| *at <= entry.at && entry.at < *at + DAY)
    }

    /// The webhook stored that rung of an attempt.
    pub(crate) fn tell(&mut self, whom: Whom, attempt: u32, rung: Rung) {
        let highest = self.told.entry((whom, attempt)).or_insert(rung);
        *highest = (*highest).max(rung);
    }

    /// The highest rung of an attempt that the webhook stored.
    pub(crate) fn told(&self, whom: &Whom, attempt: u32) -> Option<Rung> {
        self.told.get(&(whom.clone(), attempt)).copied()
    }

    /// Adds a message; gives its number, and what is wrong with it, if anything.
    pub(crate) fn add(&mut self, entry: Entry, throughput: usize) -> (usize, Option<String>) {
        let wrong = self.sent_twice(&entry).or_else(|| self.too_fast(&entry, throughput));
        self.entries.push(entry);
        (self.entries.len() - 1, wrong)
    }

    fn sent_twice(&self, new: &Entry) -> Option<String> {
        let before = self.entries.iter().filter(|entry| entry.whom == new.whom);
        let asked = |old: &Entry| {
            (old.attempt + 1..=new.attempt)
                .any(|attempt| self.asked_for.contains(&(new.whom.clone(), attempt)))
        };
        let twice = before
            .filter(|old| !old.known_failed || old.attempt >= new.attempt)
            .find(|old| old.attempt >= new.attempt || !asked(old))?;
        let (name, old, new) = (name(&new.whom), twice.attempt, new.attempt);
        Some(format!(
            "{name} was sent attempt {new} while attempt {old} is not known to have failed"
        ))
    }

    fn too_fast(&self, new: &Entry, throughput: usize) -> Option<String> {
        if new.late {
            return None;
        }
        let lately = |for_long| {
            self.entries
                .iter()
                .rev()
                .take_while(move |old| new.at < old.at + for_long)
                .filter(|old| !old.late)
        };
        if let Some(old) = lately(PAIR).find(|old| old.whom.1 == new.whom.1) {
            let apart = new.at.duration_since(old.at);
            return Some(format!("two messages to {} {apart:#} apart", new.whom.1.as_str()));
        }
        let count = 1 + lately(SECOND).filter(|old| old.connection == new.connection).count();
        (count > throughput)
            .then(|| format!("{count} messages in a second on a number of {throughput} a second"))
    }

    /// The messages that count for limits: taken, and not failed on the way.
    fn counted(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.course == Course::Taken && !entry.late)
    }

    /// The most different people within 24 hours.
    pub(crate) fn most_people_in_a_day(&self) -> usize {
        let counted: Vec<&Entry> = self.counted().filter(|entry| !self.is_free(entry)).collect();
        let within = |(place, last): (usize, &&Entry)| {
            let before = counted[..=place].iter().rev();
            let window = before.take_while(|entry| last.at < entry.at + DAY);
            window.map(|entry| &entry.whom.1).collect::<BTreeSet<_>>().len()
        };
        counted.iter().enumerate().map(within).max().unwrap_or(0)
    }

    /// How many different people each campaign wrote to on each of its days. Who
    /// was written to again because a person asked for it counts once.
    pub(crate) fn by_day(&self) -> BTreeMap<(CampaignId, Date), usize> {
        let mut days: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for entry in self.counted() {
            if let Some(date) = entry.date {
                days.entry((entry.whom.0, date)).or_default().insert(&entry.whom.1);
            }
        }
        days.into_iter().map(|(day, people)| (day, people.len())).collect()
    }
}
