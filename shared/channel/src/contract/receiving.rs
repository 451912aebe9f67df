//! Which webhook requests a provider takes as authentic, and what it reads from them.

use carillon_foundations::ids::{ConnectionId, IdSource};
use carillon_foundations::time::Timestamp;
use http::HeaderMap;
use secrecy::SecretString;

use super::{Fixture, StatusSample, Violations, WebhookSamples, is_identifier};
use crate::capabilities::{Capabilities, Correlation, ReportedStatus};
use crate::credentials::Credentials;
use crate::event::{AccountChange, Event, EventBody, MessageStatus};
use crate::provider::Provider;
use crate::receiver::{Candidate, Handshake, Receiver, WebhookRequest};
use crate::sender::SenderAccess;

/// Bodies that no provider sends.
const MALFORMED: [&[u8]; 9] =
    [b"", b"{", b"}", b"null", b"[]", b"7", b"\"text\"", b"<xml/>", b"\xff\xfe\x00"];

pub(super) fn check(
    provider: &dyn Provider,
    fixture: &Fixture<'_>,
    access: &SenderAccess,
    found: &mut Violations,
) {
    let (receiver, samples) = match (provider.receiver(), fixture.webhooks) {
        (Some(receiver), Some(samples)) => (receiver, samples),
        (receiver, _) => {
            let rule = "the fixture has webhook samples for the receiver";
            return found.require(receiver.is_none(), rule, "none");
        }
    };
    found.require(is_identifier(receiver.path()), "the path is one word", receiver.path());
    let mut checks = Checks { receiver, samples, access, found };
    checks.check_signatures();
    checks.check_handshake();
    checks.check_statuses(provider.capabilities());
    checks.check_bodies(provider.capabilities());
    checks.check_malformed();
}

struct Checks<'a> {
    receiver: &'a dyn Receiver,
    samples: &'a dyn WebhookSamples,
    access: &'a SenderAccess,
    found: &'a mut Violations,
}

