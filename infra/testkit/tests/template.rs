//! `template.yaml` and the code describe the same table.

use std::path::Path;

use carillon::table::Shape;
use serde_norway::Value;

fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let text = std::fs::read_to_string(path).expect("template.yaml");
    serde_norway::from_str(&text).expect("YAML")
}

fn table() -> Value {
    let resources = template()["Resources"].clone();
    let resources = resources.as_mapping().expect("resources");
    let mut tables = resources.values().filter(|r| r["Type"] == "AWS::DynamoDB::Table");
    let table = tables.next().expect("a table")["Properties"].clone();
    assert!(tables.next().is_none(), "one table");
    table
}

fn keys(schema: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let schema = schema.as_sequence().expect("a key schema");
    schema.iter().map(|key| (text(&key["AttributeName"]), text(&key["KeyType"]))).collect()
}

fn pair(hash: &str, range: &str) -> Vec<(String, String)> {
    vec![(hash.to_owned(), "HASH".to_owned()), (range.to_owned(), "RANGE".to_owned())]
}

#[test]
fn the_keys_and_indexes_agree() {
    let table = table();
    assert_eq!(keys(&table["KeySchema"]), pair(Shape::PK, Shape::SK));
    let indexes = table["GlobalSecondaryIndexes"].as_sequence().expect("indexes");
    let index = |name: &str| indexes.iter().find(|i| i["IndexName"] == name).expect("an index");
    let by_contact = index(Shape::BY_CONTACT);
    assert_eq!(keys(&by_contact["KeySchema"]), pair(Shape::SK, Shape::SENT_AT));
    assert_eq!(by_contact["Projection"]["ProjectionType"], "KEYS_ONLY");
    let by_status = index(Shape::BY_STATUS);
    assert_eq!(keys(&by_status["KeySchema"]), pair(Shape::LISTED_AS, Shape::LISTED_AT));
    assert_eq!(by_status["Projection"]["ProjectionType"], "ALL");
    assert_eq!(indexes.len(), 2);
}

#[test]
fn the_table_has_its_stream_and_its_expiry() {
    let table = table();
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], Shape::TTL);
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn every_variable_a_function_is_given_is_one_we_read() {
    let known: Vec<&str> = carillon::config::VARIABLES.iter().map(|(name, _)| *name).collect();
    let text = serde_norway::to_string(&template()).expect("YAML");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| word.starts_with("CARILLON_")) {
        assert!(known.contains(&word), "{word} is in template.yaml and in no code");
    }
}
