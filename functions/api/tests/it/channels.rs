//! Providers by what they can do: `GET /v1/channels`, and a provider without a quota.

use serde_json::{Value, json};

use crate::fixture::{
    TestApi, UNREACHABLE, campaign_body, id, merge, phones_csv, standard_providers,
};
use crate::plain_provider::{PlainProvider, plain_connection_body};

async fn with_plain_provider() -> (TestApi, PlainProvider) {
    let provider = PlainProvider::default();
    let providers = standard_providers(UNREACHABLE).with(provider.clone());
    (TestApi::with_providers(providers).await, provider)
}

#[tokio::test]
async fn the_channels_are_listed_with_what_each_can_do() {
    let api = TestApi::new().await;
    let channels = api.get("/v1/channels").await.ok();
    let capabilities = json!({
        "addresses": ["phone", "bsuid"],
        "contents": ["text", "media", "choices", "template", "interactive"],
        "statuses": ["sent", "delivered", "read", "failed"],
        "status_source": "webhook",
        "correlation": "callback",
        "service_window_seconds": 86_400,
        "quota": {"window_hours": 24, "initial_limit": 250},
        "pair_interval_seconds": 6,
        "throughput": {"default_mps": 80, "max_mps": 1_000, "counts": "both"},
        "credentials": [
            {"name": "access_token", "generated": false},
            {"name": "app_secret", "generated": false},
            {"name": "verify_token", "generated": true},
        ],
    });
    let whatsapp = json!({"name": "whatsapp_cloud", "capabilities": capabilities});
    assert_eq!(channels, json!({ "items": [whatsapp], "next_cursor": null }));
}

#[tokio::test]
async fn a_provider_of_this_process_is_a_channel() {
    let (api, _) = with_plain_provider().await;
    let channels = api.get("/v1/channels").await.ok();
    let names: Vec<_> =
        channels["items"].as_array().unwrap().iter().map(|channel| &channel["name"]).collect();
    assert_eq!(names, ["whatsapp_cloud", "plain"]);
    let plain = &channels["items"][1]["capabilities"];
    for member in ["quota", "service_window_seconds", "pair_interval_seconds"] {
        assert_eq!(plain.get(member), Some(&Value::Null), "{member}");
    }
}

#[tokio::test]
async fn a_connection_of_a_provider_without_quota_has_no_quota_group() {
    let (api, _) = with_plain_provider().await;
    let response = api.post("/v1/connections", plain_connection_body()).await;
    assert!(!response.text().contains("secret-password"));
    let made = response.ok();
    assert_eq!(made["provider"], json!({"type": "plain", "plain": {"sender": "shop"}}));
    for member in ["quota_group", "quota_limit"] {
        assert_eq!(made.get(member), Some(&Value::Null), "{member}");
    }
    assert_eq!(made["effective_throughput_mps"], 5);
    assert_eq!(made.get("webhook_url"), Some(&Value::Null));
    assert_eq!(made.get("generated_credentials"), Some(&json!({})));
}

#[tokio::test]
async fn a_quota_of_a_provider_without_quota_is_refused() {
    let (api, _) = with_plain_provider().await;
    let mut body = plain_connection_body();
    merge(&mut body, &json!({"quota_group": "shop", "quota_limit": 100, "throughput_mps": 11}));
    let response = api.post("/v1/connections", body).await;
    response.assert_problem(422, "quota_group is not used: the provider has no quota");
    assert_eq!(response.fields(), ["quota_group", "throughput_mps", "quota_limit"]);
    let made = id(&api.post("/v1/connections", plain_connection_body()).await.ok());
    let changes = json!({"quota_limit": 100});
    let refused = api.patch(&format!("/v1/connections/{made}"), changes).await;
    refused.assert_problem(422, "quota_limit is not used");
}

#[tokio::test]
async fn a_campaign_without_quota_is_limited_by_its_own_limits_only() {
    let (api, provider) = with_plain_provider().await;
    let connection = id(&api.post("/v1/connections", plain_connection_body()).await.ok());
    let campaign = api.campaign_on(&connection, json!({"daily_send_limit": 1_000})).await;
    api.upload_csv(&campaign, phones_csv(1_500)).await.ok();
    let plan = api.get(&format!("/v1/campaigns/{campaign}/plan")).await.ok();
    assert_eq!(plan["forecast"]["days"][0]["messages"], 1_000);
    assert_eq!(plan.get("estimate"), Some(&Value::Null), "no prices are known");
    let test = json!({"to": "+573001234567"});
    api.post(&format!("/v1/campaigns/{campaign}/test"), test).await.ok();
    assert_eq!(provider.sent_to(), ["+573001234567"]);
}

#[tokio::test]
async fn a_message_that_the_provider_cannot_send_is_refused() {
    let (api, _) = with_plain_provider().await;
    let connection = id(&api.post("/v1/connections", plain_connection_body()).await.ok());
    let mut body = campaign_body(&connection);
    body["message"] = json!({"type": "template", "template": {"name": "promo", "language": "es"}});
    api.post("/v1/campaigns", body).await.assert_problem(422, "message.template is not a text");
}
