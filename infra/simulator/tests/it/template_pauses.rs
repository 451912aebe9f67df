//! Template messages that Meta holds.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Delay, Simulator};

use crate::fixture::{Fixture, PHONE, template};

const HOUR_MS: u32 = 60 * 60 * 1000;

fn offers() -> Vec<Value> {
    vec![json!({ "name": "offer" }), json!({ "name": "offer", "language": "es" })]
}

fn holding() -> Behaviour {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.held = 1.0;
    behaviour.delays.held = Delay::fixed(HOUR_MS);
    behaviour
}

#[tokio::test]
async fn a_response_can_say_paused() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.paused = 1.0;
    behaviour.delays.held = Delay::fixed(HOUR_MS);
    let fixture = Fixture::with(behaviour.clone()).await;
    let (_, body) = fixture.send(&template(PHONE, "offer", &[])).await;
    assert_eq!(body["messages"][0]["message_status"], "paused");
    behaviour.outcomes.held_dropped = 1.0;
    fixture.simulator.set_behaviour(behaviour);
    fixture.send(&template(PHONE, "offer", &[])).await;
    fixture.clock.advance(HOUR_MS.into());
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.failure_codes(), [None, Some(132_015)]);
    assert_eq!(fixture.simulator.summary().acknowledged.read, 1);
}

#[tokio::test]
async fn pausing_a_template_drops_its_held_messages() {
    let config = Config { templates: offers(), behaviour: holding(), ..Config::default() };
    let fixture = Fixture::new(config).await;
    let spanish = |phone| {
        let mut message = template(phone, "offer", &[]);
        message["template"]["language"]["code"] = "es".into();
        message
    };
    fixture.send(&template(PHONE, "offer", &[])).await;
    fixture.clock.advance(HOUR_MS.into());
    fixture.wait_for_due_events().await;
    fixture.send(&template("+14155550102", "offer", &[])).await;
    fixture.send(&spanish("+14155550103")).await;
    fixture.clock.advance(1_000);

    assert!(fixture.simulator.pause_template("offer", "en_US"));
    assert!(!fixture.simulator.pause_template("unknown", "en_US"));
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.failure_codes(), [None, Some(132_015), None]);
    let failed: Vec<_> =
        fixture.receiver.statuses().into_iter().filter(|each| each["status"] == "failed").collect();
    assert_eq!((failed.len(), &failed[0]["recipient_id"]), (1, &json!("14155550102")));
    let pause = &fixture.receiver.values("message_template_status_update")[0];
    assert_eq!(
        (&pause["event"], &pause["message_template_name"]),
        (&json!("PAUSED"), &json!("offer"))
    );
    let (_, refused) = fixture.send(&template(PHONE, "offer", &[])).await;
    assert_eq!(refused["error"]["code"], 132_015);
    let (_, held) = fixture.send(&spanish(PHONE)).await;
    assert_eq!(held["messages"][0]["message_status"], "held_for_quality_assessment");
}

#[tokio::test]
async fn a_drop_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        templates: offers(),
        behaviour: holding(),
        log_file: Some(folder.path().join("log.jsonl")),
        ..Config::default()
    };
    let fixture = Fixture::new(config.clone()).await;
    fixture.send(&template(PHONE, "offer", &[])).await;
    let paused = json!({ "name": "offer", "language": "en_US" });
    let (_, body) = fixture.control("paused_templates", &paused).await;
    assert_eq!(body, json!({ "success": true }));
    fixture.wait_for_due_events().await;
    let restored = Simulator::start(config).await.unwrap();
    assert_eq!(restored.log(), fixture.simulator.log());
    assert_eq!(restored.pending_events(), 0);
}
