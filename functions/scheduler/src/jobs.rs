use carillon::bulk;
use carillon::job;
use carillon::table::StoreError;
use carillon::time::Timestamp;

use crate::Scheduler;

impl Scheduler {
    /// Works the jobs that are not done, each as far as one run gets. A job that fails stays as
    /// it is, and the next run goes on with it.
    pub(crate) async fn work_jobs(&self, now: Timestamp) -> Result<(), StoreError> {
        for job in job::store::open(&self.table).await? {
            let id = job.id;
            if let Err(error) = bulk::work(&self.table, job, now).await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(job = %id, error, "a job goes on in the next run");
            }
        }
        Ok(())
    }
}
