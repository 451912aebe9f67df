use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a segment of a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// A path of the API, such as `/v1/campaigns/cmp_…/report`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiPath(String);

/// One segment of a path that the user has typed: an id or a name. It cannot change the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment(String);

/// A text that cannot be a segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SegmentError {
    #[error("expected an id or a name")]
    NotASegment,
    #[error("expected an id: phone numbers never stand in a path")]
    PhoneNumber,
}

impl ApiPath {
    /// A collection, such as `campaigns`, or a path below `/v1/`.
    pub(crate) fn new(collection: &str) -> Self {
        Self(format!("/v1/{collection}"))
    }

    /// A path as it stands, with its leading slash.
    pub(crate) fn raw(path: &str) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn of(collection: &str, id: &Segment) -> Self {
        Self::new(collection).item(id)
    }

    pub(crate) fn item(&self, id: &Segment) -> Self {
        Self(format!("{}/{}", self.0, utf8_percent_encode(&id.0, ENCODED)))
    }

    /// What is below it: a verb or a collection.
    pub(crate) fn then(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Segment {
    /// The id of another kind with the same end.
    pub(crate) fn with_prefix(&self, old: &str, new: &str) -> Self {
        Self(format!("{new}{}", self.0.strip_prefix(old).unwrap_or(&self.0)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Segment {
    type Err = SegmentError;

    fn from_str(text: &str) -> Result<Self, SegmentError> {
        let text = text.trim();
        if text.starts_with('+') {
            return Err(SegmentError::PhoneNumber);
        }
        // A URL's `.` and `..` lead to another route, encoded or not.
        if text.chars().all(|c| c == '.') {
            return Err(SegmentError::NotASegment);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_change_the_route() {
        let path = |id: &str| ApiPath::of("campaigns", &id.parse().unwrap()).then("report");
        assert_eq!(path("cmp_1").as_str(), "/v1/campaigns/cmp_1/report");
        assert_eq!(path("../keys?x=#1").as_str(), "/v1/campaigns/..%2Fkeys%3Fx%3D%231/report");
        for text in ["", ".", "..", " "] {
            assert_eq!(text.parse::<Segment>(), Err(SegmentError::NotASegment), "{text:?}");
        }
        assert_eq!("+573001234567".parse::<Segment>(), Err(SegmentError::PhoneNumber));
    }
}
