//! One table over all operations: each with every scope, with and without `If-Match`,
//! `Idempotency-Key`, a member and a parameter that it does not have. What an operation takes is
//! read from the description, so that an operation which is added is tested too.

use std::collections::BTreeMap;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request};
use carillon::api_key::Scope;
use serde_json::{Value, json};

use crate::fixture::{Response, TestApi, id, phone, phones_csv};
use crate::openapi::{description, operations};

/// The operations whose answers are not kept for a repetition.
const WITH_SECRETS_OR_PEOPLE: [&str; 7] = [
    "createKey",
    "rotateKey",
    "createConnection",
    "testCampaign",
    "closeRecipient",
    "retryRecipient",
    "skipRecipient",
];

/// An operation as it is described.
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) tag: String,
    /// Its description.
    pub(crate) described: Value,
    scope: Option<Scope>,
    headers: Vec<String>,
    /// Whether its body is a JSON object of members that are listed.
    has_members: bool,
}

impl Operation {
    pub(crate) fn all() -> Vec<Self> {
        let description = description();
        let in_v1 = |(path, _, _): &(&str, &str, &Value)| path.starts_with("/v1/");
        let all = operations(&description).into_iter().filter(in_v1);
        all.map(|(path, method, described)| {
            let parameters = described["parameters"].as_array().into_iter().flatten();
            let headers = parameters.filter(|one| one["in"] == "header");
            let body = &described["requestBody"]["content"];
            // The whole body is the provider's document.
            let is_documented = described["operationId"] != "createTemplate";
            Self {
                name: described["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.to_owned(),
                tag: described["tags"][0].as_str().unwrap().to_owned(),
                described: described.clone(),
                scope: described["x-required-scope"].as_str().map(|scope| scope.parse().unwrap()),
                headers: headers.map(|one| one["name"].as_str().unwrap().to_owned()).collect(),
                has_members: body["application/json"]["schema"]["$ref"].is_string()
                    && is_documented,
            }
        })
        .collect()
    }

    fn takes(&self, header: &str) -> bool {
        self.headers.iter().any(|name| name == header)
    }
}

/// An API that has one of everything.
pub(crate) struct Stage {
    api: TestApi,
    ids: BTreeMap<&'static str, String>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let api = TestApi::new().await;
        let connection = api.connection_with(json!({"quota_group": "portfolio"})).await;
        let campaign = api.campaign_on(&connection, json!({})).await;
        api.upload_csv(&campaign, phones_csv(2)).await.ok();
        let recipient = api.recipient_path(&campaign, &phone(0)).await;
        let contact = recipient.rsplit('/').next().unwrap().to_owned();
        let bulk = format!("/v1/campaigns/{campaign}/recipients/bulk");
        let job = id(&api.post(&bulk, json!({"action": "skip", "dry_run": true})).await.ok());
        let listed = api.post("/v1/suppressions", json!({"contact_id": contact})).await.ok();
        let key = id(&api.post("/v1/keys", json!({"name": "k", "scopes": ["read"]})).await.ok());
        api.post("/v1/templates", template()).await.ok();
        let log = api.get("/v1/audit-log?operation=createTemplate").await.ok();
        let ids = BTreeMap::from([
            ("/v1/campaigns", campaign),
            ("/v1/contacts", contact),
            ("/v1/connections", connection),
            ("/v1/keys", key),
            ("/v1/jobs", job),
            ("/v1/suppressions", id(&listed)),
            ("/v1/audit-log", id(&log["items"][0])),
            ("/v1/templates", "promo".to_owned()),
            ("/v1/queues", "sends".to_owned()),
            ("/v1/quota-groups", "portfolio".to_owned()),
            // None can be uploaded without the provider.
            ("/v1/media", "med_01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
        ]);
        Self { api, ids }
    }

