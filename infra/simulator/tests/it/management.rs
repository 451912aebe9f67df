//! Templates, phone numbers, media, subscriptions, tokens and settings.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Number};

use crate::fixture::{Fixture, NUMBER};

const WABA: &str = "900000000000001";

fn names(body: &Value) -> Vec<&str> {
    let data = body["data"].as_array().unwrap();
    data.iter().map(|template| template["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn templates_are_listed_in_pages() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    for n in 0..5 {
        fixture.simulator.add_template(json!({ "name": format!("t{n}"), "status": if n == 4 { "PAUSED" } else { "APPROVED" } }));
    }
    let (_, first) = fixture.get(&format!("{WABA}/message_templates?limit=2")).await;
    assert_eq!(names(&first), ["t0", "t1"]);
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let next = first["paging"]["next"].as_str().unwrap();
    let followed = fixture.http.get(next).bearer_auth("t").send().await.unwrap();
    assert_eq!(names(&followed.json().await.unwrap()), ["t2", "t3"]);
    let (_, rest) = fixture.get(&format!("{WABA}/message_templates?limit=9&after={after}")).await;
    assert_eq!(names(&rest), ["t2", "t3", "t4"]);
    assert!(rest["paging"].get("next").is_none());

    let (_, paused) = fixture.get(&format!("{WABA}/message_templates?status=PAUSED")).await;
    assert_eq!(names(&paused), ["t4"]);
    let (_, named) = fixture.get(&format!("{WABA}/message_templates?name=t1")).await;
    assert_eq!(names(&named), ["t1"]);
    let (status, error) = fixture.get(&format!("{WABA}/message_templates?after=nonsense")).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!(131_059)));
}

