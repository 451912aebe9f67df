//! What drives several nouns at once: counting, planning, delivery, import, erasing and
//! moving. A room imports only from rooms above it in this list: `analytics`, `plan`,
//! `delivery`, `import`, `privacy`, `transfer`.

pub mod analytics;
pub mod delivery;
pub mod import;
pub mod plan;
pub mod privacy;
pub mod transfer;
