use serde_json::Value;

/// A response of the API.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null where it is not JSON.
    pub body: Value,
}

impl Response {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, text, body }
    }

    /// Asserts the HTTP status.
    ///
    /// # Panics
    /// If the status is another one.
    #[expect(clippy::return_self_not_must_use, reason = "an assertion is often all a test wants")]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A string field of the body.
    ///
    /// # Panics
    /// If the body has no such field.
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
    /// If the body has no such field.
    #[track_caller]
    pub fn number(&self, field: &str) -> u64 {
        match self.body[field].as_u64() {
            Some(number) => number,
            None => panic!("no number `{field}` in {}", self.text),
        }
    }

    /// The items of a page.
    ///
    /// # Panics
    /// If the body is not a page.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        match self.body["items"].as_array() {
            Some(items) => items.clone(),
            None => panic!("no items in {}", self.text),
        }
    }
}
