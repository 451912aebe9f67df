//! What drives several nouns at once: counting, planning, delivery, actions on many recipients,
//! the feed of events, erasing, import and moving. A room imports only from rooms above it in
//! this list: `analytics`, `plan`, `delivery`, `bulk`, `feed`, `privacy`, `import`, `jobs`, `transfer`.

pub mod analytics;
pub mod bulk;
pub mod delivery;
pub mod feed;
pub mod import;
pub mod jobs;
pub mod plan;
pub mod privacy;
pub mod transfer;
