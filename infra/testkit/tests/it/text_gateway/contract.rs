//! The contract that every provider passes, against the gateway's stand-in.

use std::time::Duration;

use carillon::channel::event::MessageStatus;
use carillon::channel::{Credentials, Verdict};
use carillon_channel::contract::{Fixture, StatusSample, WebhookSamples, check_provider};
use reqwest::Proxy;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::TOKEN;
use super::provider::TextGateway;
use super::receiver::{SIGNATURE, sign};
use super::stand_in::StandIn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_keeps_the_contract_of_a_provider() {
    let stand_in = StandIn::start().await;
    let client = || reqwest::Client::builder().timeout(Duration::from_secs(1));
    let gateway = TextGateway::with(client().no_proxy());
    let nowhere = Proxy::http("http://127.0.0.1:1").expect("a URL");
    let unreachable = TextGateway::with(client().proxy(nowhere));
    let text =
        |body: &str| serde_json::from_value(json!({"type": "text", "text": body})).expect("a text");
    let settings = json!({"url": stand_in.url(), "sender": "SHOP"});
    let fixture = Fixture {
        settings: serde_json::from_value::<Map<String, Value>>(settings).expect("an object"),
        required_settings: vec!["url", "sender"],
        malformed_settings: vec![("url", json!(7)), ("sender", json!(null))],
        credentials: Credentials::from_iter([("token", SecretString::from(TOKEN))]),
        contents: vec![text("Hello and welcome to the shop")],
        invalid_contents: vec![(text(&"x".repeat(1_601)), "text.body")],
        refusals: vec![
            (101, Verdict::RecipientRejected),
            (102, Verdict::Throttled { retry_after: Duration::from_secs(1) }),
            (103, Verdict::ConnectionBroken),
        ],
        stand_in: &stand_in,
        unreachable: &unreachable,
        webhooks: Some(&Samples),
    };
    let violations = check_provider(&gateway, &fixture).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

struct Samples;

impl WebhookSamples for Samples {
    fn status(&self, sample: &StatusSample<'_>) -> Vec<u8> {
        let mut status = json!({
            "sender": sample.sender_id, "id": sample.message_id, "at": 1_795_255_260,
            "status": sample.status.as_str(),
        });
        if sample.status == MessageStatus::Failed {
            status["code"] = json!(101);
        }
        json!({"statuses": [status]}).to_string().into_bytes()
    }

    fn bodies(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn sign(&self, credentials: &Credentials, body: &[u8]) -> HeaderMap {
        let token = credentials.get("token").map_or("", |token| token.expose_secret());
        let signature = sign(token, body).parse::<HeaderValue>().expect("a header");
        HeaderMap::from_iter([(SIGNATURE.parse().expect("a name"), signature)])
    }

    fn handshake(&self, _credentials: &Credentials) -> Option<(String, String)> {
        None
    }
}
