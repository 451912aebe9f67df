//! The Graph API version in request paths.

use axum::extract::Request;

/// Removes `/vNN.N` from the request's path.
pub(crate) fn strip_version(mut request: Request) -> Request {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let unversioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, rest) = rest.split_once('/')?;
        let is_version = |c: char| c.is_ascii_digit() || c == '.';
        (!version.is_empty() && version.chars().all(is_version)).then(|| format!("/{rest}"))
    });
    if let Some(uri) = unversioned.and_then(|path| path.parse().ok()) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn any_version_is_stripped() {
        let path = |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            strip_version(request).uri().to_string()
        };
        assert_eq!(path("/v26.0/12/messages?x=1"), "/12/messages?x=1");
        assert_eq!(path("/v9/12"), "/12");
        assert_eq!(path("/12/messages"), "/12/messages");
        assert_eq!(path("/values/12"), "/values/12");
    }
}
