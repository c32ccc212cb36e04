"""Damaged files of every format, decoded and prepared in a watched process: each ends in time and memory.

SENSORIUM_FUZZ sets how many files of each format, SENSORIUM_FUZZ_SEED which ones, SENSORIUM_FUZZ_KEEP the
folder that offending files are kept in.
"""

import json
import os
import selectors
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fuzz_seeds import FORMATS
from tests.fuzz_worker import MEGABYTE, STATUS, case, reset_peak, resident

FILES = int(os.environ.get("SENSORIUM_FUZZ", "25"))
SEED = os.environ.get("SENSORIUM_FUZZ_SEED", "0")
KEEP = os.environ.get("SENSORIUM_FUZZ_KEEP")
START_S = 300.0
LONGEST_S = 10.0
MOST_GROWTH_MB = 512
KNOWN_ENDS = {
    "sample", "invalid_media", "empty_media", "truncated_media", "too_short", "unsupported_media_type",
    "media_too_large", "missing_parameter", "invalid_utf8", "invalid_parameter",
}  # fmt: skip


class Worker:
    """The process that decodes; a new one is started where it died or hung."""

    def __init__(self, words=("-m", "tests.fuzz_worker"), patience_s=LONGEST_S):
        self.words = words
        self.patience_s = patience_s
        self.process = None

    def _line(self, seconds):
        """The next line of the process; None where it says nothing in time, "" where it has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            return self.process.stdout.readline() if selector.select(seconds) else None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *self.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        if self._line(START_S) != "ready\n":
            self.stop()
            pytest.fail("the worker does not start")

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def ask(self, kind, number):
        """How a case ended; a crash or a hang is an ending too."""
        if self.process is None:
            self.start()
        self.process.stdin.write(f"{kind} {number} {SEED}\n")
        self.process.stdin.flush()
        line = self._line(self.patience_s)
        if line:
            return json.loads(line)
        if line is None:
            end = f"no end within {self.patience_s:g} s"
        else:
            end = f"the process died with {self.process.wait()}"
        self.stop()
        return {"end": end, "seconds": self.patience_s, "growth_mb": 0, "rss_mb": 0}


@dataclass
class Tally:
    ends: Counter = field(default_factory=Counter)
    slowest_s: float = 0
    growth_mb: float = 0
    rss_mb: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    def add(self, kind, number, told, folder):
        self.ends[told["end"]] += 1
        self.slowest_s = max(self.slowest_s, told["seconds"])
        self.growth_mb = max(self.growth_mb, told["growth_mb"])
        self.rss_mb.append(told["rss_mb"])
        fault = told["end"] if told["end"] not in KNOWN_ENDS else None
        if told["growth_mb"] > MOST_GROWTH_MB:
            fault = f"grew by {told['growth_mb']:.0f} MB ({told['end']})"
        if fault:
            modality, params, data = case(kind, number, SEED)
            file = folder / f"{SEED}-{kind}-{number}.{modality}"
            file.write_bytes(data)
            self.faults.append(f"{file} {params}: {fault}")

    def __str__(self):
        ends = ", ".join(f"{end} {count}" for end, count in self.ends.most_common())
        rss = f"{self.rss_mb[0]:.0f} -> {self.rss_mb[-1]:.0f}"
        return (
            f"{self.ends.total()} files: {ends}; slowest {self.slowest_s:.2f} s, largest growth "
            f"{self.growth_mb:.0f} MB, resident {rss} MB"
        )


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.stop()


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_neither_crash_nor_hang_nor_swell(kind, worker, tmp_path):
    """Each ends as a sample or a client's error, within 10 s and 512 MB, in a process that lives on."""
    folder = Path(KEEP or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    for number in range(FILES):
        tally.add(kind, number, worker.ask(kind, number), folder)
    print(f"{kind}: {tally}")  # noqa: T201 - the figures of a long run
    assert not tally.faults, "\n".join(tally.faults)


def test_a_case_is_the_same_whenever_it_is_drawn():
    """Format, number and seed name the damaged bytes, so that a finding can be looked at again."""
    assert case("png", 3, "7") == case("png", 3, "7")
    assert case("png", 3, "7") != case("png", 4, "7")


@pytest.mark.parametrize(
    ("does", "told"), [("os.abort()", "the process died with -6"), ("time.sleep(600)", "no end within 0.5 s")]
)
def test_a_crash_and_a_hang_are_noticed_and_the_next_case_gets_a_new_process(does, told):
    """The watch itself works: a worker that aborts or sleeps is told as that, twice."""
    worker = Worker(("-c", f"import os, time; print('ready', flush=True); input(); {does}"), patience_s=0.5)
    assert [worker.ask("png", number)["end"] for number in range(2)] == [told, told]
    assert worker.process is None


def test_growth_is_noticed():
    """The largest amount of memory that a case held is told, even where it was given back."""

    def hold(megabytes):
        bytes(bytearray(b"x") * (megabytes * MEGABYTE))

    reset_peak()
    before = resident("VmRSS")
    hold(64)
    assert (resident("VmHWM") - before) / MEGABYTE >= 60 or not STATUS.exists()
