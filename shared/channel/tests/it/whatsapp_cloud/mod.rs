mod client;
mod content;
mod requests;
mod responses;
mod templates;
mod webhooks;
