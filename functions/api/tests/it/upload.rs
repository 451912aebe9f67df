use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use carillon::channel::event::Choice;
use carillon::contact::store::record_preference;
use serde_json::{Value, json};

use crate::fixture::{TestApi, phones_csv, request};

fn counts(report: &Value) -> [u64; 4] {
    ["added", "duplicates", "suppressed", "invalid_total"]
        .map(|name| report[name].as_u64().unwrap())
}

#[tokio::test]
async fn valid_rows_are_added_and_invalid_ones_are_listed() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let file = "\u{feff}Celular;Nombre\r\n300 123 4567;Ana\r\n\r\nmaria;María\r\n+57 300 123 4568;\"Pérez; Luis\"\r\n+573001234567;Ana again\r\n12;short\r\n";
    let report = api.upload_csv(&id, file).await.ok();
    assert_eq!(counts(&report), [2, 1, 0, 2]);
    assert_eq!(
        report["invalid"],
        json!([
            {"line": 4, "value": "maria", "reason": "not a valid phone number"},
            {"line": 7, "value": "12", "reason": "the number is too short: write it with its area code"},
        ])
    );
    let stored = api.get(&format!("/v1/campaigns/{id}/recipients")).await.ok();
    let names: Vec<_> =
        stored["items"].as_array().unwrap().iter().map(|r| &r["columns"]["nombre"]).collect();
    assert!(names.contains(&&json!("Pérez; Luis")), "{names:?}");
}

#[tokio::test]
async fn the_same_file_twice_or_at_once_adds_each_contact_once() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let file = phones_csv(500);
    let (one, other) =
        tokio::join!(api.upload_csv(&id, file.clone()), api.upload_csv(&id, file.clone()));
    let (one, other) = (counts(&one.ok()), counts(&other.ok()));
    assert_eq!((one[0] + other[0], one[1] + other[1]), (500, 500));
    assert_eq!(counts(&api.upload_csv(&id, file).await.ok()), [0, 500, 0, 0]);
}

#[tokio::test]
async fn suppressed_contacts_are_stored_as_skipped() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    api.post("/v1/suppressions", json!({"address": "+573001234567"})).await.ok();
    let opted_out = api.contact_path("+573001234568").await;
    let opted_out = opted_out.trim_start_matches("/v1/contacts/").parse().unwrap();
    let now = api.clock.now();
    record_preference(&api.table, opted_out, Choice::Stop, now).await.unwrap();
    let report =
        api.upload_csv(&id, "phone\n+573001234567\n+573001234568\n+573001234569\n").await.ok();
    assert_eq!(counts(&report), [1, 0, 2, 0]);
    let skipped = api.get(&format!("/v1/campaigns/{id}/recipients?status=skipped")).await.ok();
    let mut reasons: Vec<_> = skipped["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["skip_reason"].as_str().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["blacklisted", "opted_out"]);
}

#[tokio::test]
async fn a_file_without_a_phone_column_adds_nothing() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let response = api.upload_csv(&id, "name,city\nAna,Cali\n").await;
    response.assert_problem(422, "it has name, city; expected one of phone");
    assert_eq!(response.json["code"], "upload_unreadable");
    api.upload_csv(&id, "").await.assert_problem(422, "empty");
    let list = api.get(&format!("/v1/campaigns/{id}/recipients")).await.ok();
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_line_of_invalid_utf8_is_an_invalid_row() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let file = b"phone,name\n+573001234567,Jos\xe9\n+573001234568,Ana\n".as_slice();
    let report = api.upload_csv(&id, Body::from(file)).await.ok();
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert_eq!(report["invalid"][0]["line"], 2);
}

#[tokio::test]
async fn a_json_array_and_json_lines_are_accepted() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let array = json!([
        {"phone": "+573001234567", "First Name": "Ana", "age": 30},
        {"bsuid": "CO.13491208655302741918"},
        {"name": "nobody"},
    ]);
    let report = api.upload(&id, "application/json", array.to_string()).await.ok();
    assert_eq!(counts(&report), [2, 0, 0, 1]);
    assert_eq!(report["invalid"][0]["line"], 3);
    let lines = "{\"contact\": \"+573001234567\"}\n{\"contact\": \"3001234560\"}\nnot json\n";
    let report = api.upload(&id, "application/x-ndjson", lines).await.ok();
    assert_eq!(counts(&report), [1, 1, 0, 1]);
    let object = api.upload(&id, "application/json", "{\"phone\": \"+57\"}").await;
    object.assert_problem(422, "Expected a JSON array of objects");
    api.upload(&id, "image/png", "x").await.assert_problem(415, "text/csv");
}

