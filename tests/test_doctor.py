"""`sensorium doctor` finds what would hinder a start, says what to do, and touches nothing."""

import hashlib
import os
import shutil
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest
from typer.testing import CliRunner

from index import Store
from models import machine as offered
from models.registry import REGISTRY
from service.cli import cli
from service.doctor import libraries, machine, running, storage
from service.doctor.examination import checked, examine
from service.settings import Settings
from service.unread import unread
from tests.index_samples import collection_in, item


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No settings from outside, and a port that nobody asked for."""
    for name in [name for name in os.environ if name.startswith(("SENSORIUM_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SENSORIUM_PORT", "0")


def findings(folder, **given):
    """Check -> its findings."""
    found = {}
    for each in examine({"data_dir": folder, **given}, os.environ):
        found.setdefault(each.check, []).append(each)
    return found


def statuses(found, check):
    return [each.status for each in found[check]]


def snapshot(folder):
    """Every path below a folder with its content and time of change."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def test_a_machine_that_is_fit_has_no_failures(tmp_path):
    """All of it is looked at, every line that is not ok says what to do, and the exit code is 0."""
    done = CliRunner().invoke(cli, ["doctor", "--data-dir", str(tmp_path), "--json"])
    told = orjson.loads(done.stdout)
    assert done.exit_code == 0
    assert told["ok"] is True
    checks = {each["check"] for each in told["checks"]}
    assert {
        "settings",
        "port",
        "keys",
        "data folder",
        "file system",
        "disk",
        "lock",
        "torch",
        "faiss",
    } <= checks
    assert {"sqlite", "processor", "threads", "memory", "model sensorium-small"} <= checks
    assert all(bool(each["remedy"]) == (each["status"] != "ok") for each in told["checks"])


def test_nothing_is_changed(tmp_path):
    """Not one file of a data folder with a write-ahead log, and a folder that is not there is not made."""
    store, things = collection_in(tmp_path / "live")
    things.upsert([item(name) for name in "abc"])
    shutil.copytree(tmp_path / "live", tmp_path / "data")
    store.close()
    assert list((tmp_path / "data").rglob("*-wal"))
    before = snapshot(tmp_path / "data")
    found = findings(tmp_path / "data")
    assert snapshot(tmp_path / "data") == before
    assert found["collection things"][0].status == "warn"
    assert "test-model" in found["collection things"][0].message
    CliRunner().invoke(cli, ["doctor", "--data-dir", str(tmp_path / "none" / "at" / "all")])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SENSORIUM_DATADIR", "SENSORIUM_DATA_DIR"),
        ("SENSORIUM_PROT", "SENSORIUM_PORT"),
        ("SENSORIUM_MAX_BODY_BYTE", "SENSORIUM_MAX_BODY_BYTES"),
        ("sensorium_modle", "SENSORIUM_MODEL"),
        ("SENSORIUM_XYZZY_FROBNICATE", None),
    ],
)
def test_mistyped_variables_are_named_with_the_nearest_known_one(name, nearest):
    """What is nearly right is recognised; what is like nothing gets no guess."""
    assert unread({name: "1"}) == {name: nearest}


def test_known_variables_and_those_of_kubernetes_are_not_complained_of():
    """Every setting, the cache of weights, and what a service of the name `sensorium` brings along."""
    known = {f"SENSORIUM_{name.upper()}": "1" for name in Settings.model_fields}
    links = {"SENSORIUM_SERVICE_HOST": "10.0.0.1", "SENSORIUM_PORT_8000_TCP_ADDR": "10.0.0.1"}
    assert unread({**known, **links, "SENSORIUM_MODEL_CACHE": "x", "PATH": "/bin"}) == {}


def test_serving_warns_of_mistyped_variables(monkeypatch, caplog):
    """The start goes on; the log names the variable and the one that was meant."""
    monkeypatch.setenv("SENSORIUM_MODLE", "x")
    monkeypatch.setattr("service.server.run", lambda _: 0)
    monkeypatch.setattr("service.logs.write_to_stderr", lambda *_: None)
    assert CliRunner().invoke(cli, ["serve"]).exit_code == 0
    assert "SENSORIUM_MODLE is no setting" in caplog.text
    assert "SENSORIUM_MODEL?" in caplog.text


