use std::sync::Arc;

use carillon::channel::whatsapp_cloud::signature;
use carillon::connection::{self, Secrets, Vault, VaultError};
use carillon::table::{StoreError, Table};
use carillon::time::Timestamp;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

/// How long the connections' secrets are kept in memory.
const KEEP: SignedDuration = SignedDuration::from_secs(60);
/// After a mismatch they are read again, but not more often than this.
const REREAD: SignedDuration = SignedDuration::from_secs(1);

/// Why it isn't known who signs. It may pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The secrets that a webhook may be signed with.
#[derive(Debug)]
pub(crate) struct Connections {
    table: Table,
    vault: Vault,
    known: Mutex<Option<(Timestamp, Arc<Vec<Secrets>>)>>,
}

impl Connections {
    pub(crate) fn new(table: Table, vault: Vault) -> Self {
        Self { table, vault, known: Mutex::default() }
    }

    /// Whether one of our connections' app secrets signed the body. The
    /// connection is not looked up in the body: nothing of it is believed yet.
    pub(crate) async fn knows_signature(
        &self,
        header: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<bool, ConnectionsError> {
        let fits = |secrets: &Secrets| signature::verify(&secrets.app_secret, body, header).is_ok();
        self.any(now, fits).await
    }

    /// Whether one of our connections has that verification token.
    pub(crate) async fn knows_verify_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<bool, ConnectionsError> {
        let fits = |secrets: &Secrets| {
            bool::from(secrets.verify_token.expose_secret().as_bytes().ct_eq(token.as_bytes()))
        };
        self.any(now, fits).await
    }

    /// A connection made a moment ago counts: before saying no, look again.
    async fn any(
        &self,
        now: Timestamp,
        fits: impl Fn(&Secrets) -> bool,
    ) -> Result<bool, ConnectionsError> {
        if self.secrets(now, KEEP).await?.iter().any(&fits) {
            return Ok(true);
        }
        Ok(self.secrets(now, REREAD).await?.iter().any(&fits))
    }

    async fn secrets(
        &self,
        now: Timestamp,
        keep: SignedDuration,
    ) -> Result<Arc<Vec<Secrets>>, ConnectionsError> {
        let mut known = self.known.lock().await;
        if let Some((then, secrets)) = known.as_ref()
            && now < *then + keep
        {
            return Ok(secrets.clone());
        }
        let secrets = Arc::new(self.read().await?);
        *known = Some((now, secrets.clone()));
        Ok(secrets)
    }

    async fn read(&self) -> Result<Vec<Secrets>, ConnectionsError> {
        let mut opened = Vec::new();
        for connection in connection::store::all(&self.table).await? {
            match self.vault.open(connection.id, &connection.secrets).await {
                Ok(secrets) => opened.push(secrets),
                Err(error) if error.may_pass() => return Err(error.into()),
                Err(error) => {
                    tracing::error!(connection = %connection.id, error = &error as &dyn std::error::Error, "secrets");
                }
            }
        }
        Ok(opened)
    }
}
