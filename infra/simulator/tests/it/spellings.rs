//! Phone numbers that WhatsApp spells in another way than users dial them.

use serde_json::json;
use whatsapp_simulator::{
    Behaviour, Config, ForcedError, InboundMessage, Limits, MexicanWaIds, PairLimit, ReportedBy,
};

use crate::fixture::{Fixture, template, text};

const DIALLED: &str = "+54 11 2345-6789";
const MOBILE: &str = "+54 9 11 2345-6789";
const WA_ID: &str = "5491123456789";

async fn fixture(config: Config) -> Fixture {
    Fixture::new(Config { rewrite_wa_ids: true, ..config }).await
}

#[tokio::test]
async fn all_spellings_of_a_number_reach_one_user() {
    let fixture = fixture(Config::default()).await;
    for phone in [DIALLED, MOBILE, "54 11 15 2345 6789"] {
        let (_, body) = fixture.send(&text(phone)).await;
        assert_eq!(body["contacts"], json!([{ "input": phone, "wa_id": WA_ID }]));
    }
    fixture.simulator.send_inbound(InboundMessage::text(DIALLED, "hola"));
    fixture.wait_for_due_events().await;
    let summary = fixture.simulator.summary();
    assert_eq!((summary.accepted, summary.recipients), (3, 1));
    assert!(fixture.receiver.statuses().iter().all(|status| status["recipient_id"] == WA_ID));
    assert_eq!(fixture.receiver.messages()[0]["from"], WA_ID);
}

#[tokio::test]
async fn opt_outs_windows_limits_and_forced_errors_hold_for_all_spellings() {
    let limits = Limits {
        service_window: true,
        pair: Some(PairLimit { interval_ms: 6_000, burst: 1 }),
        portfolio_users: Some(0),
        ..Limits::default()
    };
    let mut behaviour = Behaviour::all_read();
    let error = ForcedError { code: 131_026, times: None, reported_by: ReportedBy::Webhook };
    behaviour.faults.forced.insert("5551987654321".into(), error);
    let fixture = fixture(Config { limits, behaviour, ..Config::default() }).await;
    fixture.simulator.stop_marketing(MOBILE);
    fixture.simulator.send_inbound(InboundMessage::text(DIALLED, "hola"));
    fixture.simulator.send_inbound(InboundMessage::text("+55 51 98765-4321", "oi"));
    assert_eq!(fixture.text_to(MOBILE).await, 200);
    assert_eq!(fixture.text_to(DIALLED).await, 131_056);
    fixture.clock.advance(6_000);
    fixture.send(&template(DIALLED, "any", &[])).await;
    fixture.text_to("+55 51 8765-4321").await;
    assert_eq!(fixture.failure_codes(), [None, Some(131_050), Some(131_026)]);
}

#[tokio::test]
async fn a_fixed_line_and_the_mobile_number_with_its_digits_are_two_users() {
    let fixed_lines = vec!["+54 11 4321-0000".into()];
    let fixture = fixture(Config { fixed_lines, ..Config::default() }).await;
    fixture.text_to("+54 11 4321-0000").await;
    fixture.text_to("+54 9 11 4321-0000").await;
    let recipients: Vec<_> = fixture.simulator.log().into_iter().map(|entry| entry.to).collect();
    assert_eq!(recipients, ["541143210000", "5491143210000"]);
}

#[tokio::test]
async fn mexican_numbers_have_the_configured_form() {
    let config = Config { mexican_wa_ids: MexicanWaIds::Without1, ..Config::default() };
    let fixture = fixture(config).await;
    for phone in ["+52 55 1234 5678", "+52 1 55 1234 5678"] {
        let (_, body) = fixture.send(&text(phone)).await;
        assert_eq!(body["contacts"][0]["wa_id"], "525512345678");
    }
    assert_eq!(fixture.simulator.summary().recipients, 1);
}

#[tokio::test]
async fn the_meta_configuration_is_strict_and_completes_numbers_without_plus() {
    let fixture = Fixture::new(Config::as_meta()).await;
    let (_, body) = fixture.send(&text("(415) 555-0101")).await;
    assert_eq!(body["contacts"][0]["wa_id"], "14155550101");
    let (_, body) = fixture.send(&text(DIALLED)).await;
    assert_eq!(body["contacts"][0]["wa_id"], WA_ID);
    let (_, body) = fixture.send(&template(MOBILE, "unknown", &[])).await;
    assert_eq!(body["error"]["code"], 132_001);
    assert_eq!(fixture.text_to("+1+4155550101").await, 131_009);
}
