//! What one row causes concerns one recipient; what several people meet in a row halts the
//! campaign, however it is reported.

use std::time::Duration;

use carillon_testkit::{World, contacts_csv, phone, wa_id};
use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, ForcedError, ReportedBy};

/// Every message is delivered and read, except that these contacts get this code.
fn refusing(
    contacts: impl IntoIterator<Item = u32>,
    code: u32,
    reported_by: ReportedBy,
) -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    for contact in contacts {
        let error = ForcedError { code, times: None, reported_by };
        behaviour.faults.forced.insert(wa_id(contact), error);
    }
    behaviour
}

/// A message with the recipient's name, and a default for those without one.
fn greeting(default: &str) -> Value {
    let text = format!("{{name|{default}}}");
    json!({"type": "template", "template": {"name": "spring_offer", "language": "en_US",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": text}]}]}})
}

/// A draft whose contact 3 of 20 has an empty name.
async fn with_an_empty_cell(world: &World, message: Value) -> String {
    let connection = world.connection().await;
    let campaign = world.campaign(&connection, json!({ "message": message })).await;
    let row = |number: u32| {
        let name = if number == 3 { "" } else { "Ana" };
        format!("{},{name}\n", phone(number))
    };
    let rows: String = (0..20).map(row).collect();
    world.upload(&campaign, format!("phone,name\n{rows}")).await.expect(200);
    campaign
}

/// Runs until everybody is settled and a pass of the walk has found that.
async fn run_to_the_end(world: &World) {
    for _ in 0..4 {
        world.run_until_idle().await;
        world.clock.advance(Duration::from_mins(5));
    }
}

async fn status(world: &World, campaign: &str) -> String {
    world.report(campaign).await.string("status")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_empty_cell_skips_one_recipient() {
    let world = World::new().await;
    let campaign = with_an_empty_cell(&world, greeting("")).await;
    let plan = world.get(&format!("/v1/campaigns/{campaign}/plan")).await.expect(200);
    let started = world.start(&campaign).await.expect(200);
    for warnings in [&plan.body["warnings"], &started.body["warnings"]] {
        let found = warnings.as_array().expect("warnings").iter();
        let found: Vec<_> = found.filter(|one| one["code"] == "invalid_message").collect();
        assert_eq!(found.len(), 1, "{warnings}");
        assert_eq!(found[0]["recipients"], 1, "{warnings}");
        assert!(found[0]["text"].as_str().expect("a text").contains("{name}"), "{warnings}");
    }
    run_to_the_end(&world).await;
    let report = world.report(&campaign).await;
    assert_eq!(report.body["skipped_by_reason"], json!({"invalid_message": 1}), "{}", report.text);
    assert_eq!((report.number("read"), report.string("status").as_str()), (19, "completed"));
    let all = world.recipients(&campaign).await;
    let skipped = all.iter().find(|one| one["status"] == "skipped").expect("one is skipped");
    let detail = skipped["failure_reason"].as_str();
    let detail = detail.unwrap_or_else(|| panic!("no detail: {skipped}"));
    assert!(detail.contains("{name}") && detail.contains("must not be empty"), "{skipped}");
    assert_eq!(world.simulator.summary().refusals.len(), 0, "nothing was sent for the row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_that_is_a_value_warns_of_nothing() {
    let world = World::new().await;
    let campaign = with_an_empty_cell(&world, greeting("friend")).await;
    let started = world.start(&campaign).await.expect(200);
    let warnings = started.body["warnings"].as_array().expect("warnings");
    assert!(warnings.iter().all(|one| one["code"] != "invalid_message"), "{warnings:?}");
    world.run_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("read"), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_one_person_is_refused_for_halts_nothing() {
    for code in [131_008, 132_012, 132_018] {
        for reported_by in [ReportedBy::Response, ReportedBy::Webhook] {
            let world = World::with(refusing([3], code, reported_by)).await;
            let campaign = world.started(20).await;
            run_to_the_end(&world).await;
            let report = world.report(&campaign).await;
            let about = format!("code {code} by {reported_by:?}: {}", report.text);
            assert_eq!((report.number("read"), report.number("failed")), (19, 1), "{about}");
            assert_eq!(report.string("status"), "completed", "{about}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_people_in_a_row_are_refused_for_halts_their_campaign() {
    // The code, and whether the other campaigns of the template halt.
    for (code, template) in [(131_008, true), (131_009, false), (999_999, false)] {
        for reported_by in [ReportedBy::Response, ReportedBy::Webhook] {
            let about = format!("code {code} by {reported_by:?}");
            let behaviour = refusing(0..200, code, reported_by);
            let world = World::builder().behaviour(behaviour).rate(4.0).build().await;
            let connection = world.connection().await;
            let settings = json!({"speed": "normal"});
            let campaign = world.started_on(&connection, 0..200, settings).await;
            let later = (world.clock.now() + Duration::from_hours(9)).to_string();
            let settings = json!({"scheduled_start": later});
            let other = world.started_on(&connection, 900..901, settings).await;
            world.run_until_idle().await;
            let report = world.report(&campaign).await;
            assert_eq!(report.string("status"), "halted", "{about}: {}", report.text);
            assert_eq!(report.body["halt"]["provider_code"], code, "{about}: {}", report.text);
            assert!((5..40).contains(&report.number("failed")), "{about}: {}", report.text);
            assert_eq!(status(&world, &other).await == "halted", template, "{about}");
            // The fault is mended: the others get their message.
            world.simulator.set_behaviour(Behaviour::all_read());
            world.resume(&campaign).await.expect(200);
            world.run_until_idle().await;
            let end = world.report(&campaign).await;
            let (failed, read) = (end.number("failed"), end.number("read"));
            assert_eq!((failed, failed + read), (report.number("failed"), 200), "{about}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scattered_refusals_halt_nothing() {
    for reported_by in [ReportedBy::Response, ReportedBy::Webhook] {
        let behaviour = refusing((0..200).step_by(20), 131_009, reported_by);
        let world = World::builder().behaviour(behaviour).rate(8.0).build().await;
        let campaign = world.started_with(200, json!({"speed": "normal"})).await;
        run_to_the_end(&world).await;
        let report = world.report(&campaign).await;
        assert_eq!((report.number("read"), report.number("failed")), (190, 10), "{}", report.text);
        assert_eq!(report.string("status"), "completed", "{}", report.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_goes_on_in_another_process() {
    let world = World::with(refusing(0..9, 131_009, ReportedBy::Response)).await;
    let campaign = world.started(4).await;
    world.tick().await;
    world.wait_until_idle().await;
    assert_eq!(world.report(&campaign).await.number("failed"), 4);
    assert_ne!(status(&world, &campaign).await, "halted");
    world.upload(&campaign, contacts_csv(4..5)).await.expect(200);
    let world = world.restart().await;
    for _ in 0..2 {
        world.run_until_idle().await;
    }
    assert_eq!(status(&world, &campaign).await, "halted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_does_not_halt_for_the_same_person_again() {
    for code in [132_000, 132_015, 131_053] {
        let world = World::with(refusing([1], code, ReportedBy::Response)).await;
        let campaign = world.started(3).await;
        world.run_until_idle().await;
        assert_eq!(status(&world, &campaign).await, "halted", "code {code}");
        world.resume(&campaign).await.expect(200);
        world.run_until_idle().await;
        let report = world.report(&campaign).await;
        assert_eq!(report.string("status"), "active", "code {code}: {}", report.text);
        assert_eq!((report.number("read"), report.number("pending")), (2, 1), "{}", report.text);
        // The person waits an hour, and gets the message once it can be sent.
        world.simulator.set_behaviour(Behaviour::all_read());
        world.run_until_idle().await;
        assert_eq!(world.report(&campaign).await.number("read"), 2);
        world.clock.advance(Duration::from_mins(80));
        run_to_the_end(&world).await;
        let report = world.report(&campaign).await;
        assert_eq!((report.number("read"), report.string("status").as_str()), (3, "completed"));
    }
}
