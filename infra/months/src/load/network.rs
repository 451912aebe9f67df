//! A WhatsApp that accepts everything within its limits, and reports what becomes of it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carillon::channel::{
    Acceptance, Accepted, Outbound, Outcome, Probe, ProbeError, Quality, QuotaLimit, SenderAccess,
};
use carillon::recipient::Callback;
use carillon::time::{Clock, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;

use super::LoadPlan;
use super::memory::of_others;
use super::person::LoadPerson;
use super::reports::{Accepted as AcceptedMessage, Reports};
use crate::campaign_contact::CampaignContact;
use crate::cloud_provider::{Network, refused};
use crate::rng::SeededRng;

/// How long an answer takes, in milliseconds.
const LATENCY: (u64, u64) = (100, 200);
/// Meta's code for more messages than a number may send.
const RATE_LIMITED: u32 = 130_429;
const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);
const ONE_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The WhatsApp of a load.
#[derive(Debug)]
pub(super) struct LoadNetwork {
    pub(super) clock: Clock,
    pub(super) rng: SeededRng,
    pub(super) plan: LoadPlan,
    pub(super) reports: Arc<Reports>,
    pub(super) log: Arc<SendLog>,
}

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct SendLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    accepted: u64,
    rate_limited: u64,
    /// Who was sent to: a digest of the recipient.
    reached: HashSet<CampaignContact>,
    duplicates: u64,
    /// When the messages of the last second arrived, by number.
    latest: BTreeMap<String, VecDeque<Timestamp>>,
    last_at: Option<Timestamp>,
    /// The messages that count against the rolling limit.
    counted: Vec<(Timestamp, LoadPerson)>,
    /// When people wrote to a number.
    answers: HashMap<(String, LoadPerson), Vec<Timestamp>>,
}

/// The figures of what was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) accepted: u64,
    /// Messages that were refused because their number sent too many.
    pub(super) rate_limited: u64,
    /// Messages to recipients who had one already.
    pub(super) duplicates: u64,
    pub(super) last_at: Option<Timestamp>,
}

impl LoadNetwork {
    async fn send_message(&self, sender: &SenderAccess, outbound: &Outbound) -> Outcome {
        let number = &sender.config.sender_id;
        let Ok(callback) = outbound.callback.parse::<Callback>() else { return refused(131_009) };
        let Some(to) = LoadPerson::at(&outbound.to) else { return refused(131_026) };
        let index = of_others(|| {
            self.log.state().receive(number, &callback, self.plan.throughput, self.clock.now())
        });
        let (first, last) = LATENCY;
        let latency = self.rng.millis(first, last);
        let Some(index) = index else {
            self.clock.sleep(latency).await;
            return refused(RATE_LIMITED);
        };
        let id = format!("wamid.{index}");
        of_others(|| {
            let (id, number) = (id.clone(), number.clone());
            let callback = outbound.callback.clone();
            let message = AcceptedMessage { id, number: number.clone(), to, callback };
            let now = self.clock.now();
            let answered_at = self.reports.schedule(&Arc::new(message), &self.rng, now);
            self.log.state().count(&number, to, answered_at, now);
        });
        self.clock.sleep(latency).await;
        Outcome::Accepted(Accepted {
            message_id: id,
            state: Acceptance::Accepted,
            aliases: Vec::new(),
        })
    }
}

impl SendLog {
    pub(super) fn sent(&self) -> Sent {
        let state = self.state();
        let State { accepted, rate_limited, duplicates, last_at, .. } = *state;
        Sent { accepted, rate_limited, duplicates, last_at }
    }

    /// When which people were sent messages that count against the rolling limit.
    pub(super) fn counted(&self) -> Vec<(Timestamp, LoadPerson)> {
        self.state().counted.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a message. Returns its number; none where its sender sends too many.
    fn receive(
        &mut self,
        number: &str,
        callback: &Callback,
        throughput: u32,
        now: Timestamp,
    ) -> Option<u64> {
        let latest = self.latest.entry(number.to_owned()).or_default();
        while latest.front().is_some_and(|at| *at <= now - ONE_SECOND) {
            latest.pop_front();
        }
        if latest.len() >= throughput as usize {
            self.rate_limited += 1;
            return None;
        }
        latest.push_back(now);
        self.accepted += 1;
        self.last_at = Some(now);
        // The same person may be in several campaigns.
        self.duplicates += u64::from(!self.reached.insert(CampaignContact::from(callback)));
        Some(self.accepted)
    }

    /// Counts a message against the rolling limit, unless the person wrote to the number within
    /// 24 hours.
    fn count(
        &mut self,
        number: &str,
        to: LoadPerson,
        answered_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let answers = self.answers.entry((number.to_owned(), to)).or_default();
        if !answers.iter().any(|at| *at <= now && now < *at + SERVICE_WINDOW) {
            self.counted.push((now, to));
        }
        answers.extend(answered_at);
    }
}

impl Network for LoadNetwork {
    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome> {
        self.send_message(sender, message).boxed()
    }

    fn probe<'a>(&'a self, _: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        let probe = Probe {
            quality: Some(Quality::Green),
            throughput_mps: Some(self.plan.throughput),
            quota: Some(
                QuotaLimit::Contacts(self.plan.quota_limit.min(u64::from(u32::MAX)) as u32),
            ),
            ..Probe::default()
        };
        std::future::ready(Ok(probe)).boxed()
    }
}
