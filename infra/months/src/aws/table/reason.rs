/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// DynamoDB refuses it.
    Invalid(String),
    /// The simulated table does not know what it asks for: the simulation ends.
    Unknown(String),
}

impl Reason {
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }

    pub(super) fn unknown(what: impl std::fmt::Display) -> Self {
        Self::Unknown(format!("{what} is not simulated"))
    }
}