impl Checks<'_> {
    fn check_signatures(&mut self) {
        let ours = &self.access.credentials;
        let (others, strangers) = (altered(ours, "other"), altered(ours, "stranger"));
        let candidates = candidates([ours, &others, ours, &Credentials::default()]);
        let body = self.status(MessageStatus::Sent);
        let signed = |credentials: &Credentials| self.samples.sign(credentials, &body);
        let mut changed = body.clone();
        changed.push(b' ');
        let cases: [(&str, HeaderMap, &[u8], Vec<usize>); 5] = [
            ("ours", signed(ours), &body, vec![0, 2]),
            ("the other's", signed(&others), &body, vec![1]),
            ("a stranger's", signed(&strangers), &body, vec![]),
            ("of another body", signed(ours), &changed, vec![]),
            ("none", HeaderMap::new(), &body, vec![]),
        ];
        for (name, headers, body, expected) in cases {
            let request = WebhookRequest { headers: &headers, query: "", body };
            let matched = self.receiver.authenticate(&request, &candidates);
            let expected: Vec<_> =
                expected.into_iter().map(|index| candidates[index].connection).collect();
            let rule = "a signature names the connections whose credentials made it, and no other";
            self.found.require(matched == expected, rule, format!("{name}: {matched:?}"));
        }
    }

    fn check_handshake(&mut self) {
        let ours = &self.access.credentials;
        let Some((query, answer)) = self.samples.handshake(ours) else { return };
        let strange = self.samples.handshake(&altered(ours, "stranger"));
        let strange = strange.map(|(query, _)| query).unwrap_or_default();
        let known = candidates([&altered(ours, "other"), ours]);
        let confirmed = Handshake::Confirmed(answer);
        let cases: [(&str, &str, &[Candidate], Handshake); 5] = [
            ("ours", &query, &known, confirmed),
            ("a stranger's", &strange, &known, Handshake::Refused),
            ("an empty one", "", &known, Handshake::Refused),
            ("without connections", &query, &[], Handshake::Refused),
            ("without secrets", "", &candidates([&Credentials::default()]), Handshake::Refused),
        ];
        for (name, query, candidates, expected) in cases {
            let request = WebhookRequest { headers: &HeaderMap::new(), query, body: b"" };
            let handshake = self.receiver.handshake(&request, candidates);
            let rule = "a handshake is confirmed for a known secret only";
            self.found.require(handshake == expected, rule, format!("{name}: {handshake:?}"));
        }
    }

    fn check_statuses(&mut self, capabilities: &Capabilities) {
        for status in capabilities.statuses {
            let status = message_status(*status);
            let body = self.status(status);
            let events = self.receiver.parse(&body);
            let [Event { sender_id, body: EventBody::Status(event), .. }] = events.as_slice()
            else {
                self.found.add("a declared status is parsed as one event", format!("{events:?}"));
                continue;
            };
            let sender = Some(self.access.config.sender_id.as_str());
            let rule = "a status names its sender, its message and what happened";
            let named = sender_id.as_deref() == sender && event.message_id == "message-1";
            self.found.require(named && event.status == status, rule, format!("{events:?}"));
            let rule = "a provider that returns callbacks returns them in each status";
            let returned = event.callback.as_deref() == Some("attempt 1");
            let needed = capabilities.correlation == Correlation::Callback;
            self.found.require(returned || !needed, rule, format!("{:?}", event.callback));
            let rule = "a failed status has a refusal, and no other status has one";
            let failed = status == MessageStatus::Failed;
            self.found.require(event.refusal.is_some() == failed, rule, status.as_str());
        }
    }

    fn check_bodies(&mut self, capabilities: &Capabilities) {
        for body in self.bodies() {
            let events = self.receiver.parse(&body);
            self.found.require(!events.is_empty(), "a sample has an event", body.len());
            let same = self.receiver.parse(&body) == events;
            self.found.require(same, "a duplicate is parsed to equal events", events.len());
            let limits = events.iter().any(|event| reports_quota(&event.body));
            let rule = "a quota is reported only where there is a quota rule";
            self.found.require(!limits || capabilities.quota.is_some(), rule, events.len());
        }
    }

    /// What is cut off must not be read as something else.
    fn check_malformed(&mut self) {
        let is_unknown = |event: &Event| matches!(event.body, EventBody::Unknown { .. });
        for body in MALFORMED {
            let events = self.receiver.parse(body);
            let reported = !events.is_empty() && events.iter().all(is_unknown);
            let rule = "a malformed body is reported as unknown";
            self.found.require(reported, rule, String::from_utf8_lossy(body));
        }
        for body in self.bodies() {
            let whole = self.receiver.parse(&body);
            let step = (body.len() / 64).max(1);
            for end in (0..body.len()).step_by(step) {
                let events = self.receiver.parse(&body[..end]);
                let known = events.iter().all(|event| is_unknown(event) || whole.contains(event));
                let rule = "a body that is cut off has no other events than the whole one";
                self.found.require(known, rule, format!("{events:?}"));
            }
        }
    }

    fn status(&self, status: MessageStatus) -> Vec<u8> {
        self.samples.status(&StatusSample {
            sender_id: &self.access.config.sender_id,
            message_id: "message-1",
            callback: "attempt 1",
            status,
        })
    }

    fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = self.samples.bodies();
        bodies.push(self.status(MessageStatus::Sent));
        bodies
    }
}

/// Connections with these credentials.
fn candidates<const N: usize>(credentials: [&Credentials; N]) -> Vec<Candidate> {
    let ids = IdSource::seeded(1);
    let candidate = |credentials: &Credentials| Candidate {
        connection: ConnectionId::from_uuid(ids.uuid(Timestamp::UNIX_EPOCH)),
        credentials: credentials.clone(),
    };
    credentials.into_iter().map(candidate).collect()
}

/// Credentials with other values of the same names.
fn altered(credentials: &Credentials, mark: &str) -> Credentials {
    let pairs = credentials.exposed().into_iter();
    pairs.map(|(name, value)| (name, SecretString::from(format!("{value}-{mark}")))).collect()
}

fn message_status(status: ReportedStatus) -> MessageStatus {
    match status {
        ReportedStatus::Sent => MessageStatus::Sent,
        ReportedStatus::Delivered => MessageStatus::Delivered,
        ReportedStatus::Read => MessageStatus::Read,
        ReportedStatus::Failed => MessageStatus::Failed,
    }
}

fn reports_quota(event: &EventBody) -> bool {
    match event {
        EventBody::Account(event) => matches!(
            event.change,
            AccountChange::Quota { .. } | AccountChange::Sender { limit: Some(_), .. }
        ),
        EventBody::Status(_)
        | EventBody::Message(_)
        | EventBody::Preference(_)
        | EventBody::Unknown { .. } => false,
    }
}
