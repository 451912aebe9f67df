//! A WhatsApp without a network: takes messages or refuses them, loses answers,
//! and has news of those it took.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carillon::channel::whatsapp_cloud::policy::{self, Report, Told};
use carillon::channel::{Acceptance, Accepted, Channel, Outbound, Outcome, Verdict};
use carillon::connection::Connection;
use carillon::ids::ConnectionId;
use carillon::recipient::{Callback, Rung};
use carillon::time::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::dice::Dice;
use crate::fate;
use crate::log::{Course, Entry, Log};
use crate::news::{News, Outbox, What};
use crate::watch::Watch;

/// What Meta answers when it refuses, and how often among a hundred refusals.
const REFUSALS: [(u64, u32); 13] = [
    (22, 130_429),
    (14, 131_056),
    (14, 131_026),
    (8, 131_050),
    (12, 131_049),
    (8, 131_000),
    (3, 132_015),
    (2, 131_042),
    (5, 100),
    (5, 132_005),
    (3, 613),
    (2, 80_007),
    (2, 130_403),
];

/// With which a message fails on its way.
const FAILURES: [u32; 6] = [131_026, 131_049, 131_000, 131_000, 131_050, 130_472];

/// WhatsApp.
#[derive(Debug)]
pub(crate) struct WhatsApp {
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) watch: Arc<Watch>,
    pub(crate) outbox: Outbox,
    log: Mutex<Log>,
    /// In a thousand messages, how many are refused; the same for lost answers.
    trouble: Mutex<(u64, u64)>,
}

/// The way to WhatsApp of one number.
struct Line {
    connection: ConnectionId,
    throughput: usize,
    whatsapp: Arc<WhatsApp>,
}

impl Channel for Line {
    fn send<'a>(&'a self, message: &'a Outbound) -> BoxFuture<'a, Outcome> {
        self.take(message).boxed()
    }
}

impl WhatsApp {
    pub(crate) fn new(clock: Clock, dice: Dice, watch: Arc<Watch>, trouble: (u64, u64)) -> Self {
        let (outbox, log) = (Outbox::default(), Mutex::default());
        Self { clock, dice, watch, outbox, log, trouble: Mutex::new(trouble) }
    }

