//! A WhatsApp user.

use std::sync::Arc;

use crate::rng::Rng;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const SERVICE_WINDOW_MS: u64 = DAY_MS;
/// How long a user gets no marketing messages after a refusal with 131049.
const MARKETING_HOLD_MS: u64 = DAY_MS;

/// The ids by which WhatsApp knows a user. Both change with the phone number.
#[derive(Debug, PartialEq)]
pub(crate) struct Identity {
    /// The digits of the `wa_id`, or a user id that the simulator did not issue.
    pub(crate) key: Arc<str>,
    /// The business-scoped user id.
    pub(crate) user_id: Option<Arc<str>>,
}

impl Identity {
    /// The `wa_id`, if the key is one.
    pub(crate) fn wa_id(&self) -> Option<&str> {
        (!self.key.contains('.')).then_some(&*self.key)
    }
}

/// The messages of a user. Message ids and random draws contain these counts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Send requests that passed validation and limits.
    pub(crate) attempts: u32,
    /// Accepted messages to the user.
    pub(crate) accepted: u32,
    /// Messages from the user, without generated replies.
    pub(crate) inbound: u32,
}

impl Counts {
    /// Continues the counts of the previous user of a phone number, so that message
    /// ids stay unique.
    pub(crate) fn continue_from(&mut self, previous: Self) {
        self.attempts = self.attempts.max(previous.attempts);
        self.accepted = self.accepted.max(previous.accepted);
        self.inbound = self.inbound.max(previous.inbound);
    }
}

/// What a user and one business number exchanged.
struct Conversation {
    phone_number_id: Arc<str>,
    /// When the user last sent a one-to-one message to the number.
    last_inbound_at: Option<u64>,
}

/// A user who received or sent a message.
pub(crate) struct User {
    pub(crate) identity: Arc<Identity>,
    /// Whether WhatsApp knows the user. An unregistered user stands for a phone number
    /// or user id that its user gave up.
    pub(crate) is_registered: bool,
    pub(crate) profile_name: &'static str,
    /// Whether the webhooks of this user carry no phone number. `None`: the
    /// configured share decides.
    pub(crate) phone_hidden: Option<bool>,
    pub(crate) counts: Counts,
    conversations: Vec<Conversation>,
    pub(crate) marketing_stopped: bool,
    marketing_held_until: Option<u64>,
    /// How often the forced error was used.
    pub(crate) forced_errors: u32,
}

impl User {
    pub(crate) fn new(seed: u64, identity: Identity) -> Self {
        Self {
            profile_name: profile_name(seed, &identity.key),
            identity: Arc::new(identity),
            is_registered: true,
            phone_hidden: None,
            counts: Counts::default(),
            conversations: Vec::new(),
            marketing_stopped: false,
            marketing_held_until: None,
            forced_errors: 0,
        }
    }

    /// Whether the customer service window of this business number is open.
    pub(crate) fn has_open_service_window(&self, phone_number_id: &str, now: u64) -> bool {
        let mut conversations = self.conversations.iter();
        let with_number = conversations.find(|each| *each.phone_number_id == *phone_number_id);
        let last_inbound_at = with_number.and_then(|each| each.last_inbound_at);
        last_inbound_at.is_some_and(|at| now < at + SERVICE_WINDOW_MS)
    }

    /// Opens the customer service window of this business number. An earlier message
    /// that is reported late does not move the window back.
    pub(crate) fn open_service_window(&mut self, phone_number_id: &Arc<str>, at: u64) {
        let conversation = self.conversation(phone_number_id);
        conversation.last_inbound_at = conversation.last_inbound_at.max(Some(at));
    }

    /// Remembers that the user and the business number exchanged a message.
    pub(crate) fn meet(&mut self, phone_number_id: &Arc<str>) {
        self.conversation(phone_number_id);
    }

    fn conversation(&mut self, phone_number_id: &Arc<str>) -> &mut Conversation {
        let known =
            self.conversations.iter().position(|each| each.phone_number_id == *phone_number_id);
        let index = known.unwrap_or_else(|| {
            let phone_number_id = Arc::clone(phone_number_id);
            self.conversations.push(Conversation { phone_number_id, last_inbound_at: None });
            self.conversations.len() - 1
        });
        &mut self.conversations[index]
    }

    /// The business numbers that exchanged messages with the user.
    pub(crate) fn phone_number_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.conversations.iter().map(|each| &each.phone_number_id)
    }

    pub(crate) fn is_held_from_marketing(&self, now: u64) -> bool {
        self.marketing_held_until.is_some_and(|until| now < until)
    }

    /// Starts or restarts the hold after a refusal with 131049. It starts with the
    /// second, like the timestamp of the webhook.
    pub(crate) fn hold_from_marketing(&mut self, now: u64) {
        let until = now / 1000 * 1000 + MARKETING_HOLD_MS;
        self.marketing_held_until = self.marketing_held_until.max(Some(until));
    }
}

fn profile_name(seed: u64, key: &str) -> &'static str {
    const NAMES: [&str; 8] = [
        "Siti Aminah",
        "José Álvarez",
        "Chloé Martin",
        "Li Wei 李伟",
        "Ravi Kumar",
        "Anna Müller",
        "Zeynep Şahin",
        "Tom Baker",
    ];
    NAMES[Rng::new(seed, "name", key, 0).below(NAMES.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User::new(1, Identity { key: "14155550101".into(), user_id: None })
    }

    #[test]
    fn the_service_window_belongs_to_a_number_and_never_moves_back() {
        let mut user = user();
        let (number, other) = (Arc::from("1"), Arc::from("2"));
        user.open_service_window(&number, 1_000);
        user.open_service_window(&number, 500);
        user.meet(&other);
        assert!(user.has_open_service_window("1", DAY_MS + 999));
        assert!(!user.has_open_service_window("1", DAY_MS + 1_000));
        assert!(!user.has_open_service_window("2", 1_000));
        assert_eq!(user.phone_number_ids().collect::<Vec<_>>(), [&number, &other]);
    }

    #[test]
    fn a_marketing_hold_lasts_for_a_day_and_restarts() {
        let mut user = user();
        user.hold_from_marketing(5_999);
        assert!(user.is_held_from_marketing(DAY_MS + 4_999));
        assert!(!user.is_held_from_marketing(DAY_MS + 5_000));
        user.hold_from_marketing(DAY_MS);
        assert!(user.is_held_from_marketing(2 * DAY_MS - 1));
    }
}
