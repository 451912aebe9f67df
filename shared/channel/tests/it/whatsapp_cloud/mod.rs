mod client;
mod content;
#[cfg(feature = "meta-openapi")]
mod meta_openapi;
mod requests;
mod responses;
mod templates;
mod webhooks;
