"""The container's promises: a user without rights, nothing writable but volumes and /tmp, a clean end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from service.settings import Settings
from tests import media_files as files

ROOT = Path(__file__).parent.parent
READ_ONLY = Path(__file__).with_name("read_only.sh")
UID = 10_001
NOT_POSSIBLE = 125
PATIENCE_S = 120


def dockerfile():
    """(instruction, arguments) of the last stage, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    told = [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]
    last = max(i for i, (word, _) in enumerate(told) if word == "FROM")
    return told[last:]


def environment():
    """The variables of the image."""
    pairs = " ".join(rest for word, rest in dockerfile() if word == "ENV").split()
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.fixture
def service():
    """The service of docker-compose.yml."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["sensorium"]


def test_the_image_runs_as_a_user_without_rights():
    """A numbered user of its own, from before the command on, who owns the two volumes only."""
    words = [word for word, _ in dockerfile()]
    user = dict(dockerfile())["USER"]
    assert words.index("USER") < words.index("CMD")
    assert user not in {"root", "0"}
    created = next(rest for word, rest in dockerfile() if word == "RUN")
    assert f"--uid {UID} {user}" in created
    assert f"install -d -o {user} -g {user} /data /models" in created
    assert dict(dockerfile())["VOLUME"] == '["/data", "/models"]'


def test_the_image_says_whether_it_can_serve():
    """The health check asks /readyz, which fails after a dead batcher too."""
    assert "/readyz" in dict(dockerfile())["HEALTHCHECK"]


def test_whatever_libraries_keep_goes_where_it_can_be_written():
    """Every folder that the image names lies in a volume or in /tmp."""
    places = {
        name: value for name, value in environment().items() if value.startswith("/") and name != "PATH"
    }
    assert {"HF_HOME", "TMPDIR", "XDG_CACHE_HOME", "SENSORIUM_DATA_DIR", "SENSORIUM_MODEL_CACHE"} <= set(
        places
    )
    assert [name for name, value in places.items() if not re.match(r"/(data|models|tmp)(/|$)", value)] == []
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_composition_takes_every_right_away(service):
    """Read-only root, /tmp in memory, no capabilities, no new privileges, a bounded number of processes."""
    assert service["read_only"] is True
    assert [each.split(":")[0] for each in service["tmpfs"]] == ["/tmp"]
    assert "size=" in service["tmpfs"][0]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert service["pids_limit"] > 0
    assert {each.split(":")[1] for each in service["volumes"]} == {"/data", "/models"}


def test_the_composition_is_closed_to_the_network_and_lets_requests_end(service):
    """The port is the host's own, keys can be handed in, and SIGTERM has longer than the server needs."""
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["SENSORIUM_API_KEYS"] == "${SENSORIUM_API_KEYS:-}"
    assert float(service["stop_grace_period"].removesuffix("s")) > Settings().grace_s


def namespace(data, uid, *command):
    return [str(READ_ONLY), str(data), str(uid), *map(str, command)]


def usable_uid(data):
    """The container's user, or root without capabilities where that user may not read this folder."""
    if os.name != "posix" or os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("needs root, unshare and setpriv")
    for uid in (UID, 0):
        os.chown(data, uid, uid)
        reading = namespace(data, uid, sys.executable, "-c", "import service")
        run = subprocess.run(
            reading, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, check=False
        )
        if run.returncode == 0:
            return uid
    pytest.skip(f"no namespace of our own here: {run.stderr.decode()}")
    return None


def wait_until_ready(url, process):
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("never ready")


def test_the_service_needs_no_more_than_the_container_gives(tmp_path, unused_port):
    """A real process on a read-only system: an upload that spills to disk, an item, a search, a clean end."""
    data = tmp_path / "volumes"
    data.mkdir()
    uid = usable_uid(data)
    inside = {
        name: re.sub(r"^/(data|models)", r"/mnt/\1", value)
        for name, value in environment().items()
        if name != "PATH"
    }
    given = {
        **inside,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SENSORIUM_PORT": str(unused_port),
        "SENSORIUM_GALLERY": "false",
    }
    process = subprocess.Popen(
        namespace(data, uid, sys.executable, "-m", "service"),
        env=given,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{unused_port}"
    try:
        wait_until_ready(url, process)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            assert client.put("/v1/collections/c").status_code == 201
            large = {"file": ("a.wav", files.wav(seconds=40))}
            assert client.post("/v1/collections/c/items", files=large).json()["stored"] == 1
            found = client.post("/v1/collections/c/search", json={"query": "a tone"}).json()["results"]
            assert len(found) == 1
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, log
    assert list((data / "data").rglob("*.wav")) or list((data / "data" / "collections" / "c").iterdir())
    assert "Read-only file system" not in log
    assert "SENSORIUM_API_KEYS" in log  # it listens on every address and has no keys
