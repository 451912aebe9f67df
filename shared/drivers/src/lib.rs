//! What drives several nouns at once: counting, planning, delivery, erasing, import and
//! moving. A room imports only from rooms above it in this list: `analytics`, `plan`,
//! `delivery`, `privacy`, `import`, `transfer`.

pub mod analytics;
pub mod delivery;
pub mod import;
pub mod plan;
pub mod privacy;
pub mod transfer;
