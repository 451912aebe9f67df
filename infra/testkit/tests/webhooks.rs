//! What comes in by the webhook: real payloads, hostile ones, many at once.

use std::path::{Path, PathBuf};

use carillon_testkit::{World, contacts_csv};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, LogEntry};

fn payloads() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/tests/payloads");
    let folders = ["facebook-openapi/webhooks", "pywa/webhooks", "synthetic/webhooks"];
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the sample payloads"));
    files.map(|file| file.expect("a file").path()).collect()
}

fn status(entry: &LogEntry, status: &str) -> Value {
    json!({
        "id": entry.wamid, "status": status, "timestamp": (entry.at_ms / 1000).to_string(),
        "recipient_id": entry.to, "biz_opaque_callback_data": entry.biz_opaque_callback_data,
    })
}

fn envelope(value: &Value) -> Vec<u8> {
    let entry =
        json!({"id": "900000000000001", "changes": [{"field": "messages", "value": value}]});
    json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string().into_bytes()
}

fn statuses(statuses: &[Value]) -> Vec<u8> {
    let metadata =
        json!({"display_phone_number": "15550100001", "phone_number_id": "800000000000001"});
    envelope(&json!({"messaging_product": "whatsapp", "metadata": metadata, "statuses": statuses}))
}

/// A campaign of which every message is sent, and no status has come.
async fn silent_campaign(world: &World, recipients: u32) -> String {
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 100_000})).await;
    world.upload(&campaign, contacts_csv(0, recipients)).await.expect(200);
    world.act(&campaign, "start").await.expect(200);
    world.settle().await;
    campaign
}

async fn silent_world() -> World {
    World::builder().behaviour(Behaviour::no_webhooks()).build().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_payload_is_accepted() {
    let world = silent_world().await;
    world.connection().await;
    let files = payloads();
    assert!(files.len() >= 80, "{} samples", files.len());
    for file in files {
        let body = std::fs::read(&file).expect("a sample");
        let answer = world.post_webhook(body.clone(), &World::sign(&body)).await;
        assert_eq!(answer.status, 200, "{}: {}", file.display(), answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_valid_signature_nothing_is_stored() {
    let world = silent_world().await;
    let campaign = silent_campaign(&world, 3).await;
    let log = world.simulator.log();
    let body = statuses(&[status(&log[0], "read")]);
    let other = World::sign(b"something else");
    for signature in ["", "sha256=", "sha256=00", "md5=abc", "sha256=zz", &other] {
        let answer = world.post_webhook(body.clone(), signature).await;
        assert_eq!(answer.status, 401, "{signature}");
    }
    let mut tampered = body.clone();
    tampered.push(b' ');
    assert_eq!(world.post_webhook(tampered, &World::sign(&body)).await.status, 401);
    assert_eq!(world.report(&campaign).await.number("read"), 0);

    world.post_webhook(body.clone(), &World::sign(&body)).await.expect(200);
    assert_eq!(world.report(&campaign).await.number("read"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_takes_our_token_alone() {
    let world = silent_world().await;
    world.connection().await;
    assert!(world.simulator.verify_webhook().await);
    let path = "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=";
    world.get(&format!("{path}wrong")).await.expect(403);
    world.get("/webhooks/whatsapp").await.expect(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_but_signed_bodies_are_answered_200() {
    let world = silent_world().await;
    let campaign = silent_campaign(&world, 2).await;
    let log = world.simulator.log();
    let neighbour = status(&log[0], "delivered");
    let strange = [
        b"not json".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        br#"{"object":"page","entry":[{"changes":[{"field":"feed","value":3}]}]}"#.to_vec(),
        br#"{"entry":"no list"}"#.to_vec(),
        statuses(&[json!({"status": "teleported"}), json!(7), json!(null), neighbour]),
    ];
    for body in strange {
        let answer = world.post_webhook(body.clone(), &World::sign(&body)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&body));
    }
    // What stood beside the strange ones was stored.
    assert_eq!(world.report(&campaign).await.number("received"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_megabytes_of_statuses_in_any_order_are_stored_and_more_is_refused() {
    let world = silent_world().await;
    let campaign = silent_campaign(&world, 200).await;
    let log = world.simulator.log();
    let padding = "x".repeat(4_500);
    let mut all = Vec::new();
    for (place, entry) in log.iter().enumerate() {
        // Read before delivered before sent, and delivered twice.
        for word in ["read", "delivered", "sent", "delivered"] {
            let mut status = status(entry, word);
            status["unknown_field"] = json!(if place % 2 == 0 { &padding } else { "" });
            all.push(status);
        }
    }
    let body = statuses(&all);
    assert!(body.len() > 1_500_000, "{}", body.len());
    world.post_webhook(body.clone(), &World::sign(&body)).await.expect(200);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.number("sent")), (200, 200), "{}", report.text);

    let huge = vec![b' '; 5 * 1024 * 1024];
    world.post_webhook(huge.clone(), &World::sign(&huge)).await.expect(413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_repeated_shuffled_and_batched_leave_the_counters_exact() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.read_without_delivered = 0.3;
    behaviour.webhooks.duplicate = 0.5;
    behaviour.webhooks.reorder = 0.5;
    behaviour.webhooks.batch_max = 10;
    let world = World::builder().behaviour(behaviour).build().await;
    let campaign = silent_campaign(&world, 300).await;
    world.pass(2, 60).await;
    let report = world.report(&campaign).await;
    let log = world.simulator.summary();
    assert_eq!(report.number("read"), log.acknowledged.read);
    assert_eq!(report.number("received"), 300, "{}", report.text);
    let id = campaign.parse().expect("an id");
    let stored = carillon::campaign::store::get(world.host.table(), id).await;
    let stored = stored.expect("the table answers").expect("the campaign");
    let recount = carillon::analytics::store::recount(world.host.table(), &stored).await;
    let recounted = carillon::analytics::Report::of(&recount.expect("the table answers"));
    assert_eq!(recounted.read, report.number("read"));
    assert_eq!(recounted.recipients, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_unconfirmed_until_its_webhook_comes() {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.lost_response = 1.0;
    let world = World::builder().behaviour(behaviour).build().await;
    let campaign = silent_campaign(&world, 5).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("unconfirmed"), report.number("sent")), (5, 0), "{}", report.text);
    world.pass(30, 180).await;
    assert_eq!(world.simulator.summary().accepted, 5, "nothing is sent again");

    let log = world.simulator.log();
    let body = statuses(&[status(&log[0], "delivered")]);
    world.post_webhook(body.clone(), &World::sign(&body)).await.expect(200);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("unconfirmed"), report.number("received")), (4, 1));
}
