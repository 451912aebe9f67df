use serde_json::{Value, json};

use crate::stage::Stage;

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
async fn templates_are_made_shown_and_deleted() {
    let stage = Stage::set().await;
    assert_eq!(stage.post("/v1/templates", template("promo", "es")).await.status, 201);
    stage.post("/v1/templates", template("promo", "es")).await.is_problem(409, "promo in es");
    stage.post("/v1/templates", template("promo", "en_US")).await.ok();
    let shown = stage.get("/v1/templates/promo?language=es").await.ok();
    assert_eq!(shown, template("promo", "es"));
    stage.get("/v1/templates/promo").await.is_problem(400, "language");
    assert_eq!(stage.delete("/v1/templates/promo?language=es").await.status, 204);
    stage.delete("/v1/templates/promo?language=es").await.is_problem(404, "no such template");
    stage.get("/v1/templates/promo?language=es").await.is_problem(404, "no such template");
}

#[tokio::test]
async fn metas_rules_are_checked() {
    let stage = Stage::set().await;
    let mut bad = template("Promo!", "es");
    bad["components"][0]["text"] = json!("{{first_name}}");
    let answer = stage.post("/v1/templates", bad).await;
    answer.is_problem(422, "name must be 1 to 512 small letters");
    assert!(answer.json["errors"].as_array().unwrap().len() >= 2);
}

#[tokio::test]
async fn lists_go_page_by_page() {
    let stage = Stage::set().await;
    for name in ["c", "a", "b"] {
        stage.post("/v1/templates", template(name, "es")).await.ok();
    }
    let first = stage.get("/v1/templates?limit=2").await.ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = stage.get(&format!("/v1/templates?limit=2&cursor={cursor}")).await.ok();
    let names: Vec<_> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|template| template["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(second.get("next_cursor"), None);
}

#[tokio::test]
async fn a_preview_shows_what_a_contact_sees() {
    let stage = Stage::set().await;
    stage.post("/v1/templates", template("promo", "es")).await.ok();
    let path = "/v1/templates/promo/preview";
    let by_name = json!({"language": "es", "variables": {"first_name": "Luis"}});
    let shown = stage.post(path, by_name).await.ok();
    assert_eq!(
        (&shown["body"], &shown["footer"]),
        (&json!("Hola Luis, mira."), &json!("Carillon"))
    );
    let parameters =
        json!([{"type": "text", "parameter_name": "first_name", "text": "{name|you}"}]);
    let body =
        json!({"language": "es", "components": [{"type": "body", "parameters": parameters}]});
    assert_eq!(stage.post(path, body).await.ok()["body"], "Hola you, mira.");
    let bare = stage.post(path, json!({"language": "es"})).await.ok();
    assert_eq!(bare["body"], "Hola {{first_name}}, mira.");
    stage.post(path, json!({"language": "de"})).await.is_problem(404, "no such template");
}
