use axum::http::Method;

use crate::stage::Stage;

#[tokio::test]
async fn the_blacklist_is_kept() {
    let stage = Stage::set().await;
    stage.get("/v1/contacts/%2B573001234567").await.is_problem(404, "no such contact");
    let path = "/v1/contacts/573001234567/blacklist";
    stage.delete(path).await.is_problem(404, "no such contact");
    let listed = stage.call(Method::PUT, path, None).await.ok();
    assert_eq!(listed["key"], "+573001234567");
    assert!(listed["blacklisted_at"].is_string());
    let shown = stage.get("/v1/contacts/+573001234567").await.ok();
    assert_eq!(shown["blacklisted_at"], listed["blacklisted_at"]);
    let cleared = stage.delete(path).await.ok();
    assert_eq!(cleared.get("blacklisted_at"), None);
}

#[tokio::test]
async fn a_contact_is_a_phone_or_a_bsuid() {
    let stage = Stage::set().await;
    let path = "/v1/contacts/CO.13491208655302741918/blacklist";
    assert_eq!(stage.call(Method::PUT, path, None).await.ok()["key"], "CO.13491208655302741918");
    for key in ["maria", "123", "co.1", "%23"] {
        let answer = stage.get(&format!("/v1/contacts/{key}")).await;
        assert_eq!(answer.status, 422, "{key}");
        answer.is_problem(422, "key");
    }
}
