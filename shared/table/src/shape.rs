/// The schema of the table that [`ensure_table`](crate::ensure_table) creates. A test checks
/// that `template.yaml` has the same.
#[derive(Debug)]
pub struct Shape;

impl Shape {
    /// Partition key, a string.
    pub const PK: &'static str = "pk";
    /// Sort key, a string.
    pub const SK: &'static str = "sk";
    /// Seconds since 1970 after which `DynamoDB` may delete the item.
    pub const TTL: &'static str = "expires_at";
    /// Recipient items by contact (`sk`) and `sent_at`; keys only, sparse.
    pub const BY_CONTACT: &'static str = "by_contact";
    /// Range key of `by_contact`: when the last attempt was claimed.
    pub const SENT_AT: &'static str = "sent_at";
    /// The work lists (see `ListedAs`); all attributes, sparse.
    pub const BY_STATUS: &'static str = "by_status";
    /// Hash key of `by_status`.
    pub const LISTED_AS: &'static str = "listed_as";
    /// Range key of `by_status`.
    pub const LISTED_AT: &'static str = "listed_at";
    /// The local index, and its range key, which no item has: the index is empty. With a local
    /// index `DynamoDB` never splits the items of one partition key, so that their stream
    /// records come in order.
    pub const UNSPLIT: &'static str = "unsplit";
}
