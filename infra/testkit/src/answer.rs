use serde_json::Value;

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null where it is something else.
    pub body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let header = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        let text = response.text().await.unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, content_type, text, body }
    }

    /// The answer, provided it has that status.
    ///
    /// # Panics
    /// When it has another.
    #[expect(clippy::return_self_not_must_use, reason = "an assertion is often all a test wants")]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A string field of the body.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn string(&self, field: &str) -> String {
        match self.body[field].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no string `{field}` in {}", self.text),
        }
    }

    /// A number field of the body.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn number(&self, field: &str) -> u64 {
        match self.body[field].as_u64() {
            Some(number) => number,
            None => panic!("no number `{field}` in {}", self.text),
        }
    }
}