    /// The way to WhatsApp for a connection.
    pub(crate) fn line(self: &Arc<Self>, connection: &Connection) -> Arc<dyn Channel> {
        Arc::new(Line {
            connection: connection.id,
            throughput: connection.throughput_mps as usize,
            whatsapp: self.clone(),
        })
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every message is taken and every answer arrives.
    pub(crate) fn calm_down(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = (0, 0);
    }

    fn trouble(&self) -> (u64, u64) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    async fn take(&self, message: &Outbound) -> Outcome {
        let whatsapp = &self.whatsapp;
        let Ok(callback) = message.callback.parse::<Callback>() else {
            whatsapp.watch.broken("a message without a callback of ours".to_owned());
            return refusal(131_009);
        };
        let number = self.receive(&callback);
        let (refused, lost) = whatsapp.trouble();
        whatsapp.clock.sleep(whatsapp.dice.millis(2, 300)).await;
        if whatsapp.dice.permille(refused) {
            return self.refuse(number).await;
        }
        if let Some(entry) = whatsapp.log().entry(number) {
            entry.course = Course::Taken;
        }
        self.foretell(number, &callback, refused > 0);
        self.answer(number, lost).await
    }

    /// Writes the message down, and asks all that must hold for it.
    fn receive(&self, callback: &Callback) -> usize {
        let whatsapp = &self.whatsapp;
        let (now, watch) = (whatsapp.clock.now(), &whatsapp.watch);
        if let Err(error) = watch.catch_up() {
            watch.broken(format!("the stream can't be read: {error}"));
        }
        let whom = (callback.campaign, callback.contact.clone());
        let late = fate::current().is_some_and(|fate| fate.was_frozen());
        let claim = watch.known().use_claim(&whom, callback.attempt);
        if !late && !watch.known().was_open_lately(callback.campaign, now) {
            watch.broken(format!("{} was sent to while closed", crate::watch::name(&whom)));
        }
        let entry = Entry {
            at: now,
            connection: self.connection,
            whom,
            attempt: callback.attempt,
            date: claim.and_then(|claim| claim.date),
            late,
            course: Course::Refused,
            known_failed: false,
        };
        let (number, wrong) = whatsapp.log().add(entry, self.throughput);
        if let Some(wrong) = wrong {
            watch.broken(wrong);
        }
        number
    }

    /// Refuses a message. With some codes it can't be known whether it was taken.
    async fn refuse(&self, number: usize) -> Outcome {
        let whatsapp = &self.whatsapp;
        let outcome = refusal(any_code(&whatsapp.dice));
        whatsapp.clock.sleep(whatsapp.dice.millis(2, 200)).await;
        let unclear = matches!(&outcome, Outcome::Refused(r) if r.verdict == Verdict::Ambiguous);
        if let Some(entry) = whatsapp.log().entry(number) {
            entry.known_failed = !unclear;
        }
        outcome
    }

    async fn answer(&self, number: usize, lost: u64) -> Outcome {
        let whatsapp = &self.whatsapp;
        whatsapp.clock.sleep(whatsapp.dice.millis(5, 900)).await;
        if whatsapp.dice.permille(lost) {
            if let Some(fate) = fate::current().filter(|_| whatsapp.dice.permille(300)) {
                fate.die().await;
            }
            whatsapp.clock.sleep(Duration::from_secs(30)).await;
            return Outcome::Refused(policy::refusal(&Report::blank(Told::ByAnswer {
                status: 504,
            })));
        }
        Outcome::Accepted(Accepted {
            message_id: message_id(number),
            state: Acceptance::Accepted,
            bsuid: None,
            wa_id: None,
        })
    }

    /// What there will be to tell of a message.
    fn foretell(&self, number: usize, callback: &Callback, may_fail: bool) {
        let dice = &self.whatsapp.dice;
        let lot = dice.below(100);
        let mut story = Vec::new();
        if lot < 8 && may_fail {
            let code = dice.pick(&FAILURES).copied().unwrap_or(131_026);
            story.push((What::Failed(code), dice.millis(100, 400_000)));
            if dice.permille(150) {
                story.push((What::Rung(Rung::Delivered), dice.millis(500, 900_000)));
            }
        } else if lot < 97 {
            story.push((What::Rung(Rung::Sent), dice.millis(0, 3_000)));
            if lot >= 14 {
                story.push((What::Rung(Rung::Delivered), dice.millis(50, 60_000)));
            }
            if lot >= 40 {
                story.push((What::Rung(Rung::Read), dice.millis(1_000, 90_000_000)));
            }
            if lot >= 86 {
                story.push((What::Reply, dice.millis(5_000, 90_000_000)));
            }
            if lot >= 93 {
                story.push((What::Stop, dice.millis(5_000, 200_000_000)));
            }
        }
        for (what, after) in story {
            self.publish(number, callback, what, after);
        }
    }

    fn publish(&self, number: usize, callback: &Callback, what: What, after: Duration) {
        let (dice, now) = (&self.whatsapp.dice, self.whatsapp.clock.now());
        let at = now + after;
        for _ in 0..=u64::from(dice.permille(80)) {
            let delay = if dice.permille(60) { 7_200_000 } else { 8_000 };
            let due = at + dice.millis(0, delay);
            let callback = callback.clone();
            self.whatsapp.outbox.add(News { message: number, callback, what, at, due });
        }
    }
}

/// The provider's id of a message.
pub(crate) fn message_id(number: usize) -> String {
    format!("wamid.{number}")
}

fn any_code(dice: &Dice) -> u32 {
    let mut lot = dice.below(REFUSALS.iter().map(|(weight, _)| weight).sum());
    for (weight, code) in REFUSALS {
        if lot < weight {
            return code;
        }
        lot -= weight;
    }
    131_026
}

fn refusal(code: u32) -> Outcome {
    let report = Report { code: Some(code), ..Report::blank(Told::ByAnswer { status: 400 }) };
    Outcome::Refused(policy::refusal(&report))
}
