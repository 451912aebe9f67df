//! Which events a signature covers: those of the connections whose app signed the request.

use carillon::channel::whatsapp_cloud::signature;
use carillon::table::Item;
use carillon_testkit::webhook_body::{self, status, statuses};
use carillon_testkit::{Response, World, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::Behaviour;

/// The secret of another app of Meta's than the one of [`World::connection`].
const OTHER_APP_SECRET: &str = "another-app-secret";

/// A campaign of three recipients that was sent on [`World::connection`].
async fn sent(world: &World) -> String {
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    campaign
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

/// Bodies about the sender and the account of [`World::connection`]: statuses, a message,
/// an opt-out and changes of the account.
fn bodies_of_the_connection(world: &World) -> Vec<Vec<u8>> {
    let log = world.simulator.log();
    let preference = json!({
        "wa_id": wa_id(1), "detail": "User requested to stop marketing messages",
        "category": "marketing_messages", "value": "stop",
        "timestamp": world.clock.now().as_second(),
    });
    let preferences = json!({"contacts": [{"wa_id": wa_id(1)}], "user_preferences": [preference]});
    let restricted = json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": []});
    let limit = json!({"max_daily_conversation_per_phone": 1});
    vec![
        statuses(&[status(&log[0], "read"), status(&log[1], "failed")]),
        webhook_body::number_change("messages", message_of(world, 900)),
        webhook_body::number_change("user_preferences", preferences),
        webhook_body::change("account_update", &restricted),
        webhook_body::change("business_capability_update", &limit),
    ]
}

/// How many items there are besides the audit log, which grows with the requests of the test.
async fn items_but_the_log(world: &World) -> usize {
    let items = world.items_containing("").await;
    let in_log = |item: &&Item| format!("{:?}", item["pk"]).contains("AUDIT#");
    items.len() - items.iter().filter(in_log).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_apps_secret_does_not_sign_for_the_senders_of_another_app() {
    let world = World::silent().await;
    let campaign = sent(&world).await;
    connection_of_another_app(&world).await;
    world.wait_until_idle().await;
    let items = items_but_the_log(&world).await;
    let report = world.report(&campaign).await.text;
    let connections = world.get("/v1/connections").await.text;
    for body in bodies_of_the_connection(&world) {
        // It is authentic, so that it is not repeated.
        post_signed_by_another_app(&world, body).await.expect(200);
    }
    assert_eq!(world.report(&campaign).await.text, report);
    assert_eq!(items_but_the_log(&world).await, items);
    assert_eq!(world.get("/v1/connections").await.text, connections);
    assert!(world.items_containing("a forged text").await.is_empty());
    assert!(world.find_contact(&phone(900)).await.items().is_empty());
    let contact = world.contact(&phone(1)).await.expect(200);
    assert!(!contact.body["opted_out_at"].is_string(), "{}", contact.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apps_secret_signs_for_its_own_senders_and_accounts() {
    let world = World::silent().await;
    let campaign = sent(&world).await;
    connection_of_another_app(&world).await;
    for body in bodies_of_the_connection(&world) {
        world.post_signed_webhook(body).await.expect(200);
    }
    let report = world.report(&campaign).await;
    assert_eq!((report.number("read"), report.number("failed")), (1, 1), "{}", report.text);
    assert_eq!(report.string("status"), "halted");
    assert_eq!(world.items_containing("a forged text").await.len(), 1);
    let contact = world.contact(&phone(1)).await.expect(200);
    assert!(contact.body["opted_out_at"].is_string(), "{}", contact.text);
    let own = world.get("/v1/connections").await.items().remove(0);
    assert_eq!(own["effective_quota_limit"], 1, "{own}");
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
    assert!(world.find_contact(&phone(901)).await.items().is_empty());
    world.contact(&phone(902)).await.expect(200);
    world.post_signed_webhook(body).await.expect(200);
    world.contact(&phone(901)).await.expect(200);
}

/// Meta always names the number, so an event that doesn't is forged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_names_no_sender_is_stored_for_no_other_app() {
    let world = World::silent().await;
    let campaign = sent(&world).await;
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
    let campaign = sent(&world).await;
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
