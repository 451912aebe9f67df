//! The WhatsApp Cloud API's fixture for the contract.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use carillon_channel::contract::{Answer, Fixture, StandIn, StatusSample, WebhookSamples};
use carillon_channel::event::MessageStatus;
use carillon_channel::whatsapp_cloud::{WhatsappCloud, signature};
use carillon_channel::{Content, Credentials, Verdict};
use carillon_foundations::http_client::{Timeouts, http_client};
use futures::stream::{self, StreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::payloads::files;
use crate::stand_in::{Seen, serve};

/// The provider's timeout; only [`Answer::Silence`] takes longer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The provider and the stand-in for Meta's API.
pub(super) struct CloudStand {
    pub(super) provider: WhatsappCloud,
    pub(super) unreachable: WhatsappCloud,
    answer: Arc<Mutex<Answer>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl CloudStand {
    pub(super) async fn start() -> Self {
        let answer = Arc::new(Mutex::new(Answer::Nonsense));
        let answers = answer.clone();
        let (address, seen) = serve(move |request| {
            response(&answers.lock().unwrap_or_else(PoisonError::into_inner), request)
        })
        .await;
        // Port 1 is reserved: nothing listens there.
        let closed = SocketAddr::from(([127, 0, 0, 1], 1));
        Self { provider: provider(address), unreachable: provider(closed), answer, seen }
    }

    pub(super) fn fixture(&self) -> Fixture<'_> {
        Fixture {
            settings: object(json!({"phone_number_id": "106540352242922", "waba_id": "900"})),
            required_settings: vec!["phone_number_id"],
            malformed_settings: vec![
                ("phone_number_id", json!("+573001234567")),
                ("phone_number_id", json!(106_540_352_242_922_u64)),
                ("waba_id", json!("")),
            ],
            credentials: credentials(),
            contents: contents(),
            invalid_contents: invalid_contents(),
            refusals: vec![
                (131_026, Verdict::RecipientRejected),
                (131_056, Verdict::PairThrottled),
                (132_001, Verdict::TemplateBroken),
                (190, Verdict::AccountBroken),
            ],
            stand_in: self,
            unreachable: &self.unreachable,
            webhooks: Some(&CloudSamples),
        }
    }
}

fn provider(address: SocketAddr) -> WhatsappCloud {
    let http = http_client(Timeouts { request: TIMEOUT, ..Timeouts::default() }).unwrap();
    WhatsappCloud::new(&http, Some(&format!("http://{address}")))
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn credentials() -> Credentials {
    let names = ["access_token", "app_secret", "verify_token"];
    names.map(|name| (name, SecretString::from(format!("secret-{name}")))).into_iter().collect()
}

fn content(value: Value) -> Content {
    serde_json::from_value(crate::typed(value)).unwrap()
}

fn contents() -> Vec<Content> {
    let options = json!([{"id": "yes", "title": "Yes"}]);
    let location = json!({"type": "location_request_message", "body": {"text": "Where?"},
        "action": {"name": "send_location"}});
    [
        json!({"text": "A private text to one person."}),
        json!({"media": {"kind": "image", "link": "https://example.com/image.png"}}),
        json!({"choices": {"body": "Coming?", "options": options}}),
        json!({"template": {"name": "promo", "language": "es"}}),
        json!({ "interactive": location }),
    ]
    .map(content)
    .into()
}

fn invalid_contents() -> Vec<(Content, &'static str)> {
    let component = json!({"type": "body", "parameters": [{"type": "text", "text": ""}]});
    let template = json!({"name": "promo", "language": "es", "components": [component]});
    vec![
        (content(json!({"text": " "})), "text.body"),
        (content(json!({"text": "x".repeat(4097)})), "text.body"),
        (content(json!({"media": {"kind": "image", "link": "ftp://x"}})), "media.link"),
        (content(json!({"choices": {"body": "Coming?", "options": []}})), "choices.options"),
        (content(json!({"template": {"name": "Promo", "language": "es"}})), "template.name"),
        (content(json!({ "template": template })), "template.components[0].parameters[0].text"),
        (content(json!({"interactive": {"type": "flow"}})), "interactive.action"),
    ]
}

impl StandIn for CloudStand {
    fn answer_with(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn take_sends(&self) -> usize {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.iter().filter(|request| request.method == Method::POST).count()
    }
}

fn response(answer: &Answer, request: &Seen) -> Response {
    match answer {
        Answer::Accept { .. } if request.method == Method::GET => Json(json!({
            "quality_rating": "GREEN", "status": "CONNECTED", "throughput": {"level": "HIGH"},
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
        }))
        .into_response(),
        Answer::Accept { message_id } => {
            Json(json!({"messages": [{"id": message_id}]})).into_response()
        }
        Answer::Refuse { code } => {
            let quoted = String::from_utf8_lossy(&request.body);
            let error = json!({"code": code, "message": quoted, "error_data": {"details": quoted}});
            (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
        }
        Answer::Silence => beginning().chain(stream::pending()).into_response_body(),
        Answer::BreakOff => {
            let broken = stream::iter([Err(std::io::Error::other("broken off"))]);
            beginning().chain(broken).into_response_body()
        }
        Answer::Nonsense => "what?".into_response(),
    }
}

/// The beginning of an answer that does not end.
fn beginning() -> impl stream::Stream<Item = std::io::Result<&'static str>> + Send + 'static {
    stream::iter([Ok("{\"messages\"")])
}

trait IntoResponseBody {
    fn into_response_body(self) -> Response;
}

impl<S> IntoResponseBody for S
where
    S: stream::Stream<Item = std::io::Result<&'static str>> + Send + 'static,
{
    fn into_response_body(self) -> Response {
        Body::from_stream(self).into_response()
    }
}

/// Meta's webhook requests.
struct CloudSamples;

impl WebhookSamples for CloudSamples {
    fn status(&self, sample: &StatusSample<'_>) -> Vec<u8> {
        let mut status = json!({
            "id": sample.message_id, "status": sample.status.as_str(), "timestamp": "1792000000",
            "recipient_id": "573001234567", "biz_opaque_callback_data": sample.callback,
        });
        if sample.status == MessageStatus::Failed {
            status["errors"] = json!([{"code": 131_026}]);
        }
        let value = json!({
            "metadata": {"phone_number_id": sample.sender_id}, "statuses": [status],
        });
        let change = json!({"field": "messages", "value": value});
        json!({"entry": [{"id": "900", "changes": [change]}]}).to_string().into_bytes()
    }

    fn bodies(&self) -> Vec<Vec<u8>> {
        files("synthetic/webhooks").into_iter().map(|(_, body)| body).collect()
    }

    fn sign(&self, credentials: &Credentials, body: &[u8]) -> HeaderMap {
        let signature = signature::sign(credentials.get("app_secret").unwrap(), body);
        HeaderMap::from_iter([(signature::HEADER.parse().unwrap(), signature.parse().unwrap())])
    }

    fn handshake(&self, credentials: &Credentials) -> Option<(String, String)> {
        let token = credentials.get("verify_token").unwrap().expose_secret();
        let query = format!("hub.mode=subscribe&hub.challenge=12%2B3&hub.verify_token={token}");
        Some((query, "12+3".to_owned()))
    }
}
