use std::fmt::Write;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use whatsapp_simulator::Simulator;

/// How people stand in the campaign's file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// One person in two lines: the phone in one, the BSUID in the other.
    PersonTwice,
    /// One person in one line with the phone and the BSUID.
    PersonOnce,
    /// Two persons, each in a line of their own.
    Strangers,
    /// One person in one line with the phone.
    Phone,
}

/// A request at a random moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The contacts of both sides are merged.
    Merge,
    /// The address of the second side is split off; after a merge that of the newer contact.
    Split,
    /// Like [`Act::Split`]; then a line with that address is uploaded to the campaign.
    SplitAndUpload,
    /// The contact of this side is erased.
    Erase(usize),
}

impl Act {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Merge => "merges",
            Self::Split | Self::SplitAndUpload => "splits",
            Self::Erase(_) => "erasures",
        }
    }
}

/// What happens to one group of people, in this order.
struct Plan {
    lines: Lines,
    acts: &'static [Act],
    /// The number of messages to each person that WhatsApp refuses first.
    refusals: u32,
}

const fn plan(lines: Lines, acts: &'static [Act]) -> Plan {
    Plan { lines, acts, refusals: 0 }
}

/// The plans, in turn.
const PLANS: [Plan; 16] = [
    plan(Lines::PersonTwice, &[Act::Merge]),
    plan(Lines::PersonTwice, &[Act::Merge, Act::Erase(0)]),
    plan(Lines::PersonTwice, &[Act::Erase(0), Act::Merge]),
    plan(Lines::PersonTwice, &[Act::Merge, Act::Split]),
    Plan { lines: Lines::PersonTwice, acts: &[Act::Merge], refusals: 1 },
    Plan { lines: Lines::PersonTwice, acts: &[Act::Merge], refusals: 2 },
    plan(Lines::PersonOnce, &[Act::Split]),
    plan(Lines::PersonOnce, &[Act::SplitAndUpload]),
    plan(Lines::PersonOnce, &[Act::Split, Act::Merge]),
    plan(Lines::PersonOnce, &[Act::SplitAndUpload, Act::Merge]),
    plan(Lines::PersonOnce, &[Act::Split, Act::Erase(0)]),
    plan(Lines::PersonOnce, &[Act::Split, Act::Erase(1)]),
    plan(Lines::Strangers, &[Act::Merge, Act::Split]),
    plan(Lines::Strangers, &[Act::Merge, Act::Split, Act::Erase(0)]),
    plan(Lines::Strangers, &[Act::Merge, Act::Split, Act::Erase(1)]),
    plan(Lines::Phone, &[Act::Erase(0)]),
];
/// Nothing happens to these.
const UNTOUCHED: Plan = plan(Lines::Phone, &[]);

/// An act that the API answered.
pub(super) struct Done {
    pub(super) act: Act,
    /// When it was asked for, in milliseconds since 1970.
    pub(super) asked: i64,
    /// When it was answered.
    pub(super) answered: i64,
    /// Of an erasure: which sides had the contact that was erased.
    pub(super) covers: [bool; 2],
}

impl Done {
    pub(super) fn is_split(&self) -> bool {
        matches!(self.act, Act::Split | Act::SplitAndUpload)
    }
}

/// One or two people that the acts of one plan happen to. A side is an address; in the file
/// each side has a line, or both sides have one.
pub(super) struct Group {
    pub(super) lines: Lines,
    pub(super) acts: &'static [Act],
    pub(super) refusals: u32,
    pub(super) addresses: [String; 2],
    /// The user that the simulator knows by each address.
    pub(super) users: [String; 2],
    /// The contact that each address leads to.
    pub(super) holders: [String; 2],
    /// The contact of each side's recipient; none where the side has no recipient.
    pub(super) recipients: [Option<String>; 2],
    pub(super) done: Vec<Done>,
}

impl Group {
    fn of(plan: &Plan, first: u32, simulator: &Simulator, rng: &mut StdRng) -> Self {
        let phone = |number: u32| format!("+57300{number:07}");
        let user = |number| simulator.user_id(&phone(number)).expect("a user id");
        let (addresses, users) = match plan.lines {
            Lines::Strangers => ([phone(first), phone(first + 1)], [user(first), user(first + 1)]),
            Lines::PersonTwice | Lines::PersonOnce | Lines::Phone => {
                let mut addresses = [phone(first), user(first)];
                if plan.lines != Lines::Phone && rng.random() {
                    addresses.reverse();
                }
                (addresses, [user(first), user(first)])
            }
        };
        Self {
            lines: plan.lines,
            acts: plan.acts,
            refusals: plan.refusals,
            addresses,
            users,
            holders: [String::new(), String::new()],
            recipients: [None, None],
            done: Vec::new(),
        }
    }

    /// The phone of the person whose first messages are refused.
    pub(super) fn refused_phone(&self) -> Option<String> {
        let phone = self.addresses.iter().find_map(|address| address.strip_prefix('+'))?;
        (self.refusals > 0).then(|| phone.to_owned())
    }

    /// The line of an address, or the one of both.
    fn rows(&self) -> Vec<String> {
        let [one, other] = &self.addresses;
        match self.lines {
            Lines::PersonTwice | Lines::Strangers => vec![row(one), row(other)],
            Lines::PersonOnce if one.starts_with('+') => vec![format!("{one},{other},Ana")],
            Lines::PersonOnce => vec![format!("{other},{one},Ana")],
            Lines::Phone => vec![row(one)],
        }
    }

    /// The side that is split off. The older of two merged contacts keeps its own address: its
    /// recipients stay with it.
    pub(super) fn split_side(&self) -> usize {
        usize::from(self.recipients[1].as_ref() != Some(&self.holders[0]))
    }

    /// Whether the file tells that both sides are one.
    pub(super) fn starts_as_one(&self) -> bool {
        self.lines == Lines::PersonOnce
    }
}

fn row(address: &str) -> String {
    if address.starts_with('+') { format!("{address},,Ana") } else { format!(",{address},Ana") }
}

/// A file with the line of one address.
pub(super) fn csv_of(address: &str) -> String {
    format!("{HEADER}{}\n", row(address))
}

const HEADER: &str = "phone,bsuid,first_name\n";

/// Groups with this many acts, and as many groups that nothing happens to as `untouched` says.
pub(super) fn groups(
    campaign: u32,
    (acts, untouched): (u32, u32),
    simulator: &Simulator,
    rng: &mut StdRng,
) -> Vec<Group> {
    let mut numbers = (campaign * 10_000..).step_by(2);
    let mut next = |plan: &Plan, rng: &mut StdRng| {
        Group::of(plan, numbers.next().expect("a number"), simulator, rng)
    };
    let mut groups: Vec<Group> = (0..untouched).map(|_| next(&UNTOUCHED, rng)).collect();
    let mut left = acts as usize;
    for plan in PLANS.iter().cycle() {
        if left == 0 {
            return groups;
        }
        let mut group = next(plan, rng);
        group.acts = &plan.acts[..plan.acts.len().min(left)];
        left -= group.acts.len();
        groups.push(group);
    }
    groups
}

/// The file of all groups, in random order.
pub(super) fn csv(groups: &[Group], rng: &mut StdRng) -> String {
    let mut rows: Vec<String> = groups.iter().flat_map(Group::rows).collect();
    rows.shuffle(rng);
    let mut csv = HEADER.to_owned();
    for row in rows {
        let _ = writeln!(csv, "{row}");
    }
    csv
}
