//! Every webhook that Meta and pywa publish, and the known edge cases, is parsed for
//! what it is; what cannot be parsed does not affect its neighbours.

use carillon_channel::content::MediaKind;
use carillon_channel::event::{
    AccountChange, AccountEvent, Choice, Event, EventBody, InboundContent, InboundMessage,
    MessageStatus, PricingKind, ReplyKind, StatusEvent, SystemChange, UnknownCause,
};
use carillon_channel::whatsapp_cloud::{WhatsappCloud, signature};
use carillon_channel::{Provider as _, Quality, QuotaLimit, Verdict};
use carillon_foundations::http_client::{Timeouts, http_client};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::payloads::{files, payloads};

/// All webhooks: where each is, and its body.
fn webhooks() -> Vec<(String, Vec<u8>)> {
    let sources = ["facebook-openapi", "pywa", "synthetic"].into_iter();
    let webhooks = sources.flat_map(|source| {
        let found = files(&format!("{source}/webhooks")).into_iter();
        found.map(move |(name, body)| (format!("{source}/{name}"), body))
    });
    webhooks.collect()
}

fn parse(body: &[u8]) -> Vec<Event> {
    let provider = WhatsappCloud::new(&http_client(Timeouts::default()).unwrap(), None);
    provider.receiver().unwrap().parse(body)
}

fn events(name: &str) -> Vec<Event> {
    parse(&std::fs::read(payloads().join(name)).unwrap_or_else(|_| panic!("no {name}")))
}

fn only(name: &str) -> Event {
    let [event] = events(name).try_into().unwrap_or_else(|_| panic!("{name} has several events"));
    event
}

fn status(name: &str) -> StatusEvent {
    match only(name).body {
        EventBody::Status(status) => status,
        other => panic!("{name} is {other:?}"),
    }
}

fn message(name: &str) -> InboundMessage {
    match only(name).body {
        EventBody::Message(message) => message,
        other => panic!("{name} is {other:?}"),
    }
}

fn account(name: &str) -> AccountEvent {
    match only(name).body {
        EventBody::Account(event) => event,
        other => panic!("{name} is {other:?}"),
    }
}

/// What an event is, in a few words.
fn summary(event: &Event) -> String {
    match &event.body {
        EventBody::Status(status) => format!("status {:?}", status.status),
        EventBody::Message(message) => format!("message {:?}", message.content),
        EventBody::Preference(preference) => format!("preference {:?}", preference.choice),
        EventBody::Account(event) => {
            let change = format!("{:?}", event.change);
            format!("account {}", change.split([' ', '(']).next().unwrap())
        }
        EventBody::Unknown { field, .. } => format!("unknown {field}"),
    }
}

fn summaries(events: &[Event]) -> Vec<String> {
    events.iter().map(summary).collect()
}

