use serde_json::Value;

/// A message in a provider's own form, which only that provider reads.
#[derive(Clone, PartialEq)]
pub struct Native {
    /// The provider's name of the kind, such as `template`.
    pub kind: String,
    /// The message as the provider takes it, with placeholders.
    pub payload: Value,
}
