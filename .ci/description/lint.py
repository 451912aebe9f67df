#!/usr/bin/env python3
"""Lints the API's description with Spectral and Redocly. Fails on warnings too.

The description is the snapshot that the API's tests hold the code to, so nothing is built.
Needs Node; the tools go to target/tools/node.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "functions/api/tests/snapshots/openapi.snap"
TOOLS = ROOT / "target/tools/node"
PACKAGES = ["@stoplight/spectral-cli@6.16.3", "@redocly/cli@2.77.0"]


def main():
    install(TOOLS, PACKAGES)
    description = TOOLS / "openapi.json"
    description.write_text(json.dumps(document(), indent=1))
    own = Path(__file__).parent
    run("spectral", "lint", "--fail-severity", "warn", "--ruleset", own / "spectral.yaml", description)
    run("redocly", "lint", "--config", own / "redocly.yaml", description)


def document():
    """The document of the snapshot, without the header that the snapshot has."""
    return parsed(SNAPSHOT.read_text())


def parsed(snapshot):
    return json.loads(snapshot.split("\n---\n", 1)[1])


def install(folder, packages):
    """Installs packages from npm in a folder, if they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    installed = folder / "installed"
    if installed.exists() and installed.read_text() == "\n".join(packages):
        return
    options = ["--no-audit", "--no-fund", "--silent", "--prefix", folder]
    subprocess.run(["npm", "install", *options, *packages], check=True)
    installed.write_text("\n".join(packages))


def run(tool, *arguments):
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    command = [TOOLS / "node_modules/.bin" / tool, *arguments]
    if subprocess.run(command, env=environment).returncode != 0:
        sys.exit(f"{tool} found something")


if __name__ == "__main__":
    main()
