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

import lint
import program
import tools

WORK = program.ROOT / "target/fuzz"
# The operations whose examples are requests that the API accepts.
EXAMPLES = ("/v1/campaigns", "/v1/templates")


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
    (WORK / "openapi.json").write_text(json.dumps(description()))
    with program.serving(options.program) as (url, key):
        simulator = prepare(url, key)
        (WORK / "connections.dict").write_text(f'"{simulator}"\n')
        command = [schemathesis, "--config-file", WORK / "schemathesis.toml", "run", WORK / "openapi.json"]
        command += ["--url", url, "--seed", str(options.seed), *options.more]
        if options.minutes:
            command += ["--max-time", str(options.minutes * 60)]
        environment = {**os.environ, "CARILLON_API_KEY": key, "CARILLON_CONNECTION": simulator}
        outcome = subprocess.run(command, cwd=WORK, env=environment).returncode
    if outcome != 0:
        sys.exit("the API and its description differ")


def description():
    """The description with a link more: schemathesis begins no sequence with an operation whose body
    names a resource.
    """
    document = lint.document()
    links = document["paths"]["/v1/connections"]["get"]["responses"]["200"]["links"]
    links["createCampaign"] = {"operationId": "createCampaign"}
    return document


def prepare(url, key):
    """Makes one of each resource, so that every list leads on; gives the connection to the simulator."""

    def ask(method, path, body=None):
        data, headers = json.dumps(body).encode() if body else None, {"Authorization": f"Bearer {key}"}
        if body:
            headers["Content-Type"] = "application/json"
        asked = urllib.request.Request(url + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    paths = lint.document()["paths"]
    connection = ask("GET", "/v1/connections")["items"][0]["id"]
    bodies = {path: paths[path]["post"]["requestBody"]["content"]["application/json"] for path in EXAMPLES}
    for path, body in bodies.items():
        ask("POST", path, {**body["example"], "connection_id": connection} if "campaigns" in path else body["example"])
    people = [{"phone": f"+57300999{number:04}", "first_name": "Ana"} for number in range(20)]
    for campaign in ask("GET", "/v1/campaigns")["items"]:
        ask("POST", f"/v1/campaigns/{campaign['id']}/recipients", people)
    ask("POST", "/v1/keys", {"name": "a shop", "scopes": ["read"]})
    return connection


if __name__ == "__main__":
    main()
