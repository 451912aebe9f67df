//! Every webhook that Meta and pywa publish, and the edge cases we know of, is
//! read for what it is; nothing that can't be read costs its neighbours.

use std::path::{Path, PathBuf};

use carillon::channel::Verdict;
use carillon::channel::whatsapp_cloud::{
    AccountChange, Choice, InboundContent, InboundMessage, MessagingLimit, PricingKind, Quality,
    ReplyKind, StatusKind, StatusUpdate, SystemChange, TemplateState, Update, WebhookError, parse,
    signature,
};
use carillon::message::MediaKind;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

fn payloads() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

/// All webhooks: where each is, and its body.
fn webhooks() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for source in ["facebook-openapi", "pywa", "synthetic"] {
        for entry in std::fs::read_dir(payloads().join(source).join("webhooks")).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            found.push((format!("{source}/{stem}"), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn updates(name: &str) -> Vec<Update> {
    let body = std::fs::read(payloads().join(name)).unwrap_or_else(|_| panic!("no {name}"));
    parse(&body).unwrap().updates()
}

fn only(name: &str) -> Update {
    let updates = updates(name);
    assert_eq!(updates.len(), 1, "{name}");
    updates.into_iter().next().unwrap()
}

fn status(name: &str) -> StatusUpdate {
    match only(name) {
        Update::Status(status) => status,
        other => panic!("{name} is {other:?}"),
    }
}

fn message(name: &str) -> InboundMessage {
    match only(name) {
        Update::Message(message) => message,
        other => panic!("{name} is {other:?}"),
    }
}

fn change(name: &str) -> AccountChange {
    match only(name) {
        Update::Account(update) => update.change(),
        other => panic!("{name} is {other:?}"),
    }
}

/// What an update is, in a few words.
fn summary(update: &Update) -> String {
    match update {
        Update::Status(status) => format!("status {:?}", status.status),
        Update::Message(message) => format!("message {:?}", message.content),
        Update::Preference(preference) => format!("preference {:?}", preference.choice),
        Update::Account(update) => {
            let change = format!("{:?}", update.change());
            format!("account {}", change.split([' ', '(']).next().unwrap())
        }
        Update::Unknown { field } => format!("unknown {field}"),
    }
}

#[test]
fn every_published_webhook_is_read_for_what_it_is() {
    let lines: Vec<String> = webhooks()
        .into_iter()
        .map(|(name, body)| {
            let updates = parse(&body).unwrap().updates();
            let summaries: Vec<_> = updates.iter().map(summary).collect();
            format!("{name}: {}", summaries.join(", "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_status_is_what_its_file_is_called() {
    for (name, body) in webhooks() {
        let file = name.rsplit('/').next().unwrap();
        let expected = match file.split('_').nth(1) {
            Some("sent") => StatusKind::Sent,
            Some("delivered") => StatusKind::Delivered,
            Some("failed") => StatusKind::Failed,
            _ => continue,
        };
        if file.starts_with("status_") {
            let updates = parse(&body).unwrap().updates();
            let [Update::Status(status)] = updates.as_slice() else { panic!("{name}") };
            assert_eq!(status.status, expected, "{name}");
        }
    }
}

#[test]
fn a_status_tells_who_when_and_what_it_costs() {
    let status = status("synthetic/webhooks/status_sent_marketing.json");
    assert_eq!(status.phone_number_id.as_deref(), Some("800000000000001"));
    assert_eq!(status.callback.as_deref(), Some("c:42|m:1001|a:1"));
    assert_eq!(status.at.as_second(), 1_792_000_000);
    assert_eq!(status.recipient.unwrap().as_str(), "+14155550101");
    assert_eq!(status.bsuid.unwrap().as_str(), "US.90000000000000000001");
    let pricing = status.pricing.unwrap();
    assert_eq!(pricing.category, "marketing");
    assert_eq!((pricing.kind, pricing.billable), (Some(PricingKind::Regular), true));
}

#[test]
fn a_status_without_a_phone_is_known_by_its_bsuid() {
    let status = status("synthetic/webhooks/status_delivered_bsuid_only.json");
    assert_eq!(status.recipient.unwrap().as_str(), "US.90000000000000000001");
}

#[test]
fn the_old_pricing_still_reads() {
    let status = status("pywa/webhooks/message_status__with_tracker.json");
    let pricing = status.pricing.unwrap();
    assert_eq!((pricing.kind, pricing.billable), (None, true));
    assert_eq!(status.callback.as_deref(), Some("some data"));
}

#[test]
fn a_group_status_names_no_person() {
    let status = status("pywa/webhooks/message_status__group.json");
    assert_eq!((status.status, status.recipient), (StatusKind::Read, None));
}

#[test]
fn a_failed_status_says_what_to_do() {
    for (file, verdict) in [
        ("131042", Verdict::AccountBroken),
        ("130497", Verdict::CountryBlocked),
        ("132015", Verdict::TemplateBroken),
        ("bsuid_recipient", Verdict::RecipientRejected),
        ("131049", Verdict::RetryLater { after: std::time::Duration::from_hours(24), times: 1 }),
    ] {
        let status = status(&format!("synthetic/webhooks/status_failed_{file}.json"));
        assert_eq!(status.refusal().unwrap().verdict, verdict, "{file}");
    }
    assert_eq!(status("synthetic/webhooks/status_sent_utility.json").refusal(), None);
}

#[test]
fn a_batch_over_two_accounts_is_read_whole() {
    let kinds: Vec<_> = updates("synthetic/webhooks/batch_two_entries_two_wabas.json")
        .iter()
        .map(summary)
        .collect();
    assert_eq!(kinds, ["status Sent", "status Delivered"]);
}

#[test]
fn messages_say_what_their_files_are_called() {
    let text = message("synthetic/webhooks/in_text_stop.json");
    assert_eq!(text.content.words(), Some("STOP"));
    assert_eq!(text.from.unwrap().as_str(), "+14155550101");
    assert_eq!(text.profile_name.as_deref(), Some("Test User"));

    let nobody = message("synthetic/webhooks/in_username_only_no_phone.json");
    assert_eq!(nobody.from.unwrap().as_str(), "US.90000000000000000001");

    let button = message("facebook-openapi/webhooks/button_message.json");
    assert!(button.quoted.is_some());
    assert!(
        matches!(&button.content, InboundContent::Button { payload: Some(p), text } if p == "Unsubscribe" && text == p)
    );

    let reply = message("facebook-openapi/webhooks/interactive_list_reply_message.json").content;
    assert!(
        matches!(&reply, InboundContent::Interactive { kind: ReplyKind::List, id: Some(id), .. } if id == "priority_express")
    );

    let flow = message("pywa/webhooks/flow_completion__without_flow_token.json").content;
    assert!(
        matches!(&flow, InboundContent::Interactive { kind: ReplyKind::Flow, response: Some(r), .. } if r.contains("Comment"))
    );

    let image = message("facebook-openapi/webhooks/image_message.json").content;
    assert!(
        matches!(&image, InboundContent::Media { kind: MediaKind::Image, id, caption: Some(_), .. } if id == "1003383421387256")
    );

    let gone = message("pywa/webhooks/message__unreaction_empty.json").content;
    assert!(matches!(gone, InboundContent::Reaction { emoji: None, .. }));

    let moved = message("facebook-openapi/webhooks/system_message.json").content;
    assert!(
        matches!(&moved, InboundContent::System(SystemChange::Number { phone: Some(p), .. }) if p.as_str() == "+12195555358")
    );

    let unsupported = message("facebook-openapi/webhooks/unsupported_message.json").content;
    assert!(matches!(unsupported, InboundContent::Unsupported { code: Some(131_051) }));
}

#[test]
fn preferences_name_the_person_and_the_wish() {
    let Update::Preference(stop) = only("synthetic/webhooks/user_preferences_stop_bsuid_only.json")
    else {
        panic!()
    };
    assert_eq!((stop.choice, stop.category.as_str()), (Choice::Stop, "marketing_messages"));
    assert_eq!(stop.contact.as_str(), "US.90000000000000000001");
    let Update::Preference(signup) = only("pywa/webhooks/user_marketing_preferences__signup.json")
    else {
        panic!()
    };
    assert_eq!((signup.choice, signup.contact.as_str()), (Choice::Resume, "+16505551234"));
}

#[test]
fn account_news_are_understood() {
    let state =
        |name: &str| match change(&format!("synthetic/webhooks/template_status_{name}.json")) {
            AccountChange::Template { state, template, .. } => {
                assert_eq!(
                    (template.name.as_str(), template.language.as_str()),
                    ("promo_v1", "en_US")
                );
                state
            }
            other => panic!("{other:?}"),
        };
    assert_eq!(state("approved"), TemplateState::Approved);
    assert_eq!(state("disabled"), TemplateState::Disabled);
    assert_eq!(state("pending"), TemplateState::Pending);
    assert_eq!(state("rejected"), TemplateState::Rejected);
    assert_eq!(state("limit_exceeded"), TemplateState::Flagged);

    let limit = change("synthetic/webhooks/business_capability_tier.json");
    assert_eq!(limit, AccountChange::Limit { limit: MessagingLimit::People(10_000) });

    let red = change("synthetic/webhooks/template_quality_red.json");
    assert!(matches!(red, AccountChange::TemplateQuality { quality: Quality::Red, .. }));

    let restricted = change("synthetic/webhooks/account_update_restriction.json");
    assert!(
        matches!(restricted, AccountChange::Restricted { until: Some(at), .. } if at.as_second() == 1_792_600_000)
    );
    let back = change("pywa/webhooks/account_update__account_disabled.json");
    assert_eq!(back, AccountChange::Reinstated);
}

#[test]
fn a_quality_update_under_the_wrong_field_is_found() {
    let body = json!({"entry": [{"id": "1", "time": 1, "changes": [{
        "field": "message_template_status_update",
        "value": {"new_quality_score": "YELLOW", "message_template_name": "promo", "message_template_language": "en-US"},
    }]}]});
    let updates = parse(body.to_string().as_bytes()).unwrap().updates();
    let [Update::Account(update)] = updates.as_slice() else { panic!() };
    let AccountChange::TemplateQuality { template, quality } = update.change() else { panic!() };
    assert_eq!((template.language.as_str(), quality), ("en_US", Quality::Yellow));
}

#[test]
fn only_what_is_no_json_object_is_an_error() {
    assert!(matches!(parse(b"{"), Err(WebhookError::NotJson(_))));
    assert!(matches!(parse(b"[]"), Err(WebhookError::NotAnObject)));
    assert_eq!(parse(b"{}").unwrap().updates(), []);
    assert_eq!(parse(br#"{"entry": null}"#).unwrap().updates(), []);
    let odd = parse(br#"{"entry": [{"changes": 7}, 8]}"#).unwrap().updates();
    assert_eq!(odd.iter().map(summary).collect::<Vec<_>>(), ["unknown entry.changes"]);
}

/// Two good statuses with a bad one between them.
fn with_neighbours(bad: &Value) -> Vec<Update> {
    let good = |id: &str| json!({"id": id, "status": "read", "timestamp": 1_792_000_000});
    let body = json!({"entry": [{"changes": [{"field": "messages", "value": {
        "statuses": [good("first"), bad, good("last")],
    }}]}]});
    parse(body.to_string().as_bytes()).unwrap().updates()
}

#[test]
fn a_malformed_status_does_not_cost_its_neighbours() {
    for bad in [
        json!(null),
        json!([]),
        json!("status"),
        json!({}),
        json!({"id": 7, "status": "read", "timestamp": "1"}),
        json!({"id": "x", "status": "glanced", "timestamp": "1"}),
        json!({"id": "x", "status": "read", "timestamp": "yesterday"}),
        json!({"id": "x", "status": "read", "timestamp": i64::MAX}),
        json!({"id": "x", "status": "read"}),
    ] {
        let kinds: Vec<_> = with_neighbours(&bad).iter().map(summary).collect();
        assert_eq!(kinds, ["status Read", "unknown messages.statuses", "status Read"], "{bad}");
    }
}

#[test]
fn odd_side_facts_do_not_cost_the_status() {
    let odd = json!({
        "id": "x", "status": "failed", "timestamp": "1792000000", "recipient_id": {"a": 1},
        "recipient_user_id": "nobody", "biz_opaque_callback_data": 7, "pricing": "free",
        "errors": [{"title": "no code"}], "something_new": [1, 2],
    });
    let updates = with_neighbours(&odd);
    let Update::Status(status) = &updates[1] else { panic!() };
    assert_eq!((&status.recipient, &status.callback, &status.pricing), (&None, &None, &None));
    let refusal = status.refusal().unwrap();
    assert_eq!((refusal.verdict, refusal.known), (Verdict::MessageRejected, false));
}

#[test]
fn no_debug_form_tells_a_phone_or_a_text() {
    for (name, body) in webhooks() {
        let webhook = parse(&body).unwrap();
        let shown = format!("{webhook:?} {:?}", webhook.updates());
        for secret in ["4155550101", "6505551234", "972987654321", "STOP", "Sheena", "testuser"] {
            assert!(!shown.contains(secret), "{name} shows {secret}");
        }
    }
}

#[test]
fn signatures_are_those_of_the_vectors() {
    let file = std::fs::read(payloads().join("synthetic/signature_vectors.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 6);
    for vector in vectors {
        let secret = SecretString::from(vector["app_secret"].as_str().unwrap());
        let body = vector["body_utf8"].as_str().unwrap().as_bytes();
        let header = vector["value"].as_str().unwrap();
        assert_eq!(signature::verify(&secret, body, header), Ok(()));
        assert_eq!(signature::sign(&secret, body), header);
    }
}

#[test]
fn anything_but_the_signature_is_refused() {
    use signature::SignatureError::{Malformed, Mismatch};
    let secret = SecretString::from("test_app_secret");
    let good = signature::sign(&secret, b"{}");
    let other = signature::sign(&SecretString::from("another"), b"{}");
    for (header, error) in [
        ("", Malformed),
        ("sha256=", Mismatch),
        ("sha256=zz", Malformed),
        ("sha1=dec6a680", Malformed),
        (&good[7..], Malformed),
        (&good[..good.len() - 2], Mismatch),
        (&other, Mismatch),
    ] {
        assert_eq!(signature::verify(&secret, b"{}", header), Err(error), "{header}");
    }
    assert_eq!(signature::verify(&secret, b"{ }", &good), Err(Mismatch));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        ".{0,8}",
        prop::sample::select(vec![
            "entry",
            "changes",
            "field",
            "value",
            "statuses",
            "messages",
            "contacts",
            "id",
            "type",
            "status",
            "timestamp",
            "errors",
            "pricing",
            "user_preferences",
            "text",
            "interactive",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The value with one of its parts replaced.
fn replace_nth(value: &mut Value, nth: &mut usize, by: &Value) {
    if *nth == 0 {
        *value = by.clone();
    }
    *nth = nth.wrapping_sub(1);
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| replace_nth(value, nth, by)),
        Value::Object(map) => map.values_mut().for_each(|value| replace_nth(value, nth, by)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&body).map(|webhook| webhook.updates());
    }

    #[test]
    fn any_json_is_read_without_a_panic(value in any_json()) {
        let body = json!({"entry": [{"changes": [{"field": "messages", "value": value}, value]}, value]});
        let updates = parse(body.to_string().as_bytes()).unwrap().updates();
        let shown = format!("{updates:?}");
        prop_assert!(shown.len() < 1_000_000);
    }

    #[test]
    fn a_webhook_with_one_part_replaced_is_read_without_a_panic(
        file in any::<prop::sample::Index>(), nth in 0_usize..60, by in any_json(),
    ) {
        let (_, body) = &webhooks()[file.index(webhooks().len())];
        let mut value: Value = serde_json::from_slice(body).unwrap();
        replace_nth(&mut value, &mut nth.clone(), &by);
        for update in parse(value.to_string().as_bytes()).map(|webhook| webhook.updates()).unwrap_or_default() {
            let _ = summary(&update);
        }
    }
}
