//! The codes of problems. Programs tell problems apart by them; each has a page at
//! `/problems/{code}`.

use http::StatusCode;

/// The code of a problem. It stays the same from version to version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    MalformedRequest,
    Unauthorized,
    InsufficientScope,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    NotStorable,
    UnsupportedMediaType,
    ValidationFailed,
    MissingVariables,
    UploadUnreadable,
    UploadBrokenOff,
    FileRefused,
    PreconditionFailed,
    CampaignStatus,
    CampaignUsed,
    CampaignEnded,
    SettingFixed,
    NoRecipients,
    RecipientsDiffer,
    CostTooHigh,
    CostUnknown,
    RecipientStatus,
    ChangedMeanwhile,
    TemplateExists,
    ConnectionInUse,
    SenderTaken,
    CredentialsUnreadable,
    ProviderMissing,
    TooManyAddresses,
    MessageUnderWay,
    ContactSuppressed,
    ContactHeld,
    SuppressionOfContact,
    SentAMomentAgo,
    QuotaExhausted,
    FileInUse,
    FileMissing,
    MessageRefused,
    LastKey,
    IdempotencyKeyReused,
    RequestInProgress,
    AnswerNotKept,
    TooManyRequests,
    InternalError,
    Unavailable,
}

/// What a code stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The code as clients see it.
    pub(crate) code: &'static str,
    /// The problem in a few words.
    pub(crate) title: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

const fn about(
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    remedy: &'static str,
) -> About {
    About { status, code, title, remedy }
}

impl Code {
    /// All codes.
    pub(crate) const ALL: [Self; 46] = [
        Self::MalformedRequest,
        Self::Unauthorized,
        Self::InsufficientScope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::NotStorable,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::MissingVariables,
        Self::UploadUnreadable,
        Self::UploadBrokenOff,
        Self::FileRefused,
        Self::PreconditionFailed,
        Self::CampaignStatus,
        Self::CampaignUsed,
        Self::CampaignEnded,
        Self::SettingFixed,
        Self::NoRecipients,
        Self::RecipientsDiffer,
        Self::CostTooHigh,
        Self::CostUnknown,
        Self::RecipientStatus,
        Self::ChangedMeanwhile,
        Self::TemplateExists,
        Self::ConnectionInUse,
        Self::SenderTaken,
        Self::CredentialsUnreadable,
        Self::ProviderMissing,
        Self::TooManyAddresses,
        Self::MessageUnderWay,
        Self::ContactSuppressed,
        Self::ContactHeld,
        Self::SuppressionOfContact,
        Self::SentAMomentAgo,
        Self::QuotaExhausted,
        Self::FileInUse,
        Self::FileMissing,
        Self::MessageRefused,
        Self::LastKey,
        Self::IdempotencyKeyReused,
        Self::RequestInProgress,
        Self::AnswerNotKept,
        Self::TooManyRequests,
        Self::InternalError,
        Self::Unavailable,
    ];

