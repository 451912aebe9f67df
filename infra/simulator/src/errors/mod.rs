//! Errors in Meta's format.

mod catalogue;

use std::sync::atomic::{AtomicU32, Ordering};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::ids;
use catalogue::CatalogueEntry;

const ERROR_CODES_URL: &str =
    "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes";

/// An error response of the Graph API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: u32,
    subcode: Option<u32>,
    kind: &'static str,
    message: String,
    details: Option<String>,
}

impl ApiError {
    /// The error with this code and its usual details.
    pub(crate) fn new(code: u32) -> Self {
        let entry = CatalogueEntry::find(code);
        Self {
            status: entry.status,
            code,
            subcode: None,
            kind: "OAuthException",
            message: format!("(#{code}) {}", entry.title),
            details: Some(entry.details.to_owned()),
        }
    }

    pub(crate) fn with_details(code: u32, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..Self::new(code) }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn invalid_token() -> Self {
        Self {
            message: "Invalid OAuth access token - Cannot parse access token".into(),
            details: None,
            ..Self::new(190)
        }
    }

    /// The Graph API's error for a missing parameter.
    pub(crate) fn missing_parameter(field: &str) -> Self {
        Self {
            message: format!("(#100) The parameter {field} is required."),
            details: None,
            ..Self::new(100)
        }
    }

    /// The Graph API's error for the id of an object that the request may not use.
    pub(crate) fn invalid_id(path: &str, kind: &str) -> Self {
        Self {
            message: format!("(#100) Param {path} is not a valid {kind}"),
            details: None,
            ..Self::new(100)
        }
    }

    pub(crate) fn unknown_object(verb: &str, id: &str) -> Self {
        Self {
            subcode: Some(33),
            kind: "GraphMethodException",
            message: format!(
                "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be \
                 loaded due to missing permissions, or does not support this operation. Please \
                 read the Graph API documentation at https://developers.facebook.com/docs/graph-api"
            ),
            details: None,
            ..Self::new(100)
        }
    }

    fn body(&self) -> Value {
        let mut error = json!({ "message": self.message, "type": self.kind, "code": self.code });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        if let Some(details) = &self.details {
            error["error_data"] = json!({ "messaging_product": "whatsapp", "details": details });
        }
        error["fbtrace_id"] = next_trace_id().into();
        json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(self.body())).into_response()
    }
}

fn next_trace_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    ids::trace(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The `errors` item of a `failed` status.
pub(crate) fn in_status(code: u32) -> Value {
    let entry = CatalogueEntry::find(code);
    json!({
        "code": code,
        "title": entry.title,
        "message": entry.title,
        "error_data": { "details": entry.details },
        "href": ERROR_CODES_URL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_metas_fields() {
        let body = ApiError::new(131_056).body();
        assert_eq!(
            body["error"]["message"],
            "(#131056) (Business Account, Consumer Account) pair rate limit hit"
        );
        assert_eq!(body["error"]["error_data"]["messaging_product"], "whatsapp");
        assert!(body["error"]["fbtrace_id"].as_str().is_some_and(|id| id.len() == 23));
        assert_ne!(body["error"]["fbtrace_id"], ApiError::new(1).body()["error"]["fbtrace_id"]);
    }

    #[test]
    fn an_unknown_object_error_has_a_subcode_and_no_error_data() {
        let error = &ApiError::unknown_object("get", "454545").body()["error"];
        assert_eq!((&error["code"], &error["error_subcode"]), (&json!(100), &json!(33)));
        assert_eq!(error["type"], "GraphMethodException");
        assert!(error.get("error_data").is_none());
    }
}
