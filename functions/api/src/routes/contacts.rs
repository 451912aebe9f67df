use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use carillon::address::Address;
use carillon::contact::merge::{self, History, Separated};
use carillon::contact::{self, Contact, addresses, person};
use carillon::conversation;
use carillon::ids::ContactId;
use carillon::privacy::{Erasure, erase as erase_person};
use carillon::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::audit::Subject;
use crate::body::{Body, Id, NoMembers, OptionalBody};
use crate::etag::{IfMatch, Resource, Tagged};
use crate::problem::{Answer, Code, Problem};
use crate::values::Time;
use crate::{Api, App};

/// How many addresses of one person a request may name.
const MAX_ADDRESSES: usize = 10;

/// A contact.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Its id.
    #[schema(value_type = String, example = "ctc_01890a5d-ac96-774b-bcce-b302099a8057")]
    id: ContactId,
    /// The name in the contact's profile at the provider.
    display_name: Option<String>,
    /// The addresses that reach the contact.
    #[schema(value_type = Vec<String>, example = json!(["+573001234567"]))]
    addresses: BTreeSet<Address>,
    /// The phone number that the provider named last, where there were several.
    #[schema(value_type = Option<String>)]
    preferred_address: Option<Address>,
    /// When the business put the contact on its blacklist; null where it is not on it.
    blacklisted_at: Option<Time>,
    /// When the contact opted out; null where it did not, or has opted in since.
    opted_out_at: Option<Time>,
    /// Until when the provider holds marketing messages back from the contact.
    marketing_held_until: Option<Time>,
    /// When a message to the contact was last claimed, by any campaign.
    last_sent_at: Option<Time>,
    /// When the contact was erased; null where it was not.
    erased_at: Option<Time>,
    /// The contacts that were merged into this one.
    #[schema(value_type = Vec<String>)]
    merged: BTreeSet<ContactId>,
    /// The contacts that a person split from this one: they are not merged again.
    #[schema(value_type = Vec<String>)]
    apart_from: BTreeSet<ContactId>,
}

impl From<Contact> for ContactView {
    fn from(Contact { id, profile }: Contact) -> Self {
        Self {
            id,
            display_name: profile.name,
            addresses: profile.addresses,
            preferred_address: profile.preferred,
            blacklisted_at: profile.blacklisted_at.map(Time),
            opted_out_at: profile.opted_out_at.map(Time),
            marketing_held_until: profile.marketing_held_until.map(Time),
            last_sent_at: profile.last_sent_at.map(Time),
            erased_at: profile.erased_at.map(Time),
            merged: profile.merged,
            apart_from: profile.apart_from,
        }
    }
}

impl Resource for ContactView {
    fn tagged(&self) -> impl Serialize {
        (
            &self.id,
            &self.addresses,
            self.blacklisted_at,
            self.opted_out_at,
            self.erased_at,
            &self.merged,
            &self.apart_from,
        )
    }
}

/// The addresses of one person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContact {
    /// Phone numbers in E.164 and business-scoped user ids, 1 to 10.
    #[schema(min_items = 1, max_items = 10, example = json!(["+573001234567"]))]
    addresses: Vec<String>,
}

/// Which contacts to find.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactSearch {
    /// A phone number in E.164, or a business-scoped user id.
    #[schema(example = "+573001234567")]
    address: String,
}

/// The contacts that were found.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactsFound {
    /// At most one contact has an address.
    items: Vec<ContactView>,
    /// Always null.
    next_cursor: Option<String>,
}

/// The contact that is the same person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Merge {
    /// Its id.
    #[schema(value_type = String)]
    contact_id: ContactId,
}

/// The addresses of another person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Split {
    /// The addresses that are not this contact's: name the phone and the BSUID of the other
    /// person, if both are known.
    #[schema(min_items = 1)]
    addresses: Vec<String>,
    /// Since when: messages from them from then on are the other person's. Absent: all.
    since: Option<Time>,
}

/// An address: E.164 with or without the plus, or a BSUID.
pub(crate) fn parse_address(field: &str, text: &str) -> Answer<Address> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = if digits { format!("+{text}") } else { text.trim().to_owned() };
    text.parse()
        .map_err(|error: carillon::address::AddressError| Problem::field(field, error.to_string()))
}

