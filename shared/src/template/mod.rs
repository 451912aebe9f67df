//! Templates: what they look like, what a message must fill in, a preview.

mod content;
pub mod store;

pub use content::*;
