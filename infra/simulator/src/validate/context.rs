//! What all checks share.

use crate::errors::ApiError;
use crate::media::MediaStore;
use crate::numbering::Numbering;
use crate::templates::Templates;

pub(super) type ValidationResult = Result<(), ApiError>;

/// The state and the settings that validation depends on.
pub(crate) struct ValidationContext<'a> {
    pub(crate) templates: &'a Templates,
    pub(crate) strict_templates: bool,
    pub(crate) media: &'a MediaStore,
    pub(crate) strict_media: bool,
    pub(crate) numbering: &'a Numbering,
    /// The sending number's id.
    pub(crate) phone_number_id: &'a str,
    /// The sending number, as users see it.
    pub(crate) business_number: &'a str,
    pub(crate) now: u64,
}
