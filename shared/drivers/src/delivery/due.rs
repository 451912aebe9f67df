use carillon_nouns::contact::Contact;
use carillon_nouns::recipient::{Recipient, RecipientKey};

/// A recipient that may be sent to now.
pub(super) struct Due {
    pub(super) key: RecipientKey,
    pub(super) recipient: Recipient,
    pub(super) contact: Contact,
}