def test_settings_that_cannot_be_read_are_failures_and_the_rest_is_told(tmp_path, monkeypatch):
    """A word for a number names the variable; libraries are looked at all the same; exit code 1."""
    monkeypatch.setenv("SENSORIUM_QUEUE_LIMIT", "many")
    found = findings(tmp_path)
    assert statuses(found, "settings") == ["fail"]
    assert "SENSORIUM_QUEUE_LIMIT" in found["settings"][0].message
    assert "torch" in found
    assert CliRunner().invoke(cli, ["doctor"]).exit_code == 1


def test_the_port_of_a_kubernetes_service_is_explained(tmp_path, monkeypatch):
    """SENSORIUM_PORT=tcp://.. comes from the cluster, not from a typing error."""
    monkeypatch.setenv("SENSORIUM_PORT", "tcp://10.0.0.1:8000")
    assert "enableServiceLinks" in findings(tmp_path)["settings"][0].remedy


def test_a_port_in_use_is_a_failure(tmp_path):
    """Somebody listens there already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = findings(tmp_path, host="127.0.0.1", port=server.getsockname()[1])
    assert statuses(found, "port") == ["fail"]
    assert "SENSORIUM_PORT" in found["port"][0].remedy
    assert statuses(findings(tmp_path, port=0), "port") == ["ok"]


def test_an_address_of_another_machine_is_a_failure(tmp_path):
    """198.51.100.1 is kept for documents and nobody's."""
    assert statuses(findings(tmp_path, host="198.51.100.1"), "port") == ["fail"]


def test_a_data_folder_that_another_process_has_open_is_a_failure(tmp_path):
    """While it is open the lock says so; afterwards it is free, and the look itself has not taken it."""
    with Store.open(tmp_path):
        found = findings(tmp_path)
        assert statuses(found, "lock") == ["fail"]
        assert not any(check.startswith("collection") for check in found)
    assert statuses(findings(tmp_path), "lock") == ["ok"]
    Store.open(tmp_path).close()


def test_a_sensorium_that_is_running_is_no_failure(serve, tmp_path):
    """Beside the server itself: what is running there is told, and that the folder is in its hands."""
    client = serve(data_dir=tmp_path)
    place = {"host": "127.0.0.1", "port": client.base_url.port}
    found = findings(tmp_path, **place)
    assert (statuses(found, "port"), statuses(found, "lock")) == (["warn"], ["warn"])
    assert "a Sensorium is running" in found["port"][0].message
    assert "ready, small-test" in found["port"][0].message
    assert str(os.getpid()) in found["lock"][0].message
    client.app.state.engine.store.close()
    assert statuses(findings(tmp_path, **place), "lock") == ["ok"]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost"])
def test_a_server_is_asked_where_this_machine_reaches_it(serve, host):
    """One that listens everywhere is asked on this machine; what is no Sensorium is not taken for one."""
    port = serve().base_url.port
    assert running.running(Settings(host=host, port=port)) == "ready, small-test"
    assert running.address(Settings(host="::", port=8000)) == "http://[::1]:8000"


@pytest.mark.parametrize("said", [b"hello", b'{"status": "ok"}', b"[]", b'{"error": "no"}'])
def test_another_server_is_not_taken_for_a_sensorium(said):
    """Whatever it answers: the port is taken by somebody else."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if b"error" not in said else 503)
            self.end_headers()
            self.wfile.write(said)

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert running.running(Settings(port=server.server_port)) is None
        server.shutdown()


def test_a_data_folder_that_is_a_file_or_closed_is_a_failure(tmp_path, monkeypatch):
    """The place is named, and the variable that names another."""
    (tmp_path / "file").write_text("x")
    found = findings(tmp_path / "file")
    assert statuses(found, "data folder")[0] == "fail"
    assert "SENSORIUM_DATA_DIR" in found["data folder"][0].remedy
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert storage.writable(tmp_path).status == "fail"


def test_damaged_collections_are_failures_and_sound_ones_are_not(tmp_path):
    """Noise in a database and a bit flipped in a vector are both found; the neighbour is sound."""
    with Store.open(tmp_path) as store:
        for name in ("sound", "noise", "flipped"):
            made, _ = store.create(name, model="sensorium-small", identity="i", dimension=8)
            made.upsert([item("a", 1)])
    (tmp_path / "collections" / "noise" / "collection.sqlite").write_bytes(b"noise" * 1000)
    database = tmp_path / "collections" / "flipped" / "collection.sqlite"
    from tests.index_samples import vector

    content = database.read_bytes()
    place = content.index(vector(1).tobytes())
    database.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    found = findings(tmp_path)
    assert statuses(found, "collection sound") == ["ok"]
    assert statuses(found, "collection noise") == ["fail"]
    assert statuses(found, "collection flipped") == ["fail"]
    assert "'a'" in found["collection flipped"][0].message


def test_network_volatile_and_container_file_systems_are_warned_of(tmp_path):
    """The kernel's table of mounts decides, the longest path that fits first."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"2 1 0:5 / {tmp_path.parent} rw - tmpfs tmpfs rw\n"
        f"3 2 0:6 / {tmp_path} rw shared:1 - nfs4 server:/x rw\n"
    )
    assert storage.file_system(tmp_path / "not" / "there", table) == "nfs4"
    assert storage.file_system(tmp_path.parent, table) == "tmpfs"
    assert storage.file_system(tmp_path.parent.parent, table) == "ext4"


