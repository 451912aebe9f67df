//! The parts of the OpenAPI document that all operations share: the scopes, the problem
//! responses, and the headers of requests and answers.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::info::ContactBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    Components, Content, ContentBuilder, HttpMethod, Info, KnownFormat, License, ObjectBuilder,
    OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{PartialSchema, ToSchema};

use carillon::api_key::Scope;
use carillon::channel::Providers;
use carillon::channel::content::{
    NEUTRAL_KINDS, content_schema, message_schema, message_schema_name,
};

use crate::enumerations;
use crate::idempotent;
use crate::links;
use crate::operations::scope_of;
use crate::problem::{self, ProblemDocument};
use crate::routes::ProviderMember;
use crate::variants::name_variants;

const KEY: &str = "api_key";

/// Adds the shared parts and the schemas of the providers to the document of the routes.
pub(crate) fn describe(mut api: OpenApi, providers: &Providers) -> OpenApi {
    api.info = info();
    let components = api.components.get_or_insert_default();
    let mut schemas = Vec::new();
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert(ProblemDocument::name().into_owned(), ProblemDocument::schema());
    add_providers(components, providers);
    components.schemas.values_mut().for_each(simplify);
    name_variants(&mut components.schemas);
    let scheme =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(scopes())).build();
    components.add_security_scheme(KEY, SecurityScheme::Http(scheme));
    api.tags = Some(tags());
    api.servers =
        Some(vec![ServerBuilder::new().url("/").description(Some("This server.")).build()]);
    for (path, item) in &mut api.paths.paths {
        complete(path, item);
    }
    enumerations::open(&mut api);
    links::add(&mut api);
    api
}

/// What the scopes allow.
fn scopes() -> String {
    let all = Scope::ALL.map(|scope| format!("`{scope}`: {}", scope.permits()));
    format!("An API key. No scope includes another one. {}.", all.join("; "))
}

/// A choice of one is no choice.
fn simplify(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::OneOf(choice)) = schema
        && choice.items.len() == 1
        && let Some(only) = choice.items.pop()
    {
        *schema = only;
    }
}

/// Adds the schemas of the providers: their settings as members of a connection, and their
/// own kinds of content as variants of a message.
fn add_providers(components: &mut Components, providers: &Providers) {
    let mut kinds: Vec<String> = NEUTRAL_KINDS.map(|(kind, _)| kind.to_owned()).into();
    for provider in providers.all() {
        let schemas = provider.schemas();
        components.schemas.extend(schemas.schemas);
        for (kind, payload) in schemas.contents {
            let schema = message_schema(kind, payload);
            components.schemas.insert(message_schema_name(kind), schema);
            kinds.push(kind.to_owned());
        }
        let member = components.schemas.get_mut(&*ProviderMember::name());
        if let (Some(settings), Some(RefOr::T(Schema::AllOf(member)))) = (schemas.settings, member)
        {
            let settings = Ref::from_schema_name(settings);
            let settings = ObjectBuilder::new().property(provider.name(), settings);
            member.items.push(RefOr::T(settings.into()));
        }
    }
    let content = content_schema(kinds.iter().map(String::as_str));
    components.schemas.insert("Content".to_owned(), RefOr::T(content.into()));
}