/// The contact with that id, or the survivor of its merge.
pub(super) async fn known(api: &Api, id: ContactId) -> Answer<Contact> {
    match contact::store::get(&api.table, id).await? {
        Some(_) => Ok(contact::store::current(&api.table, id).await?),
        None => Err(Problem::not_found("contact")),
    }
}

/// Create a contact
///
/// Answers the contact that has one of the addresses, if there is one. Contacts that have
/// different ones of them are merged: they are one person.
#[utoipa::path(post, path = "/v1/contacts", operation_id = "createContact", tag = "Contacts",
    security(("api_key" = ["people"])),
    request_body = NewContact,
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn create(
    State(api): App,
    Body(new): Body<NewContact>,
) -> Answer<(Extension<Subject>, Tagged<ContactView>)> {
    if new.addresses.is_empty() || new.addresses.len() > MAX_ADDRESSES {
        return Err(Problem::field("addresses", "must have 1 to 10 addresses"));
    }
    let parse = |text: &String| parse_address("addresses", text);
    let person: Vec<Address> = new.addresses.iter().map(parse).collect::<Answer<_>>()?;
    let now = api.clock.now();
    let found = person::resolve(&api.table, &api.ids, &person, now).await?;
    let id = found.ok_or_else(|| Problem::not_found("contact"))?;
    let contact = contact::store::current(&api.table, id).await?;
    Ok((Extension(Subject(contact.id.to_string())), Tagged(contact.into())))
}

/// Find a contact by its address
#[utoipa::path(post, path = "/v1/contacts/search", operation_id = "searchContacts", tag = "Contacts",
    security(("api_key" = ["read"])),
    request_body = ContactSearch,
    responses((status = 200, description = "The contact with that address, if there is one.", body = ContactsFound)))]
pub(crate) async fn search(
    State(api): App,
    Body(search): Body<ContactSearch>,
) -> Answer<(Option<Extension<Subject>>, Json<ContactsFound>)> {
    let address = parse_address("address", &search.address)?;
    let found = match addresses::find(&api.table, &address).await? {
        Some(id) => Some(contact::store::current(&api.table, id).await?),
        None => None,
    };
    let subject = found.as_ref().map(|contact| Extension(Subject(contact.id.to_string())));
    let items = found.into_iter().map(ContactView::from).collect();
    Ok((subject, Json(ContactsFound { items, next_cursor: None })))
}

/// Show a contact
///
/// The id of a contact that was merged answers the survivor.
#[utoipa::path(get, path = "/v1/contacts/{id}", operation_id = "getContact", tag = "Contacts",
    security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The contact's id.")),
    responses((status = 200, description = "The contact.", body = ContactView)))]
pub(crate) async fn get(State(api): App, Id(id): Id<ContactId>) -> Answer<Tagged<ContactView>> {
    Ok(Tagged(known(&api, id).await?.into()))
}

/// What was erased of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasureView {
    /// Messages from the person that were deleted.
    messages: u64,
    /// Recipients of the person whose personal data were removed.
    campaigns: u64,
    #[serde(flatten)]
    contact: ContactView,
}

impl Resource for ErasureView {
    fn tagged(&self) -> impl Serialize {
        self.contact.tagged()
    }
}

/// Erase a person
///
/// Deletes the messages from the person, the addresses, and the columns of their recipients.
/// The recipients stay, so that the counts stay exact; they name nobody. The hash of each
/// address stays with a suppression, so that the import of an old list does not add the
/// person again. While a message to the person is being sent the answer is 409: the rest is
/// erased; repeat the request a minute later.
#[utoipa::path(post, path = "/v1/contacts/{id}/erase", operation_id = "eraseContact", tag = "Contacts",
    security(("api_key" = ["erase"])),
    params(("id" = String, Path, description = "The contact's id.")), request_body = NoMembers,
    responses((status = 200, description = "What was erased, and what is left.", body = ErasureView)))]
