//! Phone numbers that change hands, and users without a phone number.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, InboundMessage, Limits};

use crate::fixture::{Fixture, NUMBER, PHONE, template, text};

const NEW_PHONE: &str = "+14155550199";
const OTHER_NUMBER: &str = "800000000000002";

async fn fixture() -> Fixture {
    Fixture::with(Behaviour::all_read()).await
}

fn to_user_id(user_id: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient": user_id, "type": "text",
        "text": { "body": "Hola" },
    })
}

fn system_messages(fixture: &Fixture) -> Vec<Value> {
    let messages = fixture.receiver.messages();
    messages.into_iter().filter(|message| message["type"] == "system").collect()
}

#[tokio::test]
async fn a_number_change_is_reported_with_both_ids() {
    let fixture = fixture().await;
    let old_id = fixture.simulator.user_id(PHONE).unwrap();
    let new_id = fixture.simulator.change_number(PHONE, NEW_PHONE);
    fixture.wait_for_due_events().await;
    let value = &fixture.receiver.values("messages")[0];
    assert!(value.get("contacts").is_none());
    let message = &value["messages"][0];
    assert_eq!((&message["from"], &message["type"]), (&json!("14155550101"), &json!("system")));
    let system = &message["system"];
    assert_eq!(system["type"], "user_changed_number");
    assert_eq!(system["wa_id"], "14155550199");
    assert_eq!((&system["user_id"], &system["previous_user_id"]), (&json!(new_id), &json!(old_id)));
    assert_ne!(new_id, old_id);
    let body = system["body"].as_str().unwrap();
    assert!(body.ends_with(" changed from 14155550101 to 14155550199"), "{body}");
}

#[tokio::test]
async fn each_number_that_knows_the_user_learns_of_the_change() {
    let fixture = fixture().await;
    for number in [NUMBER, OTHER_NUMBER] {
        fixture.code_of(number, &text(PHONE)).await;
    }
    fixture.control("number_changes", &json!({ "old": PHONE, "new": NEW_PHONE })).await;
    fixture.wait_for_due_events().await;
    let messages = system_messages(&fixture);
    assert_eq!(messages.len(), 2);
    assert_ne!(messages[0]["id"], messages[1]["id"]);
}

#[tokio::test]
async fn the_old_number_and_the_old_user_id_belong_to_nobody() {
    let fixture = fixture().await;
    let old_id = fixture.simulator.user_id(PHONE).unwrap();
    let new_id = fixture.simulator.change_number(PHONE, NEW_PHONE);
    assert_eq!(fixture.simulator.user_id(PHONE), None);
    fixture.text_to(PHONE).await;
    for message in [to_user_id(&old_id), to_user_id(&new_id), text(NEW_PHONE)] {
        fixture.send(&message).await;
    }
    assert_eq!(fixture.failure_codes(), [Some(131_026), Some(131_026), None, None]);
    assert_eq!(fixture.simulator.summary().recipients, 3);
    fixture.wait_for_due_events().await;
    let failed: Vec<_> =
        fixture.receiver.statuses().into_iter().filter(|each| each["status"] == "failed").collect();
    assert!(failed.iter().any(|status| status["recipient_id"] == "14155550101"));
    assert!(failed.iter().any(|status| status["recipient_user_id"] == old_id));
}

#[tokio::test]
async fn the_user_keeps_opt_out_and_service_window_with_the_new_number() {
    let config = Config {
        limits: Limits { service_window: true, ..Limits::default() },
        ..Config::default()
    };
    let fixture = Fixture::new(config).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    fixture.simulator.stop_marketing(PHONE);
    fixture.simulator.change_number(PHONE, NEW_PHONE);
    fixture.simulator.recycle_number(PHONE);
    for phone in [NEW_PHONE, PHONE] {
        fixture.text_to(phone).await;
        fixture.send(&template(phone, "any", &[])).await;
    }
    assert_eq!(fixture.failure_codes(), [None, Some(131_050), Some(131_047), None]);
}

#[tokio::test]
async fn a_recycled_number_belongs_to_a_new_user() {
    let fixture = fixture().await;
    let first_id = fixture.simulator.user_id(PHONE).unwrap();
    fixture.text_to(PHONE).await;
    fixture.simulator.change_number(PHONE, NEW_PHONE);
    let second_id = fixture.simulator.recycle_number(PHONE);
    assert_ne!(second_id, first_id);
    fixture.text_to(PHONE).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "who is this?"));
    fixture.wait_for_due_events().await;
    let log = fixture.simulator.log();
    assert_eq!((&log[0].to, &log[0].user_id), (&log[1].to, &Some(first_id)));
    assert_eq!(log[1].user_id.as_ref(), Some(&second_id));
    assert_ne!(log[0].wamid, log[1].wamid);
    assert_eq!(fixture.simulator.summary().recipients, 2);
    let messages = fixture.receiver.messages();
    let question = messages.iter().find(|message| message["type"] == "text").unwrap();
    assert_eq!(question["from_user_id"], second_id);
}

#[tokio::test]
async fn statuses_carry_the_phone_number_and_the_user_id() {
    let fixture = fixture().await;
    fixture.text_to(PHONE).await;
    fixture.wait_for_due_events().await;
    let user_id = fixture.simulator.user_id(PHONE).unwrap();
    for status in fixture.receiver.statuses() {
        assert_eq!(status["recipient_id"], "14155550101");
        assert_eq!(status["recipient_user_id"], user_id);
    }
}

#[tokio::test]
async fn a_hidden_phone_number_is_in_no_webhook() {
    let fixture = fixture().await;
    fixture.simulator.hide_phone(PHONE);
    fixture.send(&template(PHONE, "any", &[])).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
    fixture.simulator.change_number(PHONE, NEW_PHONE);
    fixture.wait_for_due_events().await;
    let system = &system_messages(&fixture)[0]["system"];
    assert_eq!(system["type"], "user_changed_user_id");
    assert!(system["previous_user_id"].is_string() && system.get("wa_id").is_none());
    for value in fixture.receiver.values("messages") {
        let text = value.to_string();
        assert!(!text.contains("14155550101") && !text.contains("14155550199"), "{text}");
    }
    fixture.simulator.show_phone(NEW_PHONE);
    fixture.simulator.send_inbound(InboundMessage::text(NEW_PHONE, "hi"));
    fixture.wait_for_due_events().await;
    let shown = fixture.receiver.messages().into_iter().rfind(|message| message["type"] == "text");
    assert_eq!(shown.unwrap()["from"], "14155550199");
}

#[tokio::test]
async fn the_failed_status_of_a_message_to_a_user_id_carries_the_user_id() {
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.late_failure = 1.0;
    let fixture = Fixture::with(behaviour).await;
    let user_id = fixture.simulator.user_id(PHONE).unwrap();
    fixture.send(&to_user_id(&user_id)).await;
    fixture.wait_for_due_events().await;
    let statuses = fixture.receiver.statuses();
    let names: std::collections::HashSet<_> = fixture.receiver.status_names().into_iter().collect();
    assert_eq!(names, ["sent".to_owned(), "failed".to_owned()].into());
    assert!(statuses.iter().all(|status| status["recipient_user_id"] == user_id));
}
