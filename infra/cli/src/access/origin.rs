use reqwest::Url;

/// Whether two addresses are one Carillon's: scheme, host, port and path are the same.
pub(super) fn is_same_address(one: &str, other: &str) -> bool {
    let origin = |url: &str| {
        let url = Url::parse(url).ok()?;
        let host = match url.host_str()? {
            "localhost" => "127.0.0.1".to_owned(),
            host => host.to_owned(),
        };
        let path = url.path().trim_end_matches('/').to_owned();
        Some((url.scheme().to_owned(), host, url.port_or_known_default()?, path))
    };
    origin(one).is_some_and(|one| origin(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_port_and_path() {
        let served = "http://127.0.0.1:8080";
        for (url, is_same) in [
            ("http://127.0.0.1:8080/", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8081", false),
            ("https://127.0.0.1:8080", false),
            ("https://api.example.com", false),
            ("http://127.0.0.1:8080.example.com", false),
            ("http://127.0.0.1:8080@example.com", false),
            ("http://127.0.0.1:8080/test", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_same_address(url, served), is_same, "{url}");
        }
    }
}
