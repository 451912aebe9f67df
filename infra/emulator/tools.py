"""The tools from PyPI that CI and the emulator use. Each set has its own virtual
environment, because they pin different versions of the same libraries.

    python3 infra/emulator/tools.py    installs them under target/tools
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETS = {
    # Validates and deploys template.yaml.
    "python": ["aws-sam-cli==1.170.0", "cfn-lint==1.58.0"],
    # Emulators of AWS, and the build of functions for Lambda.
    "emulator": [
        "ministack==1.5.33",
        "aws-sam-translator==1.115.0",
        "boto3",
        "cargo-lambda==1.9.2",
        "moto[server]==5.2.5",
        "ziglang==0.17.0",
    ],
    # Generates a client of the API and checks its types.
    "clients": ["openapi-python-client==0.29.1", "mypy==2.4.1"],
    # Tests the API by its description.
    "fuzz": ["schemathesis==4.32.5"],
}


def install(name):
    """Installs a set if it is missing; returns the folder of its programs."""
    folder, wanted = ROOT / "target/tools" / name, " ".join(SETS[name])
    marker = folder / "installed"
    if not marker.exists() or marker.read_text().strip() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *SETS[name]], check=True)
        marker.write_text(wanted + "\n")
    return folder / "bin"


if __name__ == "__main__":
    for each in SETS:
        print(install(each))
