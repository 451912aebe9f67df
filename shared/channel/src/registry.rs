//! The registry of providers: the one place that names them.

use std::sync::Arc;

use carillon_foundations::http_client::HttpClient;

use crate::provider::Provider;
use crate::receiver::Receiver;
use crate::templates::Templates;
use crate::whatsapp_cloud::WhatsappCloud;

/// The providers of this process.
#[derive(Debug, Clone, Default)]
pub struct Providers(Vec<Arc<dyn Provider>>);

/// What the providers are made of.
#[derive(Debug, Clone)]
pub struct ProviderSetup {
    /// The HTTP client for all of them.
    pub http: HttpClient,
    /// The address of Meta's Graph API, if another one than Meta's own.
    pub graph_url: Option<String>,
}

impl Providers {
    /// All providers of the product.
    pub fn standard(setup: &ProviderSetup) -> Self {
        Self::default().with(WhatsappCloud::new(&setup.http, setup.graph_url.as_deref()))
    }

    /// These providers and one more, in place of another one of the same name.
    #[must_use]
    pub fn with(mut self, provider: impl Provider + 'static) -> Self {
        self.0.retain(|known| known.name() != provider.name());
        self.0.push(Arc::new(provider));
        self
    }

    /// The provider of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// All providers.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.0.iter()
    }

    /// The provider whose webhook has that path, and its receiver.
    pub fn receiver(&self, path: &str) -> Option<(&Arc<dyn Provider>, &dyn Receiver)> {
        let receivers = self.0.iter().filter_map(|one| Some((one, one.receiver()?)));
        receivers.into_iter().find(|(_, receiver)| receiver.path() == path)
    }

    /// The provider that keeps templates, and its rules.
    pub fn templates(&self) -> Option<(&Arc<dyn Provider>, &dyn Templates)> {
        self.0.iter().find_map(|one| Some((one, one.templates()?)))
    }
}