    /// The status, the name, the title and the remedy.
    #[expect(clippy::too_many_lines, reason = "one entry a code")]
    pub(crate) const fn about(self) -> About {
        match self {
            Self::MalformedRequest => about(
                StatusCode::BAD_REQUEST,
                "malformed_request",
                "The request cannot be parsed",
                "Send what the description of the operation in /openapi.json shows.",
            ),
            Self::Unauthorized => about(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "No valid API key",
                "Send a key that is not deleted or expired: Authorization: Bearer <key>.",
            ),
            Self::InsufficientScope => about(
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "The API key does not have the scope",
                "Use a key that has the scope; GET /v1/me shows which scopes a key has.",
            ),
            Self::NotFound => about(
                StatusCode::NOT_FOUND,
                "not_found",
                "Not found",
                "Check the address and the id; the list of the resource shows what there is.",
            ),
            Self::MethodNotAllowed => about(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address has no such method",
                "Use one of the methods in the header Allow.",
            ),
            Self::TooLarge => about(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The body is too large",
                "Send less at a time; recipients can be added in several uploads.",
            ),
            Self::NotStorable => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_storable",
                "The table neither stores nor finds something like this",
                "Shorten the names and values of the request. If none is long, give `request_id` to the operator.",
            ),
            Self::UnsupportedMediaType => about(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body has the wrong content type",
                "Send the body with a Content-Type that the operation takes.",
            ),
            Self::ValidationFailed => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation_failed",
                "Something in the request is not valid",
                "Correct each member that `errors` names, and send the request again.",
            ),
            Self::MissingVariables => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "missing_variables",
                "The message has variables without a value",
                "Add the columns, or give the variables a default such as {name|friend}.",
            ),
            Self::UploadUnreadable => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "upload_unreadable",
                "The upload cannot be parsed",
                "Correct the file as `detail` says, and upload it again. Nothing was added.",
            ),
            Self::UploadBrokenOff => about(
                StatusCode::BAD_REQUEST,
                "upload_broken_off",
                "The upload broke off",
                "Upload the same file again: what was added already counts as duplicates.",
            ),
            Self::FileRefused => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "file_refused",
                "The provider refused the file",
                "Upload a file of a type and a size that the provider takes.",
            ),
            Self::PreconditionFailed => about(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "It was changed since you read it",
                "Look at `current`, apply your change to it, and send its ETag as If-Match.",
            ),
            Self::CampaignStatus => about(
                StatusCode::CONFLICT,
                "campaign_status",
                "The campaign's status does not allow this",
                "Look at the campaign's status in `current`: another action may be possible.",
            ),
            Self::CampaignUsed => about(
                StatusCode::CONFLICT,
                "campaign_used",
                "The campaign has recipients",
                "Cancel the campaign instead: what it did stays on record.",
            ),
            Self::CampaignEnded => about(
                StatusCode::CONFLICT,
                "campaign_ended",
                "The campaign's end has come",
                "Make another campaign for whoever was not sent to.",
            ),
            Self::SettingFixed => about(
                StatusCode::CONFLICT,
                "setting_fixed",
                "The setting cannot be changed any more",
                "Make another campaign, or change only what the status of this one allows.",
            ),
            Self::NoRecipients => about(
                StatusCode::CONFLICT,
                "no_recipients",
                "The campaign has nobody to send to",
                "Add recipients: POST /v1/campaigns/{id}/recipients. Then start it.",
            ),
            Self::RecipientsDiffer => about(
                StatusCode::CONFLICT,
                "recipients_differ",
                "There are more or fewer recipients than expected",
                "Look at the recipients, and start with the number in `current`.",
            ),
            Self::CostTooHigh => about(
                StatusCode::CONFLICT,
                "cost_too_high",
                "The messages may cost more than the limit",
                "Raise max_cost, or send to fewer recipients.",
            ),
            Self::CostUnknown => about(
                StatusCode::CONFLICT,
                "cost_unknown",
                "The cost is not known",
                "Start without max_cost.",
            ),
            Self::RecipientStatus => about(
                StatusCode::CONFLICT,
                "recipient_status",
                "The recipient's status does not allow this",
                "Look at the recipient's status in `current`.",
            ),
            Self::ChangedMeanwhile => about(
                StatusCode::CONFLICT,
                "changed_meanwhile",
                "It was changed at this moment",
                "Look at it again, and repeat the request if it is still right.",
            ),
            Self::TemplateExists => about(
                StatusCode::CONFLICT,
                "template_exists",
                "There is a template of that name and language already",
                "Choose another name, or delete the other template first.",
            ),
            Self::ConnectionInUse => about(
                StatusCode::CONFLICT,
                "connection_in_use",
                "Campaigns of the connection may still send",
                "Cancel the campaigns first.",
            ),
            Self::SenderTaken => about(
                StatusCode::CONFLICT,
                "sender_taken",
                "Another connection has this sender",
                "Use the other connection, or delete it first.",
            ),
            Self::CredentialsUnreadable => about(
                StatusCode::CONFLICT,
                "credentials_unreadable",
                "The stored credentials cannot be decrypted here",
                "Send all credentials of the connection together to store them anew.",
            ),
            Self::ProviderMissing => about(
                StatusCode::CONFLICT,
                "provider_missing",
                "The provider is not part of this version",
                "Use a provider that GET /v1/channels lists.",
            ),
            Self::TooManyAddresses => about(
                StatusCode::CONFLICT,
                "too_many_addresses",
                "The two contacts have more addresses together than a person has",
                "Check that both are one person; split addresses off that are not theirs.",
            ),
            Self::MessageUnderWay => about(
                StatusCode::CONFLICT,
                "message_under_way",
                "A message to the person is being sent",
                "Repeat the request in a minute.",
            ),
            Self::ContactSuppressed => about(
                StatusCode::CONFLICT,
                "contact_suppressed",
                "The contact is suppressed",
                "Choose another address: nobody who opted out or is blacklisted is sent to.",
            ),
            Self::ContactHeld => about(
                StatusCode::CONFLICT,
                "contact_held",
                "The provider holds marketing messages back from the contact",
                "Wait until the time in `detail`, or choose another address.",
            ),
            Self::SuppressionOfContact => about(
                StatusCode::CONFLICT,
                "suppression_of_contact",
                "The contact opted out",
                "Only the contact can end it, by writing that they want messages again.",
            ),
            Self::SentAMomentAgo => about(
                StatusCode::CONFLICT,
                "sent_a_moment_ago",
                "The contact was sent a message a moment ago",
                "Wait a few seconds and repeat the request.",
            ),
            Self::QuotaExhausted => about(
                StatusCode::CONFLICT,
                "quota_exhausted",
                "The quota of contacts in 24 hours is exhausted",
                "Wait until contacts leave the rolling 24 hours, or ask the provider for more.",
            ),
            Self::FileInUse => about(
                StatusCode::CONFLICT,
                "file_in_use",
                "A campaign that has not ended sends the file",
                "Cancel the campaign first, or replace the file under its id.",
            ),
            Self::FileMissing => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "file_missing",
                "The provider does not have the message's file",
                "Upload the file again: POST /v1/media.",
            ),
            Self::MessageRefused => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "message_refused",
                "The provider refused the message",
                "Correct what `detail` names. Nothing was sent.",
            ),
            Self::LastKey => about(
                StatusCode::CONFLICT,
                "last_key",
                "The key is the one that this request uses",
                "Change or delete it with another key.",
            ),
            Self::IdempotencyKeyReused => about(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The Idempotency-Key was used for another request",
                "Use a new key for each request, and the same key for its repetitions.",
            ),
            Self::RequestInProgress => about(
                StatusCode::CONFLICT,
                "request_in_progress",
                "The first request with this Idempotency-Key is in progress",
                "Repeat the request after the seconds in the header Retry-After.",
            ),
            Self::AnswerNotKept => about(
                StatusCode::CONFLICT,
                "answer_not_kept",
                "The request was carried out before, and its answer is not stored",
                "Look at the list of the resource for what the first request made.",
            ),
            Self::TooManyRequests => about(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests",
                "Repeat the request after the seconds in the header Retry-After.",
            ),
            Self::InternalError => about(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "The request failed on the server's side",
                "Give `request_id` to the operator: the log says what failed.",
            ),
            Self::Unavailable => about(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available at the moment",
                "Repeat the request after the seconds in the header Retry-After.",
            ),
        }
    }

    /// The code with that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.about().code == name)
    }
}
