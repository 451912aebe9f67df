use std::fmt;
use std::str::FromStr;

use super::RecipientKey;

/// The callback of a message, which the provider returns in each status: it names the
/// recipient and the attempt without a lookup. At most 512 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The recipient.
    pub recipient: RecipientKey,
    /// The attempt, from 1.
    pub attempt: u32,
}

/// A text that is not a callback of Carillon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a callback of Carillon")]
pub struct CallbackError;

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recipient: RecipientKey { campaign, shard, contact }, attempt } = self;
        write!(f, "c1|{campaign}|{shard}|{attempt}|{contact}")
    }
}

impl FromStr for Callback {
    type Err = CallbackError;

    fn from_str(text: &str) -> Result<Self, CallbackError> {
        let mut parts = text.split('|');
        let mut next = || parts.next().ok_or(CallbackError);
        if next()? != "c1" {
            return Err(CallbackError);
        }
        let campaign = next()?.parse().map_err(|_| CallbackError)?;
        let shard = next()?.parse().map_err(|_| CallbackError)?;
        let attempt = next()?.parse().map_err(|_| CallbackError)?;
        let contact = next()?.parse().map_err(|_| CallbackError)?;
        if parts.next().is_some() {
            return Err(CallbackError);
        }
        Ok(Self { recipient: RecipientKey { campaign, shard, contact }, attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_fits() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let text = format!("c1|cmp_{id}|7|2|ctc_{id}");
        let callback: Callback = text.parse().unwrap();
        assert_eq!(callback.attempt, 2);
        assert_eq!(callback.to_string(), text);
        assert!(text.len() <= 512);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "my_tracker", "c1|x|1|1|+57", "c2|a|1|1|b", "c1|||||||"] {
            assert_eq!(text.parse::<Callback>(), Err(CallbackError), "{text}");
        }
    }
}
