//! What a provider makes of the answers of its service. An attempt whose outcome is
//! unknown must be reported as such: the engine never repeats it, and a status may
//! still arrive.

use carillon_foundations::address::{Address, Scheme};

use super::contents::unsupported_content;
use super::{Answer, Fixture, StandIn, Violations};
use crate::content::Content;
use crate::content::strings::Strings as _;
use crate::outcome::{Outcome, Refusal, Verdict};
use crate::provider::{Outbound, ProbeError, Provider};
use crate::sender::SenderAccess;

/// The shortest text of a content that counts as private.
const MIN_PRIVATE_TEXT: usize = 12;

pub(super) async fn check(
    provider: &dyn Provider,
    fixture: &Fixture<'_>,
    access: &SenderAccess,
    found: &mut Violations,
) {
    let Some(content) = fixture.contents.first() else { return };
    let message = message(Scheme::Phone, content, provider);
    let mut attempts = Attempts { provider, access, stand_in: fixture.stand_in, found };
    attempts.stand_in.take_sends();
    attempts.check_accepted(&fixture.contents).await;
    attempts.check_refused(&fixture.refusals, &message).await;
    attempts.check_unknown(&message).await;
    attempts.check_unsupported(&message).await;
    attempts.check_probe(&fixture.refusals).await;
    attempts.provider = fixture.unreachable;
    attempts.check_unreachable(&message).await;
}

struct Attempts<'a> {
    provider: &'a dyn Provider,
    access: &'a SenderAccess,
    stand_in: &'a dyn StandIn,
    found: &'a mut Violations,
}

