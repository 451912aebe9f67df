//! The customer service window of each business number.

use serde_json::{Value, json};
use whatsapp_simulator::{Behaviour, Config, InboundContent, InboundMessage, Limits, Number};

use crate::fixture::{Fixture, NUMBER, PHONE, text};

const OTHER_NUMBER: &str = "800000000000002";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

async fn fixture(limits: Limits) -> Fixture {
    let limits = Limits { service_window: true, ..limits };
    let other = Number { id: OTHER_NUMBER.into(), ..Number::default() };
    let numbers = vec![Number::default(), other];
    Fixture::new(Config { limits, numbers, ..Config::default() }).await
}

#[tokio::test]
async fn a_message_opens_only_the_window_of_its_number() {
    let fixture = fixture(Limits { portfolio_users: Some(0), ..Limits::default() }).await;
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi").to_number(OTHER_NUMBER));
    assert_eq!(fixture.code_of(OTHER_NUMBER, &text(PHONE)).await, 200);
    assert_eq!(fixture.code_of(NUMBER, &text(PHONE)).await, 131_048);
    fixture.simulator.set_limits(Limits { service_window: true, ..Limits::default() });
    assert_eq!(fixture.code_of(NUMBER, &text(PHONE)).await, 200);
    assert_eq!(fixture.failure_codes(), [None, Some(131_047)]);
}

#[tokio::test]
async fn group_messages_and_system_messages_open_no_window() {
    let fixture = fixture(Limits::default()).await;
    let in_group = InboundMessage::text(PHONE, "hi").in_group("G1");
    let system = InboundContent::Other {
        kind: "system".into(),
        value: json!({ "type": "customer_identity_changed" }),
    };
    fixture.simulator.send_inbound(in_group);
    fixture.simulator.send_inbound(InboundMessage::new(PHONE, system));
    fixture.text_to(PHONE).await;
    assert_eq!(fixture.failure_codes(), [Some(131_047)]);
    fixture.wait_for_due_events().await;
    assert_eq!(fixture.receiver.messages()[0]["group_id"], "G1");
}

#[tokio::test]
async fn a_reply_opens_the_window_of_the_number_that_was_answered() {
    let fixture = fixture(Limits::default()).await;
    let mut behaviour = Behaviour::all_read();
    behaviour.outcomes.reply = 1.0;
    fixture.simulator.set_behaviour(behaviour);
    fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi").to_number(OTHER_NUMBER));
    fixture.clock.advance(DAY_MS - 1);
    fixture.code_of(OTHER_NUMBER, &text(PHONE)).await;
    fixture.wait_for_due_events().await;
    fixture.clock.advance(DAY_MS - 1);
    fixture.code_of(OTHER_NUMBER, &text(PHONE)).await;
    fixture.code_of(NUMBER, &text(PHONE)).await;
    assert_eq!(fixture.failure_codes(), [None, None, Some(131_047)]);
}

#[tokio::test]
async fn utility_messages_in_the_window_of_their_number_were_free() {
    let receipt = json!({ "name": "receipt", "category": "UTILITY" });
    let price_of = |months_earlier: bool, number: &'static str| {
        let receipt = receipt.clone();
        async move {
            let fixture = fixture(Limits::default()).await;
            if months_earlier {
                fixture.clock.rewind(60 * DAY_MS);
            }
            fixture.simulator.add_template(receipt);
            fixture.simulator.send_inbound(InboundMessage::text(PHONE, "hi"));
            let message = crate::fixture::template(PHONE, "receipt", &[]);
            fixture.post(&format!("{number}/messages"), &message).await;
            fixture.wait_for_due_events().await;
            let sent = fixture.receiver.statuses();
            let sent = sent.iter().find(|status| status["status"] == "sent").cloned().unwrap();
            sent["pricing"]["type"].clone()
        }
    };
    let free: Value = "free_customer_service".into();
    assert_eq!(price_of(true, NUMBER).await, free);
    assert_eq!(price_of(true, OTHER_NUMBER).await, "regular");
    assert_eq!(price_of(false, NUMBER).await, "regular");
}
