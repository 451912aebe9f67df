//! The routes, by what they are about. The description of the API is made of
//! them.

mod audit_log;
mod campaign_list;
mod campaign_view;
mod campaigns;
mod channels;
mod connection_view;
mod connections;
mod contacts;
mod events;
mod export;
mod home;
mod jobs;
mod keys;
mod me;
mod media;
mod overview;
mod plan;
mod queues;
mod quota_groups;
mod recipients;
mod reports;
mod suppressions;
mod templates;
mod test_send;
mod transitions;

use std::sync::Arc;

pub(crate) use connection_view::ProviderMember;
pub(crate) use home::Description;

use carillon::campaign::{self, Campaign};
use carillon::ids::CampaignId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::problem::{Answer, Problem};

/// What everyone may ask.
pub(crate) fn open() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(home::console))
        .routes(routes!(home::health))
        .routes(routes!(home::description))
        .routes(routes!(home::problems))
        .routes(routes!(home::problem_page))
}

/// What needs a key.
pub(crate) fn guarded() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::get, keys::update, keys::delete))
        .routes(routes!(keys::rotate))
        .routes(routes!(me::get))
        .routes(routes!(overview::get))
        .routes(routes!(connections::create, connections::list))
        .routes(routes!(connections::get, connections::update, connections::delete))
        .routes(routes!(connections::check))
        .routes(routes!(channels::list))
        .routes(routes!(templates::create, templates::list))
        .routes(routes!(templates::get, templates::delete))
        .routes(routes!(templates::preview))
        .routes(routes!(media::upload, media::list))
        .routes(routes!(media::get, media::delete))
        .routes(routes!(contacts::create))
        .routes(routes!(contacts::search))
        .routes(routes!(contacts::get))
        .routes(routes!(contacts::erase))
        .routes(routes!(contacts::merge_with))
        .routes(routes!(contacts::split))
        .routes(routes!(suppressions::create, suppressions::list))
        .routes(routes!(suppressions::get, suppressions::delete))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::cancel))
        .routes(routes!(events::list))
        .routes(routes!(audit_log::list))
        .routes(routes!(audit_log::get))
        .routes(routes!(quota_groups::list))
        .routes(routes!(quota_groups::get))
        .routes(routes!(queues::list))
        .routes(routes!(queues::redrive_queue))
        .merge(of_campaigns())
}

fn of_campaigns() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(campaigns::create, campaign_list::list))
        .routes(routes!(campaigns::get, campaigns::update, campaigns::delete))
        .routes(routes!(campaigns::duplicate))
        .routes(routes!(transitions::start))
        .routes(routes!(transitions::pause))
        .routes(routes!(transitions::resume))
        .routes(routes!(transitions::cancel))
        .routes(routes!(test_send::send))
        .routes(routes!(recipients::upload, recipients::list))
        .routes(routes!(jobs::bulk))
        .routes(routes!(recipients::get))
        .routes(routes!(recipients::close))
        .routes(routes!(recipients::retry))
        .routes(routes!(recipients::skip))
        .routes(routes!(export::recipients))
        .routes(routes!(plan::plan))
        .routes(routes!(reports::report))
        .routes(routes!(reports::days))
        .routes(routes!(reports::batches))
        .routes(routes!(events::history))
}

/// The campaign with that id.
async fn campaign(api: &Api, id: CampaignId) -> Answer<Campaign> {
    campaign::store::get(&api.table, id).await?.ok_or_else(|| Problem::not_found("campaign"))
}
