use std::mem::take;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use carillon::channel::whatsapp_cloud::signature::{HEADER, sign};
use carillon::recipient::DeliveryStatus;
use carillon::time::Timestamp;
use tower::ServiceExt;

use super::launcher::RunLauncher;
use crate::campaign_contact::CampaignContact;
use crate::fixture::{APP_SECRET, Fixture};
use crate::whatsapp::{
    Event, EventKind, HELD, HOLD, Hold, HoldReport, NumberChange, OPTED_OUT, SentMessage,
    SuppressedBy, WebhookEvent, WhatsApp, webhook_payload, writer,
};

/// Sends the webhook events that are due, one to six in a request.
pub(crate) fn send_webhooks(launcher: &mut RunLauncher, fixture: &Fixture) {
    let now = fixture.clock.now();
    while fixture.rng.chance(850) {
        let max = fixture.rng.between(1, 6) as usize;
        let events = fixture.whatsapp.pending_events.take_due(now, max);
        if events.is_empty() {
            return;
        }
        send_webhook(events, launcher, fixture);
    }
}

fn send_webhook(events: Vec<WebhookEvent>, launcher: &mut RunLauncher, fixture: &Fixture) {
    let whatsapp = fixture.whatsapp.clone();
    for event in &events {
        record_report(&whatsapp, event);
    }
    let redeliver_at = fixture.clock.now() + fixture.rng.millis(10_000, 600_000);
    let mut delivery = WebhookDelivery { events, redeliver_at, whatsapp };
    let router = fixture.webhook.clone();
    launcher.launch(async move {
        let payload = webhook_payload(&delivery.events, &delivery.whatsapp.people());
        let request = Request::post("/webhooks/whatsapp")
            .header(HEADER, sign(&APP_SECRET.into(), &payload))
            .body(Body::from(payload));
        let Ok(request) = request else { return };
        if let Ok(response) = router.oneshot(request).await
            && response.status().is_success()
        {
            delivery.acknowledge();
        }
    });
}

/// The events of one request. Dropping it without an acknowledgement schedules their
/// redelivery: Meta repeats a webhook that is not answered with 200.
struct WebhookDelivery {
    events: Vec<WebhookEvent>,
    redeliver_at: Timestamp,
    whatsapp: Arc<WhatsApp>,
}

impl WebhookDelivery {
    /// The webhook function has stored the events.
    fn acknowledge(&mut self) {
        let now = self.whatsapp.clock.now();
        for WebhookEvent { event, at, .. } in self.events.drain(..) {
            match event {
                Event::Message(message, kind) => {
                    record_stored(&self.whatsapp, &message, kind, at);
                }
                Event::NumberChange(NumberChange { before, after }) => {
                    self.whatsapp.people().record_reported(before, now);
                    let addresses = [before.reported(), after.reported()].concat();
                    self.whatsapp.reports().link(before.person, addresses, now);
                }
                Event::LimitChange(change) => self.whatsapp.limits().record_known(&change, now),
            }
        }
    }
}

/// WhatsApp reports an event, which Carillon may store from now on.
fn record_report(whatsapp: &WhatsApp, event: &WebhookEvent) {
    let Event::Message(message, kind) = &event.event else { return };
    let may_opt_out = matches!(kind, EventKind::OptOut | EventKind::Failed { code: OPTED_OUT });
    if let Some(to) = message.to.filter(|_| may_opt_out) {
        whatsapp.reports().may_suppress(to.person, SuppressedBy::OptOut);
    }
    match (kind, message.to) {
        (EventKind::Failed { .. }, _) => whatsapp.log().record_failure(message.index),
        (EventKind::Reply, Some(to)) => {
            whatsapp.log().record_inbound_message(&event.number, to.person, event.at);
        }
        (EventKind::Status(_) | EventKind::OptOut | EventKind::Reply, _) => {}
    }
}

/// The webhook function has stored what became of a message.
fn record_stored(whatsapp: &WhatsApp, message: &SentMessage, kind: EventKind, at: Timestamp) {
    let now = whatsapp.clock.now();
    let (mut log, mut reports) = (whatsapp.log(), whatsapp.reports());
    let (key, attempt) = (CampaignContact::from(&message.callback), message.callback.attempt);
    let status = match kind {
        EventKind::Status(status) => Some(status),
        EventKind::Failed { .. } => Some(DeliveryStatus::Failed),
        EventKind::Reply | EventKind::OptOut => None,
    };
    if let Some(status) = status {
        log.record_status(key, attempt, status);
    }
    let Some(to) = message.to else { return };
    let from = writer(message, &whatsapp.people(), at).unwrap_or(to);
    let address = message.address.clone();
    match kind {
        // Of an earlier attempt Carillon does not know when it was sent.
        EventKind::Status(_) if !log.is_latest(message.index) => {}
        EventKind::Status(_) => {
            reports.link(to.person, [to.reported(), vec![address]].concat(), now);
        }
        EventKind::Failed { code: HELD } => {
            let (until, reported) = (at + HOLD, HoldReport::InWebhook(now));
            reports.hold(to.person, Hold { address, until, reported });
        }
        EventKind::Failed { code: OPTED_OUT } => {
            reports.suppress(to.person, SuppressedBy::OptOut, address, now);
        }
        EventKind::Failed { .. } => {}
        EventKind::Reply => {
            reports.link(to.person, from.reported(), now);
        }
        EventKind::OptOut => {
            if let Ok(address) = from.user_id().parse() {
                reports.suppress(to.person, SuppressedBy::OptOut, address, now);
            }
        }
    }
}

impl Drop for WebhookDelivery {
    fn drop(&mut self) {
        self.whatsapp.pending_events.redeliver(take(&mut self.events), self.redeliver_at);
    }
}
