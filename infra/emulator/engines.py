#!/usr/bin/env python3
"""Runs the end-to-end test on DynamoDB and SQS of someone else's instead of the embedded
engines.

    infra/emulator/engines.py ministack   all of it, about a minute
    infra/emulator/engines.py moto        what moto can do in time, about five minutes
"""

import os
import sys
import tempfile
from pathlib import Path

from emulate import free_port, process, reaches, run, wait_until
from tools import install

# moto takes minutes for a thousand recipients, and tests wait two at most. And a
# transaction that it refuses for a contact's sake ends the sender's run, so the test of
# the blacklist fails on it.
ON_MOTO = ["importing", "replies", "cancel", "portfolio"]


def main():
    engine = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    tools, port = install("emulator"), free_port()
    address = f"http://127.0.0.1:{port}"
    test = ["cargo", "test", "--workspace", "--locked", "--test", "campaign", "--"]
    environment = dict(os.environ)
    if engine == "ministack":
        command = [tools / "ministack"]
        environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "AWS_REGION": "us-east-1"}
        test += ["--test-threads", "2"]
    elif engine == "moto":
        command = [tools / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
        test += ["--test-threads", "1", *ON_MOTO]
    else:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as place, process(command, Path(place) / "engine.log", environment):
        wait_until(lambda: reaches(port), 60, f"{engine} answers")
        at = {"AWS_ENDPOINT_URL_DYNAMODB": address, "AWS_ENDPOINT_URL_SQS": address}
        run(test, env={**os.environ, **at})


if __name__ == "__main__":
    main()
