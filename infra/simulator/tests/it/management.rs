//! Templates, numbers, media, subscriptions and tokens.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, Number};

use crate::stage::{NUMBER, Stage};

const WABA: &str = "900000000000001";

fn names(body: &Value) -> Vec<&str> {
    let data = body["data"].as_array().unwrap();
    data.iter().map(|template| template["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn templates_are_listed_page_by_page() {
    let stage = Stage::with(Behaviour::perfect()).await;
    for n in 0..5 {
        stage.simulator.add_template(json!({ "name": format!("t{n}"), "status": if n == 4 { "PAUSED" } else { "APPROVED" } }));
    }
    let (_, first) = stage.get(&format!("{WABA}/message_templates?limit=2")).await;
    assert_eq!(names(&first), ["t0", "t1"]);
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let next = first["paging"]["next"].as_str().unwrap();
    let followed = stage.http.get(next).bearer_auth("t").send().await.unwrap();
    assert_eq!(names(&followed.json().await.unwrap()), ["t2", "t3"]);
    let (_, rest) = stage.get(&format!("{WABA}/message_templates?limit=9&after={after}")).await;
    assert_eq!(names(&rest), ["t2", "t3", "t4"]);
    assert!(rest["paging"].get("next").is_none());

    let (_, paused) = stage.get(&format!("{WABA}/message_templates?status=PAUSED")).await;
    assert_eq!(names(&paused), ["t4"]);
    let (_, named) = stage.get(&format!("{WABA}/message_templates?name=t1")).await;
    assert_eq!(names(&named), ["t1"]);
    let (status, bad) = stage.get(&format!("{WABA}/message_templates?after=nonsense")).await;
    assert_eq!((status, &bad["error"]["code"]), (400, &json!(131_059)));
}

#[tokio::test]
async fn a_new_template_is_reviewed_and_told_of() {
    let stage = Stage::with(Behaviour::perfect()).await;
    let path = format!("{WABA}/message_templates");
    let (_, made) = stage
        .post(&path, &json!({ "name": "fresh", "language": "es", "category": "UTILITY" }))
        .await;
    assert_eq!((&made["status"], &made["category"]), (&json!("PENDING"), &json!("UTILITY")));
    stage.clock.advance(1_000);
    stage.settle().await;
    let (_, template) = stage.get(made["id"].as_str().unwrap()).await;
    assert_eq!(template["status"], "APPROVED");
    let told = &stage.receiver.values("message_template_status_update")[0];
    assert_eq!(
        (&told["event"], &told["message_template_name"]),
        (&json!("APPROVED"), &json!("fresh"))
    );
    let gone = stage.http.delete(stage.url(&format!("{path}?name=fresh"))).bearer_auth("t");
    assert_eq!(gone.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_number_tells_its_state() {
    let stage = Stage::new(Config { strict_numbers: true, ..Config::default() }).await;
    stage.simulator.add_number(Number {
        id: "12".into(),
        quality_rating: "RED".into(),
        messaging_limit: "TIER_10K".into(),
        ..Number::default()
    });
    let fields =
        "quality_rating,throughput,whatsapp_business_manager_messaging_limit,health_status";
    let (_, number) = stage.get(&format!("12?fields={fields}")).await;
    assert_eq!(number["quality_rating"], "RED");
    assert_eq!(number["throughput"]["level"], "STANDARD");
    assert_eq!(number["whatsapp_business_manager_messaging_limit"], "TIER_10K");
    assert_eq!(number["health_status"]["can_send_message"], "AVAILABLE");
    assert!(number.get("verified_name").is_none() && number["id"] == "12");

    let (_, list) = stage.get(&format!("{WABA}/phone_numbers")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let (_, account) = stage.get(WABA).await;
    assert_eq!(account["id"], WABA);
    let (status, unknown) = stage.get("454545").await;
    assert_eq!((status, &unknown["error"]["error_subcode"]), (400, &json!(33)));
}

#[tokio::test]
async fn media_goes_up_down_and_away() {
    let stage = Stage::with(Behaviour::perfect()).await;
    let part = reqwest::multipart::Part::bytes(b"picture".to_vec()).mime_str("image/png").unwrap();
    let form =
        reqwest::multipart::Form::new().text("messaging_product", "whatsapp").part("file", part);
    let upload =
        stage.http.post(stage.url(&format!("{NUMBER}/media"))).bearer_auth("t").multipart(form);
    let id: Value = upload.send().await.unwrap().json().await.unwrap();
    let id = id["id"].as_str().unwrap();

    let (_, info) = stage.get(id).await;
    assert_eq!((&info["mime_type"], &info["file_size"]), (&json!("image/png"), &json!(7)));
    let download =
        stage.http.get(info["url"].as_str().unwrap()).bearer_auth("t").send().await.unwrap();
    assert_eq!(download.bytes().await.unwrap().as_ref(), b"picture");
    let gone = stage.http.delete(stage.url(id)).bearer_auth("t").send().await.unwrap();
    assert_eq!(gone.status(), 200);
    let empty = reqwest::multipart::Form::new().text("messaging_product", "whatsapp");
    let refused =
        stage.http.post(stage.url(&format!("{NUMBER}/media"))).bearer_auth("t").multipart(empty);
    assert_eq!(refused.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_callback_must_prove_itself() {
    let stage = Stage::with(Behaviour::perfect()).await;
    let path = format!("{WABA}/subscribed_apps");
    assert_eq!(stage.post(&path, &json!({})).await, (200, json!({ "success": true })));
    let url = stage.receiver.start().await;
    let callback = |token: &str| json!({ "override_callback_uri": url, "verify_token": token });
    assert_eq!(stage.post(&path, &callback("token")).await.0, 200);
    let (status, body) = stage.post(&path, &callback("wrong")).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(2200)));
}

#[tokio::test]
async fn a_token_tells_what_it_may_do() {
    let stage = Stage::new(Config { tokens: vec!["t".into()], ..Config::default() }).await;
    let (_, good) = stage.get("debug_token?input_token=t").await;
    assert_eq!((&good["data"]["is_valid"], &good["data"]["expires_at"]), (&json!(true), &json!(0)));
    let (_, bad) = stage.get("debug_token?input_token=x").await;
    assert_eq!(
        (&bad["data"]["is_valid"], &bad["data"]["error"]["code"]),
        (&json!(false), &json!(190))
    );
}

#[tokio::test]
async fn settings_are_changed_in_part() {
    let stage = Stage::with(Behaviour::realistic()).await;
    let change =
        json!({ "behaviour": { "outcomes": { "read": 0.1 } }, "limits": { "throughput": 7 } });
    let (status, settings) = stage.control("config", &change).await;
    assert_eq!((status, &settings["behaviour"]["outcomes"]["reply"]), (200, &json!(0.15)));
    let behaviour = stage.simulator.behaviour();
    assert!((behaviour.outcomes.read - 0.1).abs() < f64::EPSILON);
    assert_eq!(stage.simulator.limits().throughput, Some(7));
    let wrong = json!({ "behaviour": { "outcomes": { "read": "often" } } });
    assert_eq!(stage.control("config", &wrong).await.0, 400);
    assert_eq!(stage.control("templates", &json!({ "language": "en" })).await.0, 400);
}
