//! The names of a connection's credentials.

/// The credential with which requests are authorised.
pub(super) const ACCESS_TOKEN: &str = "access_token";
/// The credential with which Meta signs webhooks.
pub(super) const APP_SECRET: &str = "app_secret";
/// The credential with which Meta verifies the webhook's address.
pub(super) const VERIFY_TOKEN: &str = "verify_token";
