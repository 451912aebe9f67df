use carillon::campaign::store::change_status;
use carillon::campaign::{Action, Halt, HaltCode, HaltScope};
use carillon::connection::store;
use futures::future::join_all;
use serde_json::{Value, json};
use whatsapp_simulator::{Config, Number, Simulator};

use crate::fixture::{TestApi, connection_body, merge};

#[tokio::test]
async fn creating_a_connection_probes_its_provider() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let number = Number::default().id;
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let response = api.post("/v1/connections", connection_body(&number)).await;
    for secret in ["EAAtoken", "app-secret"] {
        assert!(!response.text().contains(secret));
    }
    let made = response.ok();
    assert_eq!(made["provider"], connection_body(&number)["provider"]);
    assert_eq!(
        (&made["effective_throughput_mps"], &made["quality"]),
        (&json!(80), &json!("green"))
    );
    assert_eq!(made["webhook_url"], "https://carillon.example/webhooks/whatsapp");
    let probe = &made["probe"];
    assert_eq!((&probe["quality"], &probe["throughput_mps"]), (&json!("green"), &json!(80)));
    assert_eq!(probe.get("obstacle"), Some(&Value::Null));
    assert_eq!(probe["details"]["status"], "CONNECTED");
    let path = format!("/v1/connections/{}", made["id"].as_str().unwrap());
    let checked = api.post_empty(&format!("{path}/check")).await.ok();
    assert_eq!(&checked, probe);
}

#[tokio::test]
async fn a_generated_credential_is_shown_once() {
    let api = TestApi::new().await;
    let path = "/v1/connections?check=false";
    let made = api.post(path, connection_body("800000000000001")).await.ok();
    let generated = made["generated_credentials"].as_object().unwrap();
    assert_eq!(generated.keys().collect::<Vec<_>>(), ["verify_token"]);
    let token = generated["verify_token"].as_str().unwrap();
    assert!(token.len() >= 32, "{token}");
    let one = format!("/v1/connections/{}", made["id"].as_str().unwrap());
    for response in [
        api.get(&one).await,
        api.get("/v1/connections").await,
        api.patch(&one, json!({"name": "New", "credentials": {"access_token": "EAAother"}})).await,
    ] {
        assert!(!response.text().contains(token), "{response:?}");
        assert!(!response.text().contains("generated_credentials"), "{response:?}");
        response.ok();
    }
    let second = api.post(path, connection_body("800000000000002")).await.ok();
    assert_ne!(second["generated_credentials"]["verify_token"], token);
}

#[tokio::test]
async fn a_given_credential_is_not_generated_and_not_shown() {
    let api = TestApi::new().await;
    let mut body = connection_body("800000000000001");
    body["credentials"]["verify_token"] = json!("my-verify-token");
    let response = api.post("/v1/connections?check=false", body).await;
    assert!(!response.text().contains("my-verify-token"));
    assert_eq!(response.ok()["generated_credentials"], json!({}));
}

#[tokio::test]
async fn a_connection_with_a_refused_token_is_not_created() {
    let config = Config { tokens: vec!["another".into()], ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let response = api.post("/v1/connections", connection_body(&Number::default().id)).await;
    response.assert_problem(422, "is refused by the provider");
    assert!(response.detail().contains("(code 190)"), "{response:?}");
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
    let effective = (&made["effective_throughput_mps"], &made["effective_quota_limit"]);
    assert_eq!(effective, (&json!(80), &json!(250)));
    let set = (&made["throughput_mps"], &made["quota_limit"]);
    assert_eq!(set, (&Value::Null, &Value::Null));
    assert_eq!(made["quota_group"], "700000000000001");
}

#[tokio::test]
async fn without_a_quota_group_the_account_or_else_the_sender_is_one() {
    let api = TestApi::new().await;
    let path = "/v1/connections?check=false";
    let made = api.post(path, connection_body("800000000000001")).await.ok();
    assert_eq!(made["quota_group"], "700000000000001");
    let mut alone = connection_body("800000000000002");
    alone["provider"]["whatsapp_cloud"] = json!({"phone_number_id": "800000000000002"});
    let made = api.post(path, alone).await.ok();
    assert_eq!(made["quota_group"], "800000000000002");
    let mut named = connection_body("800000000000003");
    named["quota_group"] = json!("the_shop-1");
    let made = api.post(path, named).await.ok();
    assert_eq!(made["quota_group"], "the_shop-1");
    let mut wrong = connection_body("800000000000004");
    wrong["quota_group"] = json!("the shop");
    let refused = api.post(path, wrong).await;
    refused.assert_problem(422, "quota_group must be 1 to 64 letters, digits, - and _");
}

#[tokio::test]
async fn a_second_connection_does_not_change_the_quota_of_its_group() {
    let api = TestApi::new().await;
    let mut first = connection_body("800000000000001");
    first["quota_limit"] = json!(100_000);
    let made = api.post("/v1/connections?check=false", first).await.ok();
    assert_eq!(made["quota_limit"], 100_000);
    let second = connection_body("800000000000002");
    let made = api.post("/v1/connections?check=false", second).await.ok();
    assert_eq!(made["quota_limit"], 100_000);
}

#[tokio::test]
async fn a_quota_without_limit_is_null_and_a_second_connection_leaves_it_so() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let made = api.post("/v1/connections", connection_body("800000000000001")).await.ok();
    assert_eq!(made["probe"].get("quota_limit"), Some(&Value::Null));
    assert_eq!(made.get("quota_limit"), Some(&Value::Null));
    let second = connection_body("800000000000002");
    let made = api.post("/v1/connections?check=false", second).await.ok();
    assert_eq!(made.get("quota_limit"), Some(&Value::Null));
}

