use carillon::contact;
use serde_json::json;

use crate::fixture::{TestApi, id};

#[tokio::test]
async fn a_contact_can_be_blacklisted_and_unblacklisted() {
    let api = TestApi::new().await;
    let unknown = "/v1/contacts/ctc_01890a5d-ac96-774b-bcce-b302099a8057";
    api.get(unknown).await.assert_problem(404, "no such contact");
    let missing = "/v1/suppressions/sup_blacklisted_01890a5d-ac96-774b-bcce-b302099a8057";
    api.delete(missing).await.assert_problem(404, "no such contact");
    let path = api.contact_path("+573001234567").await;
    let made = api.post("/v1/suppressions", json!({"address": "+573001234567"})).await;
    assert_eq!(made.status, 201);
    let suppression = made.ok();
    assert_eq!(format!("/v1/contacts/{}", suppression["contact_id"].as_str().unwrap()), path);
    let expected = json!(["blacklisted", "all", "api"]);
    assert_eq!(
        json!([suppression["reason"], suppression["scope"], suppression["source"]]),
        expected
    );
    assert_eq!(api.get(&path).await.ok()["blacklisted_at"], suppression["created_at"]);
    let again = json!({"contact_id": suppression["contact_id"]});
    let repeated = api.post("/v1/suppressions", again).await;
    assert_eq!(repeated.status, 200);
    assert_eq!(repeated.ok(), suppression);
    assert_eq!(api.get("/v1/suppressions").await.ok()["items"], json!([suppression]));
    let filtered = api.get("/v1/suppressions?reason=opted_out").await.ok();
    assert_eq!(filtered["items"], json!([]));
    let one = format!("/v1/suppressions/{}", id(&suppression));
    assert_eq!(api.get(&one).await.ok(), suppression);
    assert_eq!(api.delete(&one).await.status, 204);
    api.get(&one).await.assert_problem(404, "no such suppression");
    assert_eq!(api.get(&path).await.ok()["blacklisted_at"], json!(null));
    assert_eq!(api.get("/v1/suppressions").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn a_page_of_suppressions_has_no_more_than_were_asked_for() {
    let api = TestApi::new().await;
    let mut all = Vec::new();
    for n in 0..3 {
        let phone = crate::fixture::phone(n);
        let made = api.post("/v1/suppressions", json!({"address": phone})).await.ok();
        let contact = made["contact_id"].as_str().unwrap().parse().unwrap();
        let stop = carillon::channel::event::Choice::Stop;
        contact::store::record_preference(&api.table, contact, stop, api.clock.now())
            .await
            .unwrap();
        all.extend([id(&made), id(&made).replace("blacklisted", "opted_out")]);
    }
    all.sort_by_key(|id| id.rsplit('_').next().map(str::to_owned));
    for limit in [1, 2, 3, 4, 500] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/suppressions?limit={limit}&cursor={cursor}");
            let page = api.get(&path).await.ok();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            found.extend(items.iter().map(id));
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(found, all, "{limit}");
    }
    let opted_out = format!("/v1/suppressions/{}", all[1]);
    api.delete(&opted_out).await.assert_problem(409, "only they can opt in");
}

#[tokio::test]
async fn a_contact_is_found_by_each_of_its_addresses_and_created_once() {
    let api = TestApi::new().await;
    let search = |address: &'static str| {
        let api = &api;
        async move {
            let found = api.post("/v1/contacts/search", json!({"address": address})).await.ok();
            found["items"].as_array().unwrap().first().map(id)
        }
    };
    assert_eq!(search("+525512345678").await, None);
    let both = json!({"addresses": ["+5215512345678", "MX.13491208655302741918"]});
    let contact = id(&api.post("/v1/contacts", both.clone()).await.ok());
    assert_eq!(id(&api.post("/v1/contacts", both).await.ok()), contact);
    for address in ["+525512345678", "+5215512345678", "MX.13491208655302741918"] {
        assert_eq!(search(address).await.as_ref(), Some(&contact), "{address}");
    }
    for address in ["maria", "123", "co.1", "#"] {
        let response = api.post("/v1/contacts/search", json!({"address": address})).await;
        assert_eq!(response.status, 422, "{address}");
        response.assert_problem(422, "address");
    }
    api.post("/v1/contacts", json!({"addresses": []})).await.assert_problem(422, "1 to 10");
}

#[tokio::test]
async fn contacts_that_are_one_person_are_merged_and_a_wrong_merge_is_split() {
    let api = TestApi::new().await;
    let (phone, bsuid) = ("+573001234567", "CO.13491208655302741918");
    let [one, other] = [api.contact_path(phone).await, api.contact_path(bsuid).await];
    let (own, brought) = if one < other { (phone, bsuid) } else { (bsuid, phone) };
    let other_id = other.trim_start_matches("/v1/contacts/");
    api.post("/v1/suppressions", json!({"contact_id": other_id})).await.ok();
    let merge = json!({"contact_id": other_id});
    let survivor = api.post(&format!("{one}/merge"), merge).await.ok();
    assert_eq!(survivor["addresses"], json!([phone, bsuid]));
    assert!(survivor["blacklisted_at"].is_string(), "{survivor}");
    assert_eq!(api.get(&one).await.ok(), survivor);
    assert_eq!(api.get(&other).await.ok(), survivor);

    let (kept, split) = (one.clone().min(other), json!({"addresses": [brought]}));
    let response = api.post(&format!("{kept}/split"), split.clone()).await;
    assert_eq!(response.status, 201, "{}", response.text());
    let found = api.post("/v1/contacts/search", json!({"address": brought})).await.ok();
    assert_ne!(id(&found["items"][0]), id(&survivor));
    assert!(found["items"][0]["blacklisted_at"].is_string(), "{found}");
    assert_eq!(api.get(&kept).await.ok()["addresses"], json!([own]));
    let again = api.post(&format!("{kept}/split"), split).await;
    assert_eq!(id(&again.ok()), id(&found["items"][0]));
    let whole = api.contact_path("+573009999999").await;
    let all = json!({"addresses": ["+573009999999"]});
    api.post(&format!("{whole}/split"), all).await.assert_problem(422, "not all");
    let none = json!({"addresses": []});
    api.post(&format!("{whole}/split"), none).await.assert_problem(422, "must be some");
}

#[tokio::test]
async fn who_has_the_contact_of_a_wrong_merge_keeps_it_and_the_other_person_gets_a_new_one() {
    let api = TestApi::new().await;
    let (phone, bsuid) = ("+573001234567", "CO.13491208655302741918");
    let [one, other] = [api.contact_path(phone).await, api.contact_path(bsuid).await];
    let (survivor, own, brought) =
        if one < other { (one, phone, bsuid) } else { (other, bsuid, phone) };
    api.post("/v1/contacts", json!({"addresses": [phone, bsuid]})).await.ok();
    let path = format!("{survivor}/split");
    for _ in 0..2 {
        let kept = api.post(&path, json!({"addresses": [own]})).await.ok();
        assert_eq!(format!("/v1/contacts/{}", kept["id"].as_str().unwrap()), survivor);
        assert_eq!(kept["addresses"], json!([own]));
        let found = api.post("/v1/contacts/search", json!({"address": brought})).await.ok();
        assert_ne!(found["items"][0]["id"], kept["id"]);
        assert_eq!(found["items"][0]["addresses"], json!([brought]));
    }
}
