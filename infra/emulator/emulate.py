#!/usr/bin/env python3
"""Deploys template.yaml to an emulator of AWS and runs a campaign through it.

The emulator (ministack) runs CloudFormation with the SAM transform, the functions'
real binaries as processes, DynamoDB with its stream, SQS, the schedules and the HTTP
API. WhatsApp is Carillon's simulator. It checks that

- a campaign of 600 recipients, created over the deployed API, completes with a report
  that equals the simulator's own log, replies included;
- a job that closes its leads is worked by the function that the API invokes;
- a campaign that started on one machine continues in the stack after `carillon data export`
  and `carillon data import`, and no recipient is sent to twice;
- the stack can be deleted.

    infra/emulator/emulate.py            with the binaries of `cargo build`
    infra/emulator/emulate.py --release  with the deployed binaries, by cargo-lambda
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tools import ROOT, install

FUNCTIONS = ["api", "scheduler", "sender", "webhook", "aggregator", "jobs"]
STACK = "carillon-emulated"
KEY = "the-admin-key-of-the-emulated-stack"
RECIPIENTS = 600
MOVED = 200
MOVED_FIRST_DAY = 80
# The scheduler runs every minute, and completes a campaign two minutes after its last
# upload at the earliest.
TIMEOUT_SECONDS = 480


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--release", action="store_true", help="build with cargo-lambda, as deployed")
    arguments = options.parse_args()
    tools, sam = install("emulator"), install("python") / "sam"
    began = time.monotonic()

    def step(text):
        print(f"== {text} (after {time.monotonic() - began:.0f} s)", flush=True)

    step("build")
    program = build(arguments.release, tools)
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        step("emulator")
        aws = stack.enter_context(emulator(tools, place))
        simulator = stack.enter_context(simulated_whatsapp(program, place))
        step("deploy")
        outputs = deploy(tools, sam, place, aws, simulator)
        deployed = Carillon(address(aws, outputs["ApiUrl"]), simulator)
        step("a campaign in the stack")
        campaign = a_campaign(deployed, simulator)
        step("a job in the stack")
        a_job(deployed, campaign)
        step("a campaign that moves into the stack")
        a_move(program, place, aws, outputs, deployed, simulator)
        step("delete")
        delete(tools, sam, aws)
        step("passed")


# ------------------------------------------------------------------------ building


def build(release, tools):
    """Builds each function's `bootstrap` under target/emulator; returns the local program."""
    cargo = ["cargo", "build", "--locked", "--workspace", "--bins"]
    run(cargo)
    for function in FUNCTIONS:
        target = ROOT / "target/emulator" / function / "bootstrap"
        target.parent.mkdir(parents=True, exist_ok=True)
        if release:
            path = f"{tools}:{os.environ['PATH']}"
            command = ["cargo", "lambda", "build", "--release", "--locked", "--package", f"carillon-{function}"]
            run(command, env={**os.environ, "PATH": path})
            built = ROOT / "target/lambda" / function / "bootstrap"
        else:
            built = ROOT / "target/debug" / function
        shutil.copy(built, target)
        if shutil.which("strip"):
            run(["strip", target])
    return ROOT / "target/debug/carillon"


# ---------------------------------------------------------------------- processes


