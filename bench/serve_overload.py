"""Ten times the load that can be sustained: who is served and how soon, who is refused, and at what cost.

Full load first: as many callers as fill two batches, each asking again when answered; its rate is what can
be sustained. Then ten times the callers with ten times that rate. Memory is read every second. Callers and
server share the processors: on few cores the callers take some of what they ask for.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.request import Request, urlopen

from bench.serve_load import Load, begun, called, ended
from bench.serve_process import Running

TIMES = 10
FULL_S = 10.0
MEGA = 1e6


def alone(load: Load, port: int) -> float:
    """Seconds until the first answer 200 after the storm, asked again at every refusal."""
    head, _, body = load.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    path = lines[0].split()[1]
    kind = next(line.partition(": ")[2] for line in lines if line.startswith("content-type"))
    start = time.perf_counter()
    while True:
        request = Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": kind})
        try:
            with urlopen(request, timeout=30):
                return time.perf_counter() - start
        except OSError:
            time.sleep(0.01)


def storm(
    load: Load, server: Running, connections: int, seconds: float, rate: float
) -> tuple[Any, list[int]]:
    """What the callers have seen, and the server's memory every second."""
    callers, folder = begun(load, server.port, connections=connections, seconds=seconds, rate=rate)
    memory = []
    while callers.poll() is None:
        memory.append(server.memory())
        time.sleep(1)
    return ended(callers, folder), memory


def report(full: dict[str, Any], seen: dict[str, Any], memory: list[int], seconds: float) -> None:
    """What ten times too much looks like beside full load."""
    rate, answered = full["served_per_s"], sum(seen["statuses"].values())
    print(f"  asked {seen['asked_per_s']:.0f}/s, served {seen['served_per_s']:.0f}/s", end=" ")
    print(f"({seen['served_per_s'] / rate:.2f} of full load); answers {seen['statuses']}")
    refused = 1 - seen["served_per_s"] * seconds / max(1, answered)
    print(f"  refused {refused:.1%}, {seen['without_retry_after']} of them without Retry-After")
    print(f"  p50 {seen['p50']:.3f} s, p99 {seen['p99']:.3f} s: {seen['p99'] / full['p99']:.2f} x full load")
    soon, most, last = (each / MEGA for each in (memory[min(5, len(memory) - 1)], max(memory), memory[-1]))
    print(f"  memory {soon:.0f} MB after 5 s, {most:.0f} at most, {last:.0f} at the end")


def measure(load: Load, connections: int, seconds: float) -> None:
    """Print what full load, ten times as much, and the time after it look like."""
    with Running() as server:
        called(load, server.port, connections=connections, seconds=2)
        full = called(load, server.port, connections=connections, seconds=min(seconds, FULL_S))
        rate = full["served_per_s"]
        print(f"{load.name}: {rate:.0f} requests/s of {connections} callers, p99 {full['p99']:.3f} s")
        print(f"{TIMES * connections} callers for {seconds:.0f} s", flush=True)
        seen, memory = storm(load, server, TIMES * connections, seconds, TIMES * rate)
        recovery = alone(load, server.port)
        report(full, seen, memory, seconds)
        after = called(load, server.port, connections=connections, seconds=min(seconds, FULL_S) / 2)
        print(
            f"  first answer {recovery:.3f} s after the storm; then full load with p99 {after['p99']:.3f} s"
        )
