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

    /// The suppressions of two contacts that are one person: either blacklist and either
    /// opt-out hold, until the person resumes after both.
    pub(super) fn joined(one: &Profile, other: &Profile) -> Self {
        let either = |one: Option<Timestamp>, other| one.into_iter().chain(other).min();
        Self {
            blacklisted_at: either(one.blacklisted_at, other.blacklisted_at),
            opted_out_at: either(one.opted_out_at, other.opted_out_at),
            preference_at: one.preference_at.max(other.preference_at),
        }
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
    fn either_blacklist_and_either_opt_out_hold() {
        let stopped = Profile { preference_at: at(2), opted_out_at: at(2), ..Profile::default() };
        let resumed = Profile { preference_at: at(3), ..Profile::default() };
        let blocked = Profile { blacklisted_at: at(0), ..resumed.clone() };
        let joined =
            Suppressions { blacklisted_at: at(0), opted_out_at: at(2), preference_at: at(3) };
        assert_eq!(Suppressions::joined(&stopped, &blocked), joined);
        assert_eq!(Suppressions::joined(&blocked, &stopped), joined);
        assert_eq!(Suppressions::joined(&resumed, &resumed), Suppressions::of(&resumed));
    }
}