fn info() -> Info {
    let mut info = Info::new("Carillon", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    info.license = Some(license);
    info.contact = Some(ContactBuilder::new().name(Some("Carillon")).build());
    info
}

const DESCRIPTION: &str = "Carillon sends WhatsApp campaigns.\n\n\
**Lists** are read page by page: pass `next_cursor` of one page as `cursor` of the next; it is null on the last one. A filter that is repeated means any of its values.\n\n\
**Errors** are `application/problem+json`: `code` tells programs what is wrong, `errors` names each member that is not valid, `remedy` says what to do, and `type` leads to a page about it.\n\n\
**Changes** are JSON Merge Patches (RFC 7396): absent members stay, `null` clears, objects merge, and what `GET` answers can be sent back. Resources have an `ETag`; with `If-Match` a change is refused with 412 where somebody else has changed the resource since.\n\n\
**Repetitions**: a POST with an `Idempotency-Key` may be repeated. It takes effect once, and its answer is stored for 24 hours; a request that was refused may be repeated with the same key. Uploads of recipients, searches, suppressions and requests about contacts take none: repeated, they change nothing. Nor does an upload of a file: repeated, it makes a second file.\n\n\
**Times** are RFC 3339 in UTC with milliseconds, **money** is a decimal text with its currency, **countries** are ISO 3166-1 codes. New values of enumerations and new members of answers may appear in any version.";

const TAGS: [(&str, &str); 11] = [
    ("Campaigns", "What is sent, when, and how fast."),
    ("Recipients", "The people of a campaign, and what became of each message."),
    ("Reports", "The funnel, the plan, the days and the batches of a campaign."),
    ("Contacts", "People, their addresses, and who must not be sent to."),
    ("Connections", "The numbers that send, and what their providers can do."),
    ("Templates", "Templates that are kept here, to check messages and show previews."),
    ("Media", "Files that messages send."),
    ("Keys", "API keys, their scopes and their secrets, and the log of what they did."),
    ("Jobs", "Work that takes longer than a request, and how far it got."),
    ("Events", "What happened, for programs that follow along."),
    ("Queues", "What waits to be sent, and what could not be processed."),
];

fn tags() -> Vec<Tag> {
    let about = ("About", "The API itself.");
    let all = TAGS.into_iter().chain([about]);
    all.map(|(name, words)| TagBuilder::new().name(name).description(Some(words)).build()).collect()
}

fn complete(path: &str, item: &mut PathItem) {
    let operations = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ];
    for (method, operation) in operations {
        let Some(operation) = operation else { continue };
        let has_body = operation.request_body.is_some();
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            body.required = Some(if is_optional(body) { Required::False } else { Required::True });
            describe_files(body);
        }
        let is_open = operation.security.is_none();
        describe_scope(operation);
        let is_tagged = add_answer_headers(operation);
        if is_open {
            let problem = problem_response("Something in the request is not valid.");
            operation.responses.responses.entry("422".to_owned()).or_insert(problem);
            if path.contains('{') {
                let problem = problem_response("There is nothing with that name.");
                operation.responses.responses.entry("404".to_owned()).or_insert(problem);
            }
            continue;
        }
        for (status, words) in problems(path, &method, has_body) {
            let problem = problem_response(words);
            operation.responses.responses.entry(status.to_owned()).or_insert(problem);
        }
        if method == HttpMethod::Post && idempotent::remembers(path) {
            add_header(
                operation,
                idempotent::KEY,
                text().min_length(Some(1)).max_length(Some(255)),
                "A text of your choice, new for each request: a repetition with the same one gets the first answer.",
            );
        }
        let changes = method == HttpMethod::Patch
            || (method == HttpMethod::Delete && !path.starts_with("/v1/templates/"))
            || (method == HttpMethod::Post && path.contains('{') && is_tagged);
        if changes {
            add_header(
                operation,
                "if-match",
                text(),
                "The `ETag` that was read: refused with 412 where the resource has changed since.",
            );
            let problem = problem_response("The resource has changed since it was read.");
            operation.responses.responses.entry("412".to_owned()).or_insert(problem);
        }
        if method == HttpMethod::Get && is_tagged {
            add_header(
                operation,
                "if-none-match",
                text(),
                "The `ETag` that was read: answered with 304 where the resource has not changed.",
            );
            let unchanged = ResponseBuilder::new().description("It has not changed.").build();
            operation.responses.responses.entry("304".to_owned()).or_insert(RefOr::T(unchanged));
        }
    }
}

