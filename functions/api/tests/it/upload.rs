use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use serde_json::{Value, json};

use crate::stage::{Stage, file_of, request};

fn counts(report: &Value) -> [u64; 4] {
    ["added", "duplicates", "suppressed", "invalid_total"]
        .map(|name| report[name].as_u64().unwrap())
}

#[tokio::test]
async fn good_rows_go_in_and_bad_ones_are_named() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let file = "\u{feff}Celular;Nombre\r\n300 123 4567;Ana\r\n\r\nmaria;María\r\n+57 300 123 4568;\"Pérez; Luis\"\r\n+573001234567;Ana again\r\n12;short\r\n";
    let report = stage.csv(&id, file).await.ok();
    assert_eq!(counts(&report), [2, 1, 0, 2]);
    assert_eq!(
        report["invalid"],
        json!([
            {"line": 4, "value": "maria", "reason": "not a valid phone number"},
            {"line": 7, "value": "12", "reason": "not a valid phone number"},
        ])
    );
    let stored = stage.get(&format!("/v1/campaigns/{id}/recipients")).await.ok();
    let names: Vec<_> =
        stored["items"].as_array().unwrap().iter().map(|r| &r["columns"]["nombre"]).collect();
    assert!(names.contains(&&json!("Pérez; Luis")), "{names:?}");
}

#[tokio::test]
async fn the_same_file_twice_adds_nothing() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let file = file_of(500);
    let (one, other) = tokio::join!(stage.csv(&id, file.clone()), stage.csv(&id, file.clone()));
    let (one, other) = (counts(&one.ok()), counts(&other.ok()));
    assert_eq!((one[0] + other[0], one[1] + other[1]), (500, 500));
    assert_eq!(counts(&stage.csv(&id, file).await.ok()), [0, 500, 0, 0]);
}

#[tokio::test]
async fn who_may_not_be_written_to_is_stored_as_skipped() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    stage.call(Method::PUT, "/v1/contacts/%2B573001234567/blacklist", None).await.ok();
    let gone: carillon::contact::ContactKey = "+573001234568".parse().unwrap();
    let now = stage.clock.now();
    carillon::contact::store::record_preference(&stage.table, &gone, true, now).await.unwrap();
    let report = stage.csv(&id, "phone\n+573001234567\n+573001234568\n+573001234569\n").await.ok();
    assert_eq!(counts(&report), [1, 0, 2, 0]);
    let skipped = stage.get(&format!("/v1/campaigns/{id}/recipients?status=skipped")).await.ok();
    let mut reasons: Vec<_> = skipped["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["reason"].as_str().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["blacklisted", "opted_out"]);
}

#[tokio::test]
async fn a_file_without_a_phone_column_stores_nothing() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let answer = stage.csv(&id, "name,city\nAna,Cali\n").await;
    answer.is_problem(422, "it has name, city; expected one of phone");
    assert!(answer.detail().ends_with("Nothing was added."), "{}", answer.detail());
    stage.csv(&id, "").await.is_problem(422, "empty");
    let list = stage.get(&format!("/v1/campaigns/{id}/recipients")).await.ok();
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn invalid_utf8_is_one_bad_line() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let file = b"phone,name\n+573001234567,Jos\xe9\n+573001234568,Ana\n".as_slice();
    let report = stage.csv(&id, Body::from(file)).await.ok();
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert_eq!(report["invalid"][0]["line"], 2);
}

#[tokio::test]
async fn json_in_both_forms() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let array = json!([
        {"phone": "+573001234567", "First Name": "Ana", "age": 30},
        {"bsuid": "CO.13491208655302741918"},
        {"name": "nobody"},
    ]);
    let report = stage.upload(&id, "application/json", array.to_string()).await.ok();
    assert_eq!(counts(&report), [2, 0, 0, 1]);
    assert_eq!(report["invalid"][0]["line"], 3);
    let lines = "{\"contact\": \"+573001234567\"}\n{\"contact\": \"3001234560\"}\nnot json\n";
    let report = stage.upload(&id, "application/x-ndjson", lines).await.ok();
    assert_eq!(counts(&report), [1, 1, 0, 1]);
    let object = stage.upload(&id, "application/json", "{\"phone\": \"+57\"}").await;
    object.is_problem(422, "Expected a JSON array of objects");
    stage.upload(&id, "image/png", "x").await.is_problem(415, "text/csv");
}

