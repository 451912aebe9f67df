use std::sync::Arc;
use std::time::Duration;

use carillon::channel::whatsapp_cloud::policy::{Report, Told, refusal};
use carillon::channel::{Acceptance, Accepted, Channel, Outbound, Outcome, Verdict};
use carillon::connection::Connection;
use carillon::ids::ConnectionId;
use carillon::recipient::Callback;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::message_log::{LoggedMessage, MessageOutcome, message_id};
use super::provider::WhatsApp;
use crate::fault_plan::{FaultPlan, FaultRates};
use crate::recipient_key::RecipientKey;
use crate::rng::SeededRng;

/// Meta's error codes for refused messages, each after its share in percent.
const REFUSAL_CODES: [(u64, u32); 13] = [
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

/// The channel of one number.
pub(crate) struct SimulatedChannel {
    connection: ConnectionId,
    /// Messages a second.
    throughput: usize,
    whatsapp: Arc<WhatsApp>,
}

impl Channel for SimulatedChannel {
    fn send<'a>(&'a self, message: &'a Outbound) -> BoxFuture<'a, Outcome> {
        self.send_message(message).boxed()
    }
}

impl SimulatedChannel {
    pub(crate) fn new(connection: &Connection, whatsapp: Arc<WhatsApp>) -> Self {
        let throughput = connection.throughput_mps as usize;
        Self { connection: connection.id, throughput, whatsapp }
    }

    async fn send_message(&self, message: &Outbound) -> Outcome {
        let whatsapp = &self.whatsapp;
        let Ok(callback) = message.callback.parse::<Callback>() else {
            whatsapp.monitor.report_violation(
                "a message was sent without valid biz_opaque_callback_data".to_owned(),
            );
            return refusal_with(131_009);
        };
        let index = self.receive(&callback);
        let rates = whatsapp.fault_rates();
        whatsapp.clock.sleep(whatsapp.rng.millis(2, 300)).await;
        if whatsapp.rng.chance(rates.refusals) {
            return self.refuse(index).await;
        }
        whatsapp.log().record_acceptance(index);
        whatsapp.schedule_events(index, &callback, rates);
        self.accept(index, rates).await
    }

    /// Logs the message and checks the invariants on it. Returns its index.
    fn receive(&self, callback: &Callback) -> usize {
        let whatsapp = &self.whatsapp;
        let (now, monitor) = (whatsapp.clock.now(), &whatsapp.monitor);
        if let Err(error) = monitor.read_stream() {
            monitor.report_violation(format!("the table's stream cannot be read: {error}"));
        }
        let recipient = RecipientKey::from(callback);
        let after_freeze = FaultPlan::current().is_some_and(|plan| plan.was_frozen());
        let date = monitor.state().consume_claim(&recipient, callback.attempt);
        if !after_freeze && !monitor.state().may_send(recipient.campaign, now) {
            monitor.report_violation(format!(
                "{recipient} was sent a message while the campaign was not sending"
            ));
        }
        let message = LoggedMessage {
            received_at: now,
            connection: self.connection,
            recipient,
            attempt: callback.attempt,
            date,
            after_freeze,
            outcome: MessageOutcome::Refused,
            known_failed: false,
        };
        let (index, violation) = whatsapp.log().add(message, self.throughput);
        if let Some(violation) = violation {
            monitor.report_violation(violation);
        }
        index
    }

    /// Refuses a message. Some codes leave open whether it was accepted.
    async fn refuse(&self, index: usize) -> Outcome {
        let whatsapp = &self.whatsapp;
        let outcome = refusal_with(draw_refusal_code(&whatsapp.rng));
        whatsapp.clock.sleep(whatsapp.rng.millis(2, 200)).await;
        let is_ambiguous =
            matches!(&outcome, Outcome::Refused(r) if r.verdict == Verdict::Ambiguous);
        if !is_ambiguous {
            whatsapp.log().record_definite_refusal(index);
        }
        outcome
    }

    /// Responds that the message was accepted, unless the response is lost: the
    /// sender then crashes, or gets a 504 after 30 seconds.
    async fn accept(&self, index: usize, rates: FaultRates) -> Outcome {
        let whatsapp = &self.whatsapp;
        whatsapp.clock.sleep(whatsapp.rng.millis(5, 900)).await;
        if whatsapp.rng.chance(rates.lost_responses) {
            if let Some(plan) = FaultPlan::current().filter(|_| whatsapp.rng.chance(300)) {
                plan.crash().await;
            }
            whatsapp.clock.sleep(Duration::from_secs(30)).await;
            return Outcome::Refused(refusal(&Report::blank(Told::ByAnswer { status: 504 })));
        }
        Outcome::Accepted(Accepted {
            message_id: message_id(index),
            state: Acceptance::Accepted,
            bsuid: None,
            wa_id: None,
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
    131_026
}

fn refusal_with(code: u32) -> Outcome {
    let report = Report { code: Some(code), ..Report::blank(Told::ByAnswer { status: 400 }) };
    Outcome::Refused(refusal(&report))
}