@pytest.mark.skipif(sys.platform != "linux" or not os.path.ismount("/dev/shm"), reason="needs a tmpfs")
def test_a_folder_on_tmpfs_is_warned_of(tmp_path):
    """What the kernel says of /dev/shm."""
    assert storage.kind(tmp_path.__class__("/dev/shm")).status == "warn"


def test_little_space_is_warned_of_and_next_to_none_fails(tmp_path, monkeypatch):
    """Below 2 GB and below 100 MB."""
    for free, expected in ((5e9, "ok"), (1e9, "warn"), (5e7, "fail")):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(0, 0, int(free))
        )
        assert storage.space(tmp_path).status == expected


def test_three_wheels_of_different_builds_are_a_failure():
    """+cpu beside +cu128 loads neither torchvision nor torchaudio; another release is only untested."""
    pins = {"torch": "2.11.0", "torchvision": "0.26.0", "torchaudio": "2.11.0"}
    assert libraries.wanted_trio() == pins
    assert libraries.trio(pins, pins).status == "ok"
    assert libraries.trio({name: f"{number}+cpu" for name, number in pins.items()}, pins).status == "ok"
    mixed = {**pins, "torch": "2.11.0+cpu", "torchvision": "0.26.0+cu128"}
    assert libraries.trio(mixed, pins).status == "fail"
    assert libraries.trio({**pins, "torchaudio": None}, pins).status == "fail"
    assert libraries.trio({**pins, "torch": "2.10.0"}, pins).status == "warn"


