use serde_json::{Value, json};

use crate::fixture::{TestApi, id};

async fn records(api: &TestApi, query: &str) -> Vec<(String, Value)> {
    let list = api.get(&format!("/v1/audit-log?{query}")).await.ok();
    let items = list["items"].as_array().unwrap();
    let record =
        |one: &Value| (one["operation"].as_str().unwrap().to_owned(), one["subject"].clone());
    items.iter().map(record).collect()
}

#[tokio::test]
async fn each_hour_has_one_record_of_who_did_what_with_what() {
    let api = TestApi::new().await;
    let contact = id(&api.post("/v1/contacts", json!({"addresses": ["+573001234567"]})).await.ok());
    for _ in 0..3 {
        api.get(&format!("/v1/contacts/{contact}")).await.ok();
    }
    let query = format!("subject={contact}");
    let mut found = records(&api, &query).await;
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let operations: Vec<&str> = found.iter().map(|(operation, _)| &**operation).collect();
    assert_eq!(operations, ["createContact", "getContact"]);
    let all = api.get(&format!("/v1/audit-log?{query}&operation=getContact")).await.ok();
    let one = &all["items"][0];
    assert_eq!((&one["key_name"], &one["subject"]), (&json!("the admin key"), &json!(contact)));
    assert_eq!(&api.get(&format!("/v1/audit-log/{}", id(one))).await.ok(), one);

    api.advance(std::time::Duration::from_hours(1));
    api.get(&format!("/v1/contacts/{contact}")).await.ok();
    assert_eq!(records(&api, &format!("{query}&operation=getContact")).await.len(), 2);
    api.advance(std::time::Duration::from_hours(24 * 40));
    assert_eq!(records(&api, &format!("{query}&operation=getContact")).await.len(), 2);
    let since = format!("{query}&created_after=2030-01-01T00:00:00Z");
    assert_eq!(records(&api, &since).await, []);
}

#[tokio::test]
async fn a_search_is_recorded_with_the_contact_and_never_with_the_address() {
    let api = TestApi::new().await;
    let address = json!({"address": "+573001234567"});
    let contact = id(&api.post("/v1/contacts", json!({"addresses": ["+573001234567"]})).await.ok());
    api.post("/v1/contacts/search", address).await.ok();
    api.get("/v1/contacts/+573001234567").await.assert_problem(404, "");
    api.call(http::Method::POST, "/v1/contacts/573001234567/erase", None).await;
    let log = api.get("/v1/audit-log?limit=500").await;
    assert!(!String::from_utf8_lossy(&log.bytes).contains("3001234567"), "{log:?}");
    let found = records(&api, &format!("subject={contact}&operation=searchContacts")).await;
    assert_eq!(found, [("searchContacts".to_owned(), json!(contact))]);
}

#[tokio::test]
async fn nothing_is_shown_or_changed_that_cannot_be_recorded() {
    let mut api = TestApi::new().await;
    api.get("/v1/channels").await.ok();
    api.stop_engines();
    // It needs nothing from the table, and this hour has its record.
    api.get("/v1/channels").await.ok();
    api.advance(std::time::Duration::from_hours(1));
    api.get("/v1/channels").await.assert_problem(503, "");
}
