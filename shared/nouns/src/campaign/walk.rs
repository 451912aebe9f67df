use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::recipient::Cursor;

/// The walk over a campaign's recipients, in passes. The scheduler makes batches of the
/// ranges that it passes. At the end of a pass it starts again, for recipients that were
/// added or deferred meanwhile, until a whole pass meets no pending recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The last recipient that this pass has met; none at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// When this pass began; none between two passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// Whether this pass has made a batch.
    #[serde(default)]
    pub made_batch: bool,
    /// Whether the next recipient is known to be due.
    #[serde(default)]
    pub next_is_due: bool,
    /// The earliest time at which a deferred recipient that this pass met is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<Timestamp>,
    /// When the last pass that met only deferred recipients began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_since: Option<Timestamp>,
    /// The position to go back to, because a batch was closed before the end of its range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<Rewind>,
    /// When the last pass that met no pending recipient began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_at: Option<Timestamp>,
}

/// A position to go back to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rewind {
    /// The position, exclusive; none for the first recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
}

impl Walk {
    /// Goes to the start of the next batch: on in this pass, back to the range of a batch
    /// that was closed early, or to the start of a new pass. For the latter two no batch
    /// may be open, or its recipients would be planned twice.
    pub fn begin(&mut self, now: Timestamp) {
        if let Some(Rewind { after }) = self.rewind.take() {
            self.cursor = after;
            self.made_batch = true;
            self.next_is_due = false;
        } else if self.began_at.is_none() {
            self.cursor = None;
            self.made_batch = false;
            self.next_is_due = false;
            self.next_due_at = None;
        }
        self.began_at.get_or_insert(now);
    }

    /// Ends the pass.
    pub fn end(&mut self) {
        let began_at = self.began_at.take();
        self.cursor = None;
        self.next_is_due = false;
        if self.made_batch {
            self.next_due_at = None;
        }
        let met_nobody = !self.made_batch && self.next_due_at.is_none();
        self.exhausted_at = began_at.filter(|_| met_nobody);
        self.deferred_since = began_at.filter(|_| self.next_due_at.is_some());
    }

    /// Sets the position to go back to, unless it is further back already.
    pub fn rewind_to(&mut self, after: Option<Cursor>) {
        let wanted = Rewind { after };
        self.rewind = Some(match self.rewind.take() {
            Some(known) => known.min(wanted),
            None => wanted,
        });
    }
}
