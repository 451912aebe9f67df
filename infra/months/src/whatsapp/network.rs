use std::sync::Arc;
use std::time::Duration;

use carillon::channel::whatsapp_cloud::WhatsappCloud;
use carillon::channel::whatsapp_cloud::policy::{Report, ReportedBy, refusal};
use carillon::channel::{
    Acceptance, Accepted, Outbound, Outcome, Probe, ProbeError, Provider, Quality, QuotaLimit,
    SenderAccess, Verdict,
};
use carillon::recipient::Callback;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;

use super::event_plan::{HELD, OPTED_OUT, UNDELIVERABLE, possible_code};
use super::limits::LimitOf;
use super::message_log::{LoggedMessage, MessageOutcome, message_id};
use super::portfolio::{Number, WhatsApp};
use super::reports::{Hold, HoldReport, SuppressedBy};
use super::webhook_events::SentMessage;
use crate::campaign_contact::CampaignContact;
use crate::cloud_provider::{Network, refused};
use crate::fault_plan::{FaultPlan, FaultRates};
use crate::rng::SeededRng;

/// How long marketing messages are held back from a person. Source: Meta, error 131049.
pub(crate) const HOLD: SignedDuration = SignedDuration::from_hours(24);

/// Meta's error codes for refused messages, each after its share in percent.
const REFUSAL_CODES: [(u64, u32); 13] = [
    (22, 130_429),
    (14, 131_056),
    (14, UNDELIVERABLE),
    (8, OPTED_OUT),
    (12, HELD),
    (8, 131_000),
    (3, 132_015),
    (2, 131_042),
    (5, 100),
    (5, 132_005),
    (3, 613),
    (2, 80_007),
    (2, 130_403),
];

/// The network of a process: messages and probes go to [`WhatsApp`].
#[derive(Debug)]
pub(crate) struct WhatsAppNetwork {
    cloud: Arc<WhatsappCloud>,
    whatsapp: Arc<WhatsApp>,
    /// How far the clock of the process is ahead.
    ahead: SignedDuration,
}

impl Network for WhatsAppNetwork {
    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome> {
        self.send_message(sender, message).boxed()
    }

    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        self.probe_number(sender).boxed()
    }
}

/// The greatest age of a claim whose message is sent, also by a sender that was frozen.
const MAX_CLAIM_AGE: SignedDuration = SignedDuration::from_secs(60);

impl WhatsAppNetwork {
    pub(crate) fn new(
        cloud: Arc<WhatsappCloud>,
        whatsapp: Arc<WhatsApp>,
        ahead: SignedDuration,
    ) -> Self {
        Self { cloud, whatsapp, ahead }
    }

    async fn send_message(&self, sender: &SenderAccess, outbound: &Outbound) -> Outcome {
        let whatsapp = &self.whatsapp;
        let Some(number) = whatsapp.number(sender) else { return refused(190) };
        let Some(callback) = self.callback(outbound) else { return refused(131_009) };
        let rates = whatsapp.fault_rates();
        let is_frozen = whatsapp.rng.chance(rates.frozen_sends);
        if is_frozen {
            whatsapp.clock.sleep(whatsapp.rng.millis(60_000, 5_000_000)).await;
            whatsapp.faults.note(whatsapp.clock.now());
        }
        let message = self.receive(&number, callback, outbound, is_frozen);
        whatsapp.clock.sleep(whatsapp.rng.millis(2, 300)).await;
        if let Some(code) = self.draw_refusal(&message, rates) {
            return self.refuse(&message, code).await;
        }
        whatsapp.log().record_acceptance(message.index);
        whatsapp.schedule_events(&number.id, &message, rates);
        self.accept(&message, rates).await
    }

    /// The callback of a message.
    fn callback(&self, outbound: &Outbound) -> Option<Callback> {
        let callback = outbound.callback.parse::<Callback>().ok();
        if callback.is_none() {
            self.whatsapp.monitor.report_violation(
                "a message was sent without valid biz_opaque_callback_data".to_owned(),
            );
        }
        callback
    }

    /// Logs the message and checks the invariants on it.
    fn receive(
        &self,
        number: &Number,
        callback: Callback,
        outbound: &Outbound,
        after_freeze: bool,
    ) -> SentMessage {
        let whatsapp = &self.whatsapp;
        let (now, monitor) = (whatsapp.clock.now(), &whatsapp.monitor);
        if let Err(error) = monitor.read_stream() {
            monitor.report_violation(format!("the table's stream cannot be read: {error}"));
        }
        let recipient = CampaignContact::from(&callback);
        let claim = monitor.state().consume_claim(&recipient, callback.attempt);
        let (contact, date, claimed_at) = match claim {
            Some(claim) => (claim.contact, claim.date, claim.at - self.ahead),
            None => (recipient.contact, None, now),
        };
        let (address, to) = (outbound.to.clone(), whatsapp.people().reached(&outbound.to, now));
        let is_marketing = self.cloud.is_marketing(&outbound.content, None);
        if !after_freeze && !monitor.state().may_send(recipient.campaign, now, whatsapp.skew) {
            monitor.report_violation(format!(
                "{recipient} was sent a message while the campaign was not sending"
            ));
        }
        if !after_freeze && now > claimed_at + MAX_CLAIM_AGE {
            let age = now.duration_since(claimed_at);
            monitor.report_violation(format!("{recipient} was sent to {age:#} after its claim"));
        }
        let message = LoggedMessage {
            received_at: now,
            number: number.id.clone(),
            recipient,
            address: address.clone(),
            to,
            is_marketing,
            claimed_at,
            contact,
            attempt: callback.attempt,
            date,
            after_freeze,
            outcome: MessageOutcome::Refused,
            known_failed: false,
        };
        let person_violation = whatsapp.person_violation(&message);
        let of = LimitOf::Number(number.id.clone());
        let throughput = whatsapp.limits().allowed_at(&of, now);
        let (index, violation) = whatsapp.log().add(message, throughput as usize);
        for violation in violation.into_iter().chain(person_violation) {
            monitor.report_violation(violation);
        }
        SentMessage { index, address, to, is_marketing, callback }
    }

