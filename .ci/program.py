"""The program under test: `carillon serve` with an empty data folder and the built-in simulator."""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"^Carillon listens on (http://\S+)", re.MULTILINE)
START_SECONDS = 60
# The counts of a report are known beforehand where every message arrives.
SIMULATOR = {"behaviour": {"outcomes": {"failed": 0.0, "late_failure": 0.0}}}


def arguments(about):
    """A parser with the argument that all checks of the program have."""
    parser = argparse.ArgumentParser(description=about)
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/carillon"
    parser.add_argument("--program", type=Path, default=built, help="the built program")
    return parser


@contextlib.contextmanager
def serving(program):
    """Runs the program; gives the address of its API and its admin key."""
    if not program.exists():
        sys.exit(f"{program} is missing: cargo build --package carillon-cli")
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        data, output, log, simulator = (Path(folder) / name for name in ("data", "output", "log", "simulator.json"))
        simulator.write_text(json.dumps(SIMULATOR))
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data", data, "--simulator-config", simulator]
        with output.open("w") as stdout, log.open("w") as stderr:
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        try:
            url = wait_for_address(process, output, log)
            yield url, (data / "admin-key").read_text().strip()
            if process.poll() is not None:
                sys.exit(f"the program ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        finally:
            process.terminate()
            process.wait(30)


def wait_for_address(process, output, log):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        found = ADDRESS.search(output.read_text())
        if found:
            return found.group(1)
        time.sleep(0.1)
    sys.exit(f"the program did not start:\n{log.read_text()[-4000:]}")
