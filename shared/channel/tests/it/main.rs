//! The providers of the product, each through its ports and against a stand-in for
//! its API.

mod contract;
mod payloads;
mod stand_in;
mod whatsapp_cloud;

/// A content that is written as one member, with the type that names it.
fn typed(content: serde_json::Value) -> serde_json::Value {
    let mut content = content;
    let kind = content.as_object().and_then(|members| members.keys().next()).cloned();
    if let Some(kind) = kind {
        content["type"] = kind.into();
    }
    content
}