    /// The path of an operation, with the ids of this stage.
    pub(crate) fn path(&self, operation: &Operation) -> String {
        let (list, _) = operation.path.split_once("/{").unwrap_or((&operation.path, ""));
        let own = self.ids.get(list).map_or("", String::as_str);
        let path = operation.path.replace("{id}", own).replace("{name}", own);
        let path = path.replace("{contact}", &self.ids["/v1/contacts"]);
        assert!(!path.contains('{'), "{path} has an id that this test does not know");
        let query = match &*operation.name {
            "getTemplate" | "deleteTemplate" => "?language=es",
            "createConnection" => "?check=false",
            _ => "",
        };
        format!("{path}{query}")
    }

    /// A valid body of an operation.
    pub(crate) fn body(&self, operation: &Operation) -> Option<Value> {
        let connection = &self.ids["/v1/connections"];
        let contact = &self.ids["/v1/contacts"];
        Some(match &*operation.name {
            "createCampaign" => crate::fixture::campaign_body(connection),
            "createConnection" => crate::fixture::connection_body("800000000000002"),
            "createKey" => json!({"name": "other", "scopes": ["read"]}),
            "createContact" => json!({"addresses": ["+573009999999"]}),
            "createTemplate" => {
                let mut other = template();
                other["name"] = json!("other");
                other
            }
            "previewTemplate" => json!({"language": "es"}),
            "searchContacts" => json!({"address": phone(0)}),
            "createSuppression" | "mergeContacts" => json!({"contact_id": contact}),
            "splitContact" => json!({"addresses": [phone(0)]}),
            "bulkUpdateRecipients" => json!({"action": "skip"}),
            "testCampaign" => json!({"to": phone(1)}),
            "addRecipients" => json!([{"phone": phone(5)}]),
            _ if operation.method == Method::PATCH => json!({"name": "Renamed"}),
            _ if operation.method == Method::POST && operation.has_members => json!({}),
            _ => return None,
        })
    }