def test_a_package_that_cannot_be_loaded_is_a_failure(tmp_path, monkeypatch):
    """What its import raises is told."""
    (tmp_path / "broken_wheel.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = libraries.importable("broken_wheel")
    assert found.status == "fail"
    assert "libgomp.so.1 is missing" in found.message


@pytest.mark.parametrize("model", ["imagebind-nano", "no-such-model"])
def test_models_without_weights_are_failures(tmp_path, model):
    """One that has none of its own, and one that does not exist."""
    assert statuses(findings(tmp_path, model=model), f"model {model}") == ["fail"]


def test_weights_that_are_missing_or_altered_are_found(tmp_path, monkeypatch):
    """A path without a file, a file of another size, and one whose hash is wrong."""
    entry = REGISTRY["imagebind-huge"]
    assert machine.of_model(entry, entry.name, tmp_path / "none.pth").status == "fail"
    file = tmp_path / "imagebind_huge.pth"
    file.write_bytes(b"x" * 100)
    assert machine.of_model(entry, entry.name, file).status == "warn"
    for digest, expected in (("0" * 64, "fail"), (hashlib.sha256(file.read_bytes()).hexdigest(), "ok")):
        small = entry.__class__(**{**entry.__dict__, "size_bytes": 100, "sha256": digest})
        assert machine.of_model(small, entry.name, file).status == expected
        monkeypatch.setenv("SENSORIUM_MODEL_CACHE", str(tmp_path))
        assert machine.of_model(small, entry.name, None).status == expected


def test_weights_that_will_be_downloaded_are_told_beforehand(tmp_path, monkeypatch):
    """4.8 GB are a surprise; without room for them it is a failure."""
    monkeypatch.setenv("SENSORIUM_MODEL_CACHE", str(tmp_path / "cache"))
    entry = REGISTRY["imagebind-huge"]
    for free, expected in ((10**11, "warn"), (10**9, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(0, 0, free))
        found = machine.of_model(entry, entry.name, None)
        assert found.status == expected
        assert "4.8 GB" in found.message
    assert not (tmp_path / "cache").exists()


def test_too_little_memory_is_a_failure(monkeypatch):
    """All of ImageBind in fp32 takes 4.8 GB, its text tower alone in bf16 0.7 GB."""
    monkeypatch.setattr(machine, "available_bytes", lambda: 3_000_000_000)
    (whole,) = machine.memory(Settings(model="imagebind-huge"))
    (part,) = machine.memory(Settings(model="imagebind-huge", modalities="text", precision="bf16"))
    assert (whole.status, part.status) == ("fail", "ok")
    assert "4,803 MB" in whole.message


def test_processor_flags_and_threads_are_judged(tmp_path):
    """bf16 instructions by the kernel's flags; more threads than cores are warned of."""
    flags = tmp_path / "cpuinfo"
    for text, expected in (("flags : fpu avx2 avx512_bf16", True), ("flags : fpu avx2", False)):
        flags.write_text(text)
        assert offered.has_bf16(flags) is expected
    assert offered.has_bf16(tmp_path / "none") is None
    assert machine.threads(8, 2.0).status == "warn"
    assert machine.threads(2, 2.0).status == "ok"
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert machine.quota(tmp_path / "cpu.max") == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.quota(tmp_path / "cpu.max") is None


def test_a_device_that_is_not_there_is_a_failure(tmp_path):
    """A word that is none, and a number that no machine has."""
    assert statuses(findings(tmp_path, device="quantum"), "device") == ["fail"]
    assert statuses(findings(tmp_path, device="cuda:99"), "device") == ["fail"]


def test_keys_that_others_may_read_and_open_doors_are_warned_of(tmp_path, monkeypatch):
    """A file of keys belongs to its owner; a public address without keys is open to all."""
    assert statuses(findings(tmp_path, host="0.0.0.0"), "keys") == ["warn"]
    file = tmp_path / "keys.txt"
    file.write_text(f"app read sha256:{'a' * 64}\n")
    monkeypatch.setenv("SENSORIUM_API_KEYS", str(file))
    for mode, expected in ((0o644, "warn"), (0o600, "ok")):
        file.chmod(mode)
        assert statuses(findings(tmp_path), "keys") == [expected]


def test_traces_without_the_extra_are_warned_of(tmp_path, monkeypatch):
    """The variables ask for it and the SDK is not there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr("service.doctor.configuration.find_spec", lambda _: None)
    assert statuses(findings(tmp_path), "extras")[0] == "warn"


def test_a_check_that_breaks_is_a_finding_and_not_the_end():
    """What it found before stays."""

    def look():
        raise ValueError("no such thing")
        yield

    (found,) = checked("something", look)
    assert (found.status, found.check) == ("fail", "something")
    assert "no such thing" in found.message


def test_lines_show_status_check_message_and_remedy(tmp_path):
    """For people: one line each, the remedy below what is not ok; exit code 1 where something fails."""
    with Store.open(tmp_path):
        done = CliRunner().invoke(cli, ["doctor", "--data-dir", str(tmp_path)])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    (number,) = [number for number, line in enumerate(lines) if line.startswith("fail  lock")]
    assert "->" in lines[number + 1]
    assert any(line.startswith("ok ") for line in lines)


def test_senses_that_the_model_has_not_are_found(tmp_path):
    """The server would end at its start with the same sentence."""
    found = findings(tmp_path, modalities="text,smell")
    assert statuses(found, "modalities") == ["fail"]
    assert "smell" in found["modalities"][0].message
    assert "audio" in found["modalities"][0].message


def test_folders_of_jobs_that_are_not_there_are_found(tmp_path):
    """Those that are there are no matter."""
    found = findings(tmp_path, ingest_roots=(tmp_path, tmp_path / "none"))
    assert statuses(found, "jobs") == ["warn"]
    assert str(tmp_path / "none") in found["jobs"][0].message
