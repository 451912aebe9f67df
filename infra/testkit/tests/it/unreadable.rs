//! Updates that can never be stored as what they are: they are kept as unreadable, their
//! requests are answered 200, and the other updates of their requests are stored.

use std::path::{Path, PathBuf};

use carillon::table::{Item, Key, stored_key};
use carillon_testkit::webhook_body::{self, status, statuses};
use carillon_testkit::{FaultRates, World, phone, wa_id};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Longer than any key may be.
const LONG: usize = 70_000;
/// Longer than an item may be.
const HUGE: usize = 450_000;

/// An unreadable update as it is stored.
#[derive(Debug)]
struct Kept {
    why: String,
    raw: String,
    is_cut: bool,
    expires_at: i64,
}

impl Kept {
    fn of(item: &Item) -> Option<Self> {
        let Some(Key::Unreadable { .. }) = stored_key(item) else { return None };
        let text = |name: &str| item[name].as_s().expect("a text").clone();
        assert_eq!(text("provider"), "whatsapp_cloud");
        Some(Self {
            why: text("why"),
            raw: text("raw"),
            is_cut: *item["is_cut"].as_bool().expect("a flag"),
            expires_at: item["expires_at"].as_n().expect("a number").parse().expect("seconds"),
        })
    }
}

async fn kept(world: &World) -> Vec<Kept> {
    world.items_containing("UNREADABLE#").await.iter().filter_map(Kept::of).collect()
}

/// A world with a connection and no campaign.
async fn connected() -> World {
    let world = World::silent().await;
    world.connection().await;
    world
}

/// A message of contact `number`.
fn message(world: &World, number: u32) -> Value {
    json!({
        "from": wa_id(number), "id": format!("wamid.in.{number}"),
        "timestamp": world.clock.now().as_second().to_string(),
        "type": "text", "text": {"body": "a text"},
    })
}

fn messages(messages: &[Value]) -> Vec<u8> {
    webhook_body::number_change("messages", json!({ "messages": messages }))
}

