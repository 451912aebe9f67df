//! `template.yaml` describes the same table as the code, and grants no permission that
//! is not needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use carillon::config::VARIABLES;
use carillon::table::Shape;
use carillon::telemetry::Metric;
use serde_norway::Value;

const FUNCTION: &str = "AWS::Serverless::Function";

fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let text = std::fs::read_to_string(path).expect("template.yaml");
    serde_norway::from_str(&text).expect("YAML")
}

fn table() -> Value {
    let resources = template()["Resources"].clone();
    let resources = resources.as_mapping().expect("resources");
    let mut tables = resources.values().filter(|r| r["Type"] == "AWS::DynamoDB::Table");
    let table = tables.next().expect("a table")["Properties"].clone();
    assert!(tables.next().is_none(), "one table");
    table
}

fn keys(schema: &Value) -> Vec<(String, String)> {
    let schema = schema.as_sequence().expect("a key schema");
    schema.iter().map(|key| (text(&key["AttributeName"]), text(&key["KeyType"]))).collect()
}

fn pair(hash: &str, range: &str) -> Vec<(String, String)> {
    vec![(hash.to_owned(), "HASH".to_owned()), (range.to_owned(), "RANGE".to_owned())]
}

#[test]
fn the_tables_keys_and_indexes_match_the_code() {
    let table = table();
    assert_eq!(keys(&table["KeySchema"]), pair(Shape::PK, Shape::SK));
    let indexes = table["GlobalSecondaryIndexes"].as_sequence().expect("indexes");
    let index = |name: &str| indexes.iter().find(|i| i["IndexName"] == name).expect("an index");
    let by_contact = index(Shape::BY_CONTACT);
    assert_eq!(keys(&by_contact["KeySchema"]), pair(Shape::SK, Shape::SENT_AT));
    assert_eq!(by_contact["Projection"]["ProjectionType"], "KEYS_ONLY");
    let by_status = index(Shape::BY_STATUS);
    assert_eq!(keys(&by_status["KeySchema"]), pair(Shape::LISTED_AS, Shape::LISTED_AT));
    assert_eq!(by_status["Projection"]["ProjectionType"], "ALL");
    assert_eq!(indexes.len(), 2);
    let local = table["LocalSecondaryIndexes"].as_sequence().expect("local indexes");
    assert_eq!((local.len(), text(&local[0]["IndexName"])), (1, Shape::UNSPLIT.to_owned()));
    assert_eq!(keys(&local[0]["KeySchema"]), pair(Shape::PK, Shape::UNSPLIT));
    assert_eq!(local[0]["Projection"]["ProjectionType"], "KEYS_ONLY");
}

/// A batch is hidden while its sender runs, and hardly longer: if the sender died, its lane
/// waits for it.
#[test]
fn a_batch_is_hidden_a_little_longer_than_its_sender_runs() {
    let resources = template()["Resources"].clone();
    let seconds = |value: &Value| value.as_u64().expect("seconds");
    let runs = seconds(&resources["Sender"]["Properties"]["Timeout"]);
    assert_eq!(Duration::from_secs(runs), carillon_host::SENDER_TIMEOUT);
    for queue in ["Sends", "Paced"] {
        let hidden = seconds(&resources[queue]["Properties"]["VisibilityTimeout"]);
        assert!((runs + 10..=runs + 60).contains(&hidden), "{hidden} s, runs of {runs} s");
        assert_eq!(Duration::from_secs(hidden), carillon_host::VISIBILITY_TIMEOUT);
    }
}

/// Batches of normal and slow lanes take minutes. With a queue and a concurrency of their own,
/// however many there are, they take no sender of a fast one.
#[test]
fn slow_batches_have_senders_of_their_own() {
    let resources = template()["Resources"].clone();
    let events = &resources["Sender"]["Properties"]["Events"];
    for (event, parameter) in [("Sends", "SenderConcurrency"), ("Paced", "PacedSenderConcurrency")]
    {
        let properties = &events[event]["Properties"];
        assert_eq!(text(&properties["Queue"]), format!("{event}.Arn"));
        assert_eq!(properties["BatchSize"], 1, "one batch would wait for another");
        let concurrency = &properties["ScalingConfig"]["MaximumConcurrency"];
        assert_eq!(*concurrency, reference(parameter));
        let default = template()["Parameters"][parameter]["Default"].as_u64();
        // A number of 1,000 a second has nine slices.
        assert!(default.is_some_and(|default| default >= 10), "{parameter}");
    }
    for function in ["Api", "Scheduler", "Sender"] {
        let variables = &resources[function]["Properties"]["Environment"]["Variables"];
        assert_eq!(variables["CARILLON_SENDS_QUEUE_URL"], reference("Sends"), "{function}");
        assert_eq!(variables["CARILLON_PACED_QUEUE_URL"], reference("Paced"), "{function}");
    }
}

