//! Every answer to a send request that Meta publishes or that was captured means
//! what it should, and every known error code has a verdict.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon_channel::whatsapp_cloud::policy::{Report, ReportedBy, refusal};
use carillon_channel::whatsapp_cloud::{parse_error, parse_sent};
use carillon_channel::{Acceptance, Outcome, Refusal, Verdict};
use serde_json::{Value, json};

use crate::payloads::{files, reference};

const HOUR: u64 = 3600;

/// Every code of Meta's error table (September 2026), of its changelog, and of
/// captured answers, with its verdict in the answer to a request.
fn expected() -> Vec<(u32, Verdict)> {
    use Verdict::{
        AccountBroken, Ambiguous, ConnectionBroken, CountryBlocked, MessageRejected, OptedOut,
        PairThrottled, RecipientRejected, RequestRejected, TemplateBroken, ValuesRejected,
    };
    let throttled = |seconds| Verdict::Throttled { retry_after: Duration::from_secs(seconds) };
    let later = |seconds, times| Verdict::RetryLater { after: Duration::from_secs(seconds), times };
    let groups: Vec<(Verdict, &[u32])> = vec![
        (throttled(60), &[4, 17]),
        (throttled(300), &[80007]),
        (Verdict::RateExceeded { retry_after: Duration::from_secs(2) }, &[130_429]),
        (Verdict::MediaBroken, &[131_053]),
        (PairThrottled, &[131_056]),
        (Ambiguous, &[1, 2, 131_000, 131_016, 131_057, 133_004, 2_494_100]),
        (Verdict::MarketingHeld { period: Duration::from_secs(24 * HOUR) }, &[131_049]),
        (later(HOUR, 3), &[613, 132_069]),
        (later(600, 3), &[134_101]),
        (later(300, 3), &[133_015]),
        (later(72 * HOUR, 1), &[133_016]),
        (OptedOut, &[131_050]),
        (RecipientRejected, &[1026, 130_403, 130_472, 131_021, 131_026, 131_030]),
        (MessageRejected, &[131_047, 131_062, 132_005, 132_008, 137_000]),
        (MessageRejected, &[131_035, 131_036, 131_044, 131_052, 131_060]),
        (MessageRejected, &[133_005, 133_008, 133_009, 139_100, 2_388_019]),
        (RequestRejected, &[100, 131_009, 131_051, 131_055, 131_059, 134_100]),
        (ValuesRejected, &[131_008, 132_012, 132_018]),
        (TemplateBroken, &[131_061, 131_063, 132_000, 132_001, 132_007]),
        (TemplateBroken, &[132_015, 132_016, 132_068, 134_102, 135_000]),
        (ConnectionBroken, &[33, 803, 131_037, 131_045, 131_048, 133_000, 133_006, 133_010]),
        (AccountBroken, &[0, 3, 10, 104, 190, 200, 368, 131_005, 131_031, 131_042, 131_064]),
        (AccountBroken, &[134_011]),
        (CountryBlocked, &[130_497]),
    ];
    let pairs = groups.into_iter();
    pairs.flat_map(|(verdict, codes)| codes.iter().map(move |code| (*code, verdict))).collect()
}

fn by_answer(code: u32, status: u16) -> Refusal {
    refusal(&Report { code: Some(code), ..Report::blank(ReportedBy::Answer { status }) })
}

fn by_webhook(code: u32) -> Refusal {
    refusal(&Report { code: Some(code), ..Report::blank(ReportedBy::Webhook) })
}

#[test]
fn every_code_has_its_verdict_whatever_the_http_status() {
    for (code, verdict) in expected() {
        for status in [400, 403, 429, 500] {
            let refusal = by_answer(code, status);
            assert_eq!((refusal.verdict, refusal.known), (verdict, true), "{code}");
            assert_eq!(refusal.code, Some(code));
            assert!(!refusal.reason.is_empty());
        }
    }
}

#[test]
fn a_failure_reported_by_webhook_is_never_ambiguous() {
    for (code, verdict) in expected() {
        let expected = if verdict == Verdict::Ambiguous { Verdict::Transient } else { verdict };
        assert_eq!(by_webhook(code).verdict, expected, "{code}");
    }
}

/// The collected facts about error codes, where they are at hand: beside the
/// repository, or where `CARILLON_META_ERROR_CODES` says.
fn facts() -> Option<Value> {
    let text = reference("CARILLON_META_ERROR_CODES", "error-codes.json")?;
    Some(serde_json::from_slice(&text).unwrap())
}

