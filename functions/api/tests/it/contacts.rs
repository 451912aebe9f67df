use axum::http::Method;

use crate::fixture::TestApi;

#[tokio::test]
async fn a_contact_can_be_blacklisted_and_unblacklisted() {
    let api = TestApi::new().await;
    api.get("/v1/contacts/%2B573001234567").await.assert_problem(404, "no such contact");
    let path = "/v1/contacts/573001234567/blacklist";
    api.delete(path).await.assert_problem(404, "no such contact");
    let listed = api.call(Method::PUT, path, None).await.ok();
    assert_eq!(listed["key"], "+573001234567");
    assert!(listed["blacklisted_at"].is_string());
    let shown = api.get("/v1/contacts/+573001234567").await.ok();
    assert_eq!(shown["blacklisted_at"], listed["blacklisted_at"]);
    let cleared = api.delete(path).await.ok();
    assert_eq!(cleared.get("blacklisted_at"), None);
}

#[tokio::test]
async fn a_contact_key_is_a_phone_number_or_a_bsuid() {
    let api = TestApi::new().await;
    let path = "/v1/contacts/CO.13491208655302741918/blacklist";
    assert_eq!(api.call(Method::PUT, path, None).await.ok()["key"], "CO.13491208655302741918");
    for key in ["maria", "123", "co.1", "%23"] {
        let response = api.get(&format!("/v1/contacts/{key}")).await;
        assert_eq!(response.status, 422, "{key}");
        response.assert_problem(422, "key");
    }
}
