//! How each of Meta's error codes is treated. Source: Meta, "Error codes" (fetched September
//! 2026), captured answers, and Meta's `OpenAPI` document v23. The reasons are Carillon's.

use Treatment::{
    Account, Connection, Country, Later, MarketingHeld, Media, Message, OptOut, Pair, RateExceeded,
    Recipient, Request, Template, Throttled, Unclear, Values,
};

/// How a code is treated, in an answer or in a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// The sender exceeds its throughput. The minimum wait, in seconds.
    RateExceeded(u32),
    /// The sender or the account is throttled. The minimum wait, in seconds.
    Throttled(u32),
    /// Too many messages to this contact. Only this contact waits.
    Pair,
    /// A fault during processing. In an answer it is unknown whether the message was sent;
    /// in a webhook the message failed.
    Unclear,
    /// A retry may succeed: the wait in seconds, and the maximum number of retries.
    Later(u32, u8),
    /// Meta holds marketing messages back from the contact: for how long, in seconds.
    MarketingHeld(u32),
    /// The contact cannot be reached.
    Recipient,
    /// The contact has opted out of marketing messages.
    OptOut,
    /// This message cannot be sent to this contact.
    Message,
    /// The request is invalid, perhaps for other contacts too.
    Request,
    /// A value for the template is missing or not valid: this contact's, or everybody's.
    Values,
    /// The template cannot be sent.
    Template,
    /// Meta could not get the message's file.
    Media,
    /// The number cannot send.
    Connection,
    /// The account cannot send.
    Account,
    /// The account cannot send to the contact's country.
    Country,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) code: u32,
    pub(super) treatment: Treatment,
    pub(super) reason: &'static str,
}

const HOUR: u32 = 3600;

const fn row(code: u32, treatment: Treatment, reason: &'static str) -> Entry {
    Entry { code, treatment, reason }
}