#[tokio::test]
async fn the_country_may_be_given_with_the_upload() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({"default_country": null})).await;
    let report = stage.csv(&id, "phone\n55 1234 5678\n").await.ok();
    assert!(report["invalid"][0]["reason"].as_str().unwrap().contains("default_country"));
    let path = format!("/v1/campaigns/{id}/recipients?default_country=mx");
    let upload = request(Method::POST, &path).header("content-type", "text/csv");
    let report = stage.send(upload.body(Body::from("phone\n55 1234 5678\n")).unwrap()).await.ok();
    assert_eq!(counts(&report), [1, 0, 0, 0]);
    let path = format!("/v1/campaigns/{id}/recipients?default_country=Mexico");
    let upload = request(Method::POST, &path).header("content-type", "text/csv");
    let answer = stage.send(upload.body(Body::from("phone\n")).unwrap()).await;
    answer.is_problem(400, "two-letter ISO country");
}

#[tokio::test]
async fn an_upload_that_breaks_off_keeps_what_came() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let chunks = [
        Ok(Bytes::from_static(b"phone\n+573001234567\n+5730012")),
        Err(std::io::Error::other("reset")),
    ];
    let answer = stage.csv(&id, Body::from_stream(futures::stream::iter(chunks))).await;
    answer.is_problem(400, "broke off");
    assert_eq!(answer.json["report"]["added"], 1);
    let imports = carillon::campaign::store::imports(&stage.table, id.parse().unwrap()).await;
    assert_eq!(imports.unwrap()[0].added, 1);
}

#[tokio::test]
async fn more_than_64_mib_is_refused_with_what_came() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    let head = std::iter::once(Bytes::from_static(b"phone,name\n+573001234567,Ana\n"));
    let blank = Bytes::from("\n".repeat(1024 * 1024));
    let chunks = head.chain(std::iter::repeat_n(blank, 65)).map(Ok::<_, std::io::Error>);
    let answer = stage.csv(&id, Body::from_stream(futures::stream::iter(chunks))).await;
    answer.is_problem(413, "split the rest into smaller files");
    assert_eq!(answer.json["report"]["added"], 1);
}

#[tokio::test]
async fn a_campaign_that_is_over_takes_nobody() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    stage.tell(&format!("/v1/campaigns/{id}/cancel")).await.ok();
    let answer = stage.csv(&id, "phone\n+573001234567\n").await;
    answer.is_problem(409, "The campaign is cancelled: it can't be given more recipients");
    let unknown = "cmp_01890a5d-ac96-774b-bcce-b302099a8057";
    stage.csv(unknown, "phone\n").await.is_problem(404, "no such campaign");
}

#[tokio::test]
async fn what_it_brought_is_noted_for_the_start() {
    let stage = Stage::set().await;
    let id = stage.campaign(json!({})).await;
    stage.csv(&id, "phone,name\n+573001234567,\n+525512345678,Ana\nbad,x\n").await.ok();
    let imports =
        carillon::campaign::store::imports(&stage.table, id.parse().unwrap()).await.unwrap();
    assert_eq!(imports[0].added, 2);
    assert_eq!(imports[0].columns["name"].first_empty, [2]);
    let countries: Vec<_> = imports[0].countries.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(countries, [("52", 1), ("57", 1)]);
    assert!(stage.stored(&id).await.uploading_until.is_some());
}

/// The upload says every 30 seconds that it goes on, and hears then that it must
/// not.
#[tokio::test]
async fn a_campaign_that_is_cancelled_meanwhile_stops_the_upload() {
    let stage = Stage::running(300.0).await;
    let id = stage.campaign(json!({})).await;
    let (sender, body) = futures::channel::mpsc::unbounded();
    let send = |text: &'static str| {
        sender.unbounded_send(Ok::<_, std::io::Error>(Bytes::from_static(text.as_bytes())))
    };
    send("phone\n+573001234567\n").unwrap();
    let meddle = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.tell(&format!("/v1/campaigns/{id}/cancel")).await.ok();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Nobody may be listening any more.
        let _ = send("+573001234568\n");
        sender.close_channel();
    };
    let (answer, ()) = tokio::join!(stage.csv(&id, Body::from_stream(body)), meddle);
    answer.is_problem(409, "The campaign is cancelled");
    assert_eq!(counts(&answer.json["report"])[0], 1);
    let imports = carillon::campaign::store::imports(&stage.table, id.parse().unwrap()).await;
    assert_eq!(imports.unwrap()[0].added, 1);
}

/// What was noted survives even when the process doesn't.
#[tokio::test]
async fn a_long_upload_is_noted_meanwhile() {
    let stage = Stage::running(300.0).await;
    let id = stage.campaign(json!({})).await;
    let (sender, body) = futures::channel::mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    sender.unbounded_send(Ok(Bytes::from_static(b"phone\n+573001234567\n"))).unwrap();
    let look = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let imports = carillon::campaign::store::imports(&stage.table, id.parse().unwrap()).await;
        assert_eq!(imports.unwrap()[0].added, 1);
        sender.close_channel();
    };
    let (answer, ()) = tokio::join!(stage.csv(&id, Body::from_stream(body)), look);
    answer.ok();
}
