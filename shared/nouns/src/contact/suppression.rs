use carillon_foundations::time::Timestamp;

use super::profile::Profile;

/// The suppressions of a contact, and the time of its latest preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the names of the attributes")]
pub struct Suppressions {
    pub(super) blacklisted_at: Option<Timestamp>,
    pub(super) opted_out_at: Option<Timestamp>,
    pub(super) preference_at: Option<Timestamp>,
}

impl Suppressions {
    /// The suppressions in a profile.
    pub fn of(profile: &Profile) -> Self {
        Self {
            blacklisted_at: profile.blacklisted_at,
            opted_out_at: profile.opted_out_at,
            preference_at: profile.preference_at,
        }
    }

    /// The suppressions of one person with two addresses: the newer preference, and the
    /// blacklist of either. `linked` says whether the addresses name each other already.
    pub(super) fn joined(one: &Profile, other: &Profile, linked: bool) -> Self {
        let newer = if one.preference_at >= other.preference_at { one } else { other };
        // Erasing removes the links of a person's addresses and blacklists all of them. An
        // address that is not blacklisted any more was released since, and with it the
        // person.
        let erased_together = one.erased_at.is_some() && one.erased_at == other.erased_at;
        let blacklisted_at = match (one.blacklisted_at, other.blacklisted_at) {
            (None, _) | (_, None) if erased_together && !linked => None,
            (ours, theirs) => ours.into_iter().chain(theirs).min(),
        };
        Self { blacklisted_at, ..Self::of(newer) }
    }

    /// Each with the name of its attribute.
    pub(super) fn attributes(self) -> [(&'static str, Option<Timestamp>); 3] {
        [
            ("blacklisted_at", self.blacklisted_at),
            ("opted_out_at", self.opted_out_at),
            ("preference_at", self.preference_at),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(1_800_000_000 + second).ok()
    }

    #[test]
    fn the_newer_preference_and_either_blacklist_hold_for_both() {
        let stopped = Profile { preference_at: at(2), opted_out_at: at(2), ..Profile::default() };
        let resumed = Profile { preference_at: at(1), ..Profile::default() };
        let blocked = Profile { blacklisted_at: at(0), ..resumed.clone() };
        let joined =
            Suppressions { blacklisted_at: at(0), opted_out_at: at(2), preference_at: at(2) };
        assert_eq!(Suppressions::joined(&stopped, &blocked, false), joined);
        assert_eq!(Suppressions::joined(&blocked, &stopped, true), joined);
        let again = Profile { preference_at: at(3), ..Profile::default() };
        assert_eq!(Suppressions::joined(&stopped, &again, true).opted_out_at, None);
    }

    #[test]
    fn a_person_released_after_erasing_stays_released_until_blacklisted_again() {
        let blocked = Profile { erased_at: at(1), blacklisted_at: at(0), ..Profile::default() };
        let released = Profile { erased_at: at(1), ..Profile::default() };
        let erased_later = Profile { erased_at: at(5), ..Profile::default() };
        let blacklisted =
            |one, other, linked| Suppressions::joined(one, other, linked).blacklisted_at;
        assert_eq!(blacklisted(&blocked, &released, false), None);
        assert_eq!(blacklisted(&blocked, &released, true), at(0), "blacklisted since");
        assert_eq!(blacklisted(&blocked, &erased_later, false), at(0));
        assert_eq!(blacklisted(&blocked, &blocked.clone(), false), at(0));
    }
}
