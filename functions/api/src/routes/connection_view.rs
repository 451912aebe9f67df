//! Connections as the API takes and shows them.

use std::collections::{BTreeMap, BTreeSet};

use carillon::channel::{
    Capabilities, FieldCode, FieldProblem, Probe, ProviderConfig, Quality, QuotaLimit,
};
use carillon::connection::Note;
use carillon::country::Country;
use carillon::ids::ConnectionId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::etag::Resource;
use crate::problem::{Answer, Problem};
use crate::values::Time;

/// A connection to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnection {
    /// Its name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub(super) name: String,
    /// Its account at the provider.
    pub(super) provider: ProviderMember,
    /// Its credentials by name, as the provider's capabilities list them.
    #[schema(value_type = BTreeMap<String, String>, write_only)]
    pub(super) credentials: BTreeMap<String, SecretString>,
    /// The quota group whose limit its senders share; for WhatsApp the business portfolio.
    /// The account's or the sender's id where it is absent.
    pub(super) quota_group: Option<String>,
    /// Its throughput in messages a second; the provider's where it is absent.
    pub(super) throughput_mps: Option<u32>,
    /// The limit of the quota group in unique contacts; the provider's where it is absent.
    pub(super) quota_limit: Option<u64>,
}

/// The account of a connection at its provider: the provider's name, and a member of that
/// name with its settings.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "whatsapp_cloud", "whatsapp_cloud": {"phone_number_id": "106540352242922"}}))]
pub(crate) struct ProviderMember {
    /// The provider's name, such as `whatsapp_cloud`.
    pub(super) r#type: String,
    /// The provider's settings.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(super) members: Map<String, Value>,
}

/// Changes of a connection, as a JSON Merge Patch: an absent member stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionChanges {
    /// Its name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, required = false)]
    pub(super) name: String,
    /// New credentials by name; absent ones stay as they are.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, write_only, required = false)]
    pub(super) credentials: BTreeMap<String, SecretString>,
    /// Its throughput in messages a second; `null` to use the provider's.
    pub(super) throughput_mps: Option<u32>,
    /// The limit of the quota group in unique contacts in 24 hours, never more than the provider
    /// reports; `null` to use the provider's.
    pub(super) quota_limit: Option<u64>,
    /// The countries whose recipients are skipped. A country is added when the provider
    /// reports that the account may not send there.
    #[serde(default)]
    #[schema(required = false, value_type = Vec<Country>)]
    pub(super) blocked_countries: BTreeSet<Country>,
}

/// A connection, without its credentials.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    /// Its id.
    #[schema(value_type = String, example = "con_01890a5d-ac96-774b-bcce-b302099a8057")]
    pub(super) id: ConnectionId,
    /// Its name.
    pub(super) name: String,
    /// Its account at the provider.
    pub(super) provider: ProviderMember,
    /// Whether it is a simulator: its messages reach nobody.
    pub(super) simulated: bool,
    /// The quota group; `null` where the provider has no quota.
    pub(super) quota_group: Option<String>,
    /// The limit of the quota group that somebody set; `null` for the provider's.
    pub(super) quota_limit: Option<u64>,
    /// The limit of the quota group in force, in unique contacts in 24 hours; `null` for
    /// unlimited.
    pub(super) effective_quota_limit: Option<u64>,
    /// The throughput that somebody set, in messages a second; `null` for the provider's.
    pub(super) throughput_mps: Option<u32>,
    /// The throughput in force, in messages a second.
    pub(super) effective_throughput_mps: u32,
    /// How contacts rate its messages: `green`, `yellow`, `red` or `unknown`; `null` where the
    /// provider was not probed.
    pub(super) quality: Option<String>,
    /// The countries whose recipients are skipped.
    pub(super) blocked_countries: BTreeSet<Country>,
    /// When the provider was probed last.
    pub(super) checked_at: Option<Time>,
    /// The latest event of the account.
    pub(super) note: Option<Note>,
    /// When it was created.
    pub(super) created_at: Time,
    /// The webhook's address for the provider's dashboard; `null` where ours is not known.
    pub(super) webhook_url: Option<String>,
}

impl Resource for ConnectionView {
    fn tagged(&self) -> impl Serialize {
        // What the provider reports is not what a person changes.
        (&self.id, &self.name, self.quota_limit, self.throughput_mps, &self.blocked_countries)
    }
}

/// A connection that was just created.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedConnection {
    #[serde(flatten)]
    pub(super) connection: ConnectionView,
    /// The credentials that were generated. They are shown this once.
    pub(super) generated_credentials: BTreeMap<String, String>,
    /// What the provider reports; `null` where it was not probed.
    pub(super) probe: Option<ProbeView>,
}

impl Resource for CreatedConnection {
    fn tagged(&self) -> impl Serialize {
        self.connection.tagged()
    }
}

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionPage {
    /// The connections, oldest first.
    pub(super) items: Vec<ConnectionView>,
    /// Where the next page begins; null at the end.
    pub(super) next_cursor: Option<String>,
}

