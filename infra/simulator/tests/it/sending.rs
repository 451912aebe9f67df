//! Accepted and refused send requests.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Number};

use crate::fixture::{Fixture, NUMBER, PHONE, template, text};

async fn strict_fixture() -> Fixture {
    let welcome = json!({
        "name": "welcome", "category": "MARKETING",
        "components": [{ "type": "BODY", "text": "Hi {{1}} and {{2}}" }],
    });
    Fixture::new(Config {
        tokens: vec!["t".into()],
        strict_numbers: true,
        strict_templates: true,
        templates: vec![welcome],
        allowed_recipients: vec![PHONE.into(), Number::default().display_phone_number],
        behaviour: Behaviour::no_webhooks(),
        ..Config::default()
    })
    .await
}

/// The body is an error in Meta's format, without other fields.
fn assert_error(body: &Value, code: u64) {
    let error = body["error"].as_object().unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1);
    assert_eq!(error["code"], code);
    assert!(error["message"].is_string());
    assert!(["OAuthException", "GraphMethodException"].contains(&error["type"].as_str().unwrap()));
    assert!(error["fbtrace_id"].as_str().unwrap().starts_with('A'));
    let known = ["message", "type", "code", "error_subcode", "error_data", "fbtrace_id"];
    assert!(error.keys().all(|name| known.contains(&name.as_str())), "{error:?}");
    if let Some(data) = error.get("error_data") {
        assert_eq!(data["messaging_product"], "whatsapp");
        assert!(data["details"].is_string());
        assert!(error["message"].as_str().unwrap().starts_with(&format!("(#{code}) ")));
    }
}

#[tokio::test]
async fn every_refusal_is_an_error_in_metas_format() {
    let fixture = strict_fixture().await;
    let path = format!("{NUMBER}/messages");
    let own = Number::default().display_phone_number;
    let cases = [
        (&path, text("nobody"), 400, 131_009),
        (&path, text("+14155550199"), 400, 131_030),
        (&path, text(&own), 400, 131_021),
        (&path, json!({ "to": PHONE }), 400, 100),
        (&path, json!({ "messaging_product": "whatsapp", "to": PHONE, "type": "text" }), 400, 100),
        (&path, json!({ "messaging_product": "whatsapp", "to": PHONE, "type": "x" }), 400, 131_051),
        (&path, template(PHONE, "nope", &[]), 400, 132_001),
        (&path, template(PHONE, "welcome", &["one"]), 400, 132_000),
        (&"1/messages".into(), text(PHONE), 400, 100),
        (&format!("{NUMBER}/marketing_messages"), text(PHONE), 400, 131_055),
    ];
    for (path, message, status, code) in cases {
        let (actual, body) = fixture.post(path, &message).await;
        assert_eq!(actual, status, "{body}");
        assert_error(&body, code);
    }
    let (_, body) = fixture.send(&template(PHONE, "welcome", &["one"])).await;
    assert_eq!(
        body["error"]["error_data"]["details"],
        "body: number of localizable_params (1) does not match the expected number of params (2)"
    );
    let (_, body) = fixture.post("1/messages", &text(PHONE)).await;
    assert_eq!(body["error"]["error_subcode"], 33);
    assert_eq!(fixture.simulator.summary().accepted, 0);
    assert_eq!(fixture.simulator.summary().refusals[&132_000], 2);
}

#[tokio::test]
async fn a_request_needs_a_known_token_and_valid_json() {
    let fixture = strict_fixture().await;
    let url = fixture.url(&format!("{NUMBER}/messages"));
    let without_token = fixture.http.post(&url).json(&text(PHONE));
    let wrong_token = fixture.http.post(&url).bearer_auth("wrong").json(&text(PHONE));
    for request in [without_token, wrong_token] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_error(&response.json().await.unwrap(), 190);
    }
    let invalid_json = fixture.http.post(&url).bearer_auth("t").body("{");
    let response = invalid_json.send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_error(&response.json().await.unwrap(), 100);
}

#[tokio::test]
async fn an_accepted_message_has_a_contact_and_an_id() {
    let fixture = strict_fixture().await;
    let (status, body) = fixture.send(&text("+1 (415) 555-0101")).await;
    assert_eq!(status, 200);
    assert_eq!(body["messaging_product"], "whatsapp");
    assert_eq!(body["contacts"], json!([{ "input": "+1 (415) 555-0101", "wa_id": "14155550101" }]));
    assert!(
        body["messages"][0]["id"].as_str().unwrap().starts_with("wamid.HBgLMTQxNTU1NTAxMDEVAgARGB")
    );
    assert!(body["messages"][0].get("message_status").is_none());

    let (_, body) = fixture.send(&template(PHONE, "welcome", &["one", "two"])).await;
    assert_eq!(body["messages"][0]["message_status"], "accepted");
    let read =
        json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x" });
    assert_eq!(fixture.send(&read).await, (200, json!({ "success": true })));
    assert_eq!(fixture.simulator.summary().accepted, 2);
}

#[tokio::test]
async fn any_version_prefix_is_accepted() {
    let fixture = Fixture::with(Behaviour::no_webhooks()).await;
    for prefix in ["", "/v21.0", "/v30.0"] {
        let url = format!("{}{prefix}/123456/messages", fixture.simulator.url());
        let response =
            fixture.http.post(url).bearer_auth("any").json(&text(PHONE)).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(fixture.simulator.summary().duplicates, 2);
}

#[tokio::test]
async fn a_message_can_be_sent_to_a_user_id() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    let message = json!({
        "messaging_product": "whatsapp", "recipient": "US.ENT.abc1", "type": "text",
        "text": { "body": "x" },
    });
    let (_, body) = fixture.send(&message).await;
    assert_eq!(body["contacts"], json!([{ "input": "US.ENT.abc1", "user_id": "US.ENT.abc1" }]));
    fixture.wait_for_due_events().await;
    let statuses = fixture.receiver.statuses();
    assert!(statuses.iter().all(|status| status["recipient_user_id"] == "US.ENT.abc1"));
    assert!(statuses.iter().all(|status| status.get("recipient_id").is_none()));
}