impl Attempts<'_> {
    async fn check_accepted(&mut self, contents: &[Content]) {
        let provider = self.provider;
        let schemes = provider.capabilities().addresses.iter();
        let messages = schemes
            .flat_map(|scheme| contents.iter().map(|content| message(*scheme, content, provider)));
        for (number, message) in messages.enumerate() {
            let message_id = format!("message-{number}");
            self.stand_in.answer_with(Answer::Accept { message_id: message_id.clone() });
            let rule = "an accepted message has the provider's id";
            match self.send(&message, 1).await {
                Outcome::Accepted(accepted) => {
                    let same = accepted.message_id == message_id;
                    self.found.require(same, rule, accepted.message_id);
                }
                Outcome::Refused(refusal) => self.found.add(rule, refusal),
            }
        }
    }

    async fn check_refused(&mut self, refusals: &[(u32, Verdict)], message: &Outbound) {
        for &(code, verdict) in refusals {
            self.stand_in.answer_with(Answer::Refuse { code });
            let Some(refusal) = self.refusal(message, 1).await else { continue };
            let Refusal { code: reported, known, .. } = refusal;
            let rule = "a refusal has the provider's code and its verdict";
            let holds = reported == Some(code) && refusal.verdict == verdict && known;
            self.found.require(holds, rule, format!("{code}: {refusal:?}"));
        }
    }

    async fn check_unknown(&mut self, message: &Outbound) {
        for answer in [Answer::Silence, Answer::BreakOff, Answer::Nonsense] {
            self.stand_in.answer_with(answer.clone());
            let Some(refusal) = self.refusal(message, 1).await else { continue };
            let rule = "a request without an answer has an unknown outcome";
            let holds = refusal.verdict == Verdict::Ambiguous;
            self.found.require(holds, rule, format!("{answer:?}: {refusal:?}"));
        }
    }

    async fn check_unsupported(&mut self, message: &Outbound) {
        let message = Outbound { content: unsupported_content(), ..message.clone() };
        let Some(refusal) = self.refusal(&message, 0).await else { return };
        let rule = "a content that it does not send fails without a request";
        let failed = matches!(refusal.verdict, Verdict::MessageRejected | Verdict::RequestRejected);
        self.found.require(failed, rule, format!("{refusal:?}"));
    }

    /// Nothing was sent, so the engine may try again; it must not give the message up.
    async fn check_unreachable(&mut self, message: &Outbound) {
        let rule = "a message to an unreachable provider is not lost";
        if let Some(refusal) = self.refusal(message, 0).await {
            let kept = matches!(refusal.verdict, Verdict::Transient | Verdict::Ambiguous);
            self.found.require(kept, rule, format!("{refusal:?}"));
        }
        let probe = self.provider.probe(self.access).await;
        let rule = "a probe tells an unreachable provider from a refusal";
        let unreachable = matches!(probe, Err(ProbeError::Unreachable(_)));
        self.found.require(unreachable, rule, format!("{probe:?}"));
    }

    async fn check_probe(&mut self, refusals: &[(u32, Verdict)]) {
        self.stand_in.answer_with(Answer::Accept { message_id: String::new() });
        let capabilities = self.provider.capabilities();
        match self.provider.probe(self.access).await {
            Ok(probe) => {
                let rule = "a probe reports a quota only where there is a quota rule";
                let allowed = probe.quota.is_none() || capabilities.quota.is_some();
                self.found.require(allowed, rule, format!("{:?}", probe.quota));
                let rule = "a probe reports no higher throughput than the maximum";
                let rate = probe.throughput_mps.unwrap_or(0);
                self.found.require(rate <= capabilities.throughput.max_mps, rule, rate);
                let rule = "a probe finds no obstacle at a healthy sender";
                self.found.require(probe.obstacle.is_none(), rule, format!("{probe:?}"));
            }
            Err(error) => self.found.add("a probe of a healthy sender succeeds", error),
        }
        for &(code, _) in refusals {
            self.stand_in.answer_with(Answer::Refuse { code });
            let probe = self.provider.probe(self.access).await;
            let refused =
                matches!(&probe, Err(ProbeError::Refused(refusal)) if refusal.code == Some(code));
            let rule = "a probe that is refused has the provider's code";
            self.found.require(refused, rule, format!("{code}: {probe:?}"));
        }
    }

    /// The refusal of a message that must not be accepted.
    async fn refusal(&mut self, message: &Outbound, requests: usize) -> Option<Refusal> {
        match self.send(message, requests).await {
            Outcome::Refused(refusal) => {
                self.require_private(message, &refusal);
                Some(refusal)
            }
            Outcome::Accepted(accepted) => {
                let rule = "nothing is accepted that the provider did not accept";
                self.found.add(rule, accepted.message_id);
                None
            }
        }
    }

    /// Sends a message, which must take that number of requests.
    async fn send(&mut self, message: &Outbound, requests: usize) -> Outcome {
        let outcome = self.provider.send(self.access, message).await;
        let sent = self.stand_in.take_sends();
        let rule = "one call is one attempt";
        self.found.require(sent == requests, rule, format!("{sent} requests, not {requests}"));
        outcome
    }

    fn require_private(&mut self, message: &Outbound, refusal: &Refusal) {
        let mut secrets: Vec<String> =
            self.access.credentials.exposed().into_values().map(str::to_owned).collect();
        secrets.push(message.to.as_str().trim_start_matches('+').to_owned());
        message.content.clone().each_string(&mut |text| secrets.push(text.clone()));
        let private = |secret: &&String| secret.len() >= MIN_PRIVATE_TEXT;
        let leaks = secrets.iter().filter(private).any(|secret| refusal.reason.contains(secret));
        let rule = "a reason contains no address, secret or message text";
        self.found.require(!leaks, rule, &refusal.reason);
    }
}

/// A message to an address of that scheme, or of another one that the provider reaches.
fn message(scheme: Scheme, content: &Content, provider: &dyn Provider) -> Outbound {
    let reached = provider.capabilities().addresses;
    let scheme = reached.iter().find(|one| **one == scheme).or(reached.first());
    let to = match scheme {
        Some(Scheme::Phone) | None => "+573001234567",
        Some(Scheme::Bsuid) => "CO.13491208655302741918",
    };
    let to: Address = to.parse().expect("the address is valid");
    Outbound { to, content: content.clone(), callback: "attempt 1".to_owned(), reply_to: None }
}