fn agrees(treatment: &str, verdict: Verdict) -> bool {
    use Verdict::{
        AccountBroken, Ambiguous, ConnectionBroken, CountryBlocked, MediaBroken, MessageRejected,
        OptedOut, PairThrottled, RateExceeded, RecipientRejected, RequestRejected, RetryLater,
        TemplateBroken, Throttled, ValuesRejected,
    };
    match treatment {
        "retry_safe" => matches!(verdict, Throttled { .. } | RateExceeded { .. } | PairThrottled),
        "retry_ambiguous" => verdict == Ambiguous,
        "retry_later" => matches!(verdict, RetryLater { .. }),
        "retry_later_24h" => {
            verdict == Verdict::MarketingHeld { period: Duration::from_secs(24 * HOUR) }
        }
        "drop_recipient" => verdict == RecipientRejected,
        "drop_recipient_marketing" => verdict == OptedOut,
        "drop_message" | "log" => verdict == MessageRejected,
        "fix_request" => verdict == RequestRejected,
        "stop_template" | "stop_template_forever" => {
            // One row's values may be what is wrong: several people decide.
            matches!(verdict, TemplateBroken | MediaBroken | ValuesRejected)
        }
        "stop_sender" => verdict == ConnectionBroken,
        "stop_waba" => verdict == AccountBroken,
        "stop_country" => verdict == CountryBlocked,
        _ => false,
    }
}

#[test]
fn the_table_agrees_with_the_collected_facts() {
    let Some(facts) = facts() else {
        println!("skipped: no error-codes.json beside the repository");
        return;
    };
    let entries = facts["errors"].as_array().unwrap();
    let code = |entry: &Value| u32::try_from(entry["code"].as_u64().unwrap()).unwrap();
    let known: BTreeSet<u32> = expected().into_iter().map(|(code, _)| code).collect();
    assert_eq!(entries.iter().map(code).collect::<BTreeSet<_>>(), known);
    for entry in entries {
        let verdict = by_answer(code(entry), 400).verdict;
        let treatment = entry["treatment"].as_str().unwrap();
        assert!(agrees(treatment, verdict), "{}: {treatment} but {verdict:?}", code(entry));
    }
}

#[test]
fn codes_come_in_families() {
    for code in [201, 250, 299] {
        assert_eq!(by_answer(code, 403).verdict, Verdict::AccountBroken);
    }
    assert!(by_answer(139_103, 400).known);
}

#[test]
fn an_unknown_code_fails_the_message_and_is_flagged() {
    for refusal in [by_answer(999_999, 400), by_answer(999_999, 404), by_webhook(999_999)] {
        assert_eq!((refusal.verdict, refusal.known), (Verdict::MessageRejected, false));
        assert_eq!(refusal.code, Some(999_999));
    }
}

#[test]
fn an_unknown_code_with_a_server_fault_may_have_been_sent() {
    assert_eq!(by_answer(999_999, 500).verdict, Verdict::Ambiguous);
    let transient = Report {
        code: Some(999_999),
        is_transient: true,
        ..Report::blank(ReportedBy::Answer { status: 400 })
    };
    assert_eq!(refusal(&transient).verdict, Verdict::Ambiguous);
}

#[test]
fn without_a_code_the_status_decides() {
    for (status, verdict) in [
        (200, Verdict::Ambiguous),
        (302, Verdict::ConnectionBroken),
        (400, Verdict::MessageRejected),
        (401, Verdict::AccountBroken),
        (404, Verdict::ConnectionBroken),
        (408, Verdict::Ambiguous),
        (429, Verdict::Throttled { retry_after: Duration::from_secs(5) }),
        (500, Verdict::Ambiguous),
        (502, Verdict::Ambiguous),
        (599, Verdict::Ambiguous),
    ] {
        let refusal = parse_error(status, b"<html>no json</html>", None);
        assert_eq!(refusal.verdict, verdict, "{status}");
        assert!(!refusal.known);
    }
}

#[test]
fn an_unknown_object_breaks_the_connection() {
    let body = json!({"error": {"code": 100, "error_subcode": 33}}).to_string();
    let refusal = parse_error(400, body.as_bytes(), None);
    assert_eq!(refusal.verdict, Verdict::ConnectionBroken);
}

