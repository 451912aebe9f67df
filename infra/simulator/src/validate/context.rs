//! What all checks share.

use crate::errors::ApiError;
use crate::templates::Templates;

pub(super) type ValidationResult = Result<(), ApiError>;

/// The state and the settings that validation depends on.
pub(crate) struct ValidationContext<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) strict_templates: bool,
    pub(crate) seed: u64,
    pub(crate) rewrite_wa_ids: bool,
    pub(crate) now: u64,
}
