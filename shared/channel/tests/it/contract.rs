//! The contract of a provider: the WhatsApp Cloud API keeps it, and the checks find
//! a provider that does not.

mod cloud;
mod faulty;

use carillon_channel::contract::check_provider;

use cloud::CloudStand;
use faulty::{Fault, Faulty};

#[tokio::test]
async fn the_whatsapp_cloud_api_keeps_the_contract() {
    let stand = CloudStand::start().await;
    let violations = check_provider(&stand.provider, &stand.fixture()).await;
    assert_eq!(violations, []);
}

/// The rules that a provider with this fault breaks.
async fn broken_rules(fault: Fault) -> Vec<&'static str> {
    let stand = CloudStand::start().await;
    let provider = Faulty::new(stand.provider.clone(), fault);
    let unreachable = Faulty::new(stand.unreachable.clone(), fault);
    let mut fixture = stand.fixture();
    fixture.unreachable = &unreachable;
    let violations = check_provider(&provider, &fixture).await;
    let mut rules: Vec<_> = violations.into_iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

#[tokio::test]
async fn a_fault_of_the_declaration_is_found() {
    for (fault, rules) in [
        (Fault::Name, &["the name is a lower-case identifier"][..]),
        (Fault::NoQuotaRule, &["a probe reports a quota only where there is a quota rule"]),
        (Fault::NoReceiver, &["a provider whose statuses arrive by webhook has a receiver"]),
        (
            Fault::AnySettings,
            &[
                "a missing setting is refused by its name",
                "a malformed setting is refused by its name",
                "an unknown setting is refused by its name",
            ],
        ),
        (
            Fault::AnyContent,
            &[
                "a content that breaks a rule is refused at the path of the field",
                "a kind of content that it does not send is refused",
            ],
        ),
    ] {
        let found = broken_rules(fault).await;
        assert!(rules.iter().all(|rule| found.contains(rule)), "{fault:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_fault_of_sending_is_found() {
    for (fault, rule) in [
        (Fault::SendsTwice, "one call is one attempt"),
        (Fault::RetriesUnknown, "a request without an answer has an unknown outcome"),
        (Fault::LosesUnreachable, "a message to an unreachable provider is not lost"),
        (Fault::NoCode, "a refusal has the provider's code and its verdict"),
        (Fault::QuotesText, "a reason contains no address, secret or message text"),
    ] {
        let found = broken_rules(fault).await;
        assert!(found.contains(&rule), "{fault:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_fault_of_receiving_is_found() {
    let signature = "a signature names the connections whose credentials made it, and no other";
    for (fault, rule) in [
        (Fault::TrustsAll, signature),
        (Fault::TrustsOne, signature),
        (Fault::ConfirmsAll, "a handshake is confirmed for a known secret only"),
        (Fault::DropsMalformed, "a malformed body is reported as unknown"),
        (Fault::DropsCallback, "a provider that returns callbacks returns them in each status"),
        (Fault::CountsCalls, "a duplicate is parsed to equal events"),
    ] {
        let found = broken_rules(fault).await;
        assert!(found.contains(&rule), "{fault:?}: {found:?}");
    }
}
