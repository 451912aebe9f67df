#!/usr/bin/env python3
"""Generates a Python and a TypeScript client from the API's description, compiles both, and makes,
starts and reads a campaign with each.

Fails where a generator warns, skips an operation, or the client does not compile. Needs Node; the
tools go to target/tools.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OWN = Path(__file__).resolve().parent
sys.path[:0] = [str(OWN.parent), str(OWN.parent / "description"), str(OWN.parents[1] / "infra/emulator")]

import lint
import program
import tools

WORK = program.ROOT / "target/clients"
NODE = program.ROOT / "target/tools/clients-node"
PACKAGES = ["@hey-api/openapi-ts@0.95.0", "typescript@5.9.3"]
METHODS = ("get", "put", "post", "patch", "delete")


def main():
    options = program.arguments(__doc__).parse_args()
    python = tools.install("clients")
    lint.install(NODE, PACKAGES)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    description = lint.document()
    (WORK / "openapi.json").write_text(json.dumps(description, indent=1))
    operations = [one["operationId"] for path in description["paths"].values() for one in map(path.get, METHODS) if one]
    generate_python(python, operations)
    with program.serving(options.program) as (url, key):
        environment = {**os.environ, "CARILLON_URL": url, "CARILLON_API_KEY": key, "PYTHONPATH": str(WORK / "python")}
        # A campaign is completed two minutes after its last upload: the clients wait at the same time.
        users = {"Python": subprocess.Popen([python / "python", OWN / "use.py"], env=environment)}
        try:
            generate_typescript(operations)
            users["TypeScript"] = subprocess.Popen(["node", WORK / "build/use.js"], env=environment)
            failed = [name for name, user in users.items() if user.wait(300) != 0]
        finally:
            for user in users.values():
                user.kill()
    if failed:
        sys.exit(f"the client of {' and '.join(failed)} failed")


def generate_python(python, operations):
    folder = WORK / "python"
    generated = run(
        python / "openapi-python-client", "generate", "--fail-on-warning", "--meta", "none",
        "--config", OWN / "python-client.json", "--path", WORK / "openapi.json", "--output-path", folder / "carillon",
    )
    modules = [module for module in (folder / "carillon/api").glob("*/*.py") if module.name != "__init__.py"]
    expect_all("Python", generated, operations, len(modules))
    mend_list_bodies(folder / "carillon")
    run(python / "mypy", "--strict", "--no-error-summary", OWN / "use.py", cwd=folder)


def mend_list_bodies(package):
    """Where an operation takes several types of body and one is a list, the generator writes a test
    that Python refuses: isinstance(body, list[Item]).
    """
    wrong, mended = re.compile(r"isinstance\(body, list\[\w+\]\)"), 0
    for module in package.glob("api/*/*.py"):
        text, count = wrong.subn("isinstance(body, list)", module.read_text())
        module.write_text(text)
        mended += count
    if not mended:
        sys.exit("the generator's fault is gone: mend_list_bodies is not needed any more")


def generate_typescript(operations):
    generated = run(
        NODE / "node_modules/.bin/openapi-ts", "--input", WORK / "openapi.json",
        "--output", WORK / "typescript/carillon", "--client", "@hey-api/client-fetch", "--no-log-file",
    )
    functions = (WORK / "typescript/carillon/sdk.gen.ts").read_text().count("\nexport const ")
    expect_all("TypeScript", generated, operations, functions)
    shutil.copy(OWN / "use.ts", WORK / "typescript")
    shutil.copy(OWN / "tsconfig.json", WORK)
    os.symlink(NODE / "node_modules", WORK / "node_modules")
    run(NODE / "node_modules/.bin/tsc", "--project", WORK / "tsconfig.json")


def expect_all(language, output, operations, generated):
    """A generator that leaves something out says so, or has fewer operations."""
    words = [word for word in ("warning", "skipped", "unsupported", "error") if word in output.lower()]
    if words or generated != len(operations):
        sys.exit(f"{output}\n{language}: {generated} of {len(operations)} operations generated; words: {words}")
    print(f"{language}: a client with {generated} operations", flush=True)


def run(*command, **options):
    outcome = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if outcome.returncode != 0:
        sys.exit(f"{outcome.stdout}\n{Path(command[0]).name} failed with {outcome.returncode}")
    return outcome.stdout


if __name__ == "__main__":
    main()
