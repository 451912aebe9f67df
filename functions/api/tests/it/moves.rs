use serde_json::json;
use whatsapp_simulator::{Config, Simulator};

use crate::stage::{Stage, id};

#[tokio::test]
async fn a_campaign_starts_pauses_resumes_and_ends() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    stage.csv(&id, "phone\n+573001234567\n").await.ok();
    let path = format!("/v1/campaigns/{id}");
    for (verb, status) in
        [("start", "active"), ("pause", "paused"), ("resume", "active"), ("cancel", "cancelled")]
    {
        assert_eq!(stage.tell(&format!("{path}/{verb}")).await.ok()["status"], status);
    }
    for verb in ["start", "pause", "resume", "cancel"] {
        stage.tell(&format!("{path}/{verb}")).await.is_problem(409, "The campaign is cancelled");
    }
}

#[tokio::test]
async fn starting_twice_is_refused() {
    let stage = Stage::set().await;
    let id = stage.active().await;
    let again = stage.tell(&format!("/v1/campaigns/{id}/start")).await;
    again.is_problem(409, "The campaign is active: it can't be started.");
    let resume = stage.tell(&format!("/v1/campaigns/{id}/resume")).await;
    resume.is_problem(409, "can't be resumed");
}

#[tokio::test]
async fn a_start_in_the_future_waits() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({"scheduled_start": "2026-11-22T09:00:00Z"})).await;
    stage.csv(&id, "phone\n+573001234567\n").await.ok();
    let started = stage.tell(&format!("/v1/campaigns/{id}/start")).await.ok();
    assert_eq!(started["status"], "scheduled");
}

#[tokio::test]
async fn a_start_that_has_become_past_is_refused() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({"scheduled_start": "2026-11-21T13:00:00Z"})).await;
    stage.csv(&id, "phone\n+573001234567\n").await.ok();
    stage.advance(std::time::Duration::from_hours(2));
    let answer = stage.tell(&format!("/v1/campaigns/{id}/start")).await;
    answer.is_problem(422, "scheduled_start is in the past");
}

#[tokio::test]
async fn without_recipients_there_is_nothing_to_start() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let answer = stage.tell(&format!("/v1/campaigns/{id}/start")).await;
    answer.is_problem(409, "nobody to send to");
}

#[tokio::test]
async fn a_variable_without_a_column_is_named_with_its_lines() {
    let stage = Stage::set().await;
    let text = "Hi {first_name}, {city|your city} has {offer} for {order}";
    let id = stage.campaign(json!({"message": {"text": text}})).await;
    stage
        .csv(&id, "phone,first_name,offer\n+573001234567,Ana,10%\n+573001234568,,20%\n")
        .await
        .ok();
    let answer = stage.tell(&format!("/v1/campaigns/{id}/start")).await;
    answer.is_problem(422, "first_name (1 recipients, first on lines 3)");
    assert_eq!(
        answer.json["missing"],
        json!([
            {"variable": "first_name", "recipients": 1, "first_lines": [3]},
            {"variable": "order", "recipients": 2, "first_lines": [2, 3]},
        ])
    );
    assert_eq!(stage.get(&format!("/v1/campaigns/{id}")).await.ok()["status"], "draft");
}

#[tokio::test]
async fn a_template_that_does_not_fit_is_refused() {
    let stage = Stage::set().await;
    let template = json!({
        "name": "promo", "language": "es", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Hola {{1}}, mira.", "example": {"body_text": [["Ana"]]}}]
    });
    stage.post("/v1/templates", template).await.ok();
    let id =
        stage.campaign(json!({"message": {"template": {"name": "promo", "language": "es"}}})).await;
    stage.csv(&id, "phone\n+573001234567\n").await.ok();
    let answer = stage.tell(&format!("/v1/campaigns/{id}/start")).await;
    answer.is_problem(422, "has 0 values, and the template has 1 variables");
    assert_eq!(answer.json["errors"][0]["field"], "message.template.components.body");
}

#[tokio::test]
async fn a_test_sends_one_message_now() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let stage = Stage::at(&simulator.url()).await;
    let campaign = stage.campaign(json!({"message": {"text": "Hi {name}"}})).await;
    let path = format!("/v1/campaigns/{campaign}/test");
    stage.post(&path, json!({"to": "3001234567"})).await.is_problem(422, "{name}");
    stage
        .post(&path, json!({"to": "12", "variables": {"name": "A"}}))
        .await
        .is_problem(422, "to not a valid");
    let body = json!({"to": "300 123 4567", "variables": {"Name": "Ana"}});
    let sent = stage.post(&path, body.clone()).await.ok();
    assert!(sent["message_id"].as_str().unwrap().starts_with("wamid."));
    assert_eq!(simulator.log().len(), 1);
    stage.post(&path, body.clone()).await.is_problem(422, "a moment ago");
    stage.advance(std::time::Duration::from_secs(7));
    stage.call(axum::http::Method::PUT, "/v1/contacts/573001234567/blacklist", None).await.ok();
    stage.post(&path, body).await.is_problem(422, "blacklisted");
    assert_eq!(simulator.log().len(), 1);
    let connection = stage.get("/v1/connections").await.ok();
    assert_eq!(
        id(&connection["items"][0]),
        stage.stored(&campaign).await.settings.connection_id.to_string()
    );
}

#[tokio::test]
async fn a_test_that_is_refused_says_why() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let answer =
        stage.post(&format!("/v1/campaigns/{id}/test"), json!({"to": "+573001234567"})).await;
    answer.is_problem(422, "could not be reached");
    assert!(!answer.text().contains("EAAtoken"));
}