#[tokio::test]
async fn a_created_template_is_approved_and_the_approval_reported() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    let path = format!("{WABA}/message_templates");
    let (_, created) = fixture
        .post(&path, &json!({ "name": "fresh", "language": "es", "category": "UTILITY" }))
        .await;
    assert_eq!((&created["status"], &created["category"]), (&json!("PENDING"), &json!("UTILITY")));
    fixture.clock.advance(1_000);
    fixture.wait_for_due_events().await;
    let (_, template) = fixture.get(created["id"].as_str().unwrap()).await;
    assert_eq!(template["status"], "APPROVED");
    let approval = &fixture.receiver.values("message_template_status_update")[0];
    assert_eq!(
        (&approval["event"], &approval["message_template_name"]),
        (&json!("APPROVED"), &json!("fresh"))
    );
    let deleted = fixture.http.delete(fixture.url(&format!("{path}?name=fresh"))).bearer_auth("t");
    assert_eq!(deleted.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_number_returns_the_requested_fields() {
    let fixture = Fixture::new(Config { strict_numbers: true, ..Config::default() }).await;
    fixture.simulator.add_number(Number {
        id: "12".into(),
        quality_rating: "RED".into(),
        messaging_limit: "TIER_10K".into(),
        ..Number::default()
    });
    let fields =
        "quality_rating,throughput,whatsapp_business_manager_messaging_limit,health_status";
    let (_, number) = fixture.get(&format!("12?fields={fields}")).await;
    assert_eq!(number["quality_rating"], "RED");
    assert_eq!(number["throughput"]["level"], "STANDARD");
    assert_eq!(number["whatsapp_business_manager_messaging_limit"], "TIER_10K");
    assert_eq!(number["health_status"]["can_send_message"], "AVAILABLE");
    assert!(number.get("verified_name").is_none() && number["id"] == "12");

    let (_, list) = fixture.get(&format!("{WABA}/phone_numbers")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let (_, account) = fixture.get(WABA).await;
    assert_eq!(account["id"], WABA);
    let (status, unknown) = fixture.get("454545").await;
    assert_eq!((status, &unknown["error"]["error_subcode"]), (400, &json!(33)));
}

#[tokio::test]
async fn a_number_of_the_business_app_sends_twenty_messages_a_second() {
    let shared = Number { throughput: Some(1_000), coexistence: true, ..Number::default() };
    let behaviour = Behaviour::no_webhooks();
    let fixture =
        Fixture::new(Config { numbers: vec![shared], behaviour, ..Config::default() }).await;
    let fields = "is_on_biz_app,platform_type,throughput";
    let expected = json!({
        "id": NUMBER, "is_on_biz_app": true, "platform_type": "CLOUD_API",
        "throughput": { "level": "STANDARD" },
    });
    assert_eq!(fixture.get(&format!("{NUMBER}?fields={fields}")).await, (200, expected));
    let mut codes = Vec::new();
    for n in 0..21 {
        codes.push(fixture.text_to(&format!("+1415555{n:04}")).await);
    }
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 20);
    assert_eq!(codes[20], 130_429);
    fixture.clock.advance(1_000);
    assert_eq!(fixture.text_to("+14155550020").await, 200);
    fixture.simulator.add_number(Number { id: "12".into(), ..Number::default() });
    assert_eq!(fixture.get("12?fields=is_on_biz_app").await.1["is_on_biz_app"], false);
}

#[tokio::test]
async fn media_can_be_uploaded_downloaded_and_deleted() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    let id = &fixture.upload(NUMBER).await;
    let (_, info) = fixture.get(id).await;
    assert_eq!((&info["mime_type"], &info["file_size"]), (&json!("image/png"), &json!(7)));
    let download =
        fixture.http.get(info["url"].as_str().unwrap()).bearer_auth("t").send().await.unwrap();
    assert_eq!(download.bytes().await.unwrap().as_ref(), b"picture");
    for status in [200, 400] {
        assert_eq!(fixture.delete(id).await, status);
    }
    let empty = reqwest::multipart::Form::new().text("messaging_product", "whatsapp");
    let refused = fixture
        .http
        .post(fixture.url(&format!("{NUMBER}/media")))
        .bearer_auth("t")
        .multipart(empty);
    assert_eq!(refused.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_callback_url_must_pass_the_verification() {
    let fixture = Fixture::with(Behaviour::all_read()).await;
    let path = format!("{WABA}/subscribed_apps");
    assert_eq!(fixture.post(&path, &json!({})).await, (200, json!({ "success": true })));
    let url = fixture.receiver.start().await;
    let callback = |token: &str| json!({ "override_callback_uri": url, "verify_token": token });
    assert_eq!(fixture.post(&path, &callback("token")).await.0, 200);
    let (status, body) = fixture.post(&path, &callback("wrong")).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(2200)));
}

#[tokio::test]
async fn debug_token_reports_whether_a_token_is_valid() {
    let fixture = Fixture::new(Config { tokens: vec!["t".into()], ..Config::default() }).await;
    let (_, valid) = fixture.get("debug_token?input_token=t").await;
    assert_eq!(
        (&valid["data"]["is_valid"], &valid["data"]["expires_at"]),
        (&json!(true), &json!(0))
    );
    let (_, invalid) = fixture.get("debug_token?input_token=x").await;
    assert_eq!(
        (&invalid["data"]["is_valid"], &invalid["data"]["error"]["code"]),
        (&json!(false), &json!(190))
    );
}

#[tokio::test]
async fn settings_can_be_changed_partially() {
    let fixture = Fixture::with(Behaviour::realistic()).await;
    let change =
        json!({ "behaviour": { "outcomes": { "read": 0.1 } }, "limits": { "throughput": 7 } });
    let (status, settings) = fixture.control("config", &change).await;
    assert_eq!((status, &settings["behaviour"]["outcomes"]["reply"]), (200, &json!(0.15)));
    let behaviour = fixture.simulator.behaviour();
    assert!((behaviour.outcomes.read - 0.1).abs() < f64::EPSILON);
    assert_eq!(fixture.simulator.limits().throughput, Some(7));
    let invalid = json!({ "behaviour": { "outcomes": { "read": "often" } } });
    assert_eq!(fixture.control("config", &invalid).await.0, 400);
    assert_eq!(fixture.control("templates", &json!({ "language": "en" })).await.0, 400);
}
