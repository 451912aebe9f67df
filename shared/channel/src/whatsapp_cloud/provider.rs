//! The Cloud API behind the provider port.

use std::time::Duration;

use carillon_foundations::address::Scheme;
use carillon_foundations::http_client::HttpClient;
use futures::future::{BoxFuture, FutureExt as _};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::client::{CloudApi, CloudApiError, GRAPH_URL, GRAPH_VERSION};
use super::content::{self, WhatsappContent};
use super::credentials::{ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN};
use super::receiver::CloudWebhooks;
use super::template;
use super::template_rules::CloudTemplates;
use super::{pricing, probe};
use crate::capabilities::{
    Capabilities, Correlation, CredentialField, QuotaRule, ReportedStatus, StatusSource,
    Throughput, ThroughputCounts,
};
use crate::content::{Content, FieldProblem, Problems};
use crate::cost::{Estimate, Warning};
use crate::media_files::MediaFiles;
use crate::outcome::Outcome;
use crate::probe::Probe;
use crate::provider::{EstimateRequest, Outbound, ProbeError, Provider, ProviderSchemas};
use crate::receiver::Receiver;
use crate::sender::{ProviderConfig, SenderAccess};
use crate::templates::{TemplateRef, Templates};

/// The name in `provider.type`.
pub(super) const NAME: &str = "whatsapp_cloud";

const CAPABILITIES: Capabilities = Capabilities {
    addresses: &[Scheme::Phone, Scheme::Bsuid],
    contents: &["text", "media", "choices", "template", "interactive"],
    statuses: &[
        ReportedStatus::Sent,
        ReportedStatus::Delivered,
        ReportedStatus::Read,
        ReportedStatus::Failed,
    ],
    status_source: StatusSource::Webhook,
    correlation: Correlation::Callback,
    // Source: Meta, "Customer service windows".
    service_window: Some(Duration::from_hours(24)),
    // Source: Meta, "Messaging limits" (2026-09-11).
    quota: Some(QuotaRule { window_hours: 24, initial_limit: 250 }),
    // Source: Meta, "About the platform", pair rate limit.
    pair_interval: Some(Duration::from_secs(6)),
    // Source: Meta, "Throughput".
    throughput: Throughput {
        default_mps: probe::STANDARD_THROUGHPUT,
        max_mps: probe::HIGH_THROUGHPUT,
        counts: ThroughputCounts::Both,
    },
    credentials: &[
        CredentialField { name: ACCESS_TOKEN, generated: false },
        CredentialField { name: APP_SECRET, generated: false },
        CredentialField { name: VERIFY_TOKEN, generated: true },
    ],
};

/// Meta's WhatsApp Cloud API.
#[derive(Debug, Clone)]
pub struct WhatsappCloud {
    http: HttpClient,
    graph_url: String,
}

/// The settings of a connection to the WhatsApp Cloud API.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhatsappCloudSettings {
    /// Meta's id of the phone number: 1 to 20 digits.
    #[schema(pattern = "^[0-9]{1,20}$", example = "106540352242922")]
    phone_number_id: String,
    /// Meta's id of the WhatsApp Business Account that owns the number: 1 to 20 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{1,20}$")]
    waba_id: Option<String>,
}

impl WhatsappCloud {
    /// The Cloud API at `graph_url`, [`GRAPH_URL`] by default.
    pub fn new(http: &HttpClient, graph_url: Option<&str>) -> Self {
        Self { http: http.clone(), graph_url: graph_url.unwrap_or(GRAPH_URL).to_owned() }
    }

    /// The client of one number.
    pub fn client(&self, sender: &SenderAccess) -> CloudApi {
        let token = sender.credentials.get(ACCESS_TOKEN).cloned();
        let token = token.unwrap_or_else(|| SecretString::from(""));
        let id = &sender.config.sender_id;
        CloudApi::new(&self.http, &self.graph_url, GRAPH_VERSION, id, token)
    }

    async fn probe_number(&self, sender: &SenderAccess) -> Result<Probe, ProbeError> {
        self.client(sender).probe().await.map_err(|error| match error {
            CloudApiError::Refused(refusal) => ProbeError::Refused(refusal),
            CloudApiError::Unreachable(_) | CloudApiError::Unreadable => {
                ProbeError::Unreachable(error.to_string())
            }
        })
    }
}

impl Provider for WhatsappCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    fn is_simulated(&self) -> bool {
        self.graph_url.trim_end_matches('/') != GRAPH_URL
    }

    fn configure(&self, settings: Map<String, Value>) -> Result<ProviderConfig, Vec<FieldProblem>> {
        let value = Value::Object(settings.clone());
        let parsed: WhatsappCloudSettings =
            content::parse(NAME, &value).map_err(|problem| vec![problem])?;
        let mut problems = Problems::default();
        problems.at(NAME, |problems| {
            let ids = [
                ("phone_number_id", Some(&parsed.phone_number_id)),
                ("waba_id", parsed.waba_id.as_ref()),
            ];
            for (field, id) in ids {
                if id.is_some_and(|id| !is_graph_id(id)) {
                    problems.report(field, "must be Meta's id: 1 to 20 digits");
                }
            }
        });
        problems.into_result()?;
        Ok(ProviderConfig {
            provider: NAME.to_owned(),
            sender_id: parsed.phone_number_id,
            account_id: parsed.waba_id,
            settings,
        })
    }

    fn validate(&self, content: &Content) -> Result<(), Vec<FieldProblem>> {
        WhatsappContent::validate(content)
    }

    fn send<'a>(
        &'a self,
        sender: &'a SenderAccess,
        message: &'a Outbound,
    ) -> BoxFuture<'a, Outcome> {
        let client = self.client(sender);
        async move { client.send(message).await }.boxed()
    }

    fn probe<'a>(&'a self, sender: &'a SenderAccess) -> BoxFuture<'a, Result<Probe, ProbeError>> {
        self.probe_number(sender).boxed()
    }

    fn receiver(&self) -> Option<&dyn Receiver> {
        Some(&CloudWebhooks)
    }

    fn templates(&self) -> Option<&dyn Templates> {
        Some(&CloudTemplates)
    }

    fn media_files(&self) -> Option<&dyn MediaFiles> {
        Some(self)
    }

    fn is_marketing(&self, content: &Content, category: Option<&str>) -> bool {
        pricing::is_marketing(content, category)
    }

    fn template_of(&self, content: &Content) -> Option<TemplateRef> {
        match WhatsappContent::read(content) {
            Ok(WhatsappContent::Template(template)) => {
                Some(TemplateRef { name: template.name, language: template.language })
            }
            Ok(_) | Err(_) => None,
        }
    }

    fn estimate(&self, request: &EstimateRequest<'_>) -> Option<Estimate> {
        Some(pricing::estimate(request))
    }

    fn warnings(&self, request: &EstimateRequest<'_>) -> Vec<Warning> {
        pricing::undelivered(request).into_iter().collect()
    }

    fn schemas(&self) -> ProviderSchemas {
        use utoipa::PartialSchema as _;
        let settings = "WhatsappCloudSettings";
        let mut schemas = vec![(settings.to_owned(), WhatsappCloudSettings::schema())];
        template::schemas(&mut schemas);
        content::schemas(&mut schemas);
        ProviderSchemas {
            settings: Some(settings),
            contents: vec![("template", "TemplateContent"), ("interactive", "Interactive")],
            schemas,
        }
    }
}

fn is_graph_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
