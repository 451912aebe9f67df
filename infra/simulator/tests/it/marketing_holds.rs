//! 131049: users whom Meta spares marketing messages.

use serde_json::json;
use whatsapp_simulator::{Behaviour, Config, ForcedError, ReportedBy};

use crate::fixture::{Fixture, NUMBER, PHONE, template, text};

const OTHER_NUMBER: &str = "800000000000002";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The first marketing message to [`PHONE`] is refused with 131049.
async fn fixture(reported_by: ReportedBy) -> Fixture {
    let mut behaviour = Behaviour::all_read();
    let error = ForcedError { code: 131_049, times: Some(1), reported_by };
    behaviour.faults.forced.insert("14155550101".into(), error);
    Fixture::with(behaviour).await
}

#[tokio::test]
async fn a_refusal_holds_the_user_for_a_day_from_all_numbers() {
    let fixture = fixture(ReportedBy::Webhook).await;
    let offer = template(PHONE, "any", &[]);
    fixture.code_of(NUMBER, &offer).await;
    fixture.clock.advance(DAY_MS - 1_000);
    fixture.code_of(OTHER_NUMBER, &offer).await;
    fixture.code_of(NUMBER, &text(PHONE)).await;
    fixture.code_of(NUMBER, &template("+14155550102", "any", &[])).await;
    assert_eq!(fixture.failure_codes(), [Some(131_049), Some(131_049), None, None]);

    fixture.clock.advance(DAY_MS - 1_000);
    fixture.code_of(NUMBER, &offer).await;
    assert_eq!(fixture.failure_codes()[4], Some(131_049), "the second refusal restarted the hold");
    fixture.clock.advance(DAY_MS);
    fixture.code_of(NUMBER, &offer).await;
    assert_eq!(fixture.failure_codes()[5], None);
}

#[tokio::test]
async fn a_refusal_in_the_response_holds_the_user_too() {
    let fixture = fixture(ReportedBy::Response).await;
    let offer = template(PHONE, "any", &[]);
    assert_eq!(fixture.code_of(NUMBER, &offer).await, 131_049);
    assert_eq!(fixture.code_of(NUMBER, &offer).await, 200);
    assert_eq!(fixture.failure_codes(), [Some(131_049)]);
}

#[tokio::test]
async fn utility_messages_neither_start_nor_obey_a_hold() {
    let fixture = fixture(ReportedBy::Webhook).await;
    fixture.simulator.add_template(json!({ "name": "receipt", "category": "UTILITY" }));
    for name in ["receipt", "receipt", "any"] {
        fixture.send(&template(PHONE, name, &[])).await;
    }
    assert_eq!(fixture.failure_codes(), [Some(131_049), None, None]);
}

#[tokio::test]
async fn us_numbers_get_no_marketing_messages_on_request() {
    let config = Config { refuse_us_marketing: true, ..Config::default() };
    let fixture = Fixture::new(config).await;
    fixture.send(&template(PHONE, "any", &[])).await;
    fixture.send(&template("+14165550101", "any", &[])).await;
    fixture.send(&text(PHONE)).await;
    assert_eq!(fixture.failure_codes(), [Some(131_049), None, None]);
}
