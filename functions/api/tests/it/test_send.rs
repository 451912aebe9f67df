//! Test sends: one message to one address now, under the same rules as a campaign's.

use std::time::Duration;

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, ForcedError, ReportedBy, Simulator};

use crate::fixture::{Response, TestApi, id, phone, phones_csv};

/// The API with a simulator, and a campaign on a connection with this quota limit.
async fn with_quota(limit: u64) -> (TestApi, Simulator, String) {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let connection = api.connection_with(json!({ "quota_limit": limit })).await;
    let campaign = api.campaign_on(&connection, json!({})).await;
    (api, simulator, campaign)
}

async fn test_send(api: &TestApi, campaign: &str, contact: u32) -> Response {
    let body: Value = json!({ "to": phone(contact) });
    api.post(&format!("/v1/campaigns/{campaign}/test"), body).await
}

/// A simulator that refuses the messages to a contact with this code.
fn refusing(contact: u32, code: u32) -> Behaviour {
    let error = ForcedError { code, times: None, reported_by: ReportedBy::Response };
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.forced.insert(phone(contact)[1..].to_owned(), error);
    behaviour
}

#[tokio::test]
async fn a_test_send_sends_one_message_now() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let api = TestApi::with_graph_url(&simulator.url()).await;
    let campaign = api.campaign(json!({"message": {"type": "text", "text": "Hi {name}"}})).await;
    let path = format!("/v1/campaigns/{campaign}/test");
    api.post(&path, json!({"to": "3001234567"})).await.assert_problem(422, "{name}");
    api.post(&path, json!({"to": "12", "variables": {"name": "A"}}))
        .await
        .assert_problem(422, "too short");
    let body = json!({"to": "300 123 4567", "variables": {"Name": "Ana"}});
    let sent = api.post(&path, body.clone()).await.ok();
    assert!(sent["message_id"].as_str().unwrap().starts_with("wamid."));
    assert_eq!(simulator.log().len(), 1);
    api.post(&path, body.clone()).await.assert_problem(409, "a moment ago");
    api.advance(Duration::from_secs(11));
    api.post("/v1/suppressions", json!({"address": "+573001234567"})).await.ok();
    api.post(&path, body).await.assert_problem(409, "blacklisted");
    assert_eq!(simulator.log().len(), 1);
    let connection = api.get("/v1/connections").await.ok();
    assert_eq!(
        id(&connection["items"][0]),
        api.stored_campaign(&campaign).await.settings.connection_id.to_string()
    );
}

#[tokio::test]
async fn a_failed_test_send_gives_the_reason() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let response =
        api.post(&format!("/v1/campaigns/{id}/test"), json!({"to": "+573001234567"})).await;
    response.assert_problem(422, "could not be reached");
    assert!(!response.text().contains("EAAtoken"));
}

#[tokio::test]
async fn a_test_send_takes_one_reservation_of_the_quota() {
    let (api, simulator, campaign) = with_quota(1).await;
    test_send(&api, &campaign, 0).await.ok();
    let refused = test_send(&api, &campaign, 1).await;
    refused.assert_problem(409, "The limit of contacts in 24 hours is reached");
    assert_eq!(simulator.log().len(), 1);
}

#[tokio::test]
async fn a_refused_test_send_gives_its_reservation_back() {
    let (api, simulator, campaign) = with_quota(1).await;
    simulator.set_behaviour(refusing(0, 131_026));
    for _ in 0..3 {
        let refused = test_send(&api, &campaign, 0).await;
        refused.assert_problem(422, "The message was not sent");
        assert!(refused.detail().contains("(code 131026)"), "{refused:?}");
        api.advance(Duration::from_secs(11));
    }
    test_send(&api, &campaign, 1).await.ok();
    test_send(&api, &campaign, 2).await.assert_problem(409, "limit of contacts");
}

/// The message may have been sent: one reservation too many is better than one too few.
#[tokio::test]
async fn a_test_send_whose_response_is_lost_keeps_its_reservation() {
    let (api, simulator, campaign) = with_quota(1).await;
    let mut behaviour = Behaviour::no_webhooks();
    behaviour.faults.lost_response = 1.0;
    simulator.set_behaviour(behaviour);
    let sent = test_send(&api, &campaign, 0).await.ok();
    assert_eq!((&sent["status"], &sent["message_id"]), (&json!("unconfirmed"), &json!(null)));
    assert_eq!(simulator.log().len(), 1);
    test_send(&api, &campaign, 1).await.assert_problem(409, "limit of contacts");
}

#[tokio::test]
async fn a_test_send_beyond_the_quota_leaves_the_contact_without_a_reservation() {
    let (api, _simulator, campaign) = with_quota(1).await;
    test_send(&api, &campaign, 0).await.ok();
    test_send(&api, &campaign, 1).await.assert_problem(409, "limit of contacts");
    // Were the contact taken for a counted one, this would be sent for free.
    api.advance(Duration::from_secs(11));
    test_send(&api, &campaign, 1).await.assert_problem(409, "limit of contacts");
}

#[tokio::test]
async fn a_test_send_that_meets_a_broken_account_halts_its_campaigns() {
    let (api, simulator, campaign) = with_quota(100).await;
    api.upload_csv(&campaign, phones_csv(1)).await.ok();
    api.start(&campaign).await.ok();
    simulator.set_behaviour(refusing(9, 131_042));
    test_send(&api, &campaign, 9).await.assert_problem(422, "(code 131042)");
    let halted = api.get(&format!("/v1/campaigns/{campaign}")).await.ok();
    assert_eq!(halted["status"], "halted");
    assert!(halted["halt"]["detail"].as_str().unwrap().contains("(code 131042)"), "{halted}");
}

#[tokio::test]
async fn an_opt_out_that_a_test_send_meets_holds() {
    let (api, simulator, campaign) = with_quota(100).await;
    simulator.set_behaviour(refusing(0, 131_050));
    test_send(&api, &campaign, 0).await.assert_problem(422, "(code 131050)");
    let contact = api.get(&api.contact_path(&phone(0)).await).await.ok();
    assert!(contact["opted_out_at"].is_string(), "{contact}");
    simulator.set_behaviour(Behaviour::no_webhooks());
    api.advance(Duration::from_secs(11));
    test_send(&api, &campaign, 0).await.assert_problem(409, "opted_out");
}
