//! Uploaded files: a provider forgets them after 30 days, and knows them for one number.

use std::time::Duration;

use carillon_testkit::{World, contacts_csv, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, ForcedError, ReportedBy};

const DAY: Duration = Duration::from_hours(24);

/// Uploads an image over a connection and returns its id.
async fn upload(world: &World, connection: &str) -> String {
    let path = format!("/v1/media?connection_id={connection}&filename=offer.png");
    let uploaded = world.post_file(&path, "image/png", b"PNG!".to_vec()).await.expect(201);
    assert_eq!(uploaded.number("bytes"), 4, "{}", uploaded.text);
    uploaded.string("id")
}

/// A template with an image in its header; `place` is `id` or `link`.
fn with_image(place: &str, source: &str) -> Value {
    let image = json!({"type": "image", "image": {place: source}});
    json!({"type": "template", "template": {"name": "spring_offer", "language": "en_US",
        "components": [{"type": "header", "parameters": [image]}]}})
}

/// A connection to another number than the usual one.
async fn second_connection(world: &World) -> String {
    let provider = World::sender("800000000000002", "900000000000001");
    world.connection_with(json!({"provider": provider})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_of_forty_days_sends_an_image_that_was_uploaded_once() {
    let world = World::new().await;
    let connection = world.connection().await;
    let image = upload(&world, &connection).await;
    let settings = json!({"message": with_image("id", &image), "daily_send_limit": 4});
    let campaign = world.started_on(&connection, 0..20, settings).await;
    for day in 0..5 {
        world.run_until_idle().await;
        let report = world.report(&campaign).await;
        assert_eq!(report.number("sent"), 4 * (day + 1), "{}", report.text);
        world.clock.advance(10 * DAY);
    }
    assert_eq!(world.simulator.summary().refusals.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_nobody_sends_is_renewed_too() {
    let world = World::new().await;
    let connection = world.connection().await;
    let image = upload(&world, &connection).await;
    let path = format!("/v1/media/{image}");
    for _ in 0..3 {
        let before = world.get(&path).await.expect(200).string("renews_at");
        world.clock.advance(21 * DAY);
        world.run_until_idle().await;
        let renewed = async {
            while world.get(&path).await.expect(200).string("renews_at") <= before
                || world.get(&path).await.expect(200).string("renews_at")
                    < (world.clock.now() + DAY).to_string()
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), renewed).await.expect("it is renewed");
    }
    let settings = json!({"message": with_image("id", &image)});
    let campaign = world.started_on(&connection, 0..3, settings).await;
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("sent"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_copied_to_the_number_that_sends_it() {
    let world = World::new().await;
    let (first, second) = (world.connection().await, second_connection(&world).await);
    let image = upload(&world, &first).await;
    let settings = json!({"message": with_image("id", &image)});
    let campaign = world.started_on(&second, 0..3, settings).await;
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.number("sent"), 3, "{}", report.text);
    // A test send over it needs no other copy.
    let test = json!({"to": phone(9)});
    world.post(&format!("/v1/campaigns/{campaign}/test"), &test).await.expect(200);
    assert_eq!(world.simulator.summary().refusals.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_halts_when_its_image_is_gone_and_a_new_image_takes_its_place() {
    let world = World::new().await;
    let connection = world.connection().await;
    let image = upload(&world, &connection).await;
    let settings = json!({"message": with_image("id", &image), "daily_send_limit": 2});
    let campaign = world.started_on(&connection, 0..4, settings).await;
    world.run_until_idle().await;
    world.clock.advance(31 * DAY);
    world.run_until_idle().await;
    let halted = world.get(&format!("/v1/campaigns/{campaign}")).await.expect(200);
    assert_eq!(halted.string("status"), "halted", "{}", halted.text);
    assert!(halted.text.contains(&image) && halted.text.contains("upload it again"));
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("pending")), (2, 2), "{}", report.text);
    let again = world.campaign(&connection, json!({})).await;
    world.upload(&again, contacts_csv(0..1)).await.expect(200);
    let change = json!({"message": with_image("id", &image)});
    let refused = world.patch(&format!("/v1/campaigns/{again}"), &change).await.expect(422);
    assert!(refused.text.contains("no longer at the provider"), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_fails_for_one_person_skips_that_person() {
    let forced = ForcedError { code: 131_053, times: None, reported_by: ReportedBy::Webhook };
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.forced.insert(wa_id(2), forced);
    let world = World::with(behaviour).await;
    let connection = world.connection().await;
    let image = upload(&world, &connection).await;
    let unknown = "med_01890a5d-ac96-774b-bcce-b302099a8057";
    for (place, sources) in [
        ("id", [image.as_str(), unknown, image.as_str()]),
        (
            "link",
            ["https://example.com/a.png", "https://example.com/b.png", "https://none.example/"],
        ),
    ] {
        let settings = json!({"message": with_image(place, "{image}")});
        let campaign = world.campaign(&connection, settings).await;
        let first = if place == "id" { 3 } else { 0 };
        let row =
            |(index, source): (usize, &&str)| format!("{},{source}\n", phone(first + index as u32));
        let rows: String = sources.iter().enumerate().map(row).collect();
        world.upload(&campaign, format!("phone,image\n{rows}")).await.expect(200);
        world.start(&campaign).await.expect(200);
        for _ in 0..3 {
            world.run_until_idle().await;
            world.advance_hours(1, 30).await;
        }
        let report = world.report(&campaign).await;
        assert_eq!(report.string("status"), "completed", "{}", report.text);
        let expected = match place {
            "id" => (2, json!({"missing_media": 1}), json!({})),
            _ => (2, json!({}), json!({"131053": 1})),
        };
        let found = (
            report.number("sent"),
            &report.body["skipped_by_reason"],
            &report.body["failed_by_code"],
        );
        assert_eq!(found, (expected.0, &expected.1, &expected.2), "{}", report.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_whose_columns_name_the_same_missing_file_are_skipped_in_one_run() {
    let world = World::new().await;
    let connection = world.connection().await;
    let settings = json!({"message": with_image("id", "{image}")});
    let campaign = world.campaign(&connection, settings).await;
    let row = |number| format!("{},med_01890a5d-ac96-774b-bcce-b302099a8057\n", phone(number));
    let rows: String = (0..20).map(row).collect();
    world.upload(&campaign, format!("phone,image\n{rows}")).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.body["skipped_by_reason"], json!({"missing_media": 20}), "{}", report.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_sent_is_refused_with_the_reason() {
    let world = World::new().await;
    let connection = world.connection().await;
    let path = format!("/v1/media?connection_id={connection}");
    for (mime_type, size, reason) in [
        ("image/gif", 4, "WhatsApp takes files of the types image/jpeg"),
        ("image/png", 0, "the file is empty"),
        ("image/png", 5 * 1024 * 1024 + 1, "at most 5120 KB of image/png"),
    ] {
        let refused = world.post_file(&path, mime_type, vec![0; size]).await.expect(422);
        assert!(refused.text.contains(reason), "{}", refused.text);
    }
    let nowhere = "/v1/media?connection_id=con_01890a5d-ac96-774b-bcce-b302099a8057";
    world.post_file(nowhere, "image/png", b"PNG!".to_vec()).await.expect(422);
    let unknown = json!({"message": with_image("id", "med_01890a5d-ac96-774b-bcce-b302099a8057"),
        "name": "Spring", "connection_id": connection});
    let refused = world.post("/v1/campaigns", &unknown).await.expect(422);
    assert!(refused.text.contains("is not an uploaded file"), "{}", refused.text);

    let image = upload(&world, &connection).await;
    let settings = json!({"message": with_image("id", &image)});
    let campaign = world.campaign(&connection, settings).await;
    let path = format!("/v1/media/{image}");
    let refused = world.delete(&path).await.expect(409);
    assert!(refused.text.contains(&campaign), "{}", refused.text);
    world.delete(&format!("/v1/campaigns/{campaign}")).await.expect(204);
    world.delete(&path).await.expect(204);
    world.get(&path).await.expect(404);
    assert_eq!(world.get("/v1/media").await.expect(200).items().len(), 0);
}
