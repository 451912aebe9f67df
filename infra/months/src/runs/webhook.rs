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
use crate::whatsapp::{EventKind, WebhookEvent, WhatsApp, webhook_payload};

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
    for event in events.iter().filter(|event| matches!(event.kind, EventKind::Failed { .. })) {
        whatsapp.log().record_failure(event.message.index);
    }
    let redeliver_at = fixture.clock.now() + fixture.rng.millis(10_000, 600_000);
    let mut delivery = WebhookDelivery { events, redeliver_at, whatsapp };
    let router = fixture.webhook.clone();
    launcher.launch(async move {
        let payload = webhook_payload(&delivery.events);
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
        let mut log = self.whatsapp.log();
        for WebhookEvent { message, kind, at, .. } in self.events.drain(..) {
            let (key, attempt) =
                (CampaignContact::from(&message.callback), message.callback.attempt);
            match kind {
                EventKind::Status(status) => log.record_status(key, attempt, status),
                EventKind::Failed { .. } => {
                    log.record_status(key, attempt, DeliveryStatus::Failed);
                }
                EventKind::Reply => log.record_inbound_message(&message.number, message.to, at),
                EventKind::OptOut => {}
            }
        }
    }
}

impl Drop for WebhookDelivery {
    fn drop(&mut self) {
        self.whatsapp.pending_events.redeliver(take(&mut self.events), self.redeliver_at);
    }
}
