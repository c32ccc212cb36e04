"""The OpenAPI document is true: generated requests meet no 5xx and no status or shape that it leaves out."""

import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def test_generated_requests_meet_only_what_is_documented(server, tmp_path):
    """Every operation with examples, edge values and random bodies: some thousand requests, one seed."""
    command = Path(sys.executable).with_name("schemathesis")
    options = {
        "checks": ",".join(CHECKS),
        "phases": "examples,coverage,fuzzing",
        "max-examples": "20",
        "seed": "1",
        "suppress-health-check": "all",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    url = f"{server[1]}/openapi.json"
    done = subprocess.run(
        [command, "run", url, *words, "--no-color"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested:" in done.stdout
