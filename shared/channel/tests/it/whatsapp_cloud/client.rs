//! The client against a small server on this machine: what it sends, and what it
//! makes of answers, faults and silence.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use carillon_channel::whatsapp_cloud::{CloudApi, CloudApiError, TemplateState};
use carillon_channel::{
    MediaFile, Outbound, Outcome, Probe, Quality, QuotaLimit, Refusal, Verdict,
};
use carillon_foundations::http_client::{Timeouts, http_client};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::payloads::payloads;
use crate::stand_in::{raw_server, read_request, serve};

const TOKEN: &str = "EAAGsecrettoken0";
const PHONE: &str = "+573001234567";
const TEXT: &str = "a private text";

fn message() -> Outbound {
    Outbound {
        to: PHONE.parse().unwrap(),
        content: serde_json::from_value(json!({"type": "text", "text": TEXT})).unwrap(),
        callback: "attempt 1".to_owned(),
        reply_to: None,
    }
}

fn client_within(address: SocketAddr, request: Duration) -> CloudApi {
    let http = http_client(Timeouts { request, ..Timeouts::default() }).unwrap();
    let url = format!("http://{address}/");
    CloudApi::new(&http, &url, "v26.0", "106540352242922", SecretString::from(TOKEN))
}

fn client(address: SocketAddr) -> CloudApi {
    client_within(address, Duration::from_secs(10))
}

fn error(status: u16, code: u32, headers: &[(&'static str, &'static str)]) -> Response {
    let body = json!({"error": {"message": format!("for {PHONE}"), "code": code}});
    let mut answer = (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    answer
}

async fn refused(client: &CloudApi) -> Refusal {
    match client.send(&message()).await {
        Outcome::Refused(refusal) => refusal,
        Outcome::Accepted(accepted) => panic!("{accepted:?}"),
    }
}

#[tokio::test]
async fn an_accepted_message_has_its_id() {
    let (address, seen) = serve(|_| {
        Json(json!({
            "messaging_product": "whatsapp",
            "contacts": [{"input": PHONE, "wa_id": "573001234567"}],
            "messages": [{"id": "wamid.ONE", "message_status": "accepted"}],
        }))
        .into_response()
    })
    .await;
    let Outcome::Accepted(accepted) = client(address).send(&message()).await else { panic!() };
    assert_eq!(accepted.message_id, "wamid.ONE");
    assert_eq!(accepted.aliases, [PHONE.parse().unwrap()]);
    let seen = seen.lock().unwrap();
    let [request] = seen.as_slice() else { panic!() };
    assert_eq!(
        (&request.method, request.uri.as_str()),
        (&Method::POST, "/v26.0/106540352242922/messages")
    );
    assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(request.headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["to"], &body["text"]["body"]), (&json!(PHONE), &json!(TEXT)));
    assert_eq!(body["biz_opaque_callback_data"], "attempt 1");
}

#[tokio::test]
async fn an_error_answer_has_its_verdict() {
    for (status, code, verdict) in [
        (400, 131_026, Verdict::RecipientRejected),
        (400, 131_056, Verdict::PairThrottled),
        (401, 190, Verdict::AccountBroken),
        (404, 132_001, Verdict::TemplateBroken),
        (500, 131_000, Verdict::Ambiguous),
    ] {
        let (address, _) = serve(move |_| error(status, code, &[])).await;
        let refusal = refused(&client(address)).await;
        assert_eq!((refusal.verdict, refusal.code), (verdict, Some(code)));
    }
}

#[tokio::test]
async fn the_wait_that_an_answer_asks_for_is_kept() {
    let (address, _) = serve(|_| error(429, 130_429, &[("retry-after", "7")])).await;
    let expected = Verdict::RateExceeded { retry_after: Duration::from_secs(7) };
    assert_eq!(refused(&client(address)).await.verdict, expected);
}

#[tokio::test]
async fn a_server_fault_without_json_may_have_been_sent() {
    let (address, _) = serve(|_| (StatusCode::BAD_GATEWAY, "<html>").into_response()).await;
    assert_eq!(refused(&client(address)).await.verdict, Verdict::Ambiguous);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, seen) =
        serve(|_| (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response())
            .await;
    assert_eq!(refused(&client(address)).await.verdict, Verdict::ConnectionBroken);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(refused(&client(address)).await.verdict, Verdict::Transient);
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let (address, seen) = serve(|_| error(400, 100, &[])).await;
    let http = http_client(Timeouts::default()).unwrap();
    let url = format!("https://{address}");
    let client = CloudApi::new(&http, &url, "v26.0", "1", SecretString::from(TOKEN));
    assert_eq!(refused(&client).await.verdict, Verdict::Transient);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_address_that_is_none_breaks_the_connection() {
    let http = http_client(Timeouts::default()).unwrap();
    let client = CloudApi::new(&http, "not an address", "v26.0", "1", SecretString::from(TOKEN));
    assert_eq!(refused(&client).await.verdict, Verdict::ConnectionBroken);
}

#[tokio::test]
async fn a_connection_lost_after_the_request_may_have_sent_it() {
    let address = raw_server(TEXT, drop);
    assert_eq!(refused(&client(address)).await.verdict, Verdict::Ambiguous);
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_the_answer_may_have_sent_it() {
    let address = raw_server(TEXT, |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"messages\"").unwrap();
    });
    assert_eq!(refused(&client(address)).await.verdict, Verdict::Ambiguous);
}

