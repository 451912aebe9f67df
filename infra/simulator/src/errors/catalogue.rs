//! Meta's error codes, each with its HTTP status, title and usual details. The
//! source is Meta's error code reference (`ERROR_CODES_URL` in the parent module).

pub(super) struct CatalogueEntry {
    pub(super) title: &'static str,
    pub(super) status: u16,
    pub(super) details: &'static str,
}

impl CatalogueEntry {
    pub(super) fn find(code: u32) -> Self {
        let (_, status, title, details) = CATALOGUE
            .iter()
            .find(|entry| entry.0 == code)
            .unwrap_or(&(0, 400, "Unknown error", "An unknown error has occurred."));
        Self { title, status: *status, details }
    }
}

/// Code, HTTP status, title, details.
const CATALOGUE: &[(u32, u16, &str, &str)] = &[
    (0, 401, "AuthException", "We were unable to authenticate the app user."),
    (1, 400, "API Unknown", "Invalid request or possible server error."),
    (2, 503, "API Service", "Temporary due to downtime or due to being overloaded."),
    (3, 500, "API Method", "Capability or permissions issue."),
    (4, 400, "API Too Many Calls", "The app has reached its API call rate limit."),
    (10, 403, "Permission Denied", "Permission is either not granted or has been removed."),
    (33, 400, "Parameter value is not valid", "The business phone number has been deleted."),
    (
        100,
        400,
        "Invalid parameter",
        "The request included one or more unsupported or misspelled parameters.",
    ),
    (190, 401, "Access token has expired", "Your access token has expired."),
    (200, 403, "API Permission", "Permission is either not granted or has been removed."),
    (
        368,
        403,
        "Temporarily blocked for policies violations",
        "The WhatsApp Business Account associated with the app has been restricted or disabled for violating a platform policy.",
    ),
    (
        2200,
        400,
        "Callback verification failed",
        "The callback URL did not answer the verification request with its challenge.",
    ),
    (80007, 400, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit."),
    (
        130_403,
        400,
        "Business blocked the user",
        "Unable to deliver the message. This business has blocked the end user on WhatsApp",
    ),
    (130_429, 400, "Rate limit hit", "Cloud API message throughput has been reached."),
    (
        130_472,
        400,
        "User's number is part of an experiment",
        "Failed to send message because this user's phone number is part of an experiment",
    ),
    (
        130_497,
        403,
        "Business account is restricted from messaging users in this country.",
        "The WhatsApp Business Account is restricted from messaging to users in certain countries.",
    ),
    (131_000, 500, "Something went wrong", "Message failed to send due to an unknown error."),
    (131_005, 403, "Access denied", "Permission is either not granted or has been removed."),
    (131_008, 400, "Required parameter is missing", "The request is missing a required parameter."),
    (131_009, 400, "Parameter value is not valid", "One or more parameter values are invalid."),
    (131_016, 500, "Service unavailable", "A service is temporarily unavailable."),
    (131_021, 400, "Recipient cannot be sender", "Sender and recipient phone number is the same."),
    (131_026, 400, "Message undeliverable", "Message Undeliverable."),
    (
        131_030,
        400,
        "Recipient phone number not in allowed list",
        "Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again.",
    ),
    (
        131_031,
        403,
        "Account has been locked",
        "The WhatsApp Business Account associated with the app has been restricted or disabled.",
    ),
    (
        131_037,
        400,
        "WhatsApp provided number needs display name approval before message can be sent.",
        "The 555 business phone number used to send the request does not have an approved display name.",
    ),
    (
        131_042,
        400,
        "Business eligibility payment issue",
        "There was an error related to your payment method.",
    ),
    (
        131_045,
        500,
        "Incorrect certificate",
        "Message failed to send due to a phone number registration error.",
    ),
    (
        131_047,
        400,
        "Re-engagement message",
        "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    ),
    (
        131_048,
        400,
        "Spam rate limit hit",
        "Message failed to send because there are restrictions on how many messages can be sent from this phone number. This may be because too many previous messages were blocked or flagged as spam.",
    ),
    (
        131_049,
        400,
        "This message was not delivered to maintain healthy ecosystem engagement.",
        "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
    ),
    (
        131_050,
        400,
        "User has stopped receipt of marketing messages",
        "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp from your business.",
    ),
    (131_051, 400, "Unsupported message type", "Unsupported message type."),
    (
        131_053,
        400,
        "Media upload error",
        "The media could not be fetched or has a type that is not supported.",
    ),
    (131_055, 400, "Method not allowed", "Only marketing template messages are supported"),
    (
        131_056,
        400,
        "(Business Account, Consumer Account) pair rate limit hit",
        "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
    ),
    (131_057, 500, "Account in maintenance mode", "Business Account is in maintenance mode"),
    (
        131_059,
        400,
        "Bad template-list cursor",
        "The cursor is not valid; start from the first page.",
    ),
    (
        131_062,
        400,
        "BSUID recipient not supported for this message",
        "Authentication templates need a phone number.",
    ),
    (
        131_063,
        400,
        "Marketing templates disabled on Cloud API",
        "Your template is categorized as Marketing, but marketing templates are currently disabled for your Cloud API configuration.",
    ),
    (
        131_064,
        400,
        "Template classification violations limit",
        "Message failed to send because this account has reached its messaging limit due to template classification violations.",
    ),
    (
        132_000,
        400,
        "Number of parameters does not match the expected number of params",
        "The number of parameters does not match the template.",
    ),
    (
        132_001,
        400,
        "Template name does not exist in the translation",
        "The template does not exist in this language.",
    ),
    (132_005, 400, "Template Hydrated Text Too Long", "Translated text is too long."),
    (
        132_007,
        400,
        "Template Format Character Policy Violated",
        "Template content violates a WhatsApp policy.",
    ),
    (
        132_012,
        400,
        "Parameter format does not match format in the created template",
        "The parameter formats do not match the template.",
    ),
    (
        132_015,
        400,
        "Template is Paused",
        "Template is paused due to low quality so it cannot be sent in a template message.",
    ),
    (
        132_016,
        400,
        "Template is Disabled",
        "Template has been paused too many times due to low quality and is now permanently disabled.",
    ),
    (
        132_018,
        400,
        "There’s an issue with the parameters in your template",
        "Either one of media ID or link must be present",
    ),
    (132_068, 400, "Flow is blocked", "Flow is in blocked state."),
    (
        132_069,
        400,
        "Flow is throttled",
        "Flow is in throttled state and 10 messages using this flow were already sent in the last hour.",
    ),
    (133_004, 503, "Server Temporarily Unavailable", "Server is temporarily unavailable."),
    (
        133_006,
        400,
        "Phone number re-verification needed",
        "Phone number needs to be verified before registering.",
    ),
    (
        133_010,
        400,
        "Phone number Not Registered",
        "Phone number not registered on the WhatsApp Business Platform.",
    ),
    (
        134_100,
        400,
        "Only marketing messages supported",
        "You're only able to send marketing messages on this API.",
    ),
    (
        134_101,
        400,
        "Your template is still syncing",
        "When you send a message from a template, the template syncing process can take up to 10 minutes to complete.",
    ),
    (
        134_102,
        500,
        "Template unavailable for use",
        "Please check your eligibility status to ensure you are onboarded or contact Meta's customer support.",
    ),
    (
        135_000,
        400,
        "Generic user error",
        "Message failed to send because of an unknown error with your request parameters.",
    ),
];
