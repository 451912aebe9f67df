/// The API path of a campaign, or of a resource below it such as `/report`. Characters
/// that no campaign id contains are removed, so that the id cannot change the route.
pub(super) fn campaign_path(id: &str, resource: &str) -> String {
    let id: String =
        id.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    format!("/v1/campaigns/{id}{resource}")
}