async fn knows(world: &World, number: u32) -> bool {
    !world.find_contact(&phone(number)).await.items().is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_updates_the_one_that_the_table_refuses_is_kept_as_unreadable() {
    let world = connected().await;
    let mut all: Vec<Value> = (0..999).map(|number| message(&world, number)).collect();
    let mut hostile = message(&world, 5_000);
    hostile["id"] = json!("x".repeat(LONG));
    all.insert(500, hostile);
    let body = messages(&all);
    world.post_signed_webhook(body.clone()).await.expect(200);

    assert_eq!(world.items_containing("MSG#").await.len(), 999);
    let kept_first = kept(&world).await;
    let [one] = kept_first.as_slice() else { panic!("{} are kept", kept_first.len()) };
    assert_eq!((one.why.as_str(), one.is_cut, one.raw.len()), ("refused", true, 64 * 1024));
    let until = (world.clock.now().as_second() + 30 * 86_400) - one.expires_at;
    assert!((0..3_600).contains(&until), "{until}");

    world.post_signed_webhook(body).await.expect(200);
    assert_eq!(kept(&world).await.len(), 1, "a repetition changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_an_item_too_large_is_kept_as_unreadable() {
    let world = World::silent().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    let log = world.simulator.log();
    let mut large = message(&world, 900);
    large["text"]["body"] = json!("€".repeat(HUGE / 3));
    let mut unstorable = status(&log[0], "read");
    unstorable["id"] = json!("x".repeat(HUGE));
    let value = json!({
        "messages": [large, message(&world, 901)],
        "statuses": [unstorable, status(&log[1], "read")],
    });
    let body = webhook_body::number_change("messages", value);
    world.post_signed_webhook(body).await.expect(200);
    assert_eq!(world.report(&campaign).await.number("read"), 1);
    assert!(knows(&world, 901).await);
    let whys: Vec<_> = kept(&world).await.into_iter().map(|one| (one.why, one.is_cut)).collect();
    assert_eq!(whys, [("refused".to_owned(), true), ("refused".to_owned(), true)]);
    // The status can still be reported under its own id.
    world.post_signed_webhook(statuses(&[status(&log[0], "read")])).await.expect(200);
    assert_eq!(world.report(&campaign).await.number("read"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_sender_can_not_be_read_is_kept_as_unreadable() {
    let world = connected().await;
    let mut all = Vec::new();
    for from in [json!(null), json!(""), json!("nobody"), json!("1".repeat(LONG)), json!({})] {
        let mut message = message(&world, 900);
        message["id"] = json!(format!("wamid.from.{}", all.len()));
        message["from"] = from;
        all.push(message);
    }
    let mut moved = message(&world, 900);
    moved["from"] = json!("nobody");
    moved["type"] = json!("system");
    moved["system"] = json!({"type": "user_changed_number", "wa_id": wa_id(902)});
    all.push(moved);
    all.push(message(&world, 901));
    world.post_signed_webhook(messages(&all)).await.expect(200);
    assert!(knows(&world, 901).await && !knows(&world, 902).await);
    let kept = kept(&world).await;
    assert_eq!(kept.len(), 6);
    assert!(kept.iter().all(|one| one.why == "no_sender"));
    assert_eq!(kept.iter().filter(|one| one.is_cut).count(), 1);
    assert_eq!(kept.iter().filter(|one| one.raw.contains("wamid.from.0")).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_parsed_is_kept_and_what_this_version_does_not_use_is_not() {
    let world = connected().await;
    let preference = json!({"wa_id": wa_id(1), "category": "marketing_messages", "value": "maybe"});
    let unreadable = [
        b"no json".to_vec(),
        b"\xff\xfe".to_vec(),
        statuses(&[json!({"status": "read", "id": 7})]),
        webhook_body::number_change("user_preferences", json!({"user_preferences": [preference]})),
        webhook_body::change("messages", &json!("no object")),
    ];
    for body in &unreadable {
        world.post_signed_webhook(body.clone()).await.expect(200);
    }
    assert_eq!(kept(&world).await.len(), unreadable.len());
    let unused = [
        b"{}".to_vec(),
        webhook_body::change("calls", &json!({"calls": [1]})),
        webhook_body::number_change("messages", json!({"errors": [{"code": 1}]})),
        statuses(&[json!({"status": "teleported", "id": "x", "timestamp": "1"})]),
        // Of a number that is not connected.
        String::from_utf8(statuses(&[json!(7)])).unwrap().replace("80000000", "70000000").into(),
    ];
    for body in unused {
        world.post_signed_webhook(body).await.expect(200);
    }
    assert_eq!(kept(&world).await.len(), unreadable.len());
    // Nobody signed it.
    world.post_webhook(b"no json either".to_vec(), &World::sign(b"x")).await.expect(401);
    assert_eq!(kept(&world).await.len(), unreadable.len());
}

/// The table fails for some of a request's updates: the others are stored all the same, and
/// the repetition brings the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_can_not_be_stored_now_aborts_no_other_of_its_request() {
    let world = World::builder().faults(FaultRates::default()).build().await;
    world.connection().await;
    // The connections are read before the fault.
    world.post_signed_webhook(messages(&[message(&world, 0)])).await.expect(200);
    let all: Vec<Value> = (1..=60).map(|number| message(&world, number)).collect();
    let rates = FaultRates { failed: 0.3, ..FaultRates::default() };
    world.proxies().table.set_rates(rates);
    let answer = world.post_signed_webhook(messages(&all)).await;
    world.stop_faults();
    assert_eq!(answer.status, 500);
    let stored = world.items_containing("MSG#").await.len();
    // With 16 under way and the first failure ending the request, a few would be.
    assert!(stored > 30, "{stored} of 60 are stored");
    assert!(kept(&world).await.is_empty(), "a fault that passes makes nothing unreadable");
    world.post_signed_webhook(messages(&all)).await.expect(200);
    assert_eq!(world.items_containing("MSG#").await.len(), 61);
}

/// Long names and texts do not fill the items that others need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_texts_leave_room_for_what_comes_later() {
    let world = World::silent().await;
    let campaign = world.started(3).await;
    world.run_until_idle().await;
    let contact = json!({"wa_id": wa_id(1), "profile": {"name": "€".repeat(130_000)}});
    let value = json!({"contacts": [contact], "messages": [message(&world, 1)]});
    world.post_signed_webhook(webhook_body::number_change("messages", value)).await.expect(200);
    let preference = json!({
        "wa_id": wa_id(1), "category": "marketing_messages", "value": "stop",
        "timestamp": world.clock.now().as_second(),
    });
    let preferences = json!({ "user_preferences": [preference] });
    let body = webhook_body::number_change("user_preferences", preferences);
    world.post_signed_webhook(body).await.expect(200);
    let contact = world.contact(&phone(1)).await.expect(200);
    assert!(contact.body["opted_out_at"].is_string(), "{}", contact.text);

    let event = json!({
        "event": "DISABLED", "message_template_name": "spring_offer",
        "message_template_language": "en_US", "reason": "x".repeat(HUGE),
    });
    world
        .post_signed_webhook(webhook_body::change("message_template_status_update", &event))
        .await
        .expect(200);
    assert_eq!(world.report(&campaign).await.string("status"), "halted");
    assert!(kept(&world).await.is_empty());
}

fn samples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/channel/tests/payloads");
    let folders = ["facebook-openapi/webhooks", "pywa/webhooks", "synthetic/webhooks"];
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the sample payloads"));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

/// Every place of a value, as a JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, part)| pointers(part, &format!("{at}/{name}"), found));
        }
        Value::Array(parts) => {
            let parts = parts.iter().enumerate();
            parts.for_each(|(index, part)| pointers(part, &format!("{at}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found.push(at.to_owned());
}

/// Values that a table refuses, that JSON can't hold, or that nobody expects, as JSON.
fn hostile_values() -> Vec<String> {
    vec![
        format!("\"{}\"", "x".repeat(LONG)),
        format!("\"{}\"", "€".repeat(HUGE / 3)),
        "1".repeat(LONG),
        "\"\"".to_owned(),
        "\"\\u0000\"".to_owned(),
        "\"half a pair \\ud83d\"".to_owned(),
        "1e999".to_owned(),
        "-1e125".to_owned(),
        "253402207200".to_owned(),
        "\"-62135596800\"".to_owned(),
        format!("{}1{}", "[".repeat(300), "]".repeat(300)),
        format!("{}1{}", "{\"\":".repeat(100), "}".repeat(100)),
        "null".to_owned(),
    ]
}

/// How many mutated samples are posted.
const MUTATIONS: usize = 1_500;
const MARK: &str = "\"@@\"";

/// Each request has a sample with one hostile value, as an event of the connection, and a
/// message of somebody else: the request is answered 200, and the message is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_value_at_any_place_costs_no_other_update() {
    let world = connected().await;
    let mut rng = StdRng::seed_from_u64(13);
    let mut mutations = Vec::new();
    for file in samples() {
        let Ok(body) = serde_json::from_slice::<Value>(&std::fs::read(&file).expect("a sample"))
        else {
            continue;
        };
        let mut found = Vec::new();
        body["entry"]
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|entry| pointers(entry, "", &mut found));
        let values = hostile_values();
        for place in found {
            let value = values[rng.random_range(0..values.len())].clone();
            mutations.push((file.clone(), body.clone(), place, value));
        }
    }
    mutations.shuffle(&mut rng);
    mutations.truncate(MUTATIONS);
    let mut numbers = 10_000..;
    for (file, body, place, value) in &mutations {
        let mut entry = body["entry"][0].clone();
        entry["id"] = json!("900000000000001");
        for change in entry["changes"].as_array_mut().into_iter().flatten() {
            if let Some(metadata) = change["value"]["metadata"].as_object_mut() {
                metadata.insert("phone_number_id".to_owned(), json!("800000000000001"));
            }
        }
        if let Some(part) = entry.pointer_mut(place) {
            *part = json!("@@");
        }
        let number = numbers.next().expect("a number");
        let good: Value = serde_json::from_slice(&messages(&[message(&world, number)])).unwrap();
        let both = json!({"entry": [entry, good["entry"][0]]}).to_string().replace(MARK, value);
        let answer = world.post_signed_webhook(both.into_bytes()).await;
        let shown: String = value.chars().take(30).collect();
        assert_eq!(answer.status, 200, "{}: {place}: {shown}", file.display());
    }
    let stored = world.items_containing("wamid.in.").await;
    let stored = stored.iter().filter(|item| matches!(stored_key(item), Some(Key::Message { .. })));
    let stored = stored.filter(|item| item["id"].as_s().unwrap().starts_with("wamid.in.1")).count();
    assert!(stored >= mutations.len(), "{stored} of {} messages are stored", mutations.len());
    let kept = kept(&world).await;
    println!("{} hostile values, {} updates are kept as unreadable", mutations.len(), kept.len());
    assert!(kept.iter().all(|one| one.raw.len() <= 64 * 1024));
    for why in ["malformed", "no_sender", "refused"] {
        assert!(kept.iter().any(|one| one.why == why), "none is {why}");
    }
}