pub(crate) async fn erase(
    State(api): App,
    Id(id): Id<ContactId>,
    if_match: IfMatch,
    OptionalBody(NoMembers {}): OptionalBody<NoMembers>,
) -> Answer<Tagged<ErasureView>> {
    let contact = known(&api, id).await?;
    if_match.check(&ContactView::from(contact.clone()))?;
    let now = api.clock.now();
    let Erasure { messages, campaigns, under_way } =
        erase_person(&api.table, contact.id, now).await?;
    if under_way > 0 {
        let detail = "A message to them is on its way at this moment. They are on the blacklist \
                      and the rest is erased; ask again in a minute.";
        return Err(Problem::new(Code::MessageUnderWay, detail).retry_after(60));
    }
    let contact = contact::store::current(&api.table, contact.id).await?;
    tracing::info!(messages, campaigns, "a person was erased");
    Ok(Tagged(ErasureView { messages, campaigns, contact: contact.into() }))
}

/// Merge two contacts
///
/// They are one person: the older one survives and gets the addresses of both. A blacklist
/// or an opt-out of either holds.
#[utoipa::path(post, path = "/v1/contacts/{id}/merge", operation_id = "mergeContacts", tag = "Contacts",
    security(("api_key" = ["people"])),
    params(("id" = String, Path, description = "The contact's id.")), request_body = Merge,
    responses((status = 200, description = "The survivor.", body = ContactView)))]
pub(crate) async fn merge_with(
    State(api): App,
    Id(id): Id<ContactId>,
    if_match: IfMatch,
    Body(merge): Body<Merge>,
) -> Answer<Tagged<ContactView>> {
    let (one, other) = (known(&api, id).await?, known(&api, merge.contact_id).await?);
    if_match.check(&ContactView::from(one.clone()))?;
    let survivor = merge::merge(&api.table, one.id, other.id).await?.ok_or_else(|| {
        let detail = "The two have more addresses together than a person has: 20.";
        Problem::new(Code::TooManyAddresses, detail)
    })?;
    Ok(Tagged(contact::store::current(&api.table, survivor).await?.into()))
}

/// Split addresses off a contact
///
/// They belong to another person: a merge was wrong, or the number has a new owner. A new
/// contact gets the addresses, the messages from them since then, and the suppressions of the
/// old one, which stay with both. Without `since` it also gets the recipients of the contacts
/// that were merged with no other addresses; where the addresses are those that this contact
/// had before the merge, it keeps them, and the other person gets the new contact. Neither
/// reports of the provider nor files merge the two again. Repeated, the request completes an
/// interrupted one.
#[utoipa::path(post, path = "/v1/contacts/{id}/split", operation_id = "splitContact", tag = "Contacts",
    security(("api_key" = ["people"])),
    params(("id" = String, Path, description = "The contact's id.")), request_body = Split,
    responses((status = 201, description = "The contact with these addresses.", body = ContactView)))]
pub(crate) async fn split(
    State(api): App,
    Id(id): Id<ContactId>,
    if_match: IfMatch,
    Body(split): Body<Split>,
) -> Answer<(StatusCode, Tagged<ContactView>)> {
    let parse = |text: &String| parse_address("addresses", text);
    let moved: BTreeSet<Address> = split.addresses.iter().map(parse).collect::<Answer<_>>()?;
    let not_some =
        || Problem::field("addresses", "must be some, and not all, of this contact's addresses");
    if moved.is_empty() {
        return Err(not_some());
    }
    let old = known(&api, id).await?;
    if_match.check(&ContactView::from(old.clone()))?;
    let now = api.clock.now();
    let history = split.since.map_or(History::Goes, |_| History::Stays);
    let separated = merge::split(&api.table, old.id, (&moved, history), &api.ids, now).await?;
    let Separated { new, addresses } = separated.ok_or_else(not_some)?;
    let since = split.since.map_or(Timestamp::UNIX_EPOCH, |Time(since)| since);
    let sources = old.profile.merged.iter().copied().chain([old.id]);
    for from in sources.filter(|from| *from != new) {
        conversation::store::split(&api.table, (from, new), &addresses, since).await?;
    }
    let theirs = if addresses == moved { new } else { old.id };
    let contact = contact::store::current(&api.table, theirs).await?;
    Ok((StatusCode::CREATED, Tagged(contact.into())))
}
