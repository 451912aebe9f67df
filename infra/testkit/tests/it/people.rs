//! One person with several keys, several spellings of one number, and numbers that change
//! hands.

use carillon::quota;
use carillon::recipient::store::skip_as_duplicate;
use carillon::recipient::{self, Position, Status};
use carillon_testkit::{World, contacts_csv, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, InboundMessage};

/// A world whose WhatsApp spells numbers its own way.
async fn rewriting(behaviour: Behaviour) -> World {
    let rewrite = |config| Config { rewrite_wa_ids: true, ..config };
    World::builder().behaviour(behaviour).whatsapp(rewrite).build().await
}

/// A file with these numbers.
fn csv(phones: &[&str]) -> String {
    format!("phone,first_name\n{},Ana\n", phones.join(",Ana\n"))
}

/// A started campaign with these numbers.
async fn started_with(world: &World, connection: &str, phones: &[&str]) -> String {
    let campaign = world.campaign(connection, json!({})).await;
    world.upload(&campaign, csv(phones)).await.expect(200);
    world.start(&campaign).await.expect(200);
    campaign
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_spellings_of_one_number_are_one_recipient() {
    let world = rewriting(Behaviour::all_read()).await;
    let connection = world.connection().await;
    for spellings in [
        ["+525512345678", "+5215512345678"],
        ["0052 1 33 1234 5678", "+52 33 1234 5678"],
        ["+55 11 98765-4321", "+55 11 8765-4321"],
        ["+55 31 98765-4321", "553187654321"],
    ] {
        let campaign = world.campaign(&connection, json!({"default_country": "BR"})).await;
        let [one, other] = spellings;
        let csv = format!("phone,first_name\n{one},Ana\n{other},Ana\n");
        let added = world.upload(&campaign, csv).await.expect(200);
        let counts = (added.number("added"), added.number("duplicates"));
        assert_eq!(counts, (1, 1), "{spellings:?}: {}", added.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_holds_under_every_spelling() {
    let world = rewriting(Behaviour::no_webhooks()).await;
    let connection = world.connection().await;
    let numbers = ["+525512345678", "+5511987654321", "+573001234567"];
    started_with(&world, &connection, &numbers).await;
    world.run_until_idle().await;
    for number in numbers {
        world.simulator.stop_marketing(number);
    }
    world.wait_until_idle().await;
    let spellings = ["+5215512345678", "+551187654321", "+573001234567"];
    let second = world.campaign(&connection, json!({})).await;
    let added = world.upload(&second, csv(&spellings)).await.expect(200);
    assert_eq!((added.number("added"), added.number("suppressed")), (0, 3), "{}", added.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn argentine_twins_get_one_message_and_a_landline_keeps_its_own() {
    let world = rewriting(Behaviour::no_webhooks()).await;
    let connection = world.connection().await;
    let twins = ["+541123456789", "+5491123456789", "+5491187654321", "+541187654321"];
    let campaign = started_with(&world, &connection, &twins).await;
    world.run_until_idle().await;
    world.advance_hours(1, 5).await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("skipped")), (2, 2), "{}", report.text);
    assert_eq!(report.body["skipped_by_reason"], json!({"duplicate_person": 2}));
    assert_eq!(world.simulator.summary().accepted, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_listed_under_phone_and_user_id_gets_one_message() {
    let world = World::new().await;
    let connection = world.connection().await;
    started_with(&world, &connection, &[&phone(1)]).await;
    world.run_until_idle().await;
    let bsuid = world.simulator.user_id(&wa_id(1)).expect("a user id");
    let campaign = world.campaign(&connection, json!({})).await;
    let csv = format!("phone,bsuid,first_name\n{},,Ana\n,{bsuid},Ana\n", phone(1));
    let added = world.upload(&campaign, csv).await.expect(200);
    let counts = (added.number("added"), added.number("duplicates"));
    assert_eq!(counts, (1, 1), "the statuses told both keys: {}", added.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_recipients_that_turn_out_to_be_one_person_get_one_message() {
    let world = World::new().await;
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({"daily_send_limit": 1})).await;
    let bsuid = world.simulator.user_id(&wa_id(1)).unwrap_or_else(|| "CO.1349aBcD".to_owned());
    let csv = format!("phone,bsuid,first_name\n{},,Ana\n,{bsuid},Ana\n", phone(1));
    assert_eq!(world.upload(&campaign, csv).await.expect(200).number("added"), 2);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    assert_eq!(world.simulator.summary().accepted, 1);
    world.create_contact(&[&phone(1), &bsuid]).await.expect(200);
    world.advance_hours(48, 60).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.body["skipped_by_reason"], json!({"duplicate_person": 1}), "{}", report.text);
    assert_eq!(world.simulator.summary().accepted, 1);
}

/// Each of two runs might take the other's recipient for the one that goes first, and nobody
/// would be sent to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_is_skipped_only_while_its_twin_is_where_it_was_read() {
    let world = World::silent().await;
    let campaign = world.draft(2).await;
    let (table, campaign) = (world.host.table(), world.stored_campaign(&campaign).await);
    let recipients = world.stored_recipients(&campaign.id.to_string()).await;
    let [one, twin] = [0, 1].map(|index| campaign.recipients().key(recipients[index].contact));
    let skip = async |status| {
        let twin = (&twin, Position { attempt: 1, status });
        skip_as_duplicate(table, &one, 1, twin).await.expect("the table answers")
    };
    assert!(!skip(Status::Sending).await);
    let found = recipient::store::get(table, &one).await.expect("the table answers");
    assert_eq!(found.expect("a recipient").status, Status::Pending);
    assert!(skip(Status::Pending).await);
    let found = recipient::store::get(table, &one).await.expect("the table answers");
    assert_eq!(found.expect("a recipient").status, Status::Skipped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_number_takes_the_person_along_and_leaves_the_old_one_to_its_next_owner() {
    let world = World::new().await;
    let connection = world.connection().await;
    started_with(&world, &connection, &[&phone(1)]).await;
    world.run_until_idle().await;
    world.simulator.stop_marketing(&wa_id(1));
    world.wait_until_idle().await;
    let person = world.contact_id(&phone(1)).await;
    world.simulator.change_number(&wa_id(1), &wa_id(2));
    world.wait_until_idle().await;
    assert_eq!(world.contact_id(&phone(2)).await, person);
    let owner = world.find_contact(&phone(1)).await.expect(200);
    assert!(owner.items().is_empty(), "{}", owner.text);

    // The number gets a new owner, who has not opted out.
    world.simulator.recycle_number(&wa_id(1));
    let campaign = started_with(&world, &connection, &[&phone(1), &phone(2)]).await;
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!((report.number("sent"), report.number("skipped")), (1, 1), "{}", report.text);
    assert_ne!(world.contact_id(&phone(1)).await, person);
}

/// Two numbers of one portfolio with a quota.
async fn numbers(world: &World) -> [String; 2] {
    let number = |id: &str| {
        let provider = World::sender(id, "900000000000001");
        json!({"provider": provider, "quota_group": "shop", "quota_limit": 250})
    };
    let first = world.connection_with(number("800000000000001")).await;
    [first, world.connection_with(number("800000000000002")).await]
}

/// How many reservations of the quota are used.
async fn reserved(world: &World) -> u64 {
    let quota = quota::store::get(world.host.table(), "shop").await.expect("the table answers");
    quota.reserved(world.clock.now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_window_opens_for_one_number_and_only_for_messages_to_us() {
    let world = World::silent().await;
    let [one, two] = numbers(&world).await;
    let message = |to: &str| InboundMessage::text(wa_id(1), "hello").to_number(to);
    world.simulator.send_inbound(message("800000000000001"));
    world.simulator.send_inbound(message("800000000000002").in_group("group-1"));
    world.wait_until_idle().await;
    started_with(&world, &one, &[&phone(1)]).await;
    world.run_until_idle().await;
    world.advance_hours(1, 20).await;
    assert_eq!(reserved(&world).await, 0, "inside the window of that number");
    started_with(&world, &two, &[&phone(1)]).await;
    world.run_until_idle().await;
    world.advance_hours(1, 20).await;
    assert_eq!(reserved(&world).await, 1, "the other number has no window");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_counts_for_the_number_it_came_to_and_a_quote_for_its_campaign() {
    let world = World::new().await;
    let [one, two] = numbers(&world).await;
    let first = started_with(&world, &one, &[&phone(1)]).await;
    world.run_until_idle().await;
    let quoted = world.simulator.log()[0].wamid.clone();
    world.advance_hours(1, 20).await;
    let second = started_with(&world, &two, &[&phone(1)]).await;
    world.run_until_idle().await;
    let replied = async |campaign: &str| world.report(campaign).await.number("replied");

    let text = InboundMessage::text(wa_id(1), "yes").to_number("800000000000001");
    world.simulator.send_inbound(text);
    world.wait_until_idle().await;
    assert_eq!((replied(&first).await, replied(&second).await), (1, 0));

    // Ten days later the quote still tells which message is meant.
    let third = started_with(&world, &two, &[&phone(2)]).await;
    world.run_until_idle().await;
    world.advance_hours(10 * 24, 240).await;
    let last = world.simulator.log().into_iter().find(|entry| entry.to == wa_id(2));
    let quote = last.expect("a message").wamid;
    let mut late = InboundMessage::text(wa_id(2), "sorry, late").to_number("800000000000002");
    late.context = Some(quote);
    world.simulator.send_inbound(late);
    let mut other = InboundMessage::text(wa_id(1), "as I said").to_number("800000000000002");
    other.context = Some(quoted);
    world.simulator.send_inbound(other);
    world.wait_until_idle().await;
    assert_eq!((replied(&third).await, replied(&second).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_of_marketing_messages_holds_for_every_campaign() {
    let mut behaviour = Behaviour::all_read();
    behaviour.faults.refused = 1.0;
    behaviour.faults.refusal_codes = vec![131_049];
    let world = World::with(behaviour).await;
    let connection = world.connection().await;
    started_with(&world, &connection, &[&phone(1)]).await;
    world.run_until_idle().await;
    world.simulator.set_behaviour(Behaviour::all_read());
    world.advance_hours(1, 20).await;
    let second = started_with(&world, &connection, &[&phone(1), &phone(2)]).await;
    world.advance_hours(12, 60).await;
    let report = world.report(&second).await;
    assert_eq!((report.number("sent"), report.number("pending")), (1, 1), "{}", report.text);
    let plan = world.get(&format!("/v1/campaigns/{second}/plan")).await.expect(200);
    let held = json!({"marketing_hold": 1});
    assert_eq!(
        (&report.body["waiting_by_reason"], &plan.body["waiting_by_reason"]),
        (&held, &held)
    );
    world.advance_hours(24, 60).await;
    let report = world.report(&second).await;
    assert_eq!((report.number("sent"), &report.body["waiting_by_reason"]), (2, &json!({})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marketing_to_the_united_states_is_warned_of_at_start() {
    let world = World::silent().await;
    let connection = world.connection().await;
    let numbers = ["+12025550173", "+14155550101", "+14165550101", "+573001234567"];
    let campaign = world.campaign(&connection, json!({})).await;
    world.upload(&campaign, csv(&numbers)).await.expect(200);
    let started = world.start(&campaign).await.expect(200);
    let plan = world.get(&format!("/v1/campaigns/{campaign}/plan")).await.expect(200);
    for answer in [&started, &plan] {
        let warning = &answer.body["warnings"][0];
        assert_eq!(warning["code"], "marketing_not_delivered", "{}", answer.text);
        assert_eq!(warning["recipients"], 2, "{}", answer.text);
    }
    let service = json!({"message": {"type": "text", "text": "Hello {first_name}"}});
    let campaign = world.campaign(&connection, service).await;
    world.upload(&campaign, csv(&numbers)).await.expect(200);
    assert_eq!(world.start(&campaign).await.expect(200).body["warnings"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_merge_is_split_with_its_history() {
    let world = World::silent().await;
    let connection = world.connection().await;
    world.draft_on(&connection, 0..3, json!({})).await;
    world.create_contact(&[&phone(1), &phone(2)]).await.expect(200);
    for number in [1, 2] {
        world.simulator.send_inbound(InboundMessage::text(wa_id(number), "a private word"));
    }
    world.wait_until_idle().await;
    let merged = world.contact_id(&phone(1)).await;
    assert_eq!(world.contact_id(&phone(2)).await, merged);
    let split = json!({"addresses": [phone(2)]});
    let new = world.post(&format!("/v1/contacts/{merged}/split"), &split).await.expect(201);
    let new = new.string("id");
    assert_eq!(world.contact_id(&phone(2)).await, new);
    let messages = world.items_containing("a private word").await;
    let partitions: Vec<&String> =
        messages.iter().filter_map(|one| one["pk"].as_s().ok()).collect();
    assert_eq!(partitions.iter().filter(|pk| pk.contains(&new)).count(), 1, "{partitions:?}");
    assert_eq!(partitions.iter().filter(|pk| pk.contains(&merged)).count(), 1, "{partitions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_as_people_write_them_are_accepted_in_one_form_or_refused_with_the_reason() {
    let world = World::silent().await;
    let connection = world.connection().await;
    for (country, written, outcome) in [
        ("MX", "+5215512345678", Ok("+525512345678")),
        ("US", "0052 1 55 1234 5678", Ok("+525512345678")),
        ("AR", "11 15-2345-6789", Ok("+5491123456789")),
        ("CO", "(601) 234 5678", Ok("+576012345678")),
        ("CO", "＋５７ ３００ １２３４５６７", Ok("+573001234567")),
        ("CO", "85432", Err("too short")),
        ("CO", "300 123 4567 ext. 5", Err("extension")),
        ("CO", "CO.13491208655302741918", Ok("CO.13491208655302741918")),
        ("CO", "5.73001E+11", Err("spreadsheet")),
    ] {
        let campaign = world.campaign(&connection, json!({"default_country": country})).await;
        let csv = format!("phone,first_name\n{written},Ana\n");
        let report = world.upload(&campaign, csv).await.expect(200);
        match outcome {
            Ok(address) => {
                let stored = world.recipients(&campaign).await;
                assert_eq!(stored[0]["address"], address, "{written}: {}", report.text);
            }
            Err(reason) => assert!(report.text.contains(reason), "{written}: {}", report.text),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_erased_under_one_key_stays_suppressed_under_all() {
    let world = World::new().await;
    let connection = world.connection().await;
    started_with(&world, &connection, &[&phone(1)]).await;
    world.run_until_idle().await;
    let bsuid = world.simulator.user_id(&wa_id(1)).expect("a user id");
    world.erase(&phone(1)).await.expect(200);
    assert!(world.items_containing(&bsuid).await.is_empty());
    let campaign = world.campaign(&connection, json!({})).await;
    let csv = format!("bsuid,first_name\n{bsuid},Ana\n");
    let added = world.upload(&campaign, csv).await.expect(200);
    assert_eq!((added.number("added"), added.number("suppressed")), (0, 1), "{}", added.text);
    world.upload(&campaign, contacts_csv(1..2)).await.expect(200);
    assert!(world.items_containing(&phone(1)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_turns_out_to_be_an_erased_person_is_erased_too() {
    let world = World::silent().await;
    let connection = world.connection().await;
    for (erased, live) in [(phone(1), phone(2)), (phone(4), phone(3))] {
        for address in [&phone(1), &phone(2), &phone(3), &phone(4)] {
            world.create_contact(&[address]).await.expect(200);
        }
        world.erase(&erased).await.expect(200);
        world.create_contact(&[&erased, &live]).await.expect(200);
        for address in [&erased, &live] {
            assert!(world.items_containing(address).await.is_empty(), "{address}");
        }
        let campaign = world.campaign(&connection, json!({})).await;
        let added = world.upload(&campaign, format!("phone,first_name\n{live},Ana\n")).await;
        let added = added.expect(200);
        assert_eq!((added.number("added"), added.number("suppressed")), (0, 1), "{}", added.text);
    }
}

/// A draft for contacts 1 and 2, who were merged. Returns the campaign, the phone of the
/// survivor and that of the other one.
async fn wrongly_merged(world: &World, connection: &str) -> (String, String, String) {
    let campaign = world.draft_on(connection, 1..3, json!({})).await;
    let older = world.contact_id(&phone(1)).await < world.contact_id(&phone(2)).await;
    world.create_contact(&[&phone(1), &phone(2)]).await.expect(200);
    let (survivor, other) = if older { (1, 2) } else { (2, 1) };
    (campaign, phone(survivor), phone(other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_merged_wrongly_and_split_has_their_own_message_and_erasure() {
    for is_survivor_named in [false, true] {
        let world = World::silent().await;
        let connection = world.connection().await;
        let (campaign, survivor, other) = wrongly_merged(&world, &connection).await;
        let path = format!("/v1/contacts/{}/split", world.contact_id(&survivor).await);
        let named = if is_survivor_named { &survivor } else { &other };
        world.post(&path, &json!({"addresses": [named]})).await.expect(201);
        world.start(&campaign).await.expect(200);
        world.run_until_idle().await;
        let log = world.simulator.summary();
        assert_eq!((log.accepted, log.duplicates), (2, 0));
        for recipient in world.recipients(&campaign).await {
            let number = if recipient["address"] == json!(phone(1)) { 1 } else { 2 };
            let own = json!({"first_name": format!("Person {number}")});
            assert_eq!(recipient["columns"], own, "{recipient}");
        }
        world.erase(&other).await.expect(200);
        for recipient in world.recipients(&campaign).await {
            let is_erased = recipient["columns"].as_object().is_some_and(serde_json::Map::is_empty);
            assert_eq!(is_erased, recipient["address"] != json!(survivor), "{recipient}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recipients_of_a_number_stay_with_its_old_owner() {
    let world = World::silent().await;
    let connection = world.connection().await;
    let (campaign, survivor, other) = wrongly_merged(&world, &connection).await;
    let path = format!("/v1/contacts/{}/split", world.contact_id(&survivor).await);
    let split = json!({"addresses": [other], "since": world.clock.now()});
    world.post(&path, &split).await.expect(201);
    world.start(&campaign).await.expect(200);
    world.run_until_idle().await;
    let report = world.report(&campaign).await;
    assert_eq!(report.body["skipped_by_reason"], json!({"duplicate_person": 1}), "{}", report.text);
    world.erase(&survivor).await.expect(200);
    let recipients = world.recipients(&campaign).await;
    let is_erased = |one: &Value| one["columns"].as_object().is_some_and(serde_json::Map::is_empty);
    assert!(recipients.iter().all(is_erased), "{recipients:?}");
}
