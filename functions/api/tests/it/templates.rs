use serde_json::{Value, json};

use crate::fixture::TestApi;

fn template(name: &str, language: &str) -> Value {
    json!({
        "name": name, "language": language, "category": "MARKETING", "parameter_format": "NAMED",
        "components": [
            {"type": "BODY", "text": "Hola {{first_name}}, mira.",
             "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Ana"}]}},
            {"type": "FOOTER", "text": "Carillon"}
        ]
    })
}

#[tokio::test]
async fn a_template_can_be_created_read_and_deleted() {
    let api = TestApi::new().await;
    assert_eq!(api.post("/v1/templates", template("promo", "es")).await.status, 201);
    api.post("/v1/templates", template("promo", "es")).await.assert_problem(409, "promo in es");
    api.post("/v1/templates", template("promo", "en_US")).await.ok();
    let shown = api.get("/v1/templates/promo?language=es").await.ok();
    assert_eq!(shown, template("promo", "es"));
    api.get("/v1/templates/promo").await.assert_problem(422, "language");
    assert_eq!(api.delete("/v1/templates/promo?language=es").await.status, 204);
    api.delete("/v1/templates/promo?language=es").await.assert_problem(404, "no such template");
    api.get("/v1/templates/promo?language=es").await.assert_problem(404, "no such template");
}

#[tokio::test]
async fn a_template_that_breaks_metas_rules_is_refused() {
    let api = TestApi::new().await;
    let mut bad = template("Promo!", "es");
    bad["components"][0]["text"] = json!("{{first_name}}");
    let response = api.post("/v1/templates", bad).await;
    response.assert_problem(422, "name must be 1 to 512 small letters");
    assert!(response.json["errors"].as_array().unwrap().len() >= 2);
}

/// A template is stored as it came; the table does not take all of JSON.
#[tokio::test]
async fn what_the_table_cannot_store_is_named() {
    let api = TestApi::new().await;
    let mut deep = json!(1);
    for _ in 0..30 {
        deep = json!([deep]);
    }
    for (more, pointer) in [
        (json!({"": 1}), "/more"),
        (json!([{"large": 1e200}]), "/more/0/large"),
        (json!({"small": -1e-200}), "/more/small"),
        (deep, "/more/0/0/0"),
    ] {
        let mut given = template("promo", "es");
        given["more"] = more;
        let response = api.post("/v1/templates", given).await;
        response.assert_problem(422, "more");
        let found = response.json["errors"][0]["pointer"].as_str().unwrap();
        assert!(found.starts_with(pointer), "{found}");
    }
    let mut given = template("promo", "es");
    given["more"] = json!({"zero": 0, "float": 0.5, "text": "", "list": []});
    assert_eq!(api.post("/v1/templates", given).await.status, 201);
}

#[tokio::test]
async fn pages_together_hold_every_item_once() {
    let api = TestApi::new().await;
    for name in ["c", "a", "b"] {
        api.post("/v1/templates", template(name, "es")).await.ok();
    }
    let first = api.get("/v1/templates?limit=2").await.ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api.get(&format!("/v1/templates?limit=2&cursor={cursor}")).await.ok();
    let names: Vec<_> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|template| template["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(second["next_cursor"], json!(null));
}

#[tokio::test]
async fn a_preview_renders_the_message() {
    let api = TestApi::new().await;
    api.post("/v1/templates", template("promo", "es")).await.ok();
    let path = "/v1/templates/promo/preview";
    let by_name = json!({"language": "es", "variables": {"first_name": "Luis"}});
    let shown = api.post(path, by_name).await.ok();
    assert_eq!(
        (&shown["body"], &shown["footer"]),
        (&json!("Hola Luis, mira."), &json!("Carillon"))
    );
    let parameters =
        json!([{"type": "text", "parameter_name": "first_name", "text": "{name|you}"}]);
    let body =
        json!({"language": "es", "components": [{"type": "body", "parameters": parameters}]});
    assert_eq!(api.post(path, body).await.ok()["body"], "Hola you, mira.");
    let bare = api.post(path, json!({"language": "es"})).await.ok();
    assert_eq!(bare["body"], "Hola {{first_name}}, mira.");
    api.post(path, json!({"language": "de"})).await.assert_problem(404, "no such template");
}

/// A sort key is at most 1,024 bytes long.
#[tokio::test]
async fn a_name_that_is_no_key_is_not_said_to_be_a_fault_of_the_table() {
    let api = TestApi::new().await;
    let name = "x".repeat(1_100);
    let response = api.get(&format!("/v1/templates/{name}?language=es")).await;
    response.assert_problem(422, "too large");
    assert_eq!(response.json["code"], "not_storable");
    assert!(response.header("retry-after").is_none(), "a repetition does not help");
}