#[test]
fn every_published_webhook_is_read_for_what_it_is() {
    let lines: Vec<String> = webhooks()
        .into_iter()
        .map(|(name, body)| format!("{name}: {}", summaries(&parse(&body)).join(", ")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_status_is_what_its_file_is_called() {
    for (name, body) in webhooks() {
        let file = name.rsplit('/').next().unwrap();
        let expected = match file.split('_').nth(1) {
            Some("sent") => MessageStatus::Sent,
            Some("delivered") => MessageStatus::Delivered,
            Some("failed") => MessageStatus::Failed,
            _ => continue,
        };
        if file.starts_with("status_") {
            let [event] = parse(&body).try_into().unwrap();
            let EventBody::Status(status) = event.body else { panic!("{name}") };
            assert_eq!(status.status, expected, "{name}");
        }
    }
}

#[test]
fn a_status_tells_who_when_and_what_it_costs() {
    let event = only("synthetic/webhooks/status_sent_marketing.json");
    assert_eq!(event.sender_id.as_deref(), Some("800000000000001"));
    let EventBody::Status(status) = event.body else { panic!() };
    assert!(status.message_id.starts_with("wamid."));
    assert_eq!(status.callback.as_deref(), Some("c:42|m:1001|a:1"));
    assert_eq!(status.at.as_second(), 1_792_000_000);
    assert_eq!(status.recipient.unwrap().as_str(), "+14155550101");
    assert_eq!(status.aliases, ["US.90000000000000000001".parse().unwrap()]);
    let pricing = status.pricing.unwrap();
    assert_eq!(pricing.category, "marketing");
    assert_eq!((pricing.kind, pricing.billable), (Some(PricingKind::Regular), true));
}

#[test]
fn a_status_without_a_phone_is_known_by_its_bsuid() {
    let status = status("synthetic/webhooks/status_delivered_bsuid_only.json");
    assert_eq!(status.recipient.unwrap().as_str(), "US.90000000000000000001");
    assert_eq!(status.aliases, []);
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
    assert_eq!((status.status, status.recipient), (MessageStatus::Read, None));
}

#[test]
fn a_failed_status_says_what_to_do() {
    for (file, verdict) in [
        ("131042", Verdict::AccountBroken),
        ("130497", Verdict::CountryBlocked),
        ("132015", Verdict::TemplateBroken),
        ("bsuid_recipient", Verdict::RecipientRejected),
        ("131049", Verdict::MarketingHeld { period: std::time::Duration::from_hours(24) }),
    ] {
        let status = status(&format!("synthetic/webhooks/status_failed_{file}.json"));
        assert_eq!(status.refusal.unwrap().verdict, verdict, "{file}");
    }
    assert_eq!(status("synthetic/webhooks/status_sent_utility.json").refusal, None);
}

#[test]
fn a_batch_over_two_accounts_is_read_whole() {
    let events = events("synthetic/webhooks/batch_two_entries_two_wabas.json");
    assert_eq!(summaries(&events), ["status Sent", "status Delivered"]);
    let accounts: Vec<_> = events.iter().map(|event| event.account_id.as_deref()).collect();
    assert_eq!(accounts, [Some("900000000000001"), Some("900000000000002")]);
}

#[test]
fn messages_say_what_their_files_are_called() {
    let text = message("synthetic/webhooks/in_text_stop.json");
    assert!(matches!(&text.content, InboundContent::Text { body } if body == "STOP"));
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
    let preference = |name: &str| match only(name).body {
        EventBody::Preference(preference) => preference,
        other => panic!("{name} is {other:?}"),
    };
    let stop = preference("synthetic/webhooks/user_preferences_stop_bsuid_only.json");
    assert_eq!((stop.choice, stop.category.as_str()), (Choice::Stop, "marketing_messages"));
    assert_eq!(stop.contact.as_str(), "US.90000000000000000001");
    let signup = preference("pywa/webhooks/user_marketing_preferences__signup.json");
    assert_eq!((signup.choice, signup.contact.as_str()), (Choice::Resume, "+16505551234"));
}

#[test]
fn template_events_say_whether_the_template_can_be_sent() {
    for (name, state, sendable) in [
        ("approved", "approved", true),
        ("disabled", "disabled", false),
        ("pending", "under review", false),
        ("rejected", "rejected", false),
        ("limit_exceeded", "flagged", true),
    ] {
        let event = account(&format!("synthetic/webhooks/template_status_{name}.json"));
        let AccountChange::Template { template, state: found, sendable: can, .. } = event.change
        else {
            panic!("{name}")
        };
        assert_eq!((template.name.as_str(), template.language.as_str()), ("promo_v1", "en_US"));
        assert_eq!((found, can), (state, sendable), "{name}");
    }
}

#[test]
fn account_events_are_understood() {
    let event = only("synthetic/webhooks/business_capability_tier.json");
    assert!(event.account_id.is_some());
    let limit = account("synthetic/webhooks/business_capability_tier.json");
    assert_eq!(limit.change, AccountChange::Quota { limit: QuotaLimit::Contacts(10_000) });
    assert!(limit.at.is_some());

    let red = account("synthetic/webhooks/template_quality_red.json").change;
    assert!(matches!(red, AccountChange::TemplateQuality { quality: Quality::Red, .. }));

    let restricted = account("synthetic/webhooks/account_update_restriction.json").change;
    assert!(
        matches!(restricted, AccountChange::Restricted { until: Some(at), .. } if at.as_second() == 1_792_600_000)
    );
    let back = account("pywa/webhooks/account_update__account_disabled.json").change;
    assert_eq!(back, AccountChange::Reinstated);
    let warning = account("pywa/webhooks/account_update__account_violation.json").change;
    assert!(matches!(warning, AccountChange::Warning { violation: Some(_) }), "{warning:?}");
    let other = account("pywa/webhooks/account_update__partner_added.json").change;
    assert_eq!(other, AccountChange::Other { text: "account_update".to_owned() });
}

#[test]
fn a_quality_update_under_the_wrong_field_is_found() {
    let body = json!({"entry": [{"id": "1", "time": 1, "changes": [{
        "field": "message_template_status_update",
        "value": {"new_quality_score": "YELLOW", "message_template_name": "promo", "message_template_language": "en-US"},
    }]}]});
    let [event] = parse(body.to_string().as_bytes()).try_into().unwrap();
    assert_eq!(event.account_id.as_deref(), Some("1"));
    let EventBody::Account(event) = event.body else { panic!() };
    let AccountChange::TemplateQuality { template, quality } = event.change else { panic!() };
    assert_eq!((template.language.as_str(), quality), ("en_US", Quality::Yellow));
}

#[test]
fn a_body_that_is_no_json_object_is_one_unknown_event() {
    for body in ["", "{", "[]", "7", "null"] {
        assert_eq!(summaries(&parse(body.as_bytes())), ["unknown body"], "{body}");
    }
    assert_eq!(parse(b"{}"), []);
    assert_eq!(parse(br#"{"entry": null}"#), []);
    let odd = parse(br#"{"entry": [{"changes": 7}, 8]}"#);
    assert_eq!(summaries(&odd), ["unknown entry.changes", "unknown entry"]);
}

/// Two good statuses with a bad one between them.
fn with_neighbours(bad: &Value) -> Vec<Event> {
    let good = |id: &str| json!({"id": id, "status": "read", "timestamp": 1_792_000_000});
    let body = json!({"entry": [{"changes": [{"field": "messages", "value": {
        "statuses": [good("first"), bad, good("last")],
    }}]}]});
    parse(body.to_string().as_bytes())
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
        let kinds = summaries(&with_neighbours(&bad));
        assert_eq!(kinds, ["status Read", "unknown messages.statuses", "status Read"], "{bad}");
    }
}

/// The causes of the unknown events.
fn causes(events: &[Event]) -> Vec<UnknownCause> {
    let cause = |event: &Event| match event.body {
        EventBody::Unknown { cause, .. } => Some(cause),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

#[test]
fn what_this_version_does_not_use_is_told_from_what_can_not_be_read() {
    let change = |field: &str, value: Value| {
        let body = json!({"entry": [{"changes": [{"field": field, "value": value}]}]});
        causes(&parse(body.to_string().as_bytes()))
    };
    for unused in [
        change("calls", json!({"calls": []})),
        change("messages", json!({})),
        change("messages", json!({"errors": [{}]})),
        change("messages", json!({"statuses": [{"status": "glanced", "id": "x"}]})),
        change("user_preferences", json!({})),
    ] {
        assert_eq!(unused, [UnknownCause::Unused]);
    }
    for unreadable in [
        causes(&parse(b"no json")),
        causes(&parse(br#"{"entry": [7]}"#)),
        causes(&parse(br#"{"entry": [{"changes": [{"value": {}}]}]}"#)),
        change("messages", json!("text")),
        change("messages", json!({"statuses": {}})),
        change("messages", json!({"statuses": [{"status": "read"}]})),
        change("messages", json!({"messages": [{"from": "16505551234"}]})),
        change("user_preferences", json!(null)),
        change("user_preferences", json!({"user_preferences": [{"wa_id": "16505551234"}]})),
    ] {
        assert_eq!(unreadable, [UnknownCause::Unreadable]);
    }
}

#[test]
fn an_event_has_the_providers_form_of_itself_alone() {
    let events = with_neighbours(&json!({"id": 7}));
    let raw: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(&event.raw).unwrap()).collect();
    assert_eq!(raw[0]["id"], "first");
    assert_eq!(raw[1], json!({"id": 7}));
    assert!(!format!("{events:?}").contains("1792000000"), "its debug form has no raw text");
    assert_eq!(parse(b"no json")[0].raw, "no json");
}

/// Three statuses, of which the middle one has a text that is no readable JSON value.
fn with_text(text: &str) -> Vec<Event> {
    let odd = json!({"id": "odd", "status": "read", "timestamp": 1_792_000_000, "more": "@@"});
    let good = |id: &str| json!({"id": id, "status": "read", "timestamp": 1_792_000_000});
    let body = json!({"entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": "2"}, "statuses": [good("first"), odd, good("last")],
    }}]}]});
    parse(body.to_string().replace("\"@@\"", text).as_bytes())
}

#[test]
fn a_part_that_is_no_readable_json_does_not_cost_its_neighbours() {
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    for text in [r#""\ud83d""#, r#""\udc00 and more""#, "1e999", "-1e999", deep.as_str()] {
        let events = with_text(text);
        let kinds = summaries(&events);
        assert_eq!(kinds, ["status Read", "unknown messages.statuses", "status Read"], "{text}");
        assert_eq!(causes(&events), [UnknownCause::Unreadable]);
        assert!(events.iter().all(|event| event.sender_id.as_deref() == Some("2")));
        assert!(events[1].raw.contains("odd") && events[1].raw.contains(text));
    }
    // What is no JSON at all has no parts.
    for text in ["\u{1}", "\"", "x", "[", "}"] {
        assert_eq!(summaries(&with_text(text)), ["unknown body"], "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_do_not_cost_the_readable_ones() {
    let mut body = json!({"entry": [{"changes": [{"field": "messages", "value": {"statuses": [
        {"id": "x", "status": "read", "timestamp": 1, "more": "@"},
    ]}}]}]})
    .to_string()
    .into_bytes();
    let at = body.iter().position(|byte| *byte == b'@').unwrap();
    body[at] = 0xff;
    assert_eq!(summaries(&parse(&body)), ["status Read"]);
}

/// Whoever adds a period to the time of an event must not leave what can be represented.
#[test]
fn a_time_that_no_event_can_have_is_unreadable() {
    for seconds in [-1, -62_135_596_800, 4_102_444_800, 253_402_207_200, i64::MIN] {
        let bad = json!({"id": "x", "status": "read", "timestamp": seconds});
        assert_eq!(causes(&with_neighbours(&bad)), [UnknownCause::Unreadable], "{seconds}");
    }
}

#[test]
fn odd_side_facts_do_not_cost_the_status() {
    let odd = json!({
        "id": "x", "status": "failed", "timestamp": "1792000000", "recipient_id": {"a": 1},
        "recipient_user_id": "nobody", "biz_opaque_callback_data": 7, "pricing": "free",
        "errors": [{"title": "no code"}], "something_new": [1, 2],
    });
    let events = with_neighbours(&odd);
    let EventBody::Status(status) = &events[1].body else { panic!() };
    assert_eq!((&status.recipient, &status.callback, &status.pricing), (&None, &None, &None));
    let refusal = status.refusal.as_ref().unwrap();
    assert_eq!((refusal.verdict, refusal.known), (Verdict::MessageRejected, false));
}

#[test]
fn no_debug_form_tells_a_phone_or_a_text() {
    for (name, body) in webhooks() {
        let shown = format!("{:?}", parse(&body));
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
        let _ = parse(&body);
    }

    #[test]
    fn any_json_is_read_without_a_panic(value in any_json()) {
        let body = json!({"entry": [{"changes": [{"field": "messages", "value": value}, value]}, value]});
        let shown = format!("{:?}", parse(body.to_string().as_bytes()));
        prop_assert!(shown.len() < 1_000_000);
    }

    #[test]
    fn a_webhook_with_one_part_replaced_is_read_without_a_panic(
        file in any::<prop::sample::Index>(), nth in 0_usize..60, by in any_json(),
    ) {
        let (_, body) = &webhooks()[file.index(webhooks().len())];
        let mut value: Value = serde_json::from_slice(body).unwrap();
        replace_nth(&mut value, &mut nth.clone(), &by);
        let _ = summaries(&parse(value.to_string().as_bytes()));
    }
}
