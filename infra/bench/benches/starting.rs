//! How long the functions take from their start to their first question for work,
//! beside the least a function can be, and how much memory they have used when that
//! and one event are behind them.
//!
//! Needs the binaries as they are deployed:
//! `cargo lambda build --release --workspace --bins --examples`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use carillon::AwsConfig;
use carillon::table::{Table, ensure_table};
use carillon_bench::{Stopwatch, head, row};
use carillon_engines::{Engines, Storage};
use tokio::sync::mpsc;

/// How often each is started.
const STARTS: usize = 20;
const FUNCTIONS: [(&str, &str); 6] = [
    ("hello", "scheduler-minute.json"),
    ("aggregator", "aggregator-recipients.json"),
    ("api", "api-list-campaigns.json"),
    ("scheduler", "scheduler-minute.json"),
    ("sender", "sender-batch.json"),
    ("webhook", "webhook-statuses.json"),
];

/// A request to the Lambda Runtime API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuntimeRequest {
    NextInvocation,
    InvocationResponse,
}

/// A Runtime API that has one event to give.
#[derive(Clone)]
struct Runtime {
    event: Arc<Mutex<Option<String>>>,
    requests: mpsc::UnboundedSender<RuntimeRequest>,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    head(
        "Starts: to the first question for work, median of 20",
        &["function", "binary MB", "zipped MB", "start ms", "start, times hello", "memory MB"],
    );
    runtime.block_on(measure_all());
}

async fn measure_all() {
    let engines = Engines::start(Storage::Temporary).expect("the engines start");
    let aws = AwsConfig::at(&engines.dynamodb_url(), &engines.sqs_url()).await;
    ensure_table(&Table::new(&aws, "carillon")).await.expect("a table");
    let binaries: Vec<_> = FUNCTIONS.iter().map(|(name, event)| (binary(name), *event)).collect();
    // In turns, so that what else the machine does meets all of them.
    let mut starts = vec![Vec::new(); binaries.len()];
    for _ in 0..STARTS {
        for ((binary, _), starts) in binaries.iter().zip(&mut starts) {
            starts.push(start(binary, &engines, None).await.0);
        }
    }
    let mut hello = f64::NAN;
    for (((name, _), (binary, event)), starts) in FUNCTIONS.iter().zip(&binaries).zip(&mut starts) {
        starts.sort_by(f64::total_cmp);
        let median = starts[starts.len() / 2];
        if *name == "hello" {
            hello = median;
        }
        let (_, memory) = start(binary, &engines, Some(event)).await;
        row(&[
            (*name).to_owned(),
            format!("{:.1}", megabytes(std::fs::metadata(binary).expect("a file").len())),
            format!("{:.1}", megabytes(zipped(binary))),
            format!("{:.1}", median * 1000.0),
            format!("{:.2}", median / hello),
            format!("{memory:.1}"),
        ]);
    }
}

fn binary(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/lambda");
    let path = folder.join(name).join("bootstrap");
    assert!(path.exists(), "{} is missing; see the head of this file", path.display());
    path
}

/// Starts a function and gives how many seconds it took until it asked for work, and
/// how many MB it had used at most, an event behind it if one is given.
async fn start(binary: &Path, engines: &Engines, event: Option<&str>) -> (f64, f64) {
    let text = event.map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
        std::fs::read_to_string(path).expect("an event")
    });
    let (requests, mut received) = mpsc::unbounded_channel();
    let runtime = Runtime { event: Arc::new(Mutex::new(text)), requests };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let served = tokio::spawn(async move { axum::serve(listener, router(runtime)).await });
    let watch = Stopwatch::start();
    let mut child = spawn(binary, &address, engines);
    assert_eq!(received.recv().await, Some(RuntimeRequest::NextInvocation));
    let seconds = watch.seconds();
    if event.is_some() {
        assert_eq!(received.recv().await, Some(RuntimeRequest::InvocationResponse));
    }
    let memory = peak_memory(child.id());
    child.kill().expect("it ends");
    child.wait().expect("it has ended");
    served.abort();
    (seconds, memory)
}

fn router(runtime: Runtime) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
        .with_state(runtime)
}

async fn next(State(runtime): State<Runtime>) -> Response {
    let event = runtime.event.lock().expect("an event").take();
    let _ = runtime.requests.send(RuntimeRequest::NextInvocation);
    let Some(event) = event else { return std::future::pending().await };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:f"),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    (headers, event).into_response()
}

async fn answered(State(runtime): State<Runtime>) -> StatusCode {
    let _ = runtime.requests.send(RuntimeRequest::InvocationResponse);
    StatusCode::ACCEPTED
}

fn spawn(binary: &Path, runtime_api: &str, engines: &Engines) -> Child {
    Command::new(binary)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_ENDPOINT_URL_DYNAMODB", engines.dynamodb_url())
        .env("AWS_ENDPOINT_URL_SQS", engines.sqs_url())
        .env("CARILLON_TABLE", "carillon")
        .env("CARILLON_STACK", "bench")
        .env("CARILLON_SENDS_QUEUE_URL", format!("{}/000000000000/sends.fifo", engines.sqs_url()))
        .env("CARILLON_PACED_QUEUE_URL", format!("{}/000000000000/paced.fifo", engines.sqs_url()))
        .env("CARILLON_SECRETS_PREFIX", "/bench/connections/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// The most memory a process has held, in MB; 0 where the system doesn't tell.
fn peak_memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// How large a file is when gzip has packed it, as in a zip.
fn zipped(binary: &Path) -> u64 {
    let packed = Command::new("gzip").arg("-9c").arg(binary).output();
    packed.map_or(0, |output| output.stdout.len() as u64)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
