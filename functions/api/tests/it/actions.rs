use std::time::Duration;

use serde_json::json;

use crate::fixture::TestApi;

#[tokio::test]
async fn a_campaign_can_be_started_paused_resumed_and_cancelled() {
    let api = TestApi::new().await;
    let id = api.draft_with(1, json!({})).await;
    let path = format!("/v1/campaigns/{id}");
    for (verb, status) in
        [("start", "active"), ("pause", "paused"), ("resume", "active"), ("cancel", "cancelled")]
    {
        assert_eq!(api.post_empty(&format!("{path}/{verb}")).await.ok()["status"], status);
    }
    for verb in ["start", "pause", "resume", "cancel"] {
        api.post_empty(&format!("{path}/{verb}"))
            .await
            .assert_problem(409, "The campaign is cancelled");
    }
}

#[tokio::test]
async fn an_active_campaign_can_not_be_started_or_resumed() {
    let api = TestApi::new().await;
    let id = api.started(2).await;
    let again = api.start(&id).await;
    again.assert_problem(409, "The campaign is active: it cannot be started.");
    let resume = api.post_empty(&format!("/v1/campaigns/{id}/resume")).await;
    resume.assert_problem(409, "cannot be resumed");
}

#[tokio::test]
async fn a_start_before_scheduled_start_schedules_the_campaign() {
    let api = TestApi::new().await;
    let id = api.draft_with(1, json!({"scheduled_start": "2026-11-22T09:00:00Z"})).await;
    let started = api.start(&id).await.ok();
    assert_eq!(started["status"], "scheduled");
}

#[tokio::test]
async fn a_start_after_scheduled_start_is_refused() {
    let api = TestApi::new().await;
    let id = api.draft_with(1, json!({"scheduled_start": "2026-11-21T13:00:00Z"})).await;
    api.advance(Duration::from_hours(2));
    let response = api.start(&id).await;
    response.assert_problem(422, "scheduled_start is in the past");
}

#[tokio::test]
async fn a_campaign_without_recipients_can_not_be_started() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let response = api.start(&id).await;
    response.assert_problem(409, "no pending recipients");
}

#[tokio::test]
async fn missing_values_of_variables_are_listed_with_their_lines() {
    let api = TestApi::new().await;
    let text = "Hi {first_name}, {city|your city} has {offer} for {order}";
    let id = api.campaign(json!({"message": {"type": "text", "text": text}})).await;
    api.upload_csv(&id, "phone,first_name,offer\n+573001234567,Ana,10%\n+573001234568,,20%\n")
        .await
        .ok();
    let response = api.start(&id).await;
    response.assert_problem(422, "first_name (1 recipients, first on lines 3)");
    assert_eq!(
        response.json["missing"],
        json!([
            {"variable": "first_name", "recipients": 1, "first_lines": [3]},
            {"variable": "order", "recipients": 2, "first_lines": [2, 3]},
        ])
    );
    assert_eq!(api.get(&format!("/v1/campaigns/{id}")).await.ok()["status"], "draft");
}

#[tokio::test]
async fn a_message_that_does_not_match_its_template_is_refused() {
    let api = TestApi::new().await;
    let template = json!({
        "name": "promo", "language": "es", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Hola {{1}}, mira.", "example": {"body_text": [["Ana"]]}}]
    });
    api.post("/v1/templates", template).await.ok();
    let message = json!({"type": "template", "template": {"name": "promo", "language": "es"}});
    let id = api.draft_with(1, json!({ "message": message })).await;
    let response = api.start(&id).await;
    response.assert_problem(422, "has 0 values, and the template has 1 variables");
    assert_eq!(response.fields(), ["message.template.components.body"]);
}
