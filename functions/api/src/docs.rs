//! The parts of the OpenAPI document that all operations share: the security requirement, the
//! problem responses, and the parameter `Idempotency-Key` of every POST.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, HttpMethod, Info, License, ObjectBuilder, OpenApi, Ref, RefOr,
    Required, Response, ResponseBuilder, Schema, Type,
};
use utoipa::{PartialSchema, ToSchema};

use carillon::channel::Providers;

use crate::idempotent;
use crate::problem::ProblemDocument;
use crate::routes::ProviderMember;

const PROBLEM: &str = "application/problem+json";
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
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key. Its scopes say what it allows: read, write, admin."))
        .build();
    components.add_security_scheme(KEY, SecurityScheme::Http(scheme));
    for (path, item) in &mut api.paths.paths {
        if path.starts_with("/v1/") {
            complete(path, item);
        }
    }
    api
}

/// Adds the schemas of the providers: their settings as members of a connection, and their
/// own kinds of content as variants of a message.
fn add_providers(components: &mut Components, providers: &Providers) {
    let mut contents = Vec::new();
    for provider in providers.all() {
        let schemas = provider.schemas();
        components.schemas.extend(schemas.schemas);
        contents.extend(schemas.contents);
        let member = components.schemas.get_mut(&*ProviderMember::name());
        if let (Some(settings), Some(RefOr::T(Schema::AllOf(member)))) = (schemas.settings, member)
        {
            let settings = Ref::from_schema_name(settings);
            let settings = ObjectBuilder::new().property(provider.name(), settings);
            member.items.push(RefOr::T(settings.into()));
        }
    }
    if let Some(RefOr::T(Schema::OneOf(content))) = components.schemas.get_mut("Content") {
        content.items.extend(contents.into_iter().map(|(name, schema)| {
            let object = ObjectBuilder::new()
                .title(Some(format!("{name} message")))
                .property(name, Ref::from_schema_name(schema))
                .required(name);
            RefOr::T(object.into())
        }));
    }
}

fn info() -> Info {
    let mut info = Info::new("Carillon", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new("MIT OR Apache-2.0"));
    info
}

const DESCRIPTION: &str = "Carillon sends WhatsApp campaigns. Errors are `application/problem+json`. \
Lists are read page by page: pass `next_cursor` of one page as `cursor` of the next. \
A POST with an `Idempotency-Key` may be repeated: it is carried out once, and its answer is kept for 24 hours. \
An upload of recipients needs none: to upload the same again changes nothing.";

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
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            body.required = Some(Required::True);
        }
        operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(KEY, [])]);
        for (status, words) in problems(path, &method) {
            let problem = problem_response(words);
            operation.responses.responses.entry(status.to_owned()).or_insert(problem);
        }
        if method == HttpMethod::Post {
            add_idempotency_key(operation);
        }
    }
}

/// The status and the description of each problem response of an operation.
fn problems(path: &str, method: &HttpMethod) -> Vec<(&'static str, &'static str)> {
    let mut problems = vec![
        ("401", "There is no key, or it is not known."),
        ("403", "The key doesn't have the scope."),
        ("503", "The table can't be reached; try again."),
        ("default", "Something else went wrong."),
    ];
    if path.contains('{') {
        problems.push(("404", "There is nothing of that name."));
    }
    if path.contains('{') && *method != HttpMethod::Get || *method == HttpMethod::Post {
        problems.push(("409", "It is not possible as things stand."));
    }
    if *method != HttpMethod::Delete {
        problems.push(("400", "The request can't be read."));
        problems.push(("422", "Something in it is not valid."));
    }
    if matches!(method, HttpMethod::Post | HttpMethod::Patch) {
        problems.push(("413", "The body is too large."));
        problems.push(("415", "The body has the wrong content type."));
    }
    problems
}

fn problem_response(words: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name(ProblemDocument::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    RefOr::T(ResponseBuilder::new().description(words).content(PROBLEM, content).build())
}

fn add_idempotency_key(operation: &mut Operation) {
    let text =
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    let parameter: Parameter = ParameterBuilder::new()
        .name(idempotent::KEY)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("A text of your choice, new for each request: a repetition with the same one gets the first answer."))
        .schema(Some(Schema::Object(text.build())))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
}
