#!/usr/bin/env python3
"""Tests the API by its description with schemathesis: examples, the limits of each parameter, random
requests, and sequences of operations that are linked. All checks are on; what is allowed in addition
stands in schemathesis.toml.

    .ci/fuzz/fuzz.py --minutes 30 --seed 7    tests longer, with other requests
"""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

OWN = Path(__file__).resolve().parent
sys.path[:0] = [str(OWN.parent), str(OWN.parent / "description"), str(OWN.parents[1] / "infra/emulator")]

import lint  # noqa: E402
import program  # noqa: E402
import tools  # noqa: E402

WORK = program.ROOT / "target/fuzz"


def main():
    parser = program.arguments(__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=int, help="repeat random requests and sequences so long; once by default")
    parser.add_argument("more", nargs="*", help="arguments of `schemathesis run`, after --")
    options = parser.parse_args()
    schemathesis = tools.install("fuzz") / "schemathesis"
    WORK.mkdir(parents=True, exist_ok=True)
    for name in ("schemathesis.toml", "hooks.py"):
        (WORK / name).write_text((OWN / name).read_text())
    (WORK / "openapi.json").write_text(json.dumps(lint.document()))
    with program.serving(options.program) as (url, key):
        simulator = connection(url, key)
        (WORK / "connections.dict").write_text(f'"{simulator}"\n')
        command = [schemathesis, "--config-file", WORK / "schemathesis.toml", "run", WORK / "openapi.json"]
        command += ["--url", url, "--seed", str(options.seed), *options.more]
        if options.minutes:
            command += ["--max-time", str(options.minutes * 60)]
        environment = {**os.environ, "CARILLON_API_KEY": key, "CARILLON_CONNECTION": simulator}
        outcome = subprocess.run(command, cwd=WORK, env=environment).returncode
    if outcome != 0:
        sys.exit("the API and its description differ")


def connection(url, key):
    """The id of the connection to the simulator."""
    asked = urllib.request.Request(f"{url}/v1/connections", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)["items"][0]["id"]


if __name__ == "__main__":
    main()
