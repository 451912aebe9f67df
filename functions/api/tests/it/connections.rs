use carillon::connection::store;
use futures::future::join_all;
use serde_json::json;
use whatsapp_simulator::{Config, Number, Simulator};

use crate::fixture::{TestApi, connection_body};

#[tokio::test]
async fn creating_a_connection_probes_its_number() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let number = Number::default().id;
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let response = api.post("/v1/connections", connection_body(&number)).await;
    for secret in ["EAAtoken", "app-secret"] {
        assert!(!response.text().contains(secret));
    }
    let made = response.ok();
    assert_eq!(made["throughput_mps"], 80);
    assert_eq!(made["webhook_url"], "https://carillon.example/webhooks/whatsapp");
    assert_eq!(made["number"]["status"], "connected");
    assert_eq!(made["messaging_limit"], made["number"]["messaging_limit"]);
    assert!(made["verify_token"].as_str().unwrap().len() >= 32);
    let path = format!("/v1/connections/{}", made["id"].as_str().unwrap());
    let shown = api.get(&path).await.ok();
    assert_eq!(shown.get("verify_token"), None);
    let checked = api.post_empty(&format!("{path}/check")).await.ok();
    assert_eq!(checked["status"], "connected");
}

#[tokio::test]
async fn a_connection_with_a_refused_token_is_not_created() {
    let config = Config { tokens: vec!["another".into()], ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let response = api.post("/v1/connections", connection_body(&Number::default().id)).await;
    response.assert_problem(422, "is refused by Meta");
    assert!(!response.text().contains("EAAtoken"));
    assert_eq!(api.get("/v1/connections").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn an_unreachable_provider_is_a_problem_that_names_check_false() {
    let api = TestApi::new().await;
    let response = api.post("/v1/connections", connection_body("800000000000001")).await;
    response.assert_problem(422, "check=false");
    api.connection().await;
}

#[tokio::test]
async fn a_connection_has_the_defaults_of_a_new_number() {
    let api = TestApi::new().await;
    api.connection().await;
    let listed = api.get("/v1/connections").await.ok();
    let made = &listed["items"][0];
    assert_eq!((&made["throughput_mps"], &made["messaging_limit"]), (&json!(80), &json!(250)));
    assert_eq!(made["portfolio"], "700000000000001");
}

#[tokio::test]
async fn a_second_number_does_not_lower_the_quota() {
    let api = TestApi::new().await;
    let mut first = connection_body("800000000000001");
    first["messaging_limit"] = json!("unlimited");
    let made = api.post("/v1/connections?check=false", first).await.ok();
    assert_eq!(made["messaging_limit"], "unlimited");
    let second = connection_body("800000000000002");
    let made = api.post("/v1/connections?check=false", second).await.ok();
    assert_eq!(made["messaging_limit"], "unlimited");
}

#[tokio::test]
async fn a_second_connection_of_a_number_is_refused() {
    let api = TestApi::new().await;
    let first = api.connection().await;
    let again = api.post("/v1/connections?check=false", connection_body("800000000000001")).await;
    again.assert_problem(409, &first);
}

#[tokio::test]
async fn all_invalid_fields_are_listed_at_once() {
    let api = TestApi::new().await;
    let mut body = connection_body("8 00");
    body["throughput_mps"] = json!(0);
    body["messaging_limit"] = json!(0);
    body["access_token"] = json!("with space");
    let response = api.post("/v1/connections", body).await;
    response.assert_problem(422, "phone_number_id must be digits only");
    assert_eq!(response.json["errors"].as_array().unwrap().len(), 4);
    assert!(!response.text().contains("with space"));
    let mut body = connection_body("800000000000001");
    body["messaging_limit"] = json!("lots");
    let response = api.post("/v1/connections", body).await;
    response.assert_problem(422, "a number of people, or \"unlimited\"");
}

#[tokio::test]
async fn settings_and_secrets_can_be_changed() {
    let api = TestApi::new().await;
    let id = api.connection().await;
    let path = format!("/v1/connections/{id}");
    let changes = json!({"name": "New", "access_token": "EAAother", "throughput_mps": 1000, "messaging_limit": 10000});
    let response = api.patch(&path, changes).await;
    assert!(!response.text().contains("EAAother"));
    let changed = response.ok();
    assert_eq!(changed["throughput_mps"], 1000);
    assert_eq!(changed["messaging_limit"], 10000);
    api.patch(&path, json!({"phone_number_id": "1"})).await.assert_problem(422, "unknown field");
    api.patch(&path, json!({"throughput_mps": 5000})).await.assert_problem(422, "throughput_mps");
    api.get("/v1/connections/con_7").await.assert_problem(404, "expected an id like con_");
}

#[tokio::test]
async fn concurrent_creations_make_one_connection_of_a_number() {
    let api = TestApi::new().await;
    let make = || api.post("/v1/connections?check=false", connection_body("800000000000001"));
    let responses = join_all([make(), make(), make(), make()]).await;
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    assert_eq!(api.get("/v1/connections").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn concurrent_changes_of_name_and_token_both_hold() {
    let api = TestApi::new().await;
    let id = api.connection().await;
    let path = format!("/v1/connections/{id}");
    let mut known = Vec::new();
    for number in 0..10 {
        let name = format!("Name {number}");
        let (renamed, rotated) = futures::join!(
            api.patch(&path, json!({ "name": name })),
            api.patch(&path, json!({ "access_token": format!("EAAnew{number}") })),
        );
        renamed.ok();
        rotated.ok();
        let stored = store::get(&api.table, id.parse().unwrap()).await;
        let stored = stored.unwrap().unwrap();
        assert_eq!(stored.name, name);
        let secrets = serde_json::to_string(&stored.secrets).unwrap();
        assert!(!known.contains(&secrets), "the old token is back");
        known.push(secrets);
    }
}