#[tokio::test]
async fn the_default_country_can_be_given_with_the_upload() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({"default_country": null})).await;
    let report = api.upload_csv(&id, "phone\n55 1234 5678\n").await.ok();
    assert!(report["invalid"][0]["reason"].as_str().unwrap().contains("default_country"));
    let path = format!("/v1/campaigns/{id}/recipients?default_country=mx");
    let upload = request(Method::POST, &path).header("content-type", "text/csv");
    let report = api.send(upload.body(Body::from("phone\n55 1234 5678\n")).unwrap()).await.ok();
    assert_eq!(counts(&report), [1, 0, 0, 0]);
    let path = format!("/v1/campaigns/{id}/recipients?default_country=Mexico");
    let upload = request(Method::POST, &path).header("content-type", "text/csv");
    let response = api.send(upload.body(Body::from("phone\n")).unwrap()).await;
    response.assert_problem(422, "two-letter ISO country");
}

#[tokio::test]
async fn an_interrupted_upload_keeps_the_rows_it_received() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let chunks = [
        Ok(Bytes::from_static(b"phone\n+573001234567\n+5730012")),
        Err(std::io::Error::other("reset")),
    ];
    let response = api.upload_csv(&id, Body::from_stream(futures::stream::iter(chunks))).await;
    response.assert_problem(400, "broke off");
    assert_eq!(response.json["report"]["added"], 1);
    assert_eq!(api.imports(&id).await[0].added, 1);
}

#[tokio::test]
async fn an_upload_of_more_than_64_mib_keeps_the_rows_up_to_the_limit() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    let head = std::iter::once(Bytes::from_static(b"phone,name\n+573001234567,Ana\n"));
    let blank = Bytes::from("\n".repeat(1024 * 1024));
    let chunks = head.chain(std::iter::repeat_n(blank, 65)).map(Ok::<_, std::io::Error>);
    let response = api.upload_csv(&id, Body::from_stream(futures::stream::iter(chunks))).await;
    response.assert_problem(413, "split the rest into smaller files");
    assert_eq!(response.json["report"]["added"], 1);
}

#[tokio::test]
async fn a_cancelled_campaign_takes_no_recipients() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    api.cancel(&id).await.ok();
    let response = api.upload_csv(&id, "phone\n+573001234567\n").await;
    response.assert_problem(409, "The campaign is cancelled: it cannot be given more recipients");
    let unknown = "cmp_01890a5d-ac96-774b-bcce-b302099a8057";
    api.upload_csv(unknown, "phone\n").await.assert_problem(404, "no such campaign");
}

#[tokio::test]
async fn an_import_records_its_columns_and_countries() {
    let api = TestApi::new().await;
    let id = api.campaign(json!({})).await;
    api.upload_csv(&id, "phone,name\n+573001234567,\n+525512345678,Ana\nbad,x\n").await.ok();
    let imports = api.imports(&id).await;
    assert_eq!(imports[0].added, 2);
    assert_eq!(imports[0].columns["name"].first_empty, [2]);
    let countries: Vec<_> = imports[0].countries.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(countries, [("CO", 1), ("MX", 1)]);
    assert!(api.stored_campaign(&id).await.uploading_until.is_some());
}

/// The upload extends its announcement every 30 seconds, and reads the campaign's
/// status then.
#[tokio::test]
async fn cancelling_the_campaign_stops_its_upload() {
    let api = TestApi::with_clock_rate(300.0).await;
    let id = api.campaign(json!({})).await;
    let (sender, body) = futures::channel::mpsc::unbounded();
    let send = |text: &'static str| {
        sender.unbounded_send(Ok::<_, std::io::Error>(Bytes::from_static(text.as_bytes())))
    };
    send("phone\n+573001234567\n").unwrap();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        api.cancel(&id).await.ok();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Fails where the upload has stopped already.
        let _ = send("+573001234568\n");
        sender.close_channel();
    };
    let (response, ()) = tokio::join!(api.upload_csv(&id, Body::from_stream(body)), cancel);
    response.assert_problem(409, "The campaign is cancelled");
    assert_eq!(counts(&response.json["report"])[0], 1);
    assert_eq!(api.imports(&id).await[0].added, 1);
}

/// So that a crash of the process loses no record of an import.
#[tokio::test]
async fn an_import_is_recorded_while_its_upload_continues() {
    let api = TestApi::with_clock_rate(300.0).await;
    let id = api.campaign(json!({})).await;
    let (sender, body) = futures::channel::mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    sender.unbounded_send(Ok(Bytes::from_static(b"phone\n+573001234567\n"))).unwrap();
    let check = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(api.imports(&id).await[0].added, 1);
        sender.close_channel();
    };
    let (response, ()) = tokio::join!(api.upload_csv(&id, Body::from_stream(body)), check);
    response.ok();
}