#[tokio::test]
async fn an_answer_that_is_no_http_may_have_sent_it() {
    let address = raw_server(TEXT, |mut stream| stream.write_all(b"what?\r\n\r\n").unwrap());
    assert_eq!(refused(&client(address)).await.verdict, Verdict::Ambiguous);
}

#[tokio::test]
async fn silence_may_have_sent_it() {
    let address = raw_server(TEXT, |stream| {
        std::thread::sleep(Duration::from_secs(2));
        drop(stream);
    });
    let client = client_within(address, Duration::from_millis(200));
    let refusal = refused(&client).await;
    assert_eq!(refusal.verdict, Verdict::Ambiguous);
    assert!(refusal.reason.contains("in time"));
}

#[tokio::test]
async fn a_message_is_never_sent_twice_on_its_own() {
    let (address, seen) =
        serve(|_| error(503, 131_016, &[("retry-after", "0"), ("connection", "close")])).await;
    let client = client(address);
    refused(&client).await;
    refused(&client).await;
    assert_eq!(seen.lock().unwrap().len(), 2);
}

/// Reads one request and accepts its message.
fn accept_one(stream: &mut TcpStream) {
    read_request(stream, TEXT);
    let body = r#"{"messages":[{"id":"wamid.X"}]}"#;
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_makes_nothing_unclear() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            accept_one(&mut stream);
        }
    });
    let client = client(address);
    for _ in 0..2 {
        assert!(matches!(client.send(&message()).await, Outcome::Accepted(_)));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.join().unwrap();
}

#[tokio::test]
async fn the_number_tells_its_state() {
    let (address, seen) = serve(|_| {
        Json(json!({
            "id": "106540352242922", "display_phone_number": "+1 555-555-5555",
            "verified_name": "Shop", "quality_rating": "GREEN", "status": "CONNECTED",
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
            "throughput": {"level": "HIGH"},
            "health_status": {"can_send_message": "LIMITED", "entities": [
                {"entity_type": "WABA", "errors": [{"error_code": 141_006}]},
            ]},
        }))
        .into_response()
    })
    .await;
    let probe = client(address).probe().await.unwrap();
    assert_eq!((probe.quality, probe.obstacle), (Some(Quality::Green), None));
    assert_eq!(probe.quota, Some(QuotaLimit::Contacts(2000)));
    assert_eq!(probe.throughput_mps, Some(1000));
    let details = [
        ("id", json!("106540352242922")),
        ("display_phone_number", json!("+1 555-555-5555")),
        ("verified_name", json!("Shop")),
        ("status", json!("CONNECTED")),
        ("can_send_message", json!("LIMITED")),
        ("obstacles", json!([{"entity": "WABA", "code": 141_006}])),
    ];
    assert_eq!(Value::Object(probe.details), Value::from_iter(details));
    assert!(seen.lock().unwrap()[0].uri.starts_with("/v26.0/106540352242922?fields=id,"));
}

#[tokio::test]
async fn published_answers_about_numbers_are_read() {
    for name in ["default_response", "comprehensive_response", "with_name_status"] {
        let file = format!("phone_number_id__get__200__{name}.json");
        let file = payloads().join("facebook-openapi/api_responses").join(file);
        let body = std::fs::read(file).unwrap();
        let (address, _) = serve(move |_| body.clone().into_response()).await;
        let probe = client(address).probe().await.unwrap();
        assert_eq!((probe.quality, probe.obstacle), (Some(Quality::Green), None), "{name}");
        assert!(!probe.details.contains_key("status"), "{name}");
    }
}

/// The probe of a number of which Meta says this.
async fn probe_of(answer: Value) -> Probe {
    let (address, _) = serve(move |_| Json(answer.clone()).into_response()).await;
    client(address).probe().await.unwrap()
}

