//! Webhooks: real payloads, hostile ones, statuses in any order and number.

use std::path::{Path, PathBuf};

use carillon::analytics::Report;
use carillon_testkit::World;
use carillon_testkit::webhook_body::{status, statuses};
use serde_json::{Value, json};
use whatsapp_simulator::Behaviour;

fn payloads() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/channel/tests/payloads");
    let folders = ["facebook-openapi/webhooks", "pywa/webhooks", "synthetic/webhooks"];
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the sample payloads"));
    files.map(|file| file.expect("a file").path()).collect()
}

/// A campaign of which every message has been handed to the simulator.
async fn sent(world: &World, recipients: u32) -> String {
    let settings = json!({"daily_send_limit": 100_000});
    let campaign = world.started_with(recipients, settings).await;
    world.run_until_idle().await;
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_payload_is_accepted() {
    let world = World::silent().await;
    world.connection().await;
    let files = payloads();
    assert!(files.len() >= 80, "{} samples", files.len());
    for file in files {
        let body = std::fs::read(&file).expect("a sample");
        let response = world.post_signed_webhook(body.clone()).await;
        assert_eq!(response.status, 200, "{}: {}", file.display(), response.text);
        // Once more, as an event of the connection, which is stored.
        let Ok(mut own) = serde_json::from_slice::<Value>(&body) else { continue };
        address_to_connection(&mut own);
        let response = world.post_signed_webhook(own.to_string().into_bytes()).await;
        assert_eq!(response.status, 200, "{}: {}", file.display(), response.text);
    }
}

/// Makes the events of a body those of [`World::connection`].
fn address_to_connection(body: &mut Value) {
    for entry in body["entry"].as_array_mut().into_iter().flatten() {
        entry["id"] = json!("900000000000001");
        for change in entry["changes"].as_array_mut().into_iter().flatten() {
            if let Some(metadata) = change["value"]["metadata"].as_object_mut() {
                metadata.insert("phone_number_id".to_owned(), json!("800000000000001"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_without_a_valid_signature_is_refused_and_not_stored() {
    let world = World::silent().await;
    let campaign = sent(&world, 3).await;
    let log = world.simulator.log();
    let body = statuses(&[status(&log[0], "read")]);
    let other = World::sign(b"something else");
    for signature in ["", "sha256=", "sha256=00", "md5=abc", "sha256=zz", &other] {
        let response = world.post_webhook(body.clone(), signature).await;
        assert_eq!(response.status, 401, "{signature}");
    }
    let mut tampered = body.clone();
    tampered.push(b' ');
    world.post_webhook(tampered, &World::sign(&body)).await.expect(401);
    assert_eq!(world.report(&campaign).await.number("read"), 0);

    world.post_signed_webhook(body).await.expect(200);
    assert_eq!(world.report(&campaign).await.number("read"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_accepts_the_connections_verify_token_only() {
    let world = World::silent().await;
    world.connection().await;
    assert!(world.simulator.verify_webhook().await);
    let path = "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=";
    world.get(&format!("{path}wrong")).await.expect(403);
    world.get("/webhooks/whatsapp").await.expect(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_body_that_can_not_be_parsed_is_accepted_and_its_valid_parts_are_stored() {
    let world = World::silent().await;
    let campaign = sent(&world, 2).await;
    let log = world.simulator.log();
    let valid = status(&log[0], "delivered");
    let bodies = [
        b"not json".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        br#"{"object":"page","entry":[{"changes":[{"field":"feed","value":3}]}]}"#.to_vec(),
        br#"{"entry":"no list"}"#.to_vec(),
        statuses(&[json!({"status": "teleported"}), json!(7), json!(null), valid]),
    ];
    for body in bodies {
        let response = world.post_signed_webhook(body.clone()).await;
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&body));
    }
    assert_eq!(world.report(&campaign).await.number("received"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_megabytes_of_statuses_in_any_order_are_stored_and_five_are_refused() {
    let world = World::silent().await;
    let campaign = sent(&world, 200).await;
    let log = world.simulator.log();
    let padding = "x".repeat(4_500);
    let mut all = Vec::new();
    for (index, entry) in log.iter().enumerate() {
        for word in ["read", "delivered", "sent", "delivered"] {
            let mut status = status(entry, word);
            status["unknown_field"] = json!(if index % 2 == 0 { &padding } else { "" });
            all.push(status);
        }
    }
    let body = statuses(&all);
    assert!(body.len() > 1_500_000, "{}", body.len());
    world.post_signed_webhook(body).await.expect(200);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.number("sent")), (200, 200), "{}", report.text);

    let huge = vec![b' '; 5 * 1024 * 1024];
    world.post_signed_webhook(huge).await.expect(413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_exact_after_repeated_shuffled_and_batched_statuses() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.read_without_delivered = 0.3;
    behaviour.webhooks.duplicate = 0.5;
    behaviour.webhooks.reorder = 0.5;
    behaviour.webhooks.batch_max = 10;
    let world = World::with(behaviour).await;
    let campaign = sent(&world, 300).await;
    world.advance_hours(2, 60).await;
    let report = world.report(&campaign).await;
    let log = world.simulator.summary();
    assert_eq!(report.number("read"), log.acknowledged.read);
    assert_eq!(report.number("received"), 300, "{}", report.text);
    let (counters, recount) = world.counters_and_recount(&campaign).await;
    assert_eq!(counters, recount);
    let recounted = Report::of(&recount);
    assert_eq!(recounted.read, report.number("read"));
    assert_eq!(recounted.recipients, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_whose_response_is_lost_is_unconfirmed_until_its_status_arrives() {
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.lost_response = 1.0;
    let world = World::with(behaviour).await;
    let campaign = sent(&world, 5).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("unconfirmed"), report.number("sent")), (5, 0), "{}", report.text);
    world.advance_hours(30, 180).await;
    assert_eq!(world.simulator.summary().accepted, 5, "nothing is sent again");

    let log = world.simulator.log();
    world.post_signed_webhook(statuses(&[status(&log[0], "delivered")])).await.expect(200);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("unconfirmed"), report.number("received")), (4, 1));
}