/// Says which scope an operation needs: in words, and as `x-required-scope`. Only OAuth knows
/// scopes in a security requirement.
fn describe_scope(operation: &mut Operation) {
    if let Some(scope) = scope_of(operation) {
        let words = operation.description.take().unwrap_or_default();
        let sentence = format!("Needs the scope `{scope}`.");
        operation.description = Some(format!("{words}\n\n{sentence}").trim().to_owned());
        let extension = Extensions::builder().add("x-required-scope", scope.as_str()).build();
        operation.extensions.get_or_insert_default().merge(extension);
    }
    let requirement = operation.security.take();
    let none = requirement.is_none();
    let key = SecurityRequirement::new::<_, [&str; 0], &str>(KEY, []);
    operation.security = Some(if none { Vec::new() } else { vec![key] });
}

/// Whether all members of a JSON body may be left out, and the body with them.
fn is_optional(body: &RequestBody) -> bool {
    let optional = ["NoMembers", "StartOptions", "ResumeOptions", "Rotation", "Duplication"];
    body.content.values().filter_map(schema_name).any(|name| optional.contains(&name))
}

/// A body that is not JSON is a file. Generated clients know it by its format.
fn describe_files(body: &mut RequestBody) {
    let is_file = |name: &str| !name.ends_with("json") || name.ends_with("ndjson");
    for (_, content) in body.content.iter_mut().filter(|(name, _)| is_file(name)) {
        if let RefOr::T(content) = content {
            let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
            content.schema = Some(text().format(Some(format)).into());
        }
    }
}

/// The headers of successful answers. Whether the answer has an entity tag.
fn add_answer_headers(operation: &mut Operation) -> bool {
    let header = |words: &str| {
        let header = HeaderBuilder::new().schema(Some(text())).description(Some(words));
        RefOr::T(header.build())
    };
    let mut is_tagged = false;
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let id = header("The request's id, as in the log.");
        response.headers.insert("Request-Id".to_owned(), id);
        if status == "202" {
            response.headers.insert("Location".to_owned(), header("The job's address."));
        }
        let name = response.content.values().find_map(schema_name);
        if name.is_some_and(|name| TAGGED.contains(&name)) {
            is_tagged = true;
            let tag = header("The version of the resource.");
            response.headers.insert("ETag".to_owned(), tag);
            if status == "201" && name != Some("ContactView") {
                let location = header("The resource's address.");
                response.headers.insert("Location".to_owned(), location);
            }
        }
    }
    is_tagged
}

/// The name of the schema of a content.
fn schema_name(content: &RefOr<Content>) -> Option<&str> {
    match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
            schema.ref_location.rsplit('/').next()
        }
        RefOr::T(_) | RefOr::Ref(_) => None,
    }
}

/// The schemas of resources that have an entity tag.
const TAGGED: [&str; 11] = [
    "CampaignView",
    "StartedCampaign",
    "RecipientView",
    "ContactView",
    "ErasureView",
    "ConnectionView",
    "CreatedConnection",
    "KeyView",
    "KeyWithSecret",
    "UploadedMedia",
    "Suppression",
];

/// The status and the description of each problem response of an operation.
fn problems(path: &str, method: &HttpMethod, has_body: bool) -> Vec<(&'static str, &'static str)> {
    let mut problems = vec![
        ("400", "The request cannot be parsed."),
        ("401", "There is no key, or it is not known."),
        ("403", "The key does not have the scope."),
        ("422", "Something in the request is not valid."),
        ("429", "Too many requests."),
        ("503", "Not available at the moment; try again."),
        ("default", "Something else went wrong."),
    ];
    if path.contains('{') {
        problems.push(("404", "There is nothing with that id."));
    }
    if path.contains('{') && *method != HttpMethod::Get || *method == HttpMethod::Post {
        problems.push(("409", "The state does not allow it."));
    }
    if has_body {
        problems.push(("413", "The body is too large."));
        problems.push(("415", "The body has the wrong content type."));
    }
    problems
}

fn problem_response(words: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name(ProblemDocument::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RefOr::T(
        ResponseBuilder::new().description(words).content(problem::CONTENT_TYPE, content).build(),
    )
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn add_header(operation: &mut Operation, name: &str, schema: ObjectBuilder, words: &str) {
    let parameter: Parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(words))
        .schema(Some(Schema::Object(schema.build())))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
}