#[tokio::test]
async fn a_number_that_cannot_send_says_why() {
    for (answer, reason) in [
        (json!({"status": "BANNED"}), "has banned"),
        (json!({"status": "DISCONNECTED"}), "not registered"),
        (json!({"status": "RESTRICTED"}), "start conversations"),
        (json!({"health_status": {"can_send_message": "BLOCKED"}}), "cannot send"),
    ] {
        let probe = probe_of(answer.clone()).await;
        assert!(probe.obstacle.is_some_and(|words| words.contains(reason)), "{answer}");
        assert_eq!((probe.throughput_mps, probe.quota), (None, None));
    }
}

#[tokio::test]
async fn templates_come_page_by_page() {
    let template = |name: &str| {
        json!({
            "id": 7, "name": name, "language": "es", "status": "PAUSED", "category": "MARKETING",
            "quality_score": {"score": "RED"}, "components": [{"type": "BODY", "text": "Hi {{1}}!"}],
        })
    };
    let (address, _) = serve(move |seen| {
        let second = seen.uri.contains("after=A%2B%3D");
        let body = if second {
            json!({"data": [template("b"), {"id": 8, "category": "SPELL"}], "paging": {"cursors": {"after": "B"}}})
        } else {
            json!({"data": [template("a")], "paging": {"cursors": {"after": "A+="}, "next": "https://x"}})
        };
        Json(body).into_response()
    })
    .await;
    let client = client(address);
    let first = client.templates("900", None).await.unwrap();
    assert_eq!(first.templates[0].state, TemplateState::Paused);
    assert_eq!(first.templates[0].quality, Quality::Red);
    let second = client.templates("900", first.next.as_deref()).await.unwrap();
    assert_eq!(second.templates[0].definition.name, "b");
    assert_eq!((second.unreadable, second.next), (1, None));
}

#[tokio::test]
async fn media_is_uploaded_as_a_form() {
    let (address, seen) = serve(|_| Json(json!({"id": "4490709327384033"})).into_response()).await;
    let content = stream::iter([Ok(Bytes::from_static(b"PN")), Ok(Bytes::from_static(b"G!"))]);
    let file = MediaFile { mime_type: "image/png".into(), bytes: 4, content: content.boxed() };
    let id = client(address).upload_media(file).await.unwrap();
    assert_eq!(id, "4490709327384033");
    let seen = seen.lock().unwrap();
    let body = String::from_utf8_lossy(&seen[0].body).into_owned();
    assert_eq!(seen[0].uri, "/v26.0/106540352242922/media");
    assert!(seen[0].headers.contains_key("content-length"));
    for part in ["messaging_product", "whatsapp", "image/png", "PNG!"] {
        assert!(body.contains(part), "{part}");
    }
}

#[tokio::test]
async fn media_is_downloaded_from_the_address_that_the_answer_names() {
    let (address, seen) = serve(|request| {
        if request.uri == "/file" {
            return "PNG!".into_response();
        }
        let url = format!("http://{}/file", request.headers["host"].to_str().unwrap());
        Json(json!({"url": url, "mime_type": "image/png", "file_size": "4"})).into_response()
    })
    .await;
    let file = client(address).download_media("77").await.unwrap();
    assert_eq!((file.mime_type.as_str(), file.bytes), ("image/png", 4));
    let content: Vec<Bytes> = file.content.try_collect().await.unwrap();
    assert_eq!(content.concat(), b"PNG!");
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].uri, "/v26.0/77?phone_number_id=106540352242922");
    assert!(seen.iter().all(|request| request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_question_that_is_refused_says_why() {
    let (address, _) = serve(|_| error(401, 190, &[])).await;
    match client(address).probe().await {
        Err(CloudApiError::Refused(refusal)) => {
            assert_eq!(refusal.verdict, Verdict::AccountBroken);
        }
        other => panic!("{other:?}"),
    }
}

/// An error with all its sources, in both forms.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text} {error} {error:?}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn nothing_that_is_shown_tells_a_secret() {
    let (address, _) = serve(|seen| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        let error =
            json!({"error": {"code": 100, "message": body, "error_data": {"details": body}}});
        (StatusCode::BAD_REQUEST, Json(error)).into_response()
    })
    .await;
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut shown = vec![format!("{:?} {:?}", client(address), message())];
    for client in [client(address), client(gone)] {
        let refusal = refused(&client).await;
        shown.push(format!("{refusal} {refusal:?}"));
        if let Err(error) = client.probe().await {
            shown.push(whole(&error));
        }
    }
    let bad = SecretString::from("EAAG\nsecret");
    let http = http_client(Timeouts::default()).unwrap();
    let client = CloudApi::new(&http, "http://127.0.0.1:1", "v26.0", "1", bad);
    shown.push(whole(&client.probe().await.unwrap_err()));
    for text in shown {
        for secret in ["EAAG", "300123", "private", "106540352242922"] {
            assert!(!text.contains(secret), "{text} tells {secret}");
        }
    }
}
