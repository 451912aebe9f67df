//! The feed of events, the history of a campaign, and jobs, through the whole engine.

use std::time::Duration;

use carillon_testkit::World;
use serde_json::{Value, json};

/// All events after a cursor, once readers may see them; and the cursor to go on from.
async fn read(world: &World, query: &str, cursor: Option<&str>) -> (Vec<Value>, String) {
    world.wait_until_idle().await;
    // The clock runs faster than the writers of events, and readers wait for them.
    world.clock.advance(Duration::from_mins(10));
    let (mut found, mut cursor) = (Vec::new(), cursor.map(str::to_owned));
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = world.get(&format!("/v1/events?limit=7{query}{after}")).await.expect(200);
        let items = page.items();
        let is_end = items.is_empty();
        found.extend(items);
        cursor = Some(page.string("next_cursor"));
        if is_end {
            return (found, cursor.unwrap_or_default());
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaigns_way_is_in_the_feed_and_in_its_history() {
    let world = World::new().await;
    let campaign = world.draft(3).await;
    let subject = format!("&subject={campaign}");
    let (created, cursor) = read(&world, &subject, None).await;
    assert_eq!(types(&created), ["campaign.created"]);
    world.patch(&format!("/v1/campaigns/{campaign}"), &json!({"priority": 1})).await.expect(200);
    world.start(&campaign).await.expect(200);
    world.pause(&campaign).await.expect(200);
    world.resume(&campaign).await.expect(200);
    world.run_until_idle().await;
    world.advance_hours(24, 240).await;
    let (later, end) = read(&world, &subject, Some(&cursor)).await;
    let expected = [
        "campaign.updated",
        "campaign.started",
        "campaign.paused",
        "campaign.resumed",
        "campaign.completed",
    ];
    assert_eq!(types(&later), expected);
    assert_eq!(later[4]["subject"], json!({"type": "campaign", "id": campaign}));
    assert_eq!(later[4]["data"]["status"], "completed");
    assert_eq!(read(&world, &subject, Some(&end)).await.0, Vec::<Value>::new());

    let path = format!("/v1/campaigns/{campaign}/history");
    let history = world.get(&path).await.expect(200).items();
    assert_eq!(history, [created, later].concat());
    let first = world.get(&format!("{path}?limit=2")).await.expect(200);
    let rest = format!("{path}?cursor={}", first.string("next_cursor"));
    let rest = world.get(&rest).await.expect(200);
    assert_eq!([first.items(), rest.items()].concat(), history);
    assert_eq!(rest.body["next_cursor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_connections_and_jobs_have_events() {
    let world = World::new().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    let bulk = format!("/v1/campaigns/{campaign}/recipients/bulk");
    let close = json!({"action": "close"});
    let job = world.post(&bulk, &close).await.expect(202).string("id");
    world.run_until_idle().await;
    let done = world.get(&format!("/v1/jobs/{job}")).await.expect(200);
    assert_eq!(done.body["result"], json!({"matched": 3, "changed": 3}), "{}", done.text);
    assert_eq!(world.report(&campaign).await.number("closed"), 3);
    let (events, _) = read(&world, "", None).await;
    let named = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    for name in ["connection.created", "batch.created", "batch.closed", "job.created"] {
        assert_eq!(named(name), 1, "{name}: {:?}", types(&events));
    }
    assert_eq!(named("job.completed"), 1);
    assert_eq!(named("recipient.changed"), 0, "nobody asked for them");
    let closed = events.iter().find(|event| event["type"] == "batch.closed").expect("closed");
    assert_eq!(closed["data"]["used"], 3);
    let (only, _) = read(&world, "&type=batch.created&type=batch.closed", None).await;
    assert_eq!(types(&only), ["batch.created", "batch.closed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_can_wait_for_the_next_event() {
    let world = World::builder().rate(1.0).build().await;
    let (_, cursor) = read(&world, "", None).await;
    let path = format!("/v1/events?wait=20&type=campaign.created&cursor={cursor}");
    let (answer, campaign) = tokio::join!(world.get(&path), world.draft(1));
    let items = answer.expect(200).items();
    assert_eq!(items[0]["subject"]["id"], campaign.as_str());
    let (none, _) = read(&world, "&wait=0&type=campaign.halted", Some(&cursor)).await;
    assert_eq!(none, Vec::<Value>::new());
    world.get("/v1/events?wait=60").await.expect(422);
}