/// What a provider reports of a connection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProbeView {
    /// How contacts rate its messages: `green`, `yellow`, `red` or `unknown`.
    quality: Option<&'static str>,
    /// Messages a second.
    throughput_mps: Option<u32>,
    /// The limit of its quota group in unique contacts; `null` for unlimited.
    quota_limit: Option<u32>,
    /// Why it cannot send; `null` where it can.
    obstacle: Option<&'static str>,
    /// The provider's own facts.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

impl From<Probe> for ProbeView {
    fn from(probe: Probe) -> Self {
        Self {
            quality: probe.quality.map(Quality::as_str),
            throughput_mps: probe.throughput_mps,
            quota_limit: probe.quota.and_then(QuotaLimit::contacts),
            obstacle: probe.obstacle,
            details: probe.details,
        }
    }
}

impl ProviderMember {
    /// The settings: the value of the only other member, which has the provider's name.
    pub(super) fn settings(&self) -> Result<Map<String, Value>, FieldProblem> {
        let name = &self.r#type;
        match (self.members.get(name), self.members.len()) {
            (Some(Value::Object(settings)), 1) => Ok(settings.clone()),
            _ => Err(problem(
                "provider",
                &format!("must have the members type and {name}, an object, and no other"),
            )),
        }
    }
}

impl From<&ProviderConfig> for ProviderMember {
    fn from(config: &ProviderConfig) -> Self {
        let settings = Value::Object(config.settings.clone());
        Self {
            r#type: config.provider.clone(),
            members: Map::from_iter([(config.provider.clone(), settings)]),
        }
    }
}

pub(super) fn problem(field: &str, reason: &str) -> FieldProblem {
    FieldProblem::new(field, FieldCode::Invalid, reason)
}

pub(super) fn refuse_all(problems: Vec<Option<FieldProblem>>) -> Answer<()> {
    let problems: Vec<FieldProblem> = problems.into_iter().flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(Problem::fields(problems)) }
}

impl NewConnection {
    pub(super) fn problems(&self, capabilities: &Capabilities) -> Vec<Option<FieldProblem>> {
        let mut problems = vec![
            check_name(&self.name),
            self.quota_group.as_deref().and_then(|group| check_group(group, capabilities)),
            self.throughput_mps.and_then(|mps| check_throughput(mps, capabilities)),
            self.quota_limit.and_then(|limit| check_limit(limit, capabilities)),
        ];
        problems.extend(check_credentials(&self.credentials, capabilities));
        for field in capabilities.credentials.iter().filter(|field| !field.generated) {
            let is_missing = !self.credentials.contains_key(field.name);
            let name = format!("credentials.{}", field.name);
            problems.push(
                is_missing.then(|| FieldProblem::new(name, FieldCode::Required, "is missing")),
            );
        }
        problems
    }
}

impl ConnectionChanges {
    pub(super) fn problems(&self, capabilities: &Capabilities) -> Vec<Option<FieldProblem>> {
        let mut problems = vec![
            check_name(&self.name),
            self.throughput_mps.and_then(|mps| check_throughput(mps, capabilities)),
            self.quota_limit.and_then(|limit| check_limit(limit, capabilities)),
        ];
        problems.extend(check_credentials(&self.credentials, capabilities));
        problems
    }
}

fn check(is_valid: bool, field: &str, reason: &str) -> Option<FieldProblem> {
    (!is_valid).then(|| problem(field, reason))
}

fn check_name(name: &str) -> Option<FieldProblem> {
    let length = name.trim().chars().count();
    check((1..=200).contains(&length), "name", "must have 1 to 200 characters")
}

fn check_group(group: &str, capabilities: &Capabilities) -> Option<FieldProblem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_valid = (1..=64).contains(&group.len()) && group.bytes().all(allowed);
    check(is_valid, "quota_group", "must be 1 to 64 letters, digits, - and _")
        .or_else(|| check(capabilities.quota.is_some(), "quota_group", NO_QUOTA))
}

const NO_QUOTA: &str = "is not used: the provider has no quota";

fn check_throughput(mps: u32, capabilities: &Capabilities) -> Option<FieldProblem> {
    let max = capabilities.throughput.max_mps;
    let reason = format!("must be from 1 to {max} messages a second");
    check((1..=max).contains(&mps), "throughput_mps", &reason)
}

fn check_limit(limit: u64, capabilities: &Capabilities) -> Option<FieldProblem> {
    check(limit > 0, "quota_limit", "must be at least 1, or null to use the provider's")
        .or_else(|| check(capabilities.quota.is_some(), "quota_limit", NO_QUOTA))
}

fn check_credentials<'a>(
    given: &'a BTreeMap<String, SecretString>,
    capabilities: &'a Capabilities,
) -> impl Iterator<Item = Option<FieldProblem>> + use<'a> {
    given.iter().map(|(name, secret)| {
        let field = format!("credentials.{name}");
        let known = capabilities.credentials.iter().any(|field| field.name == name);
        let text = secret.expose_secret();
        let is_valid =
            (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        check(known, &field, "is not a credential of the provider")
            .or_else(|| check(is_valid, &field, "must be a text without spaces, copied as a whole"))
    })
}