    /// The error code with which a message is refused, if it is. Half of the messages that
    /// reach nobody are accepted and fail later.
    fn draw_refusal(&self, message: &SentMessage, rates: FaultRates) -> Option<u32> {
        let whatsapp = &self.whatsapp;
        let Some(to) = message.to else {
            return whatsapp.rng.chance(500).then_some(UNDELIVERABLE);
        };
        if message.is_marketing && whatsapp.reports().is_held(to.person, whatsapp.clock.now()) {
            return Some(HELD);
        }
        let is_refused = whatsapp.rng.chance(rates.refusals);
        if is_refused {
            whatsapp.faults.note(whatsapp.clock.now());
        }
        is_refused.then(|| possible_code(draw_refusal_code(&whatsapp.rng), message.is_marketing))
    }

    /// Refuses a message. Some codes leave open whether it was accepted.
    async fn refuse(&self, message: &SentMessage, code: u32) -> Outcome {
        let whatsapp = &self.whatsapp;
        let outcome = refused(code);
        if let Some(to) = message.to {
            let reported =
                HoldReport::InAnswer((&message.callback).into(), message.callback.attempt);
            let until = whatsapp.clock.now() + HOLD;
            match code {
                HELD => {
                    let hold = Hold { address: message.address.clone(), until, reported };
                    whatsapp.reports().hold(to.person, hold);
                }
                OPTED_OUT => {
                    whatsapp.reports().may_suppress(to.person, SuppressedBy::OptOut);
                }
                _ => {}
            }
        }
        whatsapp.clock.sleep(whatsapp.rng.millis(2, 200)).await;
        let is_ambiguous =
            matches!(&outcome, Outcome::Refused(r) if r.verdict == Verdict::Ambiguous);
        if !is_ambiguous {
            whatsapp.log().record_definite_refusal(message.index);
        }
        outcome
    }

    /// Responds that the message was accepted, unless the response is lost: the
    /// sender then crashes, or gets a 504 after 30 seconds.
    async fn accept(&self, message: &SentMessage, rates: FaultRates) -> Outcome {
        let whatsapp = &self.whatsapp;
        whatsapp.clock.sleep(whatsapp.rng.millis(5, 900)).await;
        if whatsapp.rng.chance(rates.lost_responses) {
            whatsapp.faults.note(whatsapp.clock.now());
            if let Some(plan) = FaultPlan::current().filter(|_| whatsapp.rng.chance(300)) {
                plan.crash().await;
            }
            whatsapp.clock.sleep(Duration::from_secs(30)).await;
            whatsapp.faults.note(whatsapp.clock.now());
            return Outcome::Refused(refusal(&Report::blank(ReportedBy::Answer { status: 504 })));
        }
        Outcome::Accepted(Accepted {
            message_id: message_id(message.index),
            state: Acceptance::Accepted,
            aliases: message.to.and_then(|to| to.line.phone().parse().ok()).into_iter().collect(),
        })
    }

    /// Responds with the limits of a number, unless the response is lost.
    async fn probe_number(&self, sender: &SenderAccess) -> Result<Probe, ProbeError> {
        let whatsapp = &self.whatsapp;
        whatsapp.clock.sleep(whatsapp.rng.millis(5, 900)).await;
        if whatsapp.rng.chance(whatsapp.fault_rates().lost_responses) {
            return Err(ProbeError::Unreachable("the response was lost".to_owned()));
        }
        let number = whatsapp.number(sender);
        let number = number.ok_or_else(|| ProbeError::Unreachable("no such number".to_owned()))?;
        let limits = whatsapp.limits();
        let throughput = limits.latest(&LimitOf::Number(number.id));
        let messaging_limit = limits.latest(&LimitOf::Portfolio);
        Ok(Probe {
            quality: Some(Quality::Green),
            throughput_mps: Some(throughput),
            quota: Some(QuotaLimit::Contacts(messaging_limit)),
            ..Probe::default()
        })
    }
}

fn draw_refusal_code(rng: &SeededRng) -> u32 {
    let mut share = rng.below(REFUSAL_CODES.iter().map(|(share, _)| share).sum());
    for (code_share, code) in REFUSAL_CODES {
        if share < code_share {
            return code;
        }
        share -= code_share;
    }
    UNDELIVERABLE
}