#[test]
fn what_the_headers_ask_for_is_honoured() {
    let body = json!({"error": {"code": 130_429}}).to_string();
    let wait = |asked| match parse_sent(429, body.as_bytes(), asked) {
        Outcome::Refused(Refusal { verdict: Verdict::RateExceeded { retry_after }, .. }) => {
            retry_after.as_secs()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(None), 2);
    assert_eq!(wait(Some(Duration::from_secs(17))), 17);
    assert_eq!(wait(Some(Duration::from_secs(u64::MAX))), 24 * HOUR);
}

#[test]
fn every_published_send_response_is_accepted() {
    let mut accepted = 0;
    for (name, body) in files("facebook-openapi/send_responses") {
        // The answer to a read receipt; no message was sent.
        if name.contains("read_receipt") {
            continue;
        }
        match parse_sent(200, &body, None) {
            Outcome::Accepted(answer) => assert!(answer.message_id.starts_with("wamid."), "{name}"),
            Outcome::Refused(refusal) => panic!("{name}: {refusal:?}"),
        }
        accepted += 1;
    }
    assert!(accepted >= 40);
}

#[test]
fn an_acceptance_tells_its_state_and_the_person() {
    let body = json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": "US.1", "user_id": "US.13491208655302741918"}],
        "messages": [{"id": "wamid.X", "message_status": "held_for_quality_assessment"}],
    });
    let Outcome::Accepted(answer) = parse_sent(200, body.to_string().as_bytes(), None) else {
        panic!()
    };
    assert_eq!(answer.state, Acceptance::Held);
    assert_eq!(answer.aliases, ["US.13491208655302741918".parse().unwrap()]);
}

#[test]
fn a_success_without_a_message_id_may_have_been_sent() {
    for body in ["", "{}", "null", r#"{"messages": []}"#, r#"{"messages": [{"id": ""}]}"#] {
        match parse_sent(200, body.as_bytes(), None) {
            Outcome::Refused(refusal) => assert_eq!(refusal.verdict, Verdict::Ambiguous, "{body}"),
            Outcome::Accepted(_) => panic!("{body}"),
        }
    }
}

/// The status and the code in a file's name, such as `400_131008` or
/// `400_100_33_unknown_object`.
fn named(name: &str) -> (u16, u32, bool) {
    let mut parts = name.split('_');
    let status = parts.next().unwrap().parse().unwrap();
    let code = parts.next().unwrap().parse().unwrap();
    (status, code, parts.next() == Some("33"))
}

#[test]
fn every_error_answer_leads_to_its_verdict() {
    let expected = expected();
    let synthetic = files("synthetic/error_responses");
    let captured = files("captured-errors");
    assert!(synthetic.len() >= 50 && captured.len() >= 14);
    for (name, body) in synthetic.into_iter().chain(captured) {
        let (status, code, unknown_object) = named(&name);
        let refusal = parse_error(status, &body, None);
        let by_code = || expected.iter().find(|(known, _)| *known == code).unwrap().1;
        let verdict = if unknown_object { Verdict::ConnectionBroken } else { by_code() };
        assert_eq!((refusal.verdict, refusal.code), (verdict, Some(code)), "{name}");
    }
}

#[test]
fn the_examples_of_the_openapi_document_are_understood() {
    for (name, body) in files("facebook-openapi/error_responses") {
        let value: Value = serde_json::from_slice(&body).unwrap();
        let Some(code) = value["error"]["code"].as_u64() else { continue };
        let refusal = parse_error(400, &body, None);
        assert!(refusal.known, "{name}");
        assert_eq!(refusal.code, u32::try_from(code).ok());
    }
}

#[test]
fn a_reason_helps_and_quotes_nothing() {
    let reason = |details: &str| {
        let body = json!({"error": {
            "message": "(#132000) for +573001234567 with EAAGm0PX4ZCpsBA",
            "code": 132_000,
            "error_data": {"details": details},
        }});
        parse_error(400, body.to_string().as_bytes(), None).reason
    };
    let helpful = reason(
        "body: number of localizable_params (1) does not match the expected number of params (3)",
    );
    assert!(helpful.ends_with("does not match the expected number of params (3))"), "{helpful}");
    let quoting = reason("Dear Maria at +573001234567, your token EAAGm0PX4ZCpsBA is not valid");
    for secret in ["Maria", "300123", "EAA"] {
        assert!(!quoting.contains(secret), "{quoting}");
    }
}
