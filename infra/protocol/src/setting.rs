use crate::rule::Rules;

/// What a world does not vary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// The rules that hold.
    pub rules: Rules,
    /// The most recipients of a batch.
    pub batch_size: usize,
    /// Whether a retry waits; otherwise it is due at once.
    pub retries_wait: bool,
}
