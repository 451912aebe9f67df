use std::time::Duration;

use axum::Json;
use axum::extract::State;
use carillon::channel::FieldCode;
use carillon::event::store::Offset;
use carillon::event::{self, Event, EventType, Subject};
use carillon::ids::{CampaignId, EventId};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::body::{Asked, Id, PageAsked, page_size};
use crate::problem::{Answer, Problem};
use crate::values::Time;

/// How long a request may wait for events, in seconds: less than API Gateway's own limit.
const MAX_WAIT: u32 = 20;
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many events are read at a time where only some are asked for.
const FILTERED: u32 = 500;
/// How many reads one request makes at most, where it asks for some events only.
const MAX_READS: u32 = 20;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsAsked {
    /// Only those of these types.
    #[serde(default)]
    #[param(required = false)]
    r#type: Vec<EventType>,
    /// Only those of these subjects: their ids.
    #[serde(default)]
    #[param(required = false)]
    subject: Vec<String>,
    /// Only those that were written since this time, where there is no `cursor`.
    created_after: Option<Time>,
    /// How many seconds to wait where there are none yet, 0 to 20; 0 by default.
    #[param(minimum = 0, maximum = 20, default = 0)]
    wait: Option<u32>,
    /// The size of a page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Events of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// The events, oldest first. A page may have few or none and still not be the last.
    items: Vec<EventView>,
    /// Where to read on, now or later: never null.
    next_cursor: String,
    /// Whether there may be more already: read on at once. `false` once the reader has caught up.
    has_more: bool,
}

/// A page of the history of a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryPage {
    /// The events, oldest first.
    items: Vec<EventView>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    /// Its id. An event that comes a second time has the same.
    #[schema(value_type = String, example = "evt_01890a5d-ac96-874b-bcce-b302099a8057")]
    id: EventId,
    /// What happened.
    r#type: EventType,
    /// When it happened, to the second.
    created_at: Time,
    /// To what.
    subject: Subject,
    /// What else is to be said of it; which members it has depends on the type.
    data: Map<String, Value>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        let Event { id, kind, created_at, subject, data } = event;
        let data = match data {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self { id, r#type: kind, created_at: Time(created_at), subject, data }
    }
}

/// Follow the events
///
/// What happened to campaigns, batches, connections and jobs in the last seven days, a few seconds
/// behind. Keep `next_cursor`, and read on from it: nothing is left out. An event may come twice,
/// with the same `id`. Those of one campaign, batch or job come in their order. With `wait` the answer comes as
/// soon as there is an event. Recipients and messages have events where the deployment asks for
/// them.
#[utoipa::path(get, path = "/v1/events", operation_id = "listEvents", tag = "Events",
    security(("api_key" = ["read"])), params(EventsAsked),
    responses((status = 200, description = "Events.", body = EventPage)))]
pub(crate) async fn list(
    State(api): App,
    Asked(asked): Asked<EventsAsked>,
) -> Answer<Json<EventPage>> {
    let limit = page_size(asked.limit)?;
    let wait = asked.wait.unwrap_or(0);
    if wait > MAX_WAIT {
        let reason = format!("must be from 0 to {MAX_WAIT} seconds");
        return Err(Problem::parameter("wait", FieldCode::OutOfRange, reason));
    }
    let began = api.clock.now();
    let lag = SignedDuration::try_from(api.clock.during(event::store::LAG));
    let lag = lag.map_err(Problem::internal)?;
    let since =
        asked.created_after.map_or_else(|| Offset::oldest(began), |Time(at)| Offset::at(at));
    let cursors = api.cursors().await?;
    let mut offset = cursors.read(asked.cursor.as_deref())?.unwrap_or(since);
    let until = began + SignedDuration::from_secs(i64::from(wait));
    let is_asked = |event: &Event| {
        (asked.r#type.is_empty() || asked.r#type.contains(&event.kind))
            && (asked.subject.is_empty() || asked.subject.contains(&event.subject.id))
    };
    // Where only some are asked for, many are read at a time.
    let is_filtered = !asked.r#type.is_empty() || !asked.subject.is_empty();
    let count = if is_filtered { FILTERED } else { limit };
    loop {
        let mut items = Vec::new();
        let mut has_more = true;
        for _ in 0..MAX_READS {
            let before = api.clock.now() - lag;
            let (found, end) = event::store::read(&api.table, &offset, count, before).await?;
            if found.is_empty() {
                (offset, has_more) = (end, false);
                break;
            }
            for (event, at) in found {
                if items.len() == limit as usize {
                    break;
                }
                offset = at;
                items.extend(is_asked(&event).then(|| EventView::from(event)));
            }
            if items.len() == limit as usize {
                break;
            }
        }
        if !items.is_empty() || has_more || api.clock.now() >= until {
            let next_cursor = cursors.write(&offset).unwrap_or_default();
            return Ok(Json(EventPage { items, next_cursor, has_more }));
        }
        api.clock.sleep(LOOK_EVERY).await;
    }
}

/// Show the history of a campaign
///
/// When it was created, started, paused, halted and so on. It is kept as long as the campaign.
#[utoipa::path(get, path = "/v1/campaigns/{id}/history", operation_id = "getCampaignHistory", tag = "Reports",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The campaign's id."), PageAsked),
    responses((status = 200, description = "A page of its history.", body = HistoryPage)))]
pub(crate) async fn history(
    State(api): App,
    Id(id): Id<CampaignId>,
    Asked(asked): Asked<PageAsked>,
) -> Answer<Json<HistoryPage>> {
    let limit = page_size(asked.limit)?;
    let cursors = api.cursors().await?;
    let after: Option<Offset> = cursors.read(asked.cursor.as_deref())?;
    super::campaign(&api, id).await?;
    let (items, next) = event::store::history(&api.table, id, after.as_ref(), limit).await?;
    let next_cursor = next.and_then(|offset| cursors.write(&offset));
    Ok(Json(HistoryPage { items: items.into_iter().map(Into::into).collect(), next_cursor }))
}
