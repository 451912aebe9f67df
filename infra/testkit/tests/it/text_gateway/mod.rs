//! A second provider through the whole product. It has no callbacks, no service window, no
//! quota and no templates: everything that the engine must not take for granted.

mod contract;
mod provider;
mod receiver;
mod stand_in;

use carillon::recipient::Status;
use carillon_testkit::{World, contacts_csv, phone};
use serde_json::{Value, json};

use provider::TextGateway;
use stand_in::{AT, StandIn, call_webhook};

const TOKEN: &str = "gateway-token-of-the-shop";

/// A world with the gateway, and a connection to a stand-in for it.
async fn world_with_gateway() -> (World, StandIn, String) {
    let world = World::builder().providers(|all| all.with(TextGateway::default())).build().await;
    let gateway = StandIn::start().await;
    gateway.set_webhook(&format!("{}/webhooks/text_gateway", world.host.url()));
    let connection = json!({
        "name": "Texts",
        "provider": {"type": "text_gateway", "text_gateway": {
            "url": gateway.url(), "sender": "SHOP",
        }},
        "credentials": {"token": TOKEN},
    });
    let created = world.post("/v1/connections", &connection).await.expect(201);
    assert_eq!(created.body["quota_group"], Value::Null, "{}", created.text);
    assert_eq!(created.number("effective_throughput_mps"), 50);
    let id = created.string("id");
    (world, gateway, id)
}

