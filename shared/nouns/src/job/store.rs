//! Jobs in the table.

use carillon_foundations::ids::JobId;
use carillon_table::{
    Key, ListedAs, Page, StoreError, Table, Unreadable, Write, condition_held, exclusive_start_key,
};
use jiff::Timestamp;

use super::{Failure, Job, Status};

/// The partition of all jobs.
const PARTITION: &str = "JOB";

/// Stores a new job.
pub async fn create(table: &Table, job: &Job) -> Result<(), StoreError> {
    table.write(listed(Write::create(&Key::Job(job.id), job)?, job)).await
}

/// Reads a job.
pub async fn get(table: &Table, id: JobId) -> Result<Option<Job>, StoreError> {
    table.get(&Key::Job(id)).await
}

/// One page of the jobs before another one, newest first.
pub async fn list(
    table: &Table,
    before: Option<JobId>,
    limit: u32,
) -> Result<Page<Job>, StoreError> {
    let after = before.map(|id| exclusive_start_key(&Key::Job(id)));
    table.query_back(PARTITION, (JobId::PREFIX, "\u{10FFFF}"), after, limit).await
}

/// All jobs that are not done, oldest first. One that can't be read does not hide the others.
pub async fn each_open(table: &Table) -> Result<Vec<Result<Job, Unreadable>>, StoreError> {
    table.list_each(ListedAs::OpenJobs).await
}

/// The write that replaces a job which still has the version `seen`.
pub fn replacement(job: &Job, seen: u64) -> Result<Write, StoreError> {
    Ok(listed(Write::put(&Key::Job(job.id), job)?, job).if_version(seen))
}

/// Replaces a job that still has the version `seen`; `false` where it has another.
pub async fn replace(table: &Table, job: &Job, seen: u64) -> Result<bool, StoreError> {
    condition_held(table.write(replacement(job, seen)?).await)
}

/// Cancels a job, unless it is done. Returns it as it is then; `None` where it does not exist.
pub async fn cancel(table: &Table, id: JobId, now: Timestamp) -> Result<Option<Job>, StoreError> {
    loop {
        let Some(job) = get(table, id).await? else { return Ok(None) };
        if job.status.is_final() {
            return Ok(Some(job));
        }
        let cancelled = job.finished(Status::Cancelled, None, now);
        if replace(table, &cancelled, job.version).await? {
            return Ok(Some(cancelled));
        }
    }
}

/// Fails a job that still has its version.
pub async fn fail(
    table: &Table,
    job: &Job,
    failure: Failure,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = job.finished(Status::Failed, Some(failure), now);
    replace(table, &failed, job.version).await.map(drop)
}

fn listed(write: Write, job: &Job) -> Write {
    if job.status.is_final() {
        write
    } else {
        write.listed(ListedAs::OpenJobs, &job.id.to_string())
    }
}
