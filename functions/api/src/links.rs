//! The links of the description: to which operations an answer leads.

use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr, Required};

/// An operation on a resource that its path names.
struct Target {
    operation: String,
    is_delete: bool,
    is_get: bool,
    /// The path of the list that the resource is in.
    list: String,
    /// The parameter that names the resource.
    name: String,
    /// What comes after it in the path.
    verb: String,
    /// The parameters of the query that it needs.
    query: Vec<String>,
}

/// Where an answer names a resource.
#[derive(Clone, Copy)]
enum Named {
    /// In the request's path: the answer is the resource.
    Path,
    /// At this place in the answer.
    Answer(&'static str),
}

/// Links the answers that show a resource, or a page of them, to the operations on it.
pub(crate) fn add(api: &mut OpenApi) {
    let targets = targets(api);
    for (path, item) in &mut api.paths.paths {
        let is_nested = path.contains('{');
        if let Some(create) = item.post.as_mut().filter(|_| !is_nested) {
            let of_new = targets.iter().filter(|target| target.list == *path);
            insert(create, of_new, Named::Answer(""));
        }
        if let Some(read) = &mut item.get {
            let of_items =
                |target: &&Target| target.list == *path && target.verb.is_empty() && target.is_get;
            insert(read, targets.iter().filter(of_items), Named::Answer("/items/0"));
            let verbs = |target: &&Target| {
                *path == format!("{}/{{{}}}", target.list, target.name)
                    && !target.verb.is_empty()
                    && !target.is_delete
            };
            insert(read, targets.iter().filter(verbs), Named::Path);
        }
    }
}

fn targets(api: &OpenApi) -> Vec<Target> {
    let mut found = Vec::new();
    for (path, item) in api.paths.paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
        let Some((list, rest)) = path.rsplit_once("/{") else { continue };
        let Some((name, verb)) = rest.split_once('}') else { continue };
        let operations = [&item.get, &item.put, &item.post, &item.patch, &item.delete];
        for operation in operations.into_iter().flatten() {
            found.push(Target {
                operation: operation.operation_id.clone().unwrap_or_default(),
                is_delete: item.delete.as_ref() == Some(operation),
                is_get: item.get.as_ref() == Some(operation),
                list: list.to_owned(),
                name: name.to_owned(),
                verb: verb.to_owned(),
                query: required_query(operation),
            });
        }
    }
    found
}

fn required_query(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let needed = parameters.filter_map(|parameter| match parameter {
        RefOr::T(one)
            if one.parameter_in == ParameterIn::Query && one.required == Required::True =>
        {
            Some(one.name.clone())
        }
        RefOr::T(_) | RefOr::Ref(_) => None,
    });
    needed.collect()
}

/// Adds links to the successful answers of an operation.
fn insert<'a>(operation: &mut Operation, targets: impl Iterator<Item = &'a Target>, named: Named) {
    let links: Vec<_> =
        targets.map(|target| (target.operation.clone(), target.link(named))).collect();
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            let links = links.iter().cloned();
            response.links.extend(links.map(|(name, link)| (name, RefOr::T(link))));
        }
    }
}

impl Target {
    fn link(&self, named: Named) -> Link {
        let of_resource = |parameter: &str, member: &str, place: &str| match named {
            Named::Path => format!("$request.{place}.{parameter}"),
            Named::Answer(root) => format!("$response.body#{root}/{member}"),
        };
        let mut link = LinkBuilder::new().operation_id(self.operation.clone());
        for outer in self.list.split('{').skip(1).filter_map(|part| part.split_once('}')) {
            link = link.parameter(outer.0, format!("$request.path.{}", outer.0));
        }
        let member = match self.name.as_str() {
            own @ ("id" | "name") => own.to_owned(),
            // A resource that is named by another one's id.
            other => format!("{other}_id"),
        };
        link = link.parameter(&*self.name, of_resource(&self.name, &member, "path"));
        for name in &self.query {
            link = link.parameter(&**name, of_resource(name, name, "query"));
        }
        link.build()
    }
}
