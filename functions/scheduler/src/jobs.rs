use carillon::job;

use crate::Scheduler;
use crate::run::Run;

impl Scheduler {
    /// Launches jobs that nobody works: their launch failed, or the process of their run is gone.
    pub(crate) async fn launch_jobs(&self, run: &mut Run) {
        let open = job::store::each_open(&self.table).await;
        for job in run.failures.keep_each("job", open) {
            if job.is_silent(run.now) {
                run.failures.keep("job", job.id, self.launcher.launch(job.id).await);
            }
        }
    }
}
