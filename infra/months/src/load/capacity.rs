//! What DynamoDB charges for a request, and how much a table takes.
//! Source: AWS, "Read/write capacity mode", "Partitions and data distribution" and "Quotas".

/// Write units that one partition takes in a second. With a local secondary index a
/// partition key is never split, so this is also the limit of a key.
pub(super) const PARTITION_WRITES: f64 = 1_000.0;
/// Read units that one partition takes in a second.
pub(super) const PARTITION_READS: f64 = 3_000.0;
