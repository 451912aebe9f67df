use std::collections::HashSet;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::Value;

pub(super) const KEY: &str = "kill-test-key";
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(30);

/// A client of the API of a program that may be down.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    pub(super) url: String,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { http: reqwest::Client::new(), url: format!("http://127.0.0.1:{port}") }
    }

    /// Returns the status and the body; `None` if there is no response.
    async fn send(&self, request: RequestBuilder) -> Option<(u16, String)> {
        let response = request.bearer_auth(KEY).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.text().await.ok()?))
    }

    /// Returns `None` if the program is down or refuses the request.
    pub(super) async fn get(&self, path: &str) -> Option<Value> {
        let (status, text) = self.send(self.http.get(format!("{}{path}", self.url))).await?;
        (status == 200).then(|| serde_json::from_str(&text).expect("JSON"))
    }

    /// Sends a POST request once. Returns the status and the answer; `None` if there is none.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        let (status, text) = self.send(request).await?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Sends an upload of recipients once. Returns the status; `None` without an answer.
    pub(super) async fn upload(&self, campaign: &str, csv: &str) -> Option<u16> {
        let url = format!("{}/v1/campaigns/{campaign}/recipients", self.url);
        let request = self.http.post(url).header("content-type", "text/csv");
        self.send(request.body(csv.to_owned())).await.map(|(status, _)| status)
    }

    /// Repeats a POST request with the same idempotency key until it succeeds.
    pub(super) async fn post_until_done(&self, path: &str, key: &str, body: &Value) -> Value {
        loop {
            let request = self.http.post(format!("{}{path}", self.url)).json(body);
            match self.send(request.header("idempotency-key", key)).await {
                Some((200..300, text)) => return serde_json::from_str(&text).expect("JSON"),
                // The first request succeeded, but its response was lost.
                Some((409, _)) if path.ends_with("/start") => return Value::Null,
                _ => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// Repeats an upload of recipients until it succeeds.
    pub(super) async fn upload_until_done(&self, campaign: &str, csv: &str) {
        loop {
            if self.upload(campaign, csv).await == Some(200) {
                return;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// All recipients of a campaign; `None` if the program is down.
    pub(super) async fn recipients(&self, campaign: &str) -> Option<Vec<Value>> {
        let mut recipients = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/campaigns/{campaign}/recipients?limit=500{cursor}");
            let page = self.get(&path).await?;
            recipients.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(recipients),
            }
        }
    }

    /// The number of recipients that are claimed and not settled and not in `known`.
    /// Adds them to `known`.
    pub(super) async fn new_in_flight(&self, campaign: &str, known: &mut HashSet<String>) -> u64 {
        let recipients = self.recipients(campaign).await.unwrap_or_default();
        let open = recipients.iter().filter(|recipient| {
            recipient["status"] == "sending" || recipient["status"] == "unconfirmed"
        });
        let contacts = open.filter_map(|recipient| recipient["contact_id"].as_str());
        contacts.filter(|contact| known.insert((*contact).to_owned())).count() as u64
    }
}