fn greeting() -> Value {
    json!({"message": {"type": "text", "text": {"body": "Hello {first_name}"}}, "daily_send_limit": 1_000})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_imported_sent_and_reported_without_quota_window_or_callbacks() {
    let (world, gateway, connection) = world_with_gateway().await;
    let campaign = world.campaign(&connection, greeting()).await;
    // More than WhatsApp's initial quota, and two batches.
    let uploaded = world.upload(&campaign, contacts_csv(0..300)).await.expect(200);
    assert_eq!(uploaded.number("added"), 300);
    world.start(&campaign).await.expect(200);
    while world.report(&campaign).await.number("sent") < 300 {
        world.run_until_idle().await;
    }

    let mut texts = gateway.accepted();
    texts.sort();
    texts.dedup_by_key(|text| text.to.clone());
    assert_eq!((texts.len(), gateway.accepted().len()), (300, 300), "each contact once");
    assert_eq!(
        (texts[0].to.as_str(), texts[0].text.as_str()),
        (phone(0).as_str(), "Hello Person 0")
    );

    // A third of the statuses came before the answer; now the others, and some twice.
    let early = world.report(&campaign).await.number("received");
    assert_eq!(early, 100);
    gateway.report_the_rest(TOKEN).await;
    gateway.report_the_rest(TOKEN).await;
    let report = world.report(&campaign).await;
    assert_eq!(
        (report.number("sent"), report.number("received")),
        (300 - 10, 290),
        "{}",
        report.text
    );
    assert_eq!((report.number("failed"), report.number("pending")), (10, 0));
    assert_eq!(report.body["failed_by_code"], json!({"101": 10}));

    world.advance_hours(24, 720).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.string("status"), "completed", "{}", report.text);
    assert_eq!(gateway.accepted().len(), 300, "nothing is sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_recipient_fails_and_the_others_are_sent() {
    let (world, gateway, connection) = world_with_gateway().await;
    gateway.refuse(&phone(3), 101);
    let campaign = world.campaign(&connection, greeting()).await;
    world.upload(&campaign, contacts_csv(0..10)).await.expect(200);
    world.blacklist(&phone(5)).await.expect(201);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    let counts = ["sent", "failed", "skipped", "pending"].map(|name| report.number(name));
    assert_eq!(counts, [8, 1, 1, 0], "{}", report.text);
    assert!(gateway.accepted().iter().all(|text| text.to != phone(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_cannot_do_is_refused_and_what_it_can_is_listed() {
    let (world, _gateway, connection) = world_with_gateway().await;
    let template = json!({
        "name": "Spring", "connection_id": connection,
        "message": {"type": "template", "template": {"name": "spring_offer", "language": "en_US"}},
    });
    let refused = world.post("/v1/campaigns", &template).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.text.contains("message.template"), "{}", refused.text);
    let channels = world.get("/v1/channels").await.expect(200).items();
    let names: Vec<_> = channels.iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["whatsapp_cloud", "text_gateway"]);
    assert_eq!(channels[1]["capabilities"]["quota"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_token_signs_no_status() {
    let (world, gateway, connection) = world_with_gateway().await;
    let campaign = world.campaign(&connection, greeting()).await;
    world.upload(&campaign, contacts_csv(0..2)).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let before = world.report(&campaign).await.number("received");
    let statuses = gateway.report_the_rest("another-token").await;
    assert_eq!(statuses, 401);
    assert_eq!(world.report(&campaign).await.number("received"), before);
}

/// A status has no callback to check, so the sender's own name is part of what it is matched by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_connection_reports_on_no_message_of_this_one() {
    let (world, gateway, connection) = world_with_gateway().await;
    let other = json!({
        "name": "Other",
        "provider": {"type": "text_gateway", "text_gateway": {
            "url": gateway.url(), "sender": "OTHER",
        }},
        "credentials": {"token": "token-of-another-shop"},
    });
    world.post("/v1/connections", &other).await.expect(201);
    let webhook = format!("{}/webhooks/text_gateway", world.host.url());
    let status = json!({"sender": "OTHER", "id": "text-1", "at": AT, "status": "delivered"});
    let forged = json!({"statuses": [status]});
    // Before the message is sent, and after it.
    assert_eq!(call_webhook(&webhook, "token-of-another-shop", &forged).await, 200);
    let campaign = world.campaign(&connection, greeting()).await;
    world.upload(&campaign, contacts_csv(0..2)).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    assert_eq!(call_webhook(&webhook, "token-of-another-shop", &forged).await, 200);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("received")), (2, 1), "{}", report.text);
}

/// The id of a message is part of a partition key, which is at most 2,048 bytes long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_whose_id_is_no_key_is_kept_as_unreadable_and_costs_no_other() {
    let (world, _gateway, connection) = world_with_gateway().await;
    let campaign = world.campaign(&connection, greeting()).await;
    world.upload(&campaign, contacts_csv(0..2)).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let webhook = format!("{}/webhooks/text_gateway", world.host.url());
    let status = |id: &str| json!({"sender": "SHOP", "id": id, "at": AT, "status": "delivered"});
    let long = "x".repeat(2_100);
    let all = json!({"statuses": [status("text-1"), status(&long), status("text-2")]});
    for _ in 0..2 {
        assert_eq!(call_webhook(&webhook, TOKEN, &all).await, 200);
    }
    assert_eq!(world.report(&campaign).await.number("received"), 2);
    assert_eq!(world.items_containing("UNREADABLE#").await.len(), 1);
}

/// The pointer to the recipient of a message has the message's id in its key, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_id_is_no_key_is_sent_and_ends_no_run() {
    let (world, gateway, connection) = world_with_gateway().await;
    for number in [1, 4] {
        gateway.give_long_id(number);
    }
    let campaign = world.campaign(&connection, greeting()).await;
    world.upload(&campaign, contacts_csv(0..20)).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    assert_eq!(gateway.accepted().len(), 20, "each contact once");
    let runs: Vec<u32> = world.batches(&campaign).await.iter().map(|batch| batch.runs).collect();
    assert_eq!(runs, [1]);
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("unconfirmed")), (20, 0), "{}", report.text);
    let found = world.stored_recipients(&campaign).await;
    let unfindable: Vec<_> =
        found.iter().filter(|one| one.reason.as_deref() == Some("no_pointer")).collect();
    assert_eq!(unfindable.len(), 2);
    assert!(unfindable.iter().all(|one| one.status == Status::Sent));
    world.assert_counters_exact(&campaign).await;
}
