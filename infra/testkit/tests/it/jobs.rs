//! Jobs and the function that works them.

use std::time::Duration;

use carillon::ids::{IdSource, JobId};
use carillon::job::{self, Bulk, BulkAction, Job, SILENT_AFTER, Work};
use carillon_testkit::World;
use serde_json::json;

/// A job that was stored, and not launched: the process of the API has died.
async fn lost_job(world: &World) -> Job {
    let campaign = world.draft(30).await;
    let bulk = Bulk {
        campaign: world.stored_campaign(&campaign).await.id,
        action: BulkAction::Skip,
        statuses: BulkAction::Skip.takes().iter().copied().collect(),
        dry_run: false,
    };
    let id = JobId::from_uuid(IdSource::random().uuid(world.clock.now()));
    let job = Job::queued(id, Work::BulkRecipients(bulk), Some(30), None, world.clock.now());
    job::store::create(world.host.table(), &job).await.expect("stored");
    job
}

async fn status(world: &World, job: &Job) -> String {
    world.get(&format!("/v1/jobs/{}", job.id)).await.expect(200).string("status")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_nobody_works_is_launched_again() {
    let world = World::silent().await;
    let job = lost_job(&world).await;
    world.tick().await;
    assert_eq!(status(&world, &job).await, "queued", "its launch may be on its way");
    world.clock.advance(SILENT_AFTER.unsigned_abs());
    world.run_until_idle().await;
    assert_eq!(status(&world, &job).await, "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_with_all_jobs_at_once() {
    let world = World::silent().await;
    let job = lost_job(&world).await;
    let world = world.restart().await;
    world.wait_until_idle().await;
    assert_eq!(status(&world, &job).await, "completed");
}

/// Each run has time for one turn only, and launches the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_time_is_over_launches_the_next_one() {
    let world = World::silent().await;
    let job = lost_job(&world).await;
    let end = world.host.run_job_until(job.id, world.clock.now()).await.expect("it ends");
    assert_eq!(end, carillon::jobs::RunEnd::OutOfTime);
    world.wait_until_idle().await;
    let done = world.get(&format!("/v1/jobs/{}", job.id)).await.expect(200);
    assert_eq!(done.body["result"], json!({"matched": 30, "changed": 30}), "{}", done.text);
    let late = world.host.run_job_until(job.id, world.clock.now() + Duration::from_mins(1)).await;
    assert_eq!(late.expect("it ends"), carillon::jobs::RunEnd::Done);
}