@contextlib.contextmanager
def process(command, log, env=None):
    """A process that ends with the block. Where the block fails, the end of its log is printed."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
        try:
            yield child
        except BaseException:
            tail = Path(log).read_text(errors="replace").splitlines()[-60:]
            print(f"-- the end of {Path(log).name}:", *tail, sep="\n", file=sys.stderr)
            raise
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()


@contextlib.contextmanager
def emulator(tools, place):
    """AWS on a free port; yields the environment of its clients."""
    port = free_port()
    aws = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LAMBDA_EXECUTOR": "local"}
    with process([tools / "ministack"], place / "emulator.log", {**aws, **settings}):
        wait_until(lambda: reaches(port), 60, "the emulator answers")
        yield aws


@contextlib.contextmanager
def simulated_whatsapp(program, place):
    port = free_port()
    config = place / "simulator.json"
    outcomes = {"read": 0.8, "reply": 0.2, "failed": 0.02}
    config.write_text(json.dumps({"behaviour": {"outcomes": outcomes}}))
    command = [program, "simulator", "--listen", f"127.0.0.1:{port}", "--config", config]
    with process(command, place / "simulator.log"):
        wait_until(lambda: reaches(port), 20, "the simulator answers")
        yield f"http://127.0.0.1:{port}"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def reaches(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


# --------------------------------------------------------------------- deployment


def deploy(tools, sam, place, aws, simulator):
    """Deploys the template with the binaries of `build`; returns the stack's outputs."""
    template = (ROOT / "template.yaml").read_text()
    # As `sam build` does: the code is the built binary.
    template = re.sub(r"CodeUri: functions/(\w+)", rf"CodeUri: {ROOT}/target/emulator/\1", template)
    template = re.sub(r"\n *Metadata: \{ BuildMethod:.*", "", template)
    built = place / "template.yaml"
    built.write_text(template)
    parameters = {
        "AdminKeyHash": hashlib.sha256(KEY.encode()).hexdigest(),
        "GraphUrl": simulator,
        "Architecture": "x86_64",
        "DeletionProtection": "no",
    }
    command = [sam, "deploy", "--template-file", built, "--stack-name", STACK]
    command += ["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    command += ["--no-confirm-changeset", "--parameter-overrides"]
    command += [f"{name}={value}" for name, value in parameters.items()]
    run(command, env=aws, cwd=place, quiet=True)
    found = ask_aws(tools, aws, "cloudformation", "describe_stacks", StackName=STACK)
    return {output["OutputKey"]: output["OutputValue"] for output in found["Stacks"][0]["Outputs"]}


def delete(tools, sam, aws):
    run([sam, "delete", "--stack-name", STACK, "--no-prompts"], env=aws, quiet=True)
    tables = ask_aws(tools, aws, "dynamodb", "list_tables")["TableNames"]
    check(len(tables) == 1, f"the table is kept: {tables}")
    functions = ask_aws(tools, aws, "lambda", "list_functions")["Functions"]
    check(functions == [], f"all functions are deleted: {len(functions)}")


def ask_aws(tools, aws, service, call, **arguments):
    code = (
        "import boto3, json, sys; service, call, arguments = sys.argv[1:];"
        "answer = getattr(boto3.client(service), call)(**json.loads(arguments));"
        "print(json.dumps(answer, default=str))"
    )
    command = [tools / "python", "-c", code, service, call, json.dumps(arguments)]
    return json.loads(subprocess.check_output(command, env=aws))


def address(aws, url):
    """The emulator's URL of an API that has this URL on AWS."""
    api = re.match(r"https://([^.]+)\.execute-api", url).group(1)
    return f"{aws['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}/$default"


# ----------------------------------------------------------------------- scenarios


class Carillon:
    """The API of a Carillon, and its webhook, which the simulator calls."""

    def __init__(self, url, simulator):
        self.url = url
        self.simulator = simulator

    def ask(self, method, path, body=None, kind="application/json"):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {KEY}", "content-type": kind}
        return request(method, f"{self.url}{path}", data, headers)

    def receive_webhooks(self):
        target = {"webhook_url": f"{self.url}/webhooks/whatsapp"}
        request("POST", f"{self.simulator}/_simulator/config", json.dumps(target).encode(), {"content-type": "application/json"})

    def connect(self, number):
        made = self.ask("POST", "/v1/connections", {
            "name": "Shop",
            "provider": {
                "type": "whatsapp_cloud",
                "whatsapp_cloud": {"phone_number_id": number, "waba_id": "900000000000001"},
            },
            "credentials": {
                "access_token": "EAAsimulated",
                "app_secret": "simulator-app-secret",
                "verify_token": "simulator-verify-token",
            },
            "quota_limit": 10_000,
        })
        return made["id"]

    def campaign(self, connection, first, count, daily_limit):
        made = self.ask("POST", "/v1/campaigns", {
            "name": "Spring offer", "connection_id": connection, "speed": "fast",
            "message": {"type": "text", "text": {"body": "Hello {first_name}"}}, "daily_send_limit": daily_limit,
        })
        contacts = "".join(f"+57300{first + number:07},Ana\n" for number in range(count))
        rows = f"phone,first_name\n{contacts}".encode()
        imported = self.ask("POST", f"/v1/campaigns/{made['id']}/recipients", rows, "text/csv")
        check(imported["added"] == count, f"{count} recipients were added: {imported}")
        self.ask("POST", f"/v1/campaigns/{made['id']}/start")
        return made["id"]

    def report(self, campaign):
        return self.ask("GET", f"/v1/campaigns/{campaign}/report")


def a_campaign(deployed, simulator):
    deployed.receive_webhooks()
    connection = deployed.connect("800000000000001")
    campaign = deployed.campaign(connection, 1_000_000, RECIPIENTS, RECIPIENTS)
    wait_until(lambda: status(deployed, campaign) == "completed", TIMEOUT_SECONDS, "it is completed")

    def differences():
        report, log = deployed.report(campaign), summary(simulator)
        pairs = {
            "sent": (report["sent"], log["accepted"] - log["acknowledged"]["failed"]),
            "received": (report["received"], log["acknowledged"]["delivered"]),
            "read": (report["read"], log["acknowledged"]["read"]),
            "replied": (report["replied"], log["acknowledged"]["replies"]),
            "failed": (report["failed"], RECIPIENTS - log["accepted"] + log["acknowledged"]["failed"]),
            "recipients": (report["recipients"], RECIPIENTS),
            "twice": (0, log["duplicates"]),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    wait_until(lambda: not differences(), 120, "the report equals the simulator's log", differences)
    report = deployed.report(campaign)
    states = ["pending", "sending", "sent", "failed", "skipped", "unconfirmed", "cancelled"]
    check(sum(report[state] for state in states) == RECIPIENTS, f"every recipient has one status: {report}")
    check(report["replied"] > 0, f"there are replies: {report}")
    print({name: report[name] for name in ["recipients", "sent", "received", "read", "replied", "failed"]})
    return campaign


def a_job(deployed, campaign):
    """The API invokes the function that works jobs: it is done long before the scheduler would launch it."""
    closed = deployed.report(campaign)["sent"]
    job = deployed.ask("POST", f"/v1/campaigns/{campaign}/recipients/bulk", {"action": "close"})
    path = f"/v1/jobs/{job['id']}"
    wait_until(lambda: deployed.ask("GET", path)["status"] == "completed", 60, "the job is done", lambda: deployed.ask("GET", path))
    result = deployed.ask("GET", path)["result"]
    check(result == {"matched": closed, "changed": closed}, f"{closed} leads are closed: {result}")


def a_move(program, place, aws, outputs, deployed, simulator):
    before = summary(simulator)
    folder, file, port = place / "local", place / "all.jsonl", free_port()
    environment = {**os.environ, "CARILLON_ADMIN_KEY": KEY}
    serve = [program, "serve", "--listen", f"127.0.0.1:{port}", "--data", folder, "--graph-url", simulator]
    with process(serve, place / "local.log", environment) as child:
        wait_until(lambda: reaches(port), 30, "the local program answers")
        local = Carillon(f"http://127.0.0.1:{port}", simulator)
        local.receive_webhooks()
        # Another number than the stack's: a number has at most one connection.
        campaign = local.campaign(local.connect("800000000000002"), 2_000_000, MOVED, MOVED_FIRST_DAY)
        wait_until(lambda: local.report(campaign)["sent"] + local.report(campaign)["failed"] >= MOVED_FIRST_DAY, 60, "the first day is sent")
        child.terminate()
        child.wait(30)
    run([program, "data", "export", "--retire", "--data", folder, file])
    move_in = [program, "data", "import", "--table", outputs["TableName"], "--secrets-prefix", outputs["SecretsPrefix"]]
    keys = ["--secrets-key-file", folder / "secrets-key", "--address-key-file", folder / "address-key"]
    run([*move_in, *keys, file], env=aws)
    deployed.receive_webhooks()
    deployed.ask("PATCH", f"/v1/campaigns/{campaign}", {"daily_send_limit": MOVED})
    wait_until(lambda: status(deployed, campaign) == "completed", TIMEOUT_SECONDS, "the moved campaign is completed")
    wait_until(lambda: settled(deployed.report(campaign)) == MOVED, 120, "every recipient is settled", lambda: deployed.report(campaign))
    after = summary(simulator)
    check(after["duplicates"] == 0, f"no recipient was sent to twice: {after}")
    refused = sum(after["refusals"].values()) - sum(before["refusals"].values())
    sent = after["accepted"] - before["accepted"]
    check(sent + refused >= MOVED, f"every recipient was sent to: {sent} and {refused}")
    print({name: deployed.report(campaign)[name] for name in ["recipients", "sent", "read", "failed"]})


def settled(report):
    return report["sent"] + report["failed"]


def status(carillon, campaign):
    return carillon.ask("GET", f"/v1/campaigns/{campaign}")["status"]


def summary(simulator):
    return request("GET", f"{simulator}/_simulator/summary")


# ------------------------------------------------------------------------- helpers


def request(method, url, data=None, headers=None):
    asked = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}")
    return json.loads(text) if text else None


def run(command, quiet=False, **options):
    outcome = subprocess.run(
        [str(part) for part in command], cwd=options.pop("cwd", ROOT),
        stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None, **options,
    )
    if outcome.returncode != 0:
        print((outcome.stdout or b"").decode(errors="replace")[-6000:], file=sys.stderr)
        sys.exit(f"{Path(str(command[0])).name} failed with {outcome.returncode}")


def wait_until(done, seconds, what, details=lambda: ""):
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds} s: {what}. {details()}")
        time.sleep(1)


def check(holds, what):
    if not holds:
        raise RuntimeError(f"not so: {what}")


if __name__ == "__main__":
    main()
