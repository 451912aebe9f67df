/// Tracks whether a CSV record has an open quotation mark. A mark opens only at the
/// start of a field (RFC 4180); elsewhere it is text.
pub(super) struct QuoteTracker {
    open: bool,
    at_field_start: bool,
    delimiter: u8,
}

impl QuoteTracker {
    /// A tracker at the start of a record.
    pub(super) fn new(delimiter: u8) -> Self {
        Self { open: false, at_field_start: true, delimiter }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn read(&mut self, text: &[u8]) {
        for byte in text {
            match *byte {
                // An escaped mark (two in a row) closes and opens again.
                b'"' if self.open => {
                    self.open = false;
                    self.at_field_start = true;
                }
                b'"' if self.at_field_start => self.open = true,
                byte => self.at_field_start = !self.open && byte == self.delimiter,
            }
        }
    }
}

/// The delimiter of a header: the most frequent one outside quotation marks. The API
/// decides in the same way.
pub(super) fn delimiter_of(header: &[u8]) -> u8 {
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += u32::from(!quoted && byte == delimiter);
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| delimiter)
}
