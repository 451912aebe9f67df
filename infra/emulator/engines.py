#!/usr/bin/env python3
"""Runs the end-to-end tests of campaigns on another DynamoDB and SQS than the embedded
engines.

    infra/emulator/engines.py ministack   all of them, about three minutes
    infra/emulator/engines.py moto        those that moto can run in time, about five minutes
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emulate import free_port, process, reaches, run, wait_until
from tools import ROOT, install

# The campaign tests of infra/testkit.
ALL = ["campaign::"]
# moto needs minutes for a thousand recipients, because it copies the table at the start of each
# transaction. A cancelled one puts the copy back (TransactWriteItems in moto/dynamodb/models), and with it
# undoes what other requests wrote in the meantime. The test of the blacklist cancels a transaction while
# messages are sent, so claims of messages that were sent are undone: it cannot pass there.
ON_MOTO = [
    "campaign::importing_the_same_file_twice_adds_nothing",
    "campaign::replies_count_for_the_quoted_campaign_or_else_for_the_latest",
    "campaign::cancelling_cancels_every_pending_recipient",
    "campaign::a_campaign_keeps_within_the_quota_and_uses_what_expires",
]


def main():
    engine = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    tools, port = install("emulator"), free_port()
    address = f"http://127.0.0.1:{port}"
    test = ["cargo", "test", "--workspace", "--locked", "--test", "it", "--"]
    environment = dict(os.environ)
    if engine == "ministack":
        command = [tools / "ministack"]
        environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "AWS_REGION": "us-east-1"}
        tests, threads = ALL, "2"
    elif engine == "moto":
        command = [tools / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
        tests, threads = ON_MOTO, "1"
    else:
        sys.exit(__doc__)
    check_listed(test, tests)
    with tempfile.TemporaryDirectory() as place, process(command, Path(place) / "engine.log", environment):
        wait_until(lambda: reaches(port), 60, f"{engine} answers")
        at = {"AWS_ENDPOINT_URL_DYNAMODB": address, "AWS_ENDPOINT_URL_SQS": address}
        began = time.time()
        try:
            run([*test, *tests, "--test-threads", threads], env={**os.environ, **at})
        except SystemExit:
            print_logs_since(began)
            raise


def print_logs_since(began):
    """The end of what the tests logged: which part of the work stopped."""
    for log in (ROOT / "target/test-logs").glob("it-*.jsonl"):
        if log.stat().st_mtime >= began:
            print(f"-- the end of {log.name}:", *log.read_text().splitlines()[-60:], sep="\n", file=sys.stderr)


def check_listed(test, tests):
    """cargo passes when a filter matches no test, so a renamed test must fail here."""
    listed = subprocess.run([*test, "--list"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    lines = listed.stdout.splitlines()
    for name in tests:
        if not any(line.startswith(name) for line in lines):
            sys.exit(f"no test is named {name}")


if __name__ == "__main__":
    main()