#[test]
fn the_table_has_a_stream_and_a_ttl() {
    let table = table();
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], Shape::TTL);
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn every_environment_variable_is_one_the_code_reads() {
    let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    let text = serde_norway::to_string(&template()).expect("YAML");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| word.starts_with("CARILLON_")) {
        assert!(known.contains(&word), "{word} is in template.yaml and in no code");
    }
}

/// What one policy statement allows.
struct Grant {
    role: String,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// The only resources with a `*`: the resource, the roles, the actions. Every other
/// resource is named in full, and so is every action.
const WILDCARDS: [(&str, &[&str], &[&str]); 4] = [
    // Each connection has a parameter of its own, created and deleted with it.
    (SECRETS, &["ApiRole"], &["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"]),
    (SECRETS, &["SenderRole", "WebhookRole"], &["ssm:GetParameter"]),
    // Lambda lists the table's streams to find the one to read; their names contain a date.
    ("${Table.Arn}/stream/*", &["AggregatorRole"], &["dynamodb:ListStreams"]),
    // X-Ray has no resource-level permissions.
    ("*", &ROLES, &["xray:PutTelemetryRecords", "xray:PutTraceSegments"]),
];
const SECRETS: &str = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/connections/*";
const ROLES: [&str; 6] =
    ["AggregatorRole", "ApiRole", "JobsRole", "SchedulerRole", "SenderRole", "WebhookRole"];

/// The resources of a type, by name.
fn resources(kind: &str) -> BTreeMap<String, Value> {
    let template = template();
    let all = template["Resources"].as_mapping().expect("resources");
    let of_kind = all.iter().filter(|(_, resource)| resource["Type"] == kind);
    of_kind.map(|(name, resource)| (text(name), resource.clone())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value:?}")).to_owned()
}

/// A value that is one text or a list of texts.
fn each(value: &Value) -> Vec<String> {
    value.as_sequence().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

/// Collects every mapping with this key, at any depth.
fn having<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(map) => {
            if map.contains_key(key) {
                found.push(value);
            }
            map.values().for_each(|inner| having(inner, key, found));
        }
        Value::Sequence(list) => list.iter().for_each(|inner| having(inner, key, found)),
        Value::Tagged(tagged) => having(&tagged.value, key, found),
        _ => {}
    }
}

/// Every statement of the template except the trust policies, in any resource and
/// under any condition.
fn grants() -> Vec<Grant> {
    let template = template();
    let mut grants = Vec::new();
    for (name, resource) in template["Resources"].as_mapping().expect("resources") {
        let mut statements = Vec::new();
        having(resource, "Effect", &mut statements);
        for statement in statements {
            assert_eq!(statement["Effect"], "Allow");
            if statement.get("Principal").is_some() {
                assert_eq!(statement["Principal"]["Service"], "lambda.amazonaws.com");
                assert_eq!(statement["Action"], "sts:AssumeRole");
                continue;
            }
            grants.push(Grant {
                role: text(name),
                actions: each(&statement["Action"]),
                resources: each(&statement["Resource"]),
            });
        }
    }
    grants
}

#[test]
fn every_action_and_every_resource_is_named() {
    let grants = grants();
    let mut used = BTreeSet::new();
    for Grant { role, actions, resources } in &grants {
        assert!(!actions.is_empty() && !resources.is_empty(), "{role}");
        for action in actions {
            assert!(action.contains(':') && !action.contains('*'), "{role} may {action}");
        }
        for resource in resources.iter().filter(|resource| resource.contains('*')) {
            let known = WILDCARDS.iter().position(|(wildcard, roles, allowed)| {
                wildcard == resource && roles.contains(&role.as_str()) && allowed == actions
            });
            let index = known.unwrap_or_else(|| panic!("{role} may {actions:?} on {resource}"));
            used.insert((index, role.as_str()));
        }
    }
    // Six functions with at least their logs and the table.
    assert!(grants.len() >= 12, "{} statements", grants.len());
    let listed: usize = WILDCARDS.iter().map(|(_, roles, _)| roles.len()).sum();
    assert_eq!(used.len(), listed, "listed above and no longer in the template: {used:?}");
}

#[test]
fn only_policy_statements_grant_permissions() {
    let template = template();
    for key in ["ManagedPolicyArns", "NotAction", "NotResource", "NotPrincipal", "Connectors"] {
        let mut found = Vec::new();
        having(&template, key, &mut found);
        assert!(found.is_empty(), "{key}");
    }
    for kind in ["AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"] {
        assert!(resources(kind).is_empty(), "{kind}");
    }
    let globals = &template["Globals"]["Function"];
    assert!(globals.is_mapping());
    for function in resources(FUNCTION).values().map(|f| &f["Properties"]).chain([globals]) {
        assert!(function.get("Policies").is_none(), "SAM's policies are wider");
    }
}

#[test]
fn every_function_has_a_role_of_its_own() {
    let functions = resources(FUNCTION);
    assert_eq!(functions.len(), 6);
    let roles: BTreeSet<String> =
        functions.values().map(|function| text(&function["Properties"]["Role"])).collect();
    let defined = resources("AWS::IAM::Role");
    assert_eq!(roles, defined.keys().map(|role| format!("{role}.Arn")).collect());
    assert_eq!(roles, ROLES.iter().map(|role| format!("{role}.Arn")).collect());
}

#[test]
fn only_the_api_writes_secrets_and_only_three_functions_read_them() {
    let mut found = BTreeSet::new();
    for Grant { role, actions, .. } in &grants() {
        for action in actions {
            let service = action.split(':').next().unwrap_or_default();
            if ["kms", "secretsmanager", "ssm"].contains(&service) {
                found.insert((role.clone(), action.clone()));
            }
        }
    }
    let expected = [
        ("ApiRole", "ssm:DeleteParameter"),
        ("ApiRole", "ssm:GetParameter"),
        ("ApiRole", "ssm:PutParameter"),
        ("SenderRole", "ssm:GetParameter"),
        ("WebhookRole", "ssm:GetParameter"),
    ];
    let expected = expected.map(|(role, action)| (role.to_owned(), action.to_owned()));
    assert_eq!(found, BTreeSet::from(expected));
    // Only the functions that may read secrets know where they are.
    for (name, function) in resources(FUNCTION) {
        let given = &function["Properties"]["Environment"]["Variables"]["CARILLON_SECRETS_PREFIX"];
        let reads = found.iter().any(|(role, _)| *role == format!("{name}Role"));
        let prefix = reads.then_some("/${AWS::StackName}/connections/");
        assert_eq!(given.as_str(), prefix, "{name}");
    }
}

/// A job is worked by one function, which also invokes itself.
#[test]
fn jobs_are_launched_by_who_may_launch_them() {
    let function = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-jobs";
    let mut may = BTreeSet::new();
    for Grant { role, actions, resources } in grants() {
        if actions.contains(&"lambda:InvokeFunction".to_owned()) {
            assert_eq!((actions.len(), resources.as_slice()), (1, &[function.to_owned()][..]));
            may.insert(role);
        }
    }
    let functions = resources(FUNCTION);
    assert_eq!(text(&functions["Jobs"]["Properties"]["FunctionName"]), "${AWS::StackName}-jobs");
    let knows = |function: &Value| {
        let variables = &function["Properties"]["Environment"]["Variables"];
        variables["CARILLON_JOBS_FUNCTION"].as_str() == Some("${AWS::StackName}-jobs")
    };
    let knowing = functions.iter().filter(|(_, function)| knows(function));
    let knowing: BTreeSet<String> = knowing.map(|(name, _)| format!("{name}Role")).collect();
    assert_eq!(may, ["ApiRole", "JobsRole", "SchedulerRole"].map(str::to_owned).into());
    assert_eq!(may, knowing);
    let timeout = functions["Jobs"]["Properties"]["Timeout"].as_u64().expect("seconds");
    assert_eq!(Duration::from_secs(timeout), carillon_host::JOBS_TIMEOUT);
}

#[test]
fn every_log_group_has_a_retention_and_every_function_writes_to_one() {
    let logs = resources("AWS::Logs::LogGroup");
    assert_eq!(logs.len(), 7, "six functions and the HTTP API");
    for (name, log) in &logs {
        assert_eq!(log["Properties"]["RetentionInDays"], reference("LogRetentionDays"), "{name}");
    }
    let written: BTreeSet<String> = resources(FUNCTION)
        .values()
        .map(|function| text(&function["Properties"]["LoggingConfig"]["LogGroup"]))
        .collect();
    assert_eq!(written.len(), 6);
    assert!(written.iter().all(|log| logs.contains_key(log)), "{written:?}");
}

#[test]
fn the_access_log_contains_no_personal_data() {
    let stages = resources("AWS::ApiGatewayV2::Stage");
    assert_eq!(stages.len(), 1);
    let format = text(&stages["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"]);
    let log: BTreeMap<String, String> = serde_json::from_str(&format).expect("JSON");
    let fields: Vec<&str> = log.values().map(String::as_str).collect();
    // Paths contain phone numbers, and IP addresses are personal data too.
    let allowed = [
        "$context.integrationErrorMessage",
        "$context.integrationLatency",
        "$context.requestId",
        "$context.responseLength",
        "$context.routeKey",
        "$context.status",
    ];
    assert_eq!(fields, allowed);
}

#[test]
fn every_consumed_queue_has_a_dead_letter_queue() {
    let queues = resources("AWS::SQS::Queue");
    let mut consumed = BTreeSet::new();
    for (name, function) in resources(FUNCTION) {
        let Some(events) = function["Properties"]["Events"].as_mapping() else { continue };
        for event in events.values().filter(|event| event["Type"] == "SQS") {
            let queue = text(&event["Properties"]["Queue"]);
            let queue = queue.strip_suffix(".Arn").expect("a queue of this template").to_owned();
            let properties = &queues[&queue]["Properties"];
            let seconds = |value: &Value| value.as_u64().expect("seconds");
            let visible = seconds(&properties["VisibilityTimeout"]);
            // Lambda refuses an event source whose messages reappear while they are handled.
            assert!(visible > seconds(&function["Properties"]["Timeout"]), "{name}");
            assert_eq!(event["Properties"]["FunctionResponseTypes"][0], "ReportBatchItemFailures");
            let policy = &properties["RedrivePolicy"];
            let dead_letters = text(&policy["deadLetterTargetArn"]);
            let dead_letters = dead_letters.strip_suffix(".Arn").expect("a queue of this template");
            assert_eq!(queues[dead_letters]["Properties"]["FifoQueue"], properties["FifoQueue"]);
            assert!(policy["maxReceiveCount"].as_u64().is_some_and(|count| count > 1), "{queue}");
            consumed.insert(queue);
        }
    }
    assert_eq!(consumed, BTreeSet::from(["Paced".to_owned(), "Sends".to_owned()]));
}

#[test]
fn every_alarm_notifies_a_topic_and_every_queue_has_an_alarm() {
    let alarms = resources("AWS::CloudWatch::Alarm");
    let mut watched = BTreeSet::new();
    for (name, alarm) in &alarms {
        let actions = alarm["Properties"]["AlarmActions"].as_sequence().expect("actions");
        let topics: Vec<String> = actions.iter().map(|action| text(&action[1])).collect();
        assert_eq!(topics, ["AlarmTopic", "AlarmTopicArn"], "{name}");
        let mut dimensions = Vec::new();
        having(&alarm["Properties"], "Dimensions", &mut dimensions);
        for dimension in dimensions.iter().map(|found| &found["Dimensions"][0]) {
            if dimension["Name"] == "QueueName" {
                watched.insert(text(&dimension["Value"]));
            }
        }
    }
    // CloudWatch bills for each alarm after the tenth.
    assert_eq!(alarms.len(), 12);
    assert!(alarms.contains_key("EventsUnreadableAlarm"));
    let queues = resources("AWS::SQS::Queue");
    assert_eq!(queues.len(), 4);
    assert_eq!(watched, queues.keys().map(|queue| format!("{queue}.QueueName")).collect());
}

/// An alarm or a graph of a metric that nobody writes shows nothing.
#[test]
fn every_metric_of_the_template_is_written() {
    let written = Metric::ALL.map(Metric::as_str);
    let of_alarm = |alarm: &Value| {
        let properties = &alarm["Properties"];
        (properties["Namespace"] == "Carillon").then(|| text(&properties["MetricName"]))
    };
    let alarms = resources("AWS::CloudWatch::Alarm");
    let watched: BTreeSet<String> = alarms.values().filter_map(of_alarm).collect();
    let expected = ["CampaignsHalted", "CountersCorrected", "EventsUnreadable", "QuotaUse"];
    assert_eq!(watched, expected.map(str::to_owned).into());
    assert!(watched.iter().all(|name| written.contains(&name.as_str())));
    let dashboard = &resources("AWS::CloudWatch::Dashboard")["Dashboard"];
    let body = text(&dashboard["Properties"]["DashboardBody"]);
    for name in written {
        assert!(body.contains(&format!("\"{name}\"")), "{name} is not on the dashboard");
    }
}

#[test]
fn the_dashboard_is_valid_and_within_the_free_tier() {
    let dashboard = &resources("AWS::CloudWatch::Dashboard")["Dashboard"];
    let body = text(&dashboard["Properties"]["DashboardBody"]);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let widgets = body["widgets"].as_array().expect("widgets");
    let metrics = widgets.iter().filter_map(|widget| widget["properties"]["metrics"].as_array());
    let metrics: usize = metrics.map(Vec::len).sum();
    assert!((1..=50).contains(&metrics), "{metrics} metrics");
}

/// `!Ref name`.
fn reference(name: &str) -> Value {
    serde_norway::from_str(&format!("!Ref {name}")).expect("YAML")
}
