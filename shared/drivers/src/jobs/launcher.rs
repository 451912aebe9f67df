use carillon_foundations::aws::{AwsConfig, ServiceError};
use carillon_foundations::config::{Config, Missing};
use carillon_foundations::ids::JobId;
use carillon_foundations::lambda::{Function, InvokeError};
use carillon_foundations::time::Clock;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What the function that works jobs is invoked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The job.
    pub job: JobId,
}

/// Starts runs of jobs.
#[derive(Debug, Clone)]
pub enum Launcher {
    /// As invocations of a function on AWS.
    Function(Function),
    /// In this process: its end receives the jobs.
    Channel(UnboundedSender<Launch>),
}

/// Why the function can't be invoked at all.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// Its name is not set.
    #[error(transparent)]
    Name(#[from] Missing),
    /// The region or the credentials are not set.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Why a job was not launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The function was not invoked.
    #[error(transparent)]
    Function(#[from] InvokeError),
    /// Nobody receives jobs: the process ends.
    #[error("nobody receives jobs any more")]
    Closed,
}

impl Launcher {
    /// The function that the environment names.
    ///
    /// # Errors
    /// A variable is missing.
    pub fn of(config: &Config, aws: &AwsConfig, clock: &Clock) -> Result<Self, LauncherError> {
        let name = config.jobs_function()?;
        let function = Function::new(&aws.other, config.lambda_url(), name, clock.clone())?;
        Ok(Self::Function(function))
    }

    /// A launcher in a process without a function that works jobs, such as a simulation of the others.
    pub fn closed() -> Self {
        Self::Channel(unbounded_channel().0)
    }

    /// Starts a run of a job.
    ///
    /// # Errors
    /// It may not have started. The scheduler launches the job again.
    pub async fn launch(&self, job: JobId) -> Result<(), LaunchError> {
        let launch = Launch { job };
        match self {
            Self::Function(function) => {
                let payload = serde_json::to_string(&launch).unwrap_or_default();
                Ok(function.invoke(&payload).await?)
            }
            Self::Channel(jobs) => jobs.send(launch).map_err(|_| LaunchError::Closed),
        }
    }

    /// [`Launcher::launch`]; a failure is logged.
    pub async fn try_launch(&self, job: JobId) {
        if let Err(error) = self.launch(job).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%job, error, "the job was not launched: the scheduler will");
        }
    }
}