    pub(crate) async fn send(
        &self,
        operation: &Operation,
        with: &Request<()>,
        change: impl Fn(&mut Value),
    ) -> Response {
        let query = with.uri().query().map(|query| format!("&{query}")).unwrap_or_default();
        let path = self.path(operation);
        let path = if path.contains('?') || query.is_empty() {
            format!("{path}{query}")
        } else {
            format!("{path}?{}", &query[1..])
        };
        let mut request = crate::fixture::request(operation.method.clone(), &path);
        for (name, value) in with.headers() {
            request.headers_mut().unwrap().insert(name, value.clone());
        }
        let body = match self.body(operation) {
            Some(mut body) => {
                change(&mut body);
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.api.send(request.body(body).unwrap()).await
    }

    async fn plain(&self, operation: &Operation, header: (&str, &str)) -> Response {
        let with = Request::builder().header(header.0, header.1).body(()).unwrap();
        self.send(operation, &with, |_| {}).await
    }
}

fn template() -> Value {
    json!({
        "name": "promo", "language": "es", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Hola"}]
    })
}

#[tokio::test]
async fn every_operation_is_allowed_with_its_scope_alone() {
    let stage = Stage::set().await;
    let mut keys = BTreeMap::new();
    for scope in Scope::ALL {
        let made = stage.api.post("/v1/keys", json!({"name": scope, "scopes": [scope]})).await.ok();
        keys.insert(scope, made["key"].as_str().unwrap().to_owned());
    }
    for operation in Operation::all() {
        // The one that is allowed comes last: it may delete what the others name.
        let is_own = |scope: &Scope| operation.scope == Some(*scope);
        let (own, others): (Vec<_>, Vec<_>) = Scope::ALL.into_iter().partition(is_own);
        for scope in others.into_iter().chain(own) {
            let key = format!("Bearer {}", keys[&scope]);
            let response = stage.plain(&operation, ("authorization", &key)).await;
            let is_allowed = operation.scope.is_none_or(|needed| needed == scope);
            let status = response.status.as_u16();
            let name = &operation.name;
            assert_eq!(status == 403, !is_allowed, "{name} with {scope}: {response:?}");
            assert!(!matches!(status, 401 | 405 | 415 | 500), "{name} with {scope}: {response:?}");
            if status == 403 {
                assert_eq!(response.json["code"], "insufficient_scope", "{name}");
                let needed = operation.scope.unwrap().as_str();
                assert!(response.detail().contains(needed), "{name}: {}", response.detail());
            }
        }
        let without = stage.plain(&operation, ("authorization", "Basic eDp5")).await;
        without.assert_problem(401, "API key");
    }
}

#[tokio::test]
async fn every_change_with_an_if_match_is_refused_where_the_resource_has_changed() {
    let mut tried = 0;
    for operation in Operation::all().iter().filter(|one| one.takes("if-match")) {
        let stage = Stage::set().await;
        if operation.path.starts_with("/v1/media") {
            continue;
        }
        let stale = stage.plain(operation, ("if-match", "\"stale\"")).await;
        assert_eq!(stale.status, 412, "{}: {stale:?}", operation.name);
        assert!(stale.json["current"].is_object(), "{}: {stale:?}", operation.name);
        let path = stage.path(operation);
        let is_verb = operation.method == Method::POST;
        let resource = if is_verb { path.rsplit_once('/').unwrap().0 } else { &path };
        let etag = stage.api.get(resource).await.header("etag").unwrap().to_owned();
        let fresh = stage.plain(operation, ("if-match", &etag)).await;
        assert_ne!(fresh.status, 412, "{}: {fresh:?}", operation.name);
        tried += 1;
    }
    assert!(tried >= 18, "{tried}");
}

#[tokio::test]
async fn every_operation_with_an_idempotency_key_takes_effect_once() {
    let mut replayed = 0;
    for operation in Operation::all().iter().filter(|one| one.takes("idempotency-key")) {
        let stage = Stage::set().await;
        let key = ("idempotency-key", "once");
        let first = stage.plain(operation, key).await;
        let second = stage.plain(operation, key).await;
        let name = &operation.name;
        if first.status.is_success() {
            let is_kept = second.header("idempotent-replayed") == Some("true");
            let may_have_secret = WITH_SECRETS_OR_PEOPLE.contains(&&**name);
            let is_secret = may_have_secret && second.json["code"] == "answer_not_kept";
            assert!(is_kept || is_secret, "{name}: {second:?}");
            assert!(is_secret || second.json == first.json, "{name}: {second:?}");
            replayed += 1;
        } else {
            let replayed = second.header("idempotent-replayed");
            assert_eq!(replayed, None, "{name}: a refusal is not remembered");
        }
        let other = Request::builder().uri("/?x=1").header(key.0, key.1).body(()).unwrap();
        let other = stage.send(operation, &other, |_| {}).await;
        assert_eq!(other.status, 422, "{name}: {other:?}");
    }
    assert!(replayed >= 10, "{replayed}");
}

#[tokio::test]
async fn no_operation_takes_a_member_or_a_parameter_that_it_does_not_have() {
    let stage = Stage::set().await;
    for operation in Operation::all() {
        let asked = Request::builder().uri("/?surprise=1").body(()).unwrap();
        let response = stage.send(&operation, &asked, |_| {}).await;
        assert_eq!(response.status, 422, "{}: {response:?}", operation.name);
        assert_eq!(response.fields(), ["surprise"], "{}", operation.name);
        if !operation.has_members || operation.name == "addRecipients" {
            continue;
        }
        let plain = Request::builder().body(()).unwrap();
        let response = stage.send(&operation, &plain, |body| body["surprise"] = json!(1)).await;
        assert_eq!(response.status, 422, "{}: {response:?}", operation.name);
        assert!(response.fields().contains(&"surprise".to_owned()), "{}", operation.name);
    }
}

/// What this test knows of the API is no older than the API.
#[test]
fn every_operation_is_in_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes");
    let files = std::fs::read_dir(source).unwrap().map(|file| file.unwrap().path());
    let code: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let all = Operation::all();
    assert_eq!(code.matches("#[utoipa::path(").count(), all.len() + 5, "five are outside /v1");
}
