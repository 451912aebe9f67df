//! The types that handlers share.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::Value;

use crate::app::App;
use crate::errors::ApiError;

pub(super) type SharedApp = State<Arc<App>>;
pub(super) type QueryParameters = Query<HashMap<String, String>>;
pub(super) type ApiResult = Result<Json<Value>, ApiError>;
