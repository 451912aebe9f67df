use serde_json::json;
use whatsapp_simulator::{Config, Number, Simulator};

use crate::stage::{Stage, connection};

#[tokio::test]
async fn meta_is_asked_about_a_new_number() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let number = Number::default().id;
    let stage = Stage::at(&simulator.url()).await;
    let answer = stage.post("/v1/connections", connection(&number)).await;
    for secret in ["EAAtoken", "app-secret"] {
        assert!(!answer.text().contains(secret));
    }
    let made = answer.ok();
    assert_eq!(made["throughput_mps"], 80);
    assert_eq!(made["webhook_url"], "https://carillon.example/webhooks/whatsapp");
    assert_eq!(made["number"]["status"], "connected");
    assert_eq!(made["messaging_limit"], made["number"]["messaging_limit"]);
    assert!(made["verify_token"].as_str().unwrap().len() >= 32);
    let path = format!("/v1/connections/{}", made["id"].as_str().unwrap());
    let shown = stage.get(&path).await.ok();
    assert_eq!(shown.get("verify_token"), None);
    let checked = stage.call(axum::http::Method::POST, &format!("{path}/check"), None).await.ok();
    assert_eq!(checked["status"], "connected");
}

#[tokio::test]
async fn a_refused_token_makes_no_connection() {
    let config = Config { tokens: vec!["another".into()], ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let stage = Stage::at(&simulator.url()).await;
    let answer = stage.post("/v1/connections", connection(&Number::default().id)).await;
    answer.is_problem(422, "is refused by Meta");
    assert!(!answer.text().contains("EAAtoken"));
    assert_eq!(stage.get("/v1/connections").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn out_of_reach_says_what_to_do() {
    let stage = Stage::set().await;
    let answer = stage.post("/v1/connections", connection("800000000000001")).await;
    answer.is_problem(422, "check=false");
    stage.connection().await;
}

#[tokio::test]
async fn defaults_are_those_of_a_new_number() {
    let stage = Stage::set().await;
    stage.connection().await;
    let listed = stage.get("/v1/connections").await.ok();
    let made = &listed["items"][0];
    assert_eq!((&made["throughput_mps"], &made["messaging_limit"]), (&json!(80), &json!(250)));
    assert_eq!(made["portfolio"], "700000000000001");
}

#[tokio::test]
async fn a_second_number_does_not_lower_the_portfolios_limit() {
    let stage = Stage::set().await;
    let mut first = connection("800000000000001");
    first["messaging_limit"] = json!("unlimited");
    let made = stage.post("/v1/connections?check=false", first).await.ok();
    assert_eq!(made["messaging_limit"], "unlimited");
    let second = connection("800000000000002");
    let made = stage.post("/v1/connections?check=false", second).await.ok();
    assert_eq!(made["messaging_limit"], "unlimited");
}

#[tokio::test]
async fn a_number_is_connected_once() {
    let stage = Stage::set().await;
    let first = stage.connection().await;
    let again = stage.post("/v1/connections?check=false", connection("800000000000001")).await;
    again.is_problem(409, &first);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let stage = Stage::set().await;
    let mut body = connection("8 00");
    body["throughput_mps"] = json!(0);
    body["messaging_limit"] = json!(0);
    body["access_token"] = json!("with space");
    let answer = stage.post("/v1/connections", body).await;
    answer.is_problem(422, "phone_number_id must be digits only");
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 4);
    assert!(!answer.text().contains("with space"));
    let mut body = connection("800000000000001");
    body["messaging_limit"] = json!("lots");
    let answer = stage.post("/v1/connections", body).await;
    answer.is_problem(422, "a number of people, or \"unlimited\"");
}

#[tokio::test]
async fn settings_and_secrets_change() {
    let stage = Stage::set().await;
    let id = stage.connection().await;
    let path = format!("/v1/connections/{id}");
    let changes = json!({"name": "New", "access_token": "EAAother", "throughput_mps": 1000, "messaging_limit": 10000});
    let answer = stage.patch(&path, changes).await;
    assert!(!answer.text().contains("EAAother"));
    let changed = answer.ok();
    assert_eq!(changed["throughput_mps"], 1000);
    assert_eq!(changed["messaging_limit"], 10000);
    stage.patch(&path, json!({"phone_number_id": "1"})).await.is_problem(422, "unknown field");
    stage.patch(&path, json!({"throughput_mps": 5000})).await.is_problem(422, "throughput_mps");
    stage.get("/v1/connections/con_7").await.is_problem(404, "expected an id like con_");
}

#[tokio::test]
async fn a_number_has_one_connection_however_many_are_made_at_once() {
    let stage = Stage::set().await;
    let make = || stage.post("/v1/connections?check=false", connection("800000000000001"));
    let answers = futures::future::join_all([make(), make(), make(), make()]).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    assert_eq!(stage.get("/v1/connections").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_name_and_a_new_token_at_once_both_stay() {
    let stage = Stage::set().await;
    let id = stage.connection().await;
    let path = format!("/v1/connections/{id}");
    let mut known = Vec::new();
    for number in 0..10 {
        let name = format!("Name {number}");
        let (renamed, rotated) = futures::join!(
            stage.patch(&path, json!({ "name": name })),
            stage.patch(&path, json!({ "access_token": format!("EAAnew{number}") })),
        );
        renamed.ok();
        rotated.ok();
        let stored = carillon::connection::store::get(&stage.table, id.parse().unwrap()).await;
        let stored = stored.unwrap().unwrap();
        assert_eq!(stored.name, name);
        let secrets = serde_json::to_string(&stored.secrets).unwrap();
        assert!(!known.contains(&secrets), "the old token is back");
        known.push(secrets);
    }
}
