//! Media ids: who may send them, and how long.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, InboundContent, InboundMessage, Number};

use crate::fixture::{Fixture, NUMBER, PHONE};

const OTHER_NUMBER: &str = "800000000000002";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn image(id: &str) -> Value {
    json!({ "messaging_product": "whatsapp", "to": PHONE, "type": "image", "image": { "id": id } })
}

fn template_with_image(id: &str) -> Value {
    let parameters = json!([{ "type": "image", "image": { "id": id } }]);
    json!({
        "messaging_product": "whatsapp", "to": PHONE, "type": "template",
        "template": {
            "name": "any", "language": { "code": "en_US" },
            "components": [{ "type": "header", "parameters": parameters }],
        },
    })
}

async fn fixture() -> Fixture {
    let other = Number { id: OTHER_NUMBER.into(), ..Number::default() };
    let numbers = vec![Number::default(), other];
    let behaviour = Behaviour::no_webhooks();
    Fixture::new(Config { numbers, strict_numbers: true, behaviour, ..Config::default() }).await
}

#[tokio::test]
async fn an_uploaded_id_can_be_sent_for_thirty_days() {
    let fixture = fixture().await;
    let id = fixture.upload(NUMBER).await;
    fixture.clock.advance(30 * DAY_MS - 1);
    assert_eq!(fixture.code_of(NUMBER, &image(&id)).await, 200);
    assert_eq!(fixture.code_of(NUMBER, &template_with_image(&id)).await, 200);
    assert_eq!(fixture.get(&id).await.1["id"], id);
    fixture.clock.advance(1);
    assert_eq!(fixture.code_of(NUMBER, &image(&id)).await, 100);
    assert_eq!(fixture.get(&id).await.1["error"]["error_subcode"], 33);
    assert_eq!(fixture.delete(&id).await, 400);
}

#[tokio::test]
async fn an_unknown_or_deleted_id_is_refused_with_its_path() {
    let fixture = fixture().await;
    let id = fixture.upload(NUMBER).await;
    fixture.delete(&id).await;
    for unknown in [id.as_str(), "4490709327384033"] {
        let (status, body) = fixture.send(&image(unknown)).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!(100)));
        assert_eq!(
            body["error"]["message"],
            "(#100) Param image.id is not a valid whatsapp business account media attachment ID"
        );
    }
    let (_, body) = fixture.send(&template_with_image("1")).await;
    let path = "template['components'][0]['parameters'][0]['image']['id']";
    assert!(body["error"]["message"].as_str().unwrap().contains(path), "{body}");
    assert_eq!(fixture.simulator.summary().accepted, 0);
}

#[tokio::test]
async fn an_id_belongs_to_the_number_that_uploaded_it() {
    let fixture = fixture().await;
    let id = fixture.upload(OTHER_NUMBER).await;
    assert_eq!(fixture.code_of(NUMBER, &image(&id)).await, 100);
    assert_eq!(fixture.code_of(OTHER_NUMBER, &image(&id)).await, 200);
    let owned_by = |number: &str| format!("{id}?phone_number_id={number}");
    assert_eq!(fixture.get(&owned_by(OTHER_NUMBER)).await.0, 200);
    assert_eq!(fixture.get(&owned_by(NUMBER)).await.1["error"]["code"], 100);
    assert_eq!(fixture.delete(&owned_by(NUMBER)).await, 400);
    assert_eq!(fixture.delete(&owned_by(OTHER_NUMBER)).await, 200);
}

#[tokio::test]
async fn without_strictness_any_id_is_accepted() {
    let behaviour = Behaviour::no_webhooks();
    let config = Config { strict_media: false, behaviour, ..Config::default() };
    let fixture = Fixture::new(config).await;
    assert_eq!(fixture.code_of(NUMBER, &image("1")).await, 200);
}

#[tokio::test]
async fn media_from_a_user_lives_for_seven_days_and_cannot_be_sent() {
    let fixture = fixture().await;
    let picture = InboundContent::Image { caption: None };
    fixture.simulator.send_inbound(InboundMessage::new(PHONE, picture));
    fixture.wait_for_due_events().await;
    let image_object = &fixture.receiver.messages()[0]["image"];
    let id = image_object["id"].as_str().unwrap();
    assert_eq!(fixture.code_of(NUMBER, &image(id)).await, 100);
    let (_, info) = fixture.get(id).await;
    let download = fixture.http.get(info["url"].as_str().unwrap()).bearer_auth("t");
    assert_eq!(download.send().await.unwrap().status(), 200);
    fixture.clock.advance(7 * DAY_MS);
    assert_eq!(fixture.get(id).await.0, 400);
}

#[tokio::test]
async fn a_download_url_is_valid_for_five_minutes() {
    let fixture = fixture().await;
    let id = fixture.upload(NUMBER).await;
    let (_, info) = fixture.get(&id).await;
    let url = info["url"].as_str().unwrap();
    for (wait, status) in [(299_999, 200), (1, 400)] {
        fixture.clock.advance(wait);
        let response = fixture.http.get(url).bearer_auth("t").send().await.unwrap();
        assert_eq!(response.status(), status);
    }
}
