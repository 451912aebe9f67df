//! The Cloud API's webhooks behind the receiver port. Source: Meta, "Webhooks".

use carillon_foundations::ids::ConnectionId;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::credentials::{APP_SECRET, VERIFY_TOKEN};
use super::{pieces, signature, webhook};
use crate::event::Event;
use crate::receiver::{Candidate, Handshake, Receiver, WebhookRequest};

/// Meta's webhooks.
pub(super) struct CloudWebhooks;

impl Receiver for CloudWebhooks {
    fn path(&self) -> &'static str {
        "whatsapp"
    }

    fn handshake(&self, request: &WebhookRequest<'_>, candidates: &[Candidate]) -> Handshake {
        let parameter = |name: &str| {
            form_pairs(request.query).find_map(|(key, value)| (key == name).then_some(value))
        };
        let token = parameter("hub.verify_token").unwrap_or_default();
        let known = candidates.iter().any(|candidate| {
            candidate.credentials.get(VERIFY_TOKEN).is_some_and(|expected| {
                bool::from(expected.expose_secret().as_bytes().ct_eq(token.as_bytes()))
            })
        });
        if known && parameter("hub.mode").as_deref() == Some("subscribe") {
            return Handshake::Confirmed(parameter("hub.challenge").unwrap_or_default());
        }
        Handshake::Refused
    }

    fn authenticate(
        &self,
        request: &WebhookRequest<'_>,
        candidates: &[Candidate],
    ) -> Vec<ConnectionId> {
        let header = request.headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
        let Some(header) = header else { return Vec::new() };
        let signed = |candidate: &&Candidate| {
            candidate
                .credentials
                .get(APP_SECRET)
                .is_some_and(|secret| signature::verify(secret, request.body, header).is_ok())
        };
        candidates.iter().filter(signed).map(|candidate| candidate.connection).collect()
    }

    fn parse(&self, body: &[u8]) -> Vec<Event> {
        match pieces::read(body).filter(Value::is_object) {
            Some(body) => webhook::events(&body),
            None => vec![webhook::unreadable_body(body)],
        }
    }
}

/// The pairs of a query string, decoded.
fn form_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query.split('&').map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}