#[tokio::test]
async fn the_lower_of_the_configured_and_the_providers_limit_holds() {
    let number = Number { messaging_limit: "TIER_2K".into(), ..Number::default() };
    let config = Config { numbers: vec![number], ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let mut body = connection_body(&Number::default().id);
    body["quota_limit"] = json!(null);
    let made = api.post("/v1/connections", body).await.ok();
    assert_eq!(
        (&made["effective_quota_limit"], &made["probe"]["quota_limit"]),
        (&json!(2_000), &json!(2_000))
    );
    let path = format!("/v1/connections/{}", made["id"].as_str().unwrap());
    for (limit, expected) in [(json!(500), 500), (json!(10_000), 2_000), (json!(null), 2_000)] {
        let changed = api.patch(&path, json!({ "quota_limit": limit })).await.ok();
        assert_eq!(changed["quota_limit"], limit);
        assert_eq!(changed["effective_quota_limit"], expected, "{limit}");
    }
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
    merge(&mut body, &json!({"throughput_mps": 0, "quota_limit": 0}));
    body["credentials"]["access_token"] = json!("with space");
    let response = api.post("/v1/connections", body).await;
    let words = "provider.whatsapp_cloud.phone_number_id must be Meta's id: 1 to 20 digits";
    response.assert_problem(422, words);
    let expected = [
        "throughput_mps",
        "quota_limit",
        "credentials.access_token",
        "provider.whatsapp_cloud.phone_number_id",
    ];
    assert_eq!(response.fields(), expected);
    assert!(!response.text().contains("with space"));
    let mut body = connection_body("800000000000001");
    body["quota_limit"] = json!("lots");
    let response = api.post("/v1/connections", body).await;
    response.assert_problem(422, "quota_limit has the wrong type");
    assert_eq!(response.fields(), ["quota_limit"]);
}

#[tokio::test]
async fn an_unknown_provider_type_is_a_problem_that_lists_the_known_ones() {
    let api = TestApi::new().await;
    let mut body = connection_body("800000000000001");
    body["provider"] = json!({"type": "pigeon", "pigeon": {"loft": 7}});
    let response = api.post("/v1/connections", body).await;
    response.assert_problem(422, "provider.type must be one of whatsapp_cloud");
    assert_eq!(response.fields(), ["provider.type"]);
}

#[tokio::test]
async fn the_settings_of_a_provider_are_under_its_name() {
    let api = TestApi::new().await;
    let settings = json!({"phone_number_id": "800000000000001"});
    let typo = json!({"phone_number_id": "800000000000001", "waba": "7"});
    for (provider, field, words) in [
        (json!({"type": "whatsapp_cloud"}), "provider", "whatsapp_cloud, an object"),
        (json!({"type": "whatsapp_cloud", "whatsapp_cloud": "x"}), "provider", "an object"),
        (json!({"type": "whatsapp_cloud", "other": settings}), "provider", "and no other"),
        (
            json!({"type": "whatsapp_cloud", "whatsapp_cloud": settings, "other": {}}),
            "provider",
            "and no other",
        ),
        (
            json!({"type": "whatsapp_cloud", "whatsapp_cloud": {}}),
            "provider.whatsapp_cloud.phone_number_id",
            "is missing",
        ),
        (
            json!({"type": "whatsapp_cloud", "whatsapp_cloud": typo}),
            "provider.whatsapp_cloud.waba",
            "is not a member",
        ),
        (json!({"whatsapp_cloud": settings}), "provider.type", "is missing"),
    ] {
        let mut body = connection_body("800000000000001");
        body["provider"] = provider.clone();
        let response = api.post("/v1/connections?check=false", body).await;
        response.assert_problem(422, words);
        assert_eq!(response.fields(), [field], "{provider}");
    }
}

#[tokio::test]
async fn missing_and_unknown_credentials_are_problems() {
    let api = TestApi::new().await;
    let mut body = connection_body("800000000000001");
    body["credentials"] = json!({"access_token": "EAAtoken", "pin": "hidden-pin"});
    let response = api.post("/v1/connections", body).await;
    response.assert_problem(422, "credentials.app_secret is missing");
    assert_eq!(response.fields(), ["credentials.pin", "credentials.app_secret"]);
    assert!(!response.text().contains("hidden-pin"));
}

#[tokio::test]
async fn settings_and_credentials_can_be_changed() {
    let api = TestApi::new().await;
    let id = api.connection().await;
    let path = format!("/v1/connections/{id}");
    let credentials = json!({"access_token": "EAAother"});
    let changes = json!({"name": "New", "credentials": credentials, "throughput_mps": 1000, "quota_limit": 10000});
    let response = api.patch(&path, changes).await;
    assert!(!response.text().contains("EAAother"));
    let changed = response.ok();
    assert_eq!(changed["name"], "New");
    assert_eq!(
        (&changed["throughput_mps"], &changed["quota_limit"]),
        (&json!(1000), &json!(10000))
    );
    let changes = json!({"throughput_mps": null, "quota_limit": null});
    let changed = api.patch(&path, changes).await.ok();
    let effective = (&changed["effective_throughput_mps"], &changed["effective_quota_limit"]);
    assert_eq!(effective, (&json!(80), &json!(250)));
    assert_eq!(changed["name"], "New");
    api.patch(&path, json!({"provider": {}})).await.assert_problem(422, "can only be read");
    let same = api.get(&path).await.ok();
    assert_eq!(api.patch(&path, same.clone()).await.ok(), same, "what GET answers can be sent");
    api.patch(&path, json!({"throughput_mps": 5000})).await.assert_problem(422, "throughput_mps");
    let unknown = api.patch(&path, json!({"credentials": {"pin": "1"}})).await;
    unknown.assert_problem(422, "credentials.pin is not a credential of the provider");
    api.get("/v1/connections/con_7").await.assert_problem(404, "expected an id like con_");
}

#[tokio::test]
async fn a_deleted_connection_is_gone_with_its_credentials() {
    let api = TestApi::new().await;
    let id = api.connection().await;
    let path = format!("/v1/connections/{id}");
    let stored = store::get(&api.table, id.parse().unwrap()).await.unwrap().unwrap();
    let sealed = stored.credentials.as_text();
    assert_eq!(api.items_containing(sealed).await, 1);
    // A draft does not keep its connection.
    let draft = api.campaign_on(&id, json!({})).await;
    api.upload_csv(&draft, "phone\n+573001234567\n").await.ok();
    let deleted = api.delete(&path).await;
    assert_eq!((deleted.status.as_u16(), deleted.bytes.len()), (204, 0));
    assert_eq!(api.items_containing(sealed).await, 0);
    assert_eq!(api.get("/v1/connections").await.ok()["items"], json!([]));
    api.get(&path).await.assert_problem(404, "no such connection");
    api.delete(&path).await.assert_problem(404, "no such connection");
    api.patch(&path, json!({"name": "New"})).await.assert_problem(404, "no such connection");
    api.start(&draft).await.assert_problem(422, "connection_id names no connection");
    assert_ne!(api.connection().await, id, "its sender is free again");
}

#[tokio::test]
async fn a_connection_with_campaigns_that_may_send_is_not_deleted() {
    let api = TestApi::new().await;
    let connection = api.connection().await;
    let path = format!("/v1/connections/{connection}");
    let other = api.connection_with(connection_body("800000000000002")).await;
    let campaign = api.campaign_on(&connection, json!({})).await;
    api.upload_csv(&campaign, "phone\n+573001234567\n").await.ok();
    let refused = async |status: &str| {
        let words = format!("The campaign {campaign} of this connection is {status}");
        api.delete(&path).await.assert_problem(409, &words);
    };
    let one = format!("/v1/campaigns/{campaign}");
    let later = json!({"scheduled_start": "2026-11-22T09:00:00Z"});
    api.patch(&one, later).await.ok();
    api.start(&campaign).await.ok();
    refused("scheduled").await;
    api.patch(&one, json!({"scheduled_start": null})).await.ok();
    api.post_empty(&format!("{one}/pause")).await.ok();
    refused("paused").await;
    api.post_empty(&format!("{one}/resume")).await.ok();
    refused("active").await;
    let id = campaign.parse().unwrap();
    let halt = Halt {
        code: HaltCode::ConnectionUnusable,
        scope: HaltScope::Connection,
        detail: "broken".to_owned(),
        provider_code: None,
        since: api.clock.now(),
    };
    change_status(&api.table, id, Action::Halt, Some(&halt), halt.since).await.unwrap();
    refused("halted").await;
    assert_eq!(api.delete(&format!("/v1/connections/{other}")).await.status, 204);
    api.get(&path).await.ok();
    api.cancel(&campaign).await.ok();
    assert_eq!(api.delete(&path).await.status, 204);
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
            api.patch(&path, json!({ "credentials": {"access_token": format!("EAAnew{number}")} })),
        );
        renamed.ok();
        rotated.ok();
        let stored = store::get(&api.table, id.parse().unwrap()).await;
        let stored = stored.unwrap().unwrap();
        assert_eq!(stored.name, name);
        assert!(!known.contains(&stored.credentials), "the old token is back");
        known.push(stored.credentials);
    }
}
