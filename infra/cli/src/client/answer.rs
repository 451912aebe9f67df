use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// The API's answer to a request that succeeded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) etag: Option<String>,
    /// The body, unchanged.
    pub(crate) text: String,
}

impl Answer {
    /// The body as a value; null where there is none.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body as a type. A body without content is read as null.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(if self.text.is_empty() { "null" } else { &self.text })
    }
}

/// The items of a list, each as the API wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct List {
    items: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) next_cursor: Option<String>,
    /// Of the feed of events: whether there are more already.
    #[serde(default)]
    has_more: bool,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn values(&self) -> Vec<Value> {
        self.items.iter().map(|item| serde_json::from_str(item.get()).unwrap_or_default()).collect()
    }

    /// Each item on its own, as the API wrote it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.get())
    }

    /// One document of all pages that were read.
    pub(crate) fn document(&self) -> String {
        let items: Vec<_> = self.texts().collect();
        let next = Value::from(self.next_cursor.clone());
        format!("{{\"items\":[{}],\"next_cursor\":{next}}}", items.join(","))
    }

    pub(super) fn extend(&mut self, page: Self) {
        self.items.extend(page.items);
        self.next_cursor = page.next_cursor;
    }

    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    pub(crate) fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_one_document_whose_items_are_unchanged() {
        let page = |text: &str| serde_json::from_str::<List>(text).unwrap();
        let mut list = page(r#"{"items":[{"z":1.50,"a":2}],"next_cursor":"more"}"#);
        list.extend(page(r#"{"items":[{"b":null}],"next_cursor":null}"#));
        let document = r#"{"items":[{"z":1.50,"a":2},{"b":null}],"next_cursor":null}"#;
        assert_eq!(list.document(), document);
    }
}
