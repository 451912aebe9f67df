//! The gateway's webhooks behind the receiver port: signed with the connection's token.

use carillon::channel::event::{Event, EventBody, MessageStatus, StatusEvent, UnknownCause};
use carillon::channel::{Candidate, Handshake, Receiver, WebhookRequest};
use carillon::ids::ConnectionId;
use carillon::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sha2::Sha256;

use super::provider::{NAME, refusal};

pub(super) const SIGNATURE: &str = "x-gateway-signature";

pub(super) struct GatewayWebhooks;

impl Receiver for GatewayWebhooks {
    fn path(&self) -> &'static str {
        NAME
    }

    fn handshake(&self, _request: &WebhookRequest<'_>, _candidates: &[Candidate]) -> Handshake {
        Handshake::Refused
    }

    fn authenticate(
        &self,
        request: &WebhookRequest<'_>,
        candidates: &[Candidate],
    ) -> Vec<ConnectionId> {
        let header = request.headers.get(SIGNATURE).map_or(&[][..], |value| value.as_bytes());
        let signature = hex::decode(header).unwrap_or_default();
        let signed = |candidate: &&Candidate| {
            let token = candidate.credentials.get("token");
            token.is_some_and(|token| {
                mac(token.expose_secret(), request.body).verify_slice(&signature).is_ok()
            })
        };
        candidates.iter().filter(signed).map(|candidate| candidate.connection).collect()
    }

    fn parse(&self, body: &[u8]) -> Vec<Event> {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        match parsed["statuses"].as_array() {
            Some(statuses) => statuses.iter().map(event).collect(),
            None => vec![unknown("body", String::from_utf8_lossy(body).into_owned())],
        }
    }
}

/// The signature of a body, in hexadecimal digits.
pub(super) fn sign(token: &str, body: &[u8]) -> String {
    hex::encode(mac(token, body).finalize().into_bytes())
}

fn mac(token: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(token.as_bytes()).expect("a key of any length");
    mac.update(body);
    mac
}

fn event(status: &Value) -> Event {
    parse_status(status).unwrap_or_else(|| unknown("statuses", status.to_string()))
}

fn parse_status(status: &Value) -> Option<Event> {
    let refusal = status["code"].as_u64().and_then(|code| code.try_into().ok()).map(refusal);
    let event = StatusEvent {
        message_id: status["id"].as_str()?.to_owned(),
        status: match status["status"].as_str()? {
            "delivered" => MessageStatus::Delivered,
            "failed" => MessageStatus::Failed,
            _ => return None,
        },
        at: Timestamp::from_second(status["at"].as_i64()?).ok()?,
        recipient: None,
        aliases: Vec::new(),
        callback: None,
        refusal,
        pricing: None,
    };
    let sender_id = Some(status["sender"].as_str()?.to_owned());
    let body = EventBody::Status(event);
    Some(Event { sender_id, account_id: None, body, raw: status.to_string() })
}

fn unknown(field: &str, raw: String) -> Event {
    let body = EventBody::Unknown { field: field.to_owned(), cause: UnknownCause::Unreadable };
    Event { sender_id: None, account_id: None, body, raw }
}
