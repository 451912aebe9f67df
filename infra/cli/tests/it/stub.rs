//! A server that answers what a test wants, and records what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use serde_json::Value;

use crate::program::carillon;

/// One request as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Method, path and query, such as `GET /v1/jobs?limit=100`.
    pub(crate) line: String,
    pub(crate) body: Value,
    pub(crate) if_match: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

/// The answer to requests whose line starts with a text. Of several for one text each is given
/// once, the last one again and again.
pub(crate) struct Reply(pub(crate) &'static str, pub(crate) u16, pub(crate) Value);

#[derive(Clone)]
pub(crate) struct Stub {
    url: String,
    replies: Arc<Mutex<Vec<Reply>>>,
    recorded: Arc<Mutex<Vec<Recorded>>>,
}

impl Stub {
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            recorded: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    /// Runs a command against the server. Nobody can be asked.
    pub(crate) async fn run(&self, line: &str) -> (i32, String, String) {
        let mut command = tokio::process::Command::from(carillon());
        command.args(line.split_whitespace()).env("CARILLON_URL", &self.url);
        command.env("CARILLON_API_KEY", "key").env("TZ", "UTC").stdin(std::process::Stdio::null());
        let output = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs a command that must succeed. Returns its standard output.
    pub(crate) async fn text(&self, line: &str) -> String {
        let (code, stdout, stderr) = self.run(line).await;
        assert_eq!(code, 0, "{line}: {stderr}");
        stdout
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.recorded.lock().unwrap())
    }

    /// The lines of the requests since the last call.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    fn reply(&self, line: &str) -> (u16, Value) {
        let mut replies = self.replies.lock().unwrap();
        let fits = |reply: &Reply| line.starts_with(reply.0);
        let Some(found) = replies.iter().position(fits) else {
            return (404, serde_json::json!({ "title": "Not found" }));
        };
        let Reply(text, status, body) = &replies[found];
        let answer = (*status, body.clone());
        if replies.iter().filter(|reply| reply.0 == *text).count() > 1 {
            replies.remove(found);
        }
        answer
    }
}

async fn answer(State(stub): State<Stub>, request: Request) -> Response<String> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let line = format!("{} {}", parts.method, parts.uri);
    let body = to_bytes(body, 1 << 20).await.unwrap();
    stub.recorded.lock().unwrap().push(Recorded {
        line: line.clone(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        if_match: header("if-match"),
        idempotency_key: header("idempotency-key"),
    });
    let (status, body) = stub.reply(&line);
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("etag", "\"tag-1\"")
        .body(if body.is_null() { String::new() } else { body.to_string() })
        .unwrap()
}
