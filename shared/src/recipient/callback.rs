use std::fmt;
use std::str::FromStr;

use crate::contact::ContactKey;
use crate::ids::CampaignId;

/// What travels with a message as `biz_opaque_callback_data` and comes back in
/// each of its status webhooks: enough to find the recipient without a lookup.
/// Meta allows 512 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The campaign.
    pub campaign: CampaignId,
    /// The recipient's shard in it.
    pub shard: u16,
    /// The attempt.
    pub attempt: u32,
    /// The contact.
    pub contact: ContactKey,
}

/// The text is not one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a callback of this system")]
pub struct CallbackError;

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { campaign, shard, attempt, contact } = self;
        write!(f, "c1|{campaign}|{shard}|{attempt}|{}", contact.as_str())
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
        let callback = Self {
            campaign: next()?.parse().map_err(|_| CallbackError)?,
            shard: next()?.parse().map_err(|_| CallbackError)?,
            attempt: next()?.parse().map_err(|_| CallbackError)?,
            contact: next()?.parse().map_err(|_| CallbackError)?,
        };
        if parts.next().is_some() { Err(CallbackError) } else { Ok(callback) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_fits() {
        let text = "c1|cmp_01890a5d-ac96-774b-bcce-b302099a8057|7|2|+573001234567";
        let callback: Callback = text.parse().unwrap();
        assert_eq!(callback.attempt, 2);
        assert_eq!(callback.to_string(), text);
        let longest = format!("US.ENT.{}", "a".repeat(128));
        let callback = Callback { contact: longest.parse().unwrap(), ..callback };
        assert!(callback.to_string().len() <= 512);
    }

    #[test]
    fn strangers_are_refused() {
        for text in ["", "my_tracker", "c1|x|1|1|+57", "c2|a|1|1|b", "c1|||||||"] {
            assert_eq!(text.parse::<Callback>(), Err(CallbackError), "{text}");
        }
    }
}
