//! Webhooks: real payloads, hostile ones, statuses in any order and number.

use std::path::{Path, PathBuf};

use carillon::analytics::Report;
use carillon::channel::whatsapp_cloud::signature;
use carillon_testkit::webhook_body::{self, status, statuses};
use carillon_testkit::{Response, World, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::Behaviour;

/// The secret of another app of Meta's than the one of [`World::connection`].
const OTHER_APP_SECRET: &str = "another-app-secret";

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

/// Creates a connection of another account, whose webhooks another app signs.
async fn connection_of_another_app(world: &World) -> String {
    let credentials = json!({
        "access_token": "EAAtoken", "app_secret": OTHER_APP_SECRET, "verify_token": "other-token",
    });
    let provider = World::sender("800000000000002", "900000000000002");
    world.connection_with(json!({"provider": provider, "credentials": credentials})).await
}

async fn post_signed_by_another_app(world: &World, body: Vec<u8>) -> Response {
    let signature = signature::sign(&OTHER_APP_SECRET.into(), &body);
    world.post_webhook(body, &signature).await
}

/// Contact `number` writes to the number of [`World::connection`].
fn message_of(world: &World, number: u32) -> Value {
    let at = world.clock.now().as_second().to_string();
    json!({
        "contacts": [{"profile": {"name": "Ana"}, "wa_id": wa_id(number)}],
        "messages": [{
            "from": wa_id(number), "id": format!("wamid.in.{number}"), "timestamp": at,
            "type": "text", "text": {"body": "a forged text"},
        }],
    })
}

/// The number of items in the table.
async fn count_items(world: &World) -> usize {
    world.items_containing("").await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_apps_secret_does_not_sign_for_the_senders_of_another_app() {
    let world = World::silent().await;
    let campaign = sent(&world, 3).await;
    connection_of_another_app(&world).await;
    let log = world.simulator.log();
    let restricted = json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": []});
    let preference = json!({
        "wa_id": wa_id(1), "detail": "User requested to stop marketing messages",
        "category": "marketing_messages", "value": "stop",
        "timestamp": world.clock.now().as_second(),
    });
    let preferences = json!({"contacts": [{"wa_id": wa_id(1)}], "user_preferences": [preference]});
    let forged = [
        statuses(&[status(&log[0], "read"), status(&log[1], "failed")]),
        webhook_body::number_change("messages", message_of(&world, 900)),
        webhook_body::number_change("user_preferences", preferences),
        webhook_body::change("account_update", &restricted),
        webhook_body::change(
            "business_capability_update",
            &json!({"max_daily_conversation_per_phone": 1}),
        ),
    ];
    let before = (count_items(&world).await, world.report(&campaign).await.text);
    let connections = world.get("/v1/connections").await.text;
    for body in &forged {
        // It is authentic, so that it is not repeated.
        post_signed_by_another_app(&world, body.clone()).await.expect(200);
    }
    let after = (count_items(&world).await, world.report(&campaign).await.text);
    assert_eq!(after, before);
    assert_eq!(world.get("/v1/connections").await.text, connections);
    assert!(world.items_containing("a forged text").await.is_empty());
    world.contact(&phone(900)).await.expect(404);
    let contact = world.contact(&phone(1)).await.expect(200);
    assert!(!contact.text.contains("opted_out_at"), "{}", contact.text);

    // Signed by its own app, each of them is stored.
    for body in forged {
        world.post_signed_webhook(body).await.expect(200);
    }
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.number("failed")), (1, 1), "{}", report.text);
    assert_eq!(report.string("status"), "halted");
    assert_eq!(world.items_containing("a forged text").await.len(), 1);
    let contact = world.contact(&phone(1)).await.expect(200);
    assert!(contact.text.contains("opted_out_at"), "{}", contact.text);
    let own = world.get("/v1/connections").await.items().remove(0);
    assert_eq!(own["quota_limit"], 1, "{own}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_body_with_events_of_several_senders_the_signers_are_stored() {
    let world = World::silent().await;
    world.connection().await;
    connection_of_another_app(&world).await;
    let change = |number: &str, contact: u32| {
        let mut value = message_of(&world, contact);
        value["metadata"] = json!({"display_phone_number": "1", "phone_number_id": number});
        json!({"field": "messages", "value": value})
    };
    let changes = [change("800000000000001", 901), change("800000000000002", 902)];
    let entry = json!({"id": "900000000000002", "changes": changes});
    let body = json!({"object": "whatsapp_business_account", "entry": [entry]});
    let body = body.to_string().into_bytes();
    post_signed_by_another_app(&world, body.clone()).await.expect(200);
    world.contact(&phone(901)).await.expect(404);
    world.contact(&phone(902)).await.expect(200);
    world.post_signed_webhook(body).await.expect(200);
    world.contact(&phone(901)).await.expect(200);
}

/// Meta always names the number, so an event that doesn't is forged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_names_no_sender_is_stored_for_no_other_app() {
    let world = World::silent().await;
    let campaign = sent(&world, 3).await;
    connection_of_another_app(&world).await;
    let log = world.simulator.log();
    let value = json!({"statuses": [status(&log[0], "read")]});
    let changes = json!([{"field": "messages", "value": value}]);
    for entry in [json!({"changes": changes}), json!({"id": "900000000000002", "changes": changes})]
    {
        let body = json!({"object": "whatsapp_business_account", "entry": [entry]});
        post_signed_by_another_app(&world, body.to_string().into_bytes()).await.expect(200);
        assert_eq!(world.report(&campaign).await.number("read"), 0, "{body}");
    }
}

/// The callback of a status names the recipient; only the connection that sent the message
/// may report on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_of_another_apps_sender_is_not_stored_for_this_apps_recipient() {
    let world = World::silent().await;
    let campaign = sent(&world, 3).await;
    connection_of_another_app(&world).await;
    let log = world.simulator.log();
    let mut value = json!({"statuses": [status(&log[0], "read")]});
    value["metadata"] =
        json!({"display_phone_number": "15550100002", "phone_number_id": "800000000000002"});
    let entry =
        json!({"id": "900000000000002", "changes": [{"field": "messages", "value": value}]});
    let body = json!({"object": "whatsapp_business_account", "entry": [entry]});
    post_signed_by_another_app(&world, body.to_string().into_bytes()).await.expect(200);
    assert_eq!(world.report(&campaign).await.number("read"), 0);
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

/// The webhook caches the connections; one that shares the app's secret is not a mismatch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_new_connection_of_a_known_app_are_stored_at_once() {
    let world = World::builder().behaviour(Behaviour::no_webhooks()).rate(1.0).build().await;
    world.connection().await;
    let known = webhook_body::number_change("messages", message_of(&world, 901));
    world.post_signed_webhook(known).await.expect(200);
    let provider = World::sender("800000000000002", "900000000000001");
    world.connection_with(json!({ "provider": provider })).await;
    let mut value = message_of(&world, 902);
    value["metadata"] =
        json!({"display_phone_number": "15550100002", "phone_number_id": "800000000000002"});
    world.post_signed_webhook(webhook_body::change("messages", &value)).await.expect(200);
    world.contact(&phone(902)).await.expect(200);
}
