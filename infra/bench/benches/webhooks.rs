//! Webhook statuses a second: signed requests in, ladder and counters done.

use carillon_bench::{Stage, StageConfig, Stopwatch, head, row};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, LogEntry};

const MESSAGES: u32 = 4_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    head(
        "Webhook statuses (sent, delivered, read of each message)",
        &[
            "statuses a request",
            "statuses/s answered",
            "statuses/s counted",
            "repeated, statuses/s",
        ],
    );
    for batch in [1, 100, 1_000] {
        runtime.block_on(measure(batch));
    }
}

async fn measure(batch: usize) {
    let config =
        StageConfig { behaviour: Behaviour::no_webhooks(), throughput: 1_000, counting: false };
    let stage = Stage::set(config).await;
    let campaign = stage.campaign().await;
    stage.import(&campaign, 0, MESSAGES).await;
    stage.send_all(&campaign).await;
    let bodies = bodies(&stage.simulator.log(), batch);
    let statuses = f64::from(MESSAGES) * 3.0;
    let start = Stopwatch::start();
    deliver(&stage, &bodies).await;
    let answered = start.seconds();
    stage.wait_for(&campaign, "read", u64::from(MESSAGES)).await;
    let counted = start.seconds();
    let start = Stopwatch::start();
    deliver(&stage, &bodies).await;
    row(&[
        batch.to_string(),
        format!("{:.0}", statuses / answered),
        format!("{:.0}", statuses / counted),
        format!("{:.0}", statuses / start.seconds()),
    ]);
    drop(stage);
}

async fn deliver(stage: &Stage, bodies: &[Vec<u8>]) {
    for group in bodies.chunks(8) {
        let requests = group.iter().map(|body| stage.webhook(body.clone()));
        for status in futures::future::join_all(requests).await {
            assert_eq!(status, 200);
        }
    }
}

fn bodies(log: &[LogEntry], batch: usize) -> Vec<Vec<u8>> {
    let statuses: Vec<Value> = ["sent", "delivered", "read"]
        .iter()
        .flat_map(|status| log.iter().map(move |entry| status_of(entry, status)))
        .collect();
    statuses.chunks(batch).map(body).collect()
}

fn status_of(entry: &LogEntry, status: &str) -> Value {
    json!({
        "id": entry.wamid, "status": status, "timestamp": (entry.at_ms / 1000).to_string(),
        "recipient_id": entry.to, "biz_opaque_callback_data": entry.biz_opaque_callback_data,
    })
}

fn body(statuses: &[Value]) -> Vec<u8> {
    let metadata =
        json!({"display_phone_number": "15550100001", "phone_number_id": "800000000000001"});
    let value =
        json!({"messaging_product": "whatsapp", "metadata": metadata, "statuses": statuses});
    let entry =
        json!({"id": "900000000000001", "changes": [{"field": "messages", "value": value}]});
    json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string().into_bytes()
}