/// The table, by code.
#[rustfmt::skip]
pub(super) const TABLE: &[Entry] = &[
    row(0, Account, "the access token was not accepted"),
    row(1, Unclear, "WhatsApp had an unknown fault, or could not read the request"),
    row(2, Unclear, "WhatsApp is down or overloaded"),
    row(3, Account, "the app lacks a capability or permission"),
    row(4, Throttled(60), "the app made too many calls"),
    row(10, Account, "the app's permission is missing or was withdrawn"),
    row(17, Throttled(60), "the user of this token made too many calls"),
    row(33, Connection, "the business phone number no longer exists"),
    row(100, Request, "the request has a parameter that WhatsApp does not take"),
    row(104, Account, "the request carried no access token"),
    row(190, Account, "the access token has expired or was withdrawn"),
    row(200, Account, "the app's permission is missing or was withdrawn"),
    row(368, Account, "the account is blocked for violating a policy"),
    row(613, Later(HOUR, 3), "too many calls of this kind"),
    row(803, Connection, "the business phone number was not found"),
    row(1026, Recipient, "the contact's phone can't show this kind of message"),
    row(80007, Throttled(300), "the account reached its hourly limit of calls"),
    row(130_403, Recipient, "this business has blocked the contact"),
    row(130_429, RateExceeded(2), "the number sends faster than its throughput"),
    row(130_472, Recipient, "the contact is in one of Meta's experiments and gets no marketing templates"),
    row(130_497, Country, "the account may not message people in this country"),
    row(131_000, Unclear, "WhatsApp had an unknown fault"),
    row(131_005, Account, "the app's permission is missing or was withdrawn"),
    row(131_008, Values, "the request lacks a value that the template needs"),
    row(131_009, Request, "a value in the request is not valid"),
    row(131_016, Unclear, "a service of WhatsApp is down for a moment"),
    row(131_021, Recipient, "the recipient is the sending number itself"),
    row(131_026, Recipient, "WhatsApp could not deliver it: not on WhatsApp, an old app, or terms not accepted"),
    row(131_030, Recipient, "a test number may only write to the numbers on its list"),
    row(131_031, Account, "the account is locked or restricted"),
    row(131_035, Message, "the webhook was not delivered in time (no-storage numbers)"),
    row(131_036, Message, "one of the contact's devices did not get the message (no-storage numbers)"),
    row(131_037, Connection, "the number's display name is not approved yet"),
    row(131_042, Account, "the account's payment method has a problem"),
    row(131_044, Message, "calls can't be paid for"),
    row(131_045, Connection, "the number's registration has a fault: register it again"),
    row(131_047, Message, "more than 24 hours since the contact last wrote: only a template can be sent"),
    row(131_048, Connection, "too many of the number's messages were blocked or reported as spam"),
    row(131_049, MarketingHeld(24 * HOUR), "Meta holds this marketing message back to keep the contact's inbox healthy"),
    row(131_050, OptOut, "the contact has stopped marketing messages from this business"),
    row(131_051, Request, "WhatsApp does not support this kind of message"),
    row(131_052, Message, "media sent by the contact could not be fetched"),
    row(131_053, Media, "the media file could not be fetched, or has a kind that WhatsApp does not take"),
    row(131_055, Request, "this endpoint only sends marketing templates"),
    row(131_056, Pair, "too many messages to this contact in a short time"),
    row(131_057, Unclear, "the account is in maintenance for a moment"),
    row(131_059, Request, "the template list's cursor is not valid any more"),
    row(131_060, Message, "the message is not available"),
    row(131_061, Template, "a template with a maximum price needs the Marketing Messages API"),
    row(131_062, Message, "this authentication template needs the contact's phone number"),
    row(131_063, Template, "marketing templates are switched off for the Cloud API on this account"),
    row(131_064, Account, "the account is limited because its templates were in the wrong category"),
    row(132_000, Template, "the number of values is not the number of the template's variables"),
    row(132_001, Template, "the template does not exist in this language, or is not approved"),
    row(132_005, Message, "the text is too long once the values are filled in"),
    row(132_007, Template, "the template's content violates a policy of WhatsApp"),
    row(132_008, Message, "a value for the template is not valid"),
    row(132_012, Values, "a value has another format than the template needs"),
    row(132_015, Template, "the template is paused for low quality"),
    row(132_016, Template, "the template is disabled for good, after too many pauses for low quality"),
    row(132_018, Values, "the values for the template have a fault"),
    row(132_068, Template, "the template's Flow is blocked"),
    row(132_069, Later(HOUR, 3), "the template's Flow is throttled to 10 messages an hour"),
    row(133_000, Connection, "an earlier deregistration of the number did not finish"),
    row(133_004, Unclear, "WhatsApp's server is down for a moment"),
    row(133_005, Message, "the two-step PIN is wrong"),
    row(133_006, Connection, "the number needs to be verified before it is registered"),
    row(133_008, Message, "the two-step PIN was guessed too often"),
    row(133_009, Message, "the two-step PIN was guessed too fast"),
    row(133_010, Connection, "the number is not registered on the WhatsApp Business Platform"),
    row(133_015, Later(300, 3), "the number was deleted a moment ago, and that is not finished"),
    row(133_016, Later(72 * HOUR, 1), "the number was registered or deregistered too often"),
    row(134_011, Account, "the terms of WhatsApp Payments are not accepted"),
    row(134_100, Request, "this endpoint only sends marketing templates"),
    row(134_101, Later(600, 3), "the template is still being synchronised"),
    row(134_102, Template, "the template can't be used yet: check the account's onboarding"),
    row(135_000, Template, "WhatsApp dropped the message for a fault in the request, or while pacing the campaign"),
    row(137_000, Message, "the contact's identity has changed and must be confirmed"),
    row(139_100, Message, "contacts could not be blocked or unblocked"),
    row(2_388_019, Message, "the account has as many templates as it may have"),
    row(2_494_100, Unclear, "the number is in maintenance for some minutes"),
];

/// The row of a code, if it is known. Codes 200 to 299 share a row, and so do 139100 to
/// 139103.
pub(super) fn entry(code: u32) -> Option<&'static Entry> {
    let code = match code {
        200..=299 => 200,
        139_100..=139_103 => 139_100,
        code => code,
    };
    TABLE.binary_search_by_key(&code, |entry| entry.code).ok().map(|place| &TABLE[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_by_code() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
