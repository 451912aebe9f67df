//! What the description says of each operation. Requests are held to it: the scope that an
//! operation names is needed, and a query has only the parameters that it lists.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use carillon::api_key::Scope;
use carillon::channel::FieldCode;
use http::Method;
use utoipa::openapi::path::{Operation as Described, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use crate::problem::{Answer, Problem};

/// The operations of the API by path and method.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operations(BTreeMap<String, BTreeMap<&'static str, Operation>>);

/// What a request of an operation needs and may have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operation {
    /// Its id, such as `getCampaign`.
    pub(crate) name: String,
    /// The scope that the key needs; none for an operation of any key.
    pub(crate) scope: Option<Scope>,
    /// The parameters that the query may have.
    query: BTreeSet<String>,
}

impl Operations {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        Self(paths.map(|(path, item)| (path.clone(), methods(item))).collect())
    }

    /// The operation of a request to a route.
    pub(crate) fn find(&self, request: &Request) -> Option<&Operation> {
        let path = request.extensions().get::<MatchedPath>()?;
        let method = match *request.method() {
            Method::HEAD => "GET",
            ref method => method.as_str(),
        };
        self.0.get(path.as_str())?.get(method)
    }
}

fn methods(item: &PathItem) -> BTreeMap<&'static str, Operation> {
    let all = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let described = all.into_iter().filter_map(|(method, one)| Some((method, one.as_ref()?)));
    described.map(|(method, one)| (method, Operation::of(one))).collect()
}

impl Operation {
    fn of(described: &Described) -> Self {
        let parameters = described.parameters.iter().flatten();
        let query = parameters.filter_map(|parameter| match parameter {
            RefOr::T(one) if one.parameter_in == ParameterIn::Query => Some(one.name.clone()),
            RefOr::T(_) | RefOr::Ref(_) => None,
        });
        let scope = match declared(described).as_deref() {
            Some([]) => None,
            // An operation that names no scope, or one that does not exist, is nobody's.
            Some(_) | None => Some(scope_of(described).unwrap_or(Scope::Admin)),
        };
        let name = described.operation_id.clone().unwrap_or_default();
        Self { name, scope, query: query.collect() }
    }
}

/// The scope in the security requirement of an operation.
pub(crate) fn scope_of(described: &Described) -> Option<Scope> {
    declared(described)?.first()?.parse().ok()
}

/// The scopes in the security requirement of an operation.
fn declared(described: &Described) -> Option<Vec<String>> {
    let requirement = described.security.iter().flatten().next()?;
    let value = serde_json::to_value(requirement).ok()?;
    let scopes = value.as_object()?.values().next()?.as_array()?;
    Some(scopes.iter().filter_map(|scope| scope.as_str().map(str::to_owned)).collect())
}

/// Middleware: refuses parameters that the operation does not have.
pub(crate) async fn check_query(
    operations: Operations,
    request: Request,
    next: Next,
) -> Answer<Response> {
    let is_v1 = request.uri().path().starts_with("/v1/");
    let query = request.uri().query().filter(|_| is_v1);
    if let (Some(query), Some(operation)) = (query, operations.find(&request)) {
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            if !operation.query.contains(&*name) {
                return Err(unknown(&name, &operation.query));
            }
        }
    }
    Ok(next.run(request).await)
}

fn unknown(name: &str, known: &BTreeSet<String>) -> Problem {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let reason = match known.as_slice() {
        [] => "is not a parameter of this operation; it has none".to_owned(),
        known => format!("is not a parameter of this operation: it has {}", known.join(", ")),
    };
    let name: String = name.chars().take(64).collect();
    Problem::parameter(&name, FieldCode::Unknown, reason)
}
