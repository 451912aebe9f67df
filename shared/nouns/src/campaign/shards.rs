/// The throughput of a connection in messages a second up to which [`FEW`] shards are enough.
const FEW_UP_TO: u32 = 500;
const FEW: u16 = 8;
const MANY: u16 = 16;

/// Over how many shards the recipients of a campaign are spread, on a connection of `throughput`
/// messages a second: 8, and 16 above 500.
///
/// A shard is a partition key, and all items of a key are in one partition (ADR 16), which takes
/// 1,000 written units a second ("Best practices for designing and using partition keys
/// effectively" in AWS's guide to DynamoDB). A message costs about 5 units there, with its statuses
/// and counters, where its recipient has at most 1 KB with its columns, and 10 up to 2 KB. In turns
/// over the shards (ADR 17) that is, for each key, at most:
///
/// | messages a second | shards | units a second | with 2 KB |
/// |---|---|---|---|
/// | 80 | 8 | 50 | 100 |
/// | 500 | 8 | 313 | 625 |
/// | 1,000 | 16 | 313 | 625 |
/// | 1,000, where the connection was slower when the campaign was made | 8 | 625 | 1,250: slower |
///
/// Their size is no reason for more: a key holds 10 GB, so 8 hold 40 million recipients of 2 KB.
///
/// More shards cost more reads: the counters of each are read for a report, and each is an item of
/// its own in the audit.
pub const fn shards_for(throughput: u32) -> u16 {
    if throughput <= FEW_UP_TO { FEW } else { MANY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_partition_is_used_at_most() {
        for (throughput, shards) in [(0, 8), (80, 8), (500, 8), (501, 16), (1_000, 16)] {
            assert_eq!(shards_for(throughput), shards, "{throughput}");
            assert!(7 * throughput / u32::from(shards) <= 500);
            // Recipients of 2 KB.
            assert!(10 * throughput / u32::from(shards) < 1_000);
        }
        // The fastest number of today, in a campaign that was made before it was so fast.
        assert!(7 * 1_000 / u32::from(FEW) < 1_000);
    }
}
